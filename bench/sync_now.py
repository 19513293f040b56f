"""Sync now: from the trigger to published, for a small district, with a real scheduler, in peak hours."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from bench.bars import Bar
from bench.district import describe
from bench.provider import provider
from bench.scheduled import scheduler
from rollcall.warehouse.migrate import upgrade
from rollcall.warehouse.ops_models import runs
from rollcall.warehouse.session import connect
from rollcall_local.postgres import temporary_postgres

STUDENTS = 1500
#: The first run starts with an empty warehouse. Before each other run, a night passes.
RUNS = 3
MOST_SECONDS = 60.0

_APP = "elm"


@dataclass(frozen=True)
class SyncNow:
    """The results of the triggered runs.

    :param published: seconds from each trigger to the published roster.
    :param seconds: seconds from each trigger to the run's success, which includes the report.
    :param parts: the seconds of each task, by run.
    :param requests: requests of each run without token requests; all are in peak hours.
    :param most_at_once: maximum simultaneous requests.
    """

    start: float
    published: list[float]
    seconds: list[float]
    parts: list[dict[str, float]]
    modes: list[str]
    requests: list[int]
    most_at_once: int

    def summary(self) -> str:
        each = ", ".join(
            f"{mode} {seconds:.1f} s ({requests} requests)"
            for mode, seconds, requests in zip(self.modes, self.published, self.requests, strict=True)
        )
        return (
            f"sync now, {STUDENTS:,} students, {self.most_at_once} request at a time: published {each}; "
            f"median {statistics.median(self.published):.1f} s"
        )

    def bars(self) -> Iterator[Bar]:
        """Checks the end of the run, which is later than publishing."""
        worst = max(self.seconds)
        words = f"slowest sync now {worst:.0f} s until the run ends, target: below {MOST_SECONDS:.0f}"
        yield Bar(words, worst < MOST_SECONDS and self.most_at_once == 1)

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def measure(say: Callable[[str], None]) -> SyncNow:
    """Trigger the runs.

    :raises RollcallError: if Airflow does not start or a run fails.
    """
    say(f"sync now: a district of {STUDENTS:,} students")
    with (
        temporary_postgres() as postgres,
        provider(STUDENTS, app=_APP, guardians=True, bustle=1.0) as served,
        tempfile.TemporaryDirectory(prefix="rollcall-bench-") as temporary,
    ):
        folder = Path(temporary)
        postgres.create_database("rollcall")
        engine = connect(sa.make_url(postgres.url("rollcall")))
        upgrade(engine)
        districts = folder / "districts"
        districts.mkdir()
        district = describe(districts, _APP, peak_concurrency=1)
        env = {**served.environment(), "AIRFLOW_CONN_WAREHOUSE": postgres.airflow_connection("rollcall")}
        triggered = []
        with scheduler(postgres, folder, district, env, say) as running:
            for number in range(RUNS):
                if number:
                    served.pass_night()
                say(f"sync now: run {number + 1}")
                triggered.append(running.trigger("auto"))
        columns = (runs.c.mode, runs.c.requests, runs.c.most_at_once)
        with engine.connect() as connection:
            ledger = connection.execute(sa.select(*columns).order_by(runs.c.started_at)).all()
        engine.dispose()
    return SyncNow(
        start=running.start,
        published=[run.published for run in triggered],
        seconds=[run.seconds for run in triggered],
        parts=[run.parts for run in triggered],
        modes=[run.mode for run in ledger],
        requests=[run.requests for run in ledger],
        most_at_once=max(run.most_at_once for run in ledger),
    )
