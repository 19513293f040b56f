"""The page "Rosters" with 2,000 districts: how long the API server takes for each page, over HTTP."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import requests
import sqlalchemy as sa
from rich.console import Console
from rich.table import Table

from bench.bars import Bar
from bench.district import describe
from bench.provider import provider
from rollcall.errors import RollcallError
from rollcall.warehouse.migrate import upgrade
from rollcall.warehouse.ops_models import districts, run_counts, runs, state
from rollcall.warehouse.session import connect
from rollcall_local.airflow import AirflowComponents
from rollcall_local.airflow_env import own_environment
from rollcall_local.postgres import temporary_postgres

DISTRICTS = 2000
#: Of the one district with people; the others have their ledger only.
STUDENTS = 1500
NIGHTS = 30
REQUESTS = 30
MOST_MS = 300.0

_APP = "elm"
_DISTRICT = f"/districts/{_APP}"

#: Each page, as a person opens it. `{run}` is the last run's ID.
PAGES = (
    "/",
    "/?page=20",
    "/?state=published&sort=accounts",
    "/?q=d19",
    _DISTRICT,
    f"{_DISTRICT}/runs/{{run}}",
    f"{_DISTRICT}/changes",
    f"{_DISTRICT}/left-out",
    f"{_DISTRICT}/holds",
    f"{_DISTRICT}/person",
    f"{_DISTRICT}/history",
    f"{_DISTRICT}/sync",
    f"{_DISTRICT}/settings",
    f"{_DISTRICT}/settings/sites",
    f"{_DISTRICT}/settings/usernames",
    f"{_DISTRICT}/settings/roles",
    f"{_DISTRICT}/settings/connection",
    "/add",
)


@dataclass(frozen=True)
class PageTime:
    """Milliseconds from the request to the last byte.

    :param fastest: about the median of a machine that does nothing else.
    """

    page: str
    fastest: float
    median: float
    p95: float


@dataclass(frozen=True)
class PageTimes:
    """The times of all pages."""

    pages: list[PageTime]
    districts: int

    def bars(self) -> Iterator[Bar]:
        slowest = max(self.pages, key=lambda one: one.p95)
        words = (
            f"slowest page {slowest.page}: {slowest.p95:.0f} ms at the 95th percentile, {self.districts:,} districts, "
            f"target: below {MOST_MS:.0f}"
        )
        yield Bar(words, slowest.p95 < MOST_MS)

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def show(console: Console, result: PageTimes) -> None:
    """Print the times as a table."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("page", no_wrap=True)
    for name in ("fastest ms", "median ms", "p95 ms"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in result.pages:
        table.add_row(one.page, f"{one.fastest:.0f}", f"{one.median:.0f}", f"{one.p95:.0f}")
    console.print(table)


def measure(say: Callable[[str], None], count: int = DISTRICTS, students: int = STUDENTS) -> PageTimes:
    """Sync one district, copy its ledger to the others, and request each page of a real API server.

    :raises RollcallError: if the sync or Airflow fails, or a page is not shown.
    """
    with (
        temporary_postgres() as postgres,
        provider(students, app=_APP) as served,
        tempfile.TemporaryDirectory(prefix="rollcall-bench-") as temporary,
    ):
        folder = Path(temporary)
        for name in ("rollcall", "airflow"):
            postgres.create_database(name)
        engine = connect(sa.make_url(postgres.url("rollcall")))
        upgrade(engine)
        files, dags = folder / "districts", folder / "dags"
        files.mkdir()
        dags.mkdir()
        describe(files, _APP, concurrency=5, peak_concurrency=5)
        env = {
            **served.environment(),
            "AIRFLOW_CONN_WAREHOUSE": postgres.airflow_connection("rollcall"),
            "ROLLCALL_DISTRICTS": str(files),
            "ROLLCALL_LANDING": str(folder / "landing"),
        }
        say(f"page: a district of {students:,} students")
        _sync(env)
        for number in range(count):
            describe(files, f"d{number:04}")
        say(f"page: the ledger of {count:,} districts")
        with engine.begin() as connection:
            run = _copy_ledger(connection, count)
        engine.dispose()
        with AirflowComponents(
            folder / "airflow", postgres.url("airflow"), env=env, dags=dags, progress=say
        ) as airflow:
            session = requests.Session()
            session.cookies.set("_token", airflow.api.token())
            times = []
            for page in PAGES:
                say(f"page: {page}")
                times.append(_time(session, f"{airflow.api_url}/rosters{page.format(run=run)}", page))
    return PageTimes(times, count)


def _sync(env: dict[str, str]) -> None:
    command = [str(Path(sys.executable).with_name("rollcall")), "sync", _APP, "--full"]
    done = subprocess.run(command, env={**own_environment(), **env}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RollcallError("sync_failed", f"The district was not synced: {done.stderr[-2000:]}")


def _copy_ledger(connection: sa.Connection, count: int) -> str:
    """Give each other district the ledger of the synced one, and all of them 30 nights.

    :returns: the last run's ID.
    """
    connection.execute(sa.update(state).values(generation=NIGHTS))
    connection.execute(sa.update(runs).values(generation=NIGHTS))
    district = "'d' || lpad(CAST(d AS text), 4, '0')"
    for table in (districts, state, runs, run_counts):
        nights = NIGHTS - 1 if table in (runs, run_counts) else 0
        changed = {"district_id": f"CASE WHEN d < 0 THEN district_id ELSE {district} END"}
        if nights:
            changed["run_id"] = "run_id || CASE WHEN n = 0 THEN '' ELSE '-' || n END"
        if table is runs:
            changed |= {name: f"{name} - n * interval '1 day'" for name in ("started_at", "finished_at", "as_of")}
            changed |= {"night": "night - n", "generation": "generation - n"}
        values = ", ".join(changed.get(column.name, f'"{column.name}"') for column in table.columns)
        names = ", ".join(f'"{column.name}"' for column in table.columns)
        connection.execute(
            sa.text(
                f"INSERT INTO {table.fullname} ({names}) SELECT {values} FROM {table.fullname}, "  # noqa: S608
                "generate_series(-1, :last) d, generate_series(0, :nights) n WHERE d >= 0 OR n > 0"
            ),
            {"last": count - 1, "nights": nights},
        )
    return str(connection.execute(sa.select(state.c.current_run_id).limit(1)).scalar_one())


def _time(session: requests.Session, url: str, page: str) -> PageTime:
    taken = []
    for number in range(REQUESTS + 2):  # the first two fill caches
        began = time.perf_counter()
        answer = session.get(url, timeout=60, allow_redirects=False)
        if answer.status_code != 200:
            raise RollcallError("page_failed", f"{page} answers {answer.status_code}.")
        if number >= 2:
            taken.append(1000 * (time.perf_counter() - began))
    return PageTime(page, min(taken), statistics.median(taken), statistics.quantiles(taken, n=20)[-1])
