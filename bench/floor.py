"""The minimum possible time: fetches the same pages and discards them, then copies the same rows into empty tables.

Between the two, without timing, it pulls the rows of the roster's tables again, as text columns.
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


def fetch(config: dict[str, Any]) -> tuple[int, int]:
    """Get all pages, five at a time, and discard them. Returns the number of pages and bytes."""
    token = requests.post(
        config["token_url"],
        {"grant_type": "client_credentials"},
        auth=(config["client_id"], config["client_secret"]),
        timeout=60,
    ).json()["access_token"]
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {token}"
    size = config["page_size"]
    pages = [(path, offset) for path, count in config["records"].items() for offset in range(0, count, size)]

    def get(page: tuple[str, int]) -> int:
        path, offset = page
        answer = session.get(f"{config['service']}/{path}", params={"limit": size, "offset": offset}, timeout=600)
        answer.raise_for_status()
        return len(answer.content)

    with ThreadPoolExecutor(5) as threads:
        return len(pages), sum(threads.map(get, pages))


def pull_rows(config: dict[str, Any]) -> dict[str, pa.Table]:
    """The rows of the roster's tables."""
    connection = OneRosterConnection(
        config["base_url"], config["client_id"], config["client_secret"], auth_url=config["token_url"]
    )
    settings = ExtractSettings(page_size=config["page_size"])
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
    """Copy the rows into tables with the staging schema's types, without keys. Returns the seconds."""
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
    config = json.load(sys.stdin)
    began = time.monotonic()
    pages, received = fetch(config)
    fetched = time.monotonic() - began
    copied = copy(config["warehouse"], pull_rows(config))
    result = {
        "imported_at": began,
        "done_at": began + fetched + copied,
        "requests": pages + 1,
        "received": received,
        "parts": {"fetch": fetched, "copy": copied},
    }
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
