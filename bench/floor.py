"""What nobody can go below: the same pages fetched and thrown away, and the same rows through COPY into empty tables.

Between the two, and not timed, the rows are pulled once more to have them: the tables of the roster, columns as text.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import requests
import sqlalchemy as sa

from rollcall.extract.pull import extract
from rollcall.landing.manifests import load, read_rows
from rollcall.landing.pull import Pull, landed_schema
from rollcall.landing.zone import Landing
from rollcall.model.tables import TABLES
from rollcall.oneroster import OneRosterClient, OneRosterConnection
from rollcall.settings import District, ExtractSettings
from rollcall.warehouse.bulk import copy_in
from rollcall.warehouse.models import staging
from rollcall.warehouse.session import connect


def fetch(told: dict[str, Any]) -> tuple[int, int]:
    """Get all pages, five at once, and throw them away; how many there were, and their bytes."""
    token = requests.post(
        told["token_url"],
        {"grant_type": "client_credentials"},
        auth=(told["client_id"], told["client_secret"]),
        timeout=60,
    ).json()["access_token"]
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {token}"
    size = told["page_size"]
    pages = [(path, offset) for path, count in told["records"].items() for offset in range(0, count, size)]

    def get(page: tuple[str, int]) -> int:
        path, offset = page
        answer = session.get(f"{told['service']}/{path}", params={"limit": size, "offset": offset}, timeout=600)
        answer.raise_for_status()
        return len(answer.content)

    with ThreadPoolExecutor(5) as threads:
        return len(pages), sum(threads.map(get, pages))


def pulled(told: dict[str, Any]) -> dict[str, pa.Table]:
    """The rows of the roster's tables."""
    connection = OneRosterConnection(
        told["base_url"], told["client_id"], told["client_secret"], auth_url=told["token_url"]
    )
    settings = ExtractSettings(page_size=told["page_size"])
    district = District(district="floor", name="Floor", version="1.2", usernames="email", extract=settings)
    with (
        tempfile.TemporaryDirectory(prefix="rollcall-bench-") as folder,
        OneRosterClient(connection, **district.client_options()) as client,
    ):
        ref = extract(client, district, Landing(folder), run_id="floor")
        kept = ref.folder(Landing(folder))
        pull = load(kept, Pull)
        return {
            table: read_rows(kept, parts, landed_schema(TABLES[table]))
            for landed in pull.collections
            for table, parts in landed.parts.items()
        }


def copy(warehouse: str, tables: dict[str, pa.Table]) -> float:
    """Write the rows into tables of the staging schema's types, without keys; the seconds it took."""
    with connect(sa.make_url(warehouse)).begin() as connection:
        for name, rows in tables.items():
            columns = ", ".join(
                f'"{column}" {staging[name].c[column].type.compile(connection.dialect)}' for column in rows.column_names
            )
            connection.exec_driver_sql(f"CREATE TABLE {name} ({columns})")
        began = time.monotonic()
        for name, rows in tables.items():
            copy_in(connection, name, rows)
    return time.monotonic() - began


def main() -> None:
    told = json.load(sys.stdin)
    began = time.monotonic()
    pages, received = fetch(told)
    fetched = time.monotonic() - began
    copied = copy(told["warehouse"], pulled(told))
    made = {
        "imported_at": began,
        "done_at": began + fetched + copied,
        "requests": pages + 1,
        "received": received,
        "parts": {"fetch": fetched, "copy": copied},
    }
    sys.stdout.write(json.dumps(made) + "\n")


if __name__ == "__main__":
    main()
