"""Everybody's turns, one after another, each into a database of its own on one PostgreSQL."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa

from bench.contender import Turn, acquire_publish_lock
from bench.district import describe
from bench.provider import APP, Provider, provider
from bench.scheduled import scheduler
from rollcall.warehouse.migrate import upgrade
from rollcall.warehouse.models import run_counts, runs
from rollcall.warehouse.session import connect
from rollcall_local.airflow_env import PROJECT
from rollcall_local.postgres import EmbeddedPostgres
from rollcall_local.side_venv import side_venv

PAGE_SIZE = 10_000

#: dlt's fast formats for PostgreSQL; the better one counts.
DLT_FORMATS = ("csv", "parquet")

#: dlt insists on a password; PostgreSQL here asks for none.
_ANY = "any"

_EXTRACT = {"page_size": PAGE_SIZE, "concurrency": 5, "peak_concurrency": 5}

#: What a night is called, whether the provider's district changes before it, and what is asked for.
Night = tuple[str, bool, str]
NIGHTS: tuple[Night, ...] = (
    ("full, first night", False, "full"),
    ("full, nothing changed", False, "full"),
    ("delta", True, "delta"),
)


@dataclass(frozen=True)
class Ground:
    """What a turn has to itself, beside the server and the provider all turns have in common.

    :param students: of the provider's district.
    :param records: how many records the provider has, by the path of each collection.
    :param folder: an empty one; deleted afterwards.
    """

    postgres: EmbeddedPostgres
    provider: Provider
    students: int
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

    def warehouse(self, name: str) -> sa.Engine:
        """A new database, migrated."""
        engine = connect(sa.make_url(self.database(name)))
        upgrade(engine)
        return engine

    def drop(self, name: str) -> None:
        """Take a database away, so that the next turn does not pay for writing it out."""
        with psycopg.connect(host=str(self.postgres.folder), user="postgres", autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
            connection.execute("CHECKPOINT")

    def pass_day(self, name: str) -> None:
        """Let PostgreSQL do what it does of itself between two nights, a day apart: else it does so beside the next."""
        with psycopg.connect(
            host=str(self.postgres.folder), user="postgres", dbname=name, autocommit=True
        ) as connection:
            connection.execute("VACUUM (ANALYZE)")
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


def rollcall(ground: Ground, nights: Sequence[Night] = NIGHTS) -> Iterator[Turn]:
    """Three nights: the first, one on which nothing changed, and a delta after one on which something did."""
    engine = ground.warehouse("rollcall")
    district = describe(ground.folder, APP, **_EXTRACT)
    warehouse = engine.url.render_as_string(hide_password=False)
    common = [str(district), "--warehouse", warehouse, "--landing", str(ground.folder / "landing")]
    for night, changes, mode in nights:
        name = f"Rollcall, {night}"
        if changes:
            ground.provider.pass_night()
        ground.provider.forget_requests()
        ground.say(name)
        arguments = [*common, "--full"] if mode == "full" else common
        told = {"arguments": arguments, "environment": ground.provider.environment()}
        took = acquire_publish_lock(name, [sys.executable, "-m", "bench.sync"], told, ground.folder)
        yield _turn(took, requests=ground.provider.requests(), **_ledger(engine))
        ground.pass_day("rollcall")
    engine.dispose()
    ground.drop("rollcall")


def airflow(ground: Ground) -> Iterator[Turn]:
    """The same three as runs of a real Airflow, of a district as it was before anybody's night changed it."""
    ground.say("a scheduler, and the same district once more")
    engine = ground.warehouse("rollcall")
    with provider(ground.students) as served:
        served.make_pages(PAGE_SIZE)
        districts = ground.folder / "districts"
        districts.mkdir()
        district = describe(districts, APP, **_EXTRACT)
        env = {**served.environment(), "AIRFLOW_CONN_WAREHOUSE": ground.postgres.airflow_connection("rollcall")}
        with scheduler(ground.postgres, ground.folder, district, env, ground.say) as running:
            for night, changes, mode in NIGHTS:
                name = f"Airflow run, {night}"
                if changes:
                    served.pass_night()
                served.forget_requests()
                ground.say(name)
                pressed = running.press(mode)
                yield Turn(
                    name,
                    seconds=pressed.seconds,
                    start=running.start,
                    peak_mb=pressed.peak_mb,
                    cpu=_newest(engine, runs.c.cpu_seconds),
                    requests=served.requests(),
                    parts=pressed.parts,
                    **_ledger(engine),
                )
                ground.pass_day("rollcall")
    engine.dispose()
    ground.drop("rollcall")
    ground.drop("airflow")


def dlt(ground: Ground) -> Iterator[Turn]:
    """Fetch and load, with each of the fast formats."""
    program = str(PROJECT / "bench" / "dlt_rest_api.py")
    for file_format in DLT_FORMATS:
        name = f"dlt, {file_format}"
        url = sa.make_url(ground.database("dlt")).set(drivername="postgresql", host="localhost", password=_ANY)
        told = ground.told(url.render_as_string(hide_password=False)) | {"file_format": file_format}
        yield _contender(ground, name, [str(side_python()), program], told)
        ground.drop("dlt")


def side_python() -> Path:
    """The Python that has dlt and matplotlib.

    :raises RollcallError: `side_venv_failed`.
    """
    return side_venv("bench", PROJECT / "bench" / "requirements.txt") / "python"


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
    took = acquire_publish_lock(name, command, told, ground.folder)
    return _turn(took, rows=ground.rows, requests=took["requests"], received=took["received"])


def _turn(took: dict[str, Any], *, rows: int, requests: int, received: int) -> Turn:
    own = {key: took[key] for key in ("name", "seconds", "start", "peak_mb", "cpu", "parts")}
    return Turn(**own, rows=rows, requests=requests, received=received)


def _newest(engine: sa.Engine, column: sa.Column[Any]) -> Any:
    """A column of the newest run."""
    with engine.connect() as connection:
        return connection.execute(sa.select(column).order_by(runs.c.started_at.desc()).limit(1)).scalar_one()


def _ledger(engine: sa.Engine) -> dict[str, int]:
    """What the newest run received, in records and bytes."""
    parts = ("class_terms", "user_roles", "user_agents", "accounts")
    received = sa.select(sa.func.sum(run_counts.c.received)).where(
        run_counts.c.run_id == _newest(engine, runs.c.run_id), run_counts.c.table_name.not_in(parts)
    )
    with engine.connect() as connection:
        rows = int(connection.execute(received).scalar_one())
    return {"rows": rows, "received": _newest(engine, runs.c.bytes_received)}
