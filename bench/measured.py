"""Everybody's turns, one after another, each into a database of its own on one PostgreSQL."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa

from bench.contender import Turn, take_turn
from bench.provider import APP, Provider
from include.local.airflow_env import PROJECT
from include.local.postgres import EmbeddedPostgres
from include.local.side_venv import side_venv
from include.warehouse.connect import connect
from include.warehouse.migrate import upgrade
from include.warehouse.models import run_counts, runs

PAGE_SIZE = 10_000

#: dlt's fast formats for PostgreSQL; the better one counts.
DLT_FORMATS = ("csv", "parquet")

#: dlt insists on a password; PostgreSQL here asks for none.
_ANY = "any"

_DISTRICT = f"""
district: {APP}
name: Maple Unified School District
version: "1.2"
usernames: email
starts_on: 2026-11-21
politeness: {{page_size: {PAGE_SIZE}, concurrency: 5, concurrency_in_peak: 5}}
"""


@dataclass(frozen=True)
class Ground:
    """What all turns have in common.

    :param records: how many records the provider has, by the path of each collection.
    :param folder: for files of the bench; deleted afterwards.
    """

    postgres: EmbeddedPostgres
    provider: Provider
    records: dict[str, int]
    folder: Path
    say: Callable[[str], None]

    @property
    def rows(self) -> int:
        return sum(self.records.values())

    def database(self, name: str) -> str:
        """A new database; SQLAlchemy's URL."""
        self.postgres.create_database(name, exist_ok=False)
        return self.postgres.url(name)

    def drop(self, name: str) -> None:
        """Take a database away, so that the next turn does not pay for writing it out."""
        with psycopg.connect(host=str(self.postgres.folder), user="postgres", autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[call-overload]
            connection.execute("CHECKPOINT")

    def told(self, warehouse: str) -> dict[str, Any]:
        """What a contender has to know."""
        provider = self.provider
        return {
            "service": provider.service,
            "base_url": provider.base_url,
            "token_url": provider.token_url,
            "client_id": provider.client_id,
            "client_secret": provider.client_secret,
            "records": self.records,
            "page_size": PAGE_SIZE,
            "warehouse": warehouse,
        }


def rollcall(ground: Ground) -> Iterator[Turn]:
    """Three nights: the first, one on which nothing changed, and a delta after one on which something did."""
    url = ground.database("rollcall")
    engine = connect(sa.make_url(url))
    upgrade(engine)
    district = ground.folder / f"{APP}.yaml"
    district.write_text(_DISTRICT, encoding="utf-8")
    connection = {
        "conn_type": "oneroster",
        "host": ground.provider.base_url,
        "login": ground.provider.client_id,
        "password": ground.provider.client_secret,
        "extra": {"auth_url": ground.provider.token_url},
    }
    environment = {f"AIRFLOW_CONN_ONEROSTER_{APP.upper()}": json.dumps(connection)}
    common = [str(district), "--warehouse", url, "--landing", str(ground.folder / "landing")]
    for name, arguments in (
        ("Rollcall, full, first night", ["--full"]),
        ("Rollcall, full, nothing changed", ["--full"]),
        ("Rollcall, delta", []),
    ):
        if not arguments:
            ground.provider.pass_night()
        ground.provider.forget_requests()
        ground.say(name)
        told = {"arguments": [*common, *arguments], "environment": environment}
        took = take_turn(name, [sys.executable, "-m", "bench.sync"], told, {})
        yield _turn(took, requests=ground.provider.requests(), **_ledger(engine))
    engine.dispose()
    ground.drop("rollcall")


def dlt(ground: Ground) -> Iterator[Turn]:
    """Fetch and load, with each of the fast formats."""
    python = side_venv("bench", PROJECT / "bench" / "requirements.txt") / "python"
    program = str(PROJECT / "bench" / "dlt_rest_api.py")
    for file_format in DLT_FORMATS:
        name = f"dlt, {file_format}"
        url = sa.make_url(ground.database("dlt")).set(drivername="postgresql", host="localhost", password=_ANY)
        told = ground.told(url.render_as_string(hide_password=False)) | {"file_format": file_format}
        yield _contender(ground, name, [str(python), program], told)
        ground.drop("dlt")


def script(ground: Ground) -> Iterator[Turn]:
    """The script many teams have."""
    told = ground.told(ground.database("script"))
    yield _contender(ground, "hand-made script", [sys.executable, "-m", "bench.hand_made"], told)
    ground.drop("script")


def floor(ground: Ground) -> Iterator[Turn]:
    """What nobody can go below."""
    told = ground.told(ground.database("floor"))
    yield _contender(ground, "floor: fetch, COPY", [sys.executable, "-m", "bench.floor"], told)
    ground.drop("floor")


def _contender(ground: Ground, name: str, command: list[str], told: dict[str, Any]) -> Turn:
    ground.say(name)
    took = take_turn(name, command, told, {})
    return _turn(took, rows=ground.rows, requests=took["requests"], received=took["received"])


def _turn(took: dict[str, Any], *, rows: int, requests: int, received: int) -> Turn:
    own = {key: took[key] for key in ("name", "seconds", "start", "peak_mb", "cpu", "parts")}
    return Turn(**own, rows=rows, requests=requests, received=received)


def _ledger(engine: sa.Engine) -> dict[str, int]:
    """What the newest run received, in records and bytes."""
    newest = sa.select(runs.c.run_id, runs.c.bytes_received).order_by(runs.c.started_at.desc()).limit(1)
    with engine.connect() as connection:
        run = connection.execute(newest).one()
        parts = ("class_terms", "user_roles", "user_agents", "accounts")
        received = sa.select(sa.func.sum(run_counts.c.received)).where(
            run_counts.c.run_id == run.run_id, run_counts.c.table_name.not_in(parts)
        )
        return {"rows": int(connection.execute(received).scalar_one()), "received": run.bytes_received}
