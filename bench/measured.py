"""Runs all contenders, one after another, each with its own database on one PostgreSQL."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa

from bench.contender import Measurement, run_contender
from bench.district import describe
from bench.provider import APP, Provider, provider
from bench.scheduled import scheduler
from rollcall.warehouse.migrate import upgrade
from rollcall.warehouse.ops_models import run_counts, runs
from rollcall.warehouse.session import connect
from rollcall_local.airflow_env import PROJECT
from rollcall_local.postgres import EmbeddedPostgres
from rollcall_local.side_venv import side_venv

PAGE_SIZE = 10_000

#: dlt's fast formats for PostgreSQL. The better one counts.
DLT_FORMATS = ("csv", "parquet")

#: Its ways to keep what is no longer sent: the newest version of each record, or all of them.
DLT_STRATEGIES = ("delete-insert", "scd2")

#: dlt requires a password; this PostgreSQL ignores it.
_ANY = "any"

_EXTRACT = {"page_size": PAGE_SIZE, "concurrency": 5, "peak_concurrency": 5}

#: A night's name, whether the district changes before it, and the mode.
Night = tuple[str, bool, str]
NIGHTS: tuple[Night, ...] = (
    ("full, first night", False, "full"),
    ("full, nothing changed", False, "full"),
    ("delta", True, "delta"),
)


@dataclass(frozen=True)
class BenchSetup:
    """The environment of a contender: shared server and provider, and its own folder.

    :param students: students in the provider's district.
    :param records: the provider's record counts, by collection path.
    :param folder: an empty folder, deleted afterwards.
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
        """Create a database and return its SQLAlchemy URL."""
        self.postgres.create_database(name, exist_ok=False)
        return self.postgres.url(name)

    def warehouse(self, name: str) -> sa.Engine:
        """Create a database and migrate it."""
        engine = connect(sa.make_url(self.database(name)))
        upgrade(engine)
        return engine

    def drop(self, name: str) -> None:
        """Drop a database, so the next contender does not pay for writing it to disk."""
        with psycopg.connect(host=str(self.postgres.folder), user="postgres", autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
            connection.execute("CHECKPOINT")

    def pass_day(self, name: str) -> None:
        """Run the maintenance PostgreSQL does by itself during a day, so it does not run during the next night."""
        with psycopg.connect(
            host=str(self.postgres.folder), user="postgres", dbname=name, autocommit=True
        ) as connection:
            connection.execute("VACUUM (ANALYZE)")
            connection.execute("CHECKPOINT")

    def contender_config(self, warehouse: str) -> dict[str, Any]:
        """The configuration of a contender."""
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


def rollcall(setup: BenchSetup, nights: Sequence[Night] = NIGHTS) -> Iterator[Measurement]:
    """Three nights: the first, one without changes, and a delta with changes."""
    engine = setup.warehouse("rollcall")
    district = describe(setup.folder, APP, **_EXTRACT)
    warehouse = engine.url.render_as_string(hide_password=False)
    common = [str(district), "--warehouse", warehouse, "--landing", str(setup.folder / "landing")]
    for night, changes, mode in nights:
        name = f"Rollcall, {night}"
        if changes:
            setup.provider.pass_night()
        setup.provider.forget_requests()
        setup.say(name)
        arguments = [*common, "--full"] if mode == "full" else common
        config = {"arguments": arguments, "environment": setup.provider.environment()}
        result = run_contender(name, [sys.executable, "-m", "bench.sync"], config, setup.folder)
        yield _measurement(result, requests=setup.provider.requests(), **_ledger(engine))
        setup.pass_day("rollcall")
    engine.dispose()
    setup.drop("rollcall")


def airflow(setup: BenchSetup) -> Iterator[Measurement]:
    """The same three nights as runs of a real Airflow, starting from the unchanged district."""
    setup.say("a scheduler, and the same district again")
    engine = setup.warehouse("rollcall")
    with provider(setup.students) as served:
        served.make_pages(PAGE_SIZE)
        districts = setup.folder / "districts"
        districts.mkdir()
        district = describe(districts, APP, **_EXTRACT)
        env = {**served.environment(), "AIRFLOW_CONN_WAREHOUSE": setup.postgres.airflow_connection("rollcall")}
        with scheduler(setup.postgres, setup.folder, district, env, setup.say) as running:
            for night, changes, mode in NIGHTS:
                name = f"Airflow run, {night}"
                if changes:
                    served.pass_night()
                served.forget_requests()
                setup.say(name)
                run = running.trigger(mode)
                yield Measurement(
                    name,
                    seconds=run.seconds,
                    start=running.start,
                    peak_mb=run.peak_mb,
                    cpu=_newest(engine, runs.c.cpu_seconds),
                    requests=served.requests(),
                    parts=run.parts,
                    **_ledger(engine),
                )
                setup.pass_day("rollcall")
    engine.dispose()
    setup.drop("rollcall")
    setup.drop("airflow")


def dlt(setup: BenchSetup) -> Iterator[Measurement]:
    """Fetch and load with each of dlt's fast formats."""
    program = str(PROJECT / "bench" / "dlt_rest_api.py")
    for file_format in DLT_FORMATS:
        name = f"dlt, {file_format}"
        url = sa.make_url(setup.database("dlt")).set(drivername="postgresql", host="localhost", password=_ANY)
        config = setup.contender_config(url.render_as_string(hide_password=False)) | {"file_format": file_format}
        yield _contender(setup, name, [str(side_python()), program], config)
        setup.drop("dlt")


def dlt_scd2(setup: BenchSetup) -> Iterator[Measurement]:
    """The three nights, as far as dlt can do them: merged by primary key, and with a type 2 history."""
    program = str(PROJECT / "bench" / "dlt_rest_api.py")
    for strategy in DLT_STRATEGIES:
        url = sa.make_url(setup.database("dlt")).set(drivername="postgresql", host="localhost", password=_ANY)
        config = setup.contender_config(url.render_as_string(hide_password=False))
        config |= {"file_format": DLT_FORMATS[0], "strategy": strategy, "state": str(setup.folder / strategy)}
        began = ""
        for night, changes, mode in NIGHTS:
            if changes:
                setup.provider.pass_night()
            since = {"since": began} if mode == "delta" else {}
            began = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
            name = f"dlt {strategy}, {night}"
            setup.say(name)
            result = run_contender(name, [str(side_python()), program], config | since, setup.folder)
            yield _measurement(result, **{part: result[part] for part in ("rows", "requests", "received")})
            setup.pass_day("dlt")
        setup.drop("dlt")


def side_python() -> Path:
    """The Python with dlt and matplotlib.

    :raises RollcallError: `side_venv_failed`.
    """
    return side_venv("bench", PROJECT / "bench" / "requirements.txt") / "python"


def script(setup: BenchSetup) -> Iterator[Measurement]:
    """A typical hand-made script."""
    config = setup.contender_config(setup.database("script"))
    yield _contender(setup, "hand-made script", [sys.executable, "-m", "bench.hand_made"], config)
    setup.drop("script")


def floor(setup: BenchSetup) -> Iterator[Measurement]:
    """The minimum possible time."""
    config = setup.contender_config(setup.database("floor"))
    yield _contender(setup, "floor: fetch, COPY", [sys.executable, "-m", "bench.floor"], config)
    setup.drop("floor")


def _contender(setup: BenchSetup, name: str, command: list[str], config: dict[str, Any]) -> Measurement:
    setup.say(name)
    result = run_contender(name, command, config, setup.folder)
    return _measurement(result, rows=setup.rows, requests=result["requests"], received=result["received"])


def _measurement(result: dict[str, Any], *, rows: int, requests: int, received: int) -> Measurement:
    own = {key: result[key] for key in ("name", "seconds", "start", "peak_mb", "cpu", "parts")}
    return Measurement(**own, rows=rows, requests=requests, received=received)


def _newest(engine: sa.Engine, column: sa.Column[Any]) -> Any:
    """A column of the latest run."""
    with engine.connect() as connection:
        return connection.execute(sa.select(column).order_by(runs.c.started_at.desc()).limit(1)).scalar_one()


def _ledger(engine: sa.Engine) -> dict[str, int]:
    """Records and bytes that the latest run received."""
    parts = ("class_terms", "user_roles", "user_agents", "accounts")
    received = sa.select(sa.func.sum(run_counts.c.received)).where(
        run_counts.c.run_id == _newest(engine, runs.c.run_id), run_counts.c.table_name.not_in(parts)
    )
    with engine.connect() as connection:
        rows = int(connection.execute(received).scalar_one())
    return {"rows": rows, "received": _newest(engine, runs.c.bytes_received)}
