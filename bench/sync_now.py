"""Sync now: from the press of the button to published, for a small district, by a real scheduler, in peak hours."""

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
from rollcall.warehouse.models import runs
from rollcall.warehouse.session import connect
from rollcall_local.postgres import temporary_postgres

STUDENTS = 1500
#: The first press finds an empty warehouse; before each other one a night changed something.
PRESSES = 3
MOST_SECONDS = 60.0

_APP = "elm"


@dataclass(frozen=True)
class SyncNow:
    """What the presses came to.

    :param published: seconds from each press until readers had the roster.
    :param seconds: from each press to the success of its run, which tells what was done after it has published.
    :param parts: the seconds of each task, by press.
    :param requests: of each press, tokens not counted; all of them are in peak hours.
    :param most_at_once: requests under way at the same time.
    """

    start: float
    published: list[float]
    seconds: list[float]
    parts: list[dict[str, float]]
    modes: list[str]
    requests: list[int]
    most_at_once: int

    def words(self) -> str:
        each = ", ".join(
            f"{mode} {seconds:.1f} s ({asked} requests)"
            for mode, seconds, asked in zip(self.modes, self.published, self.requests, strict=True)
        )
        return (
            f"sync now, {STUDENTS:,} students, {self.most_at_once} request at once: published {each}; "
            f"median {statistics.median(self.published):.1f} s"
        )

    def bars(self) -> Iterator[Bar]:
        """The run's end, though readers have the roster before."""
        worst = max(self.seconds)
        words = f"sync now takes {worst:.0f} s at worst until the run has ended, below {MOST_SECONDS:.0f}"
        yield Bar(words, worst < MOST_SECONDS and self.most_at_once == 1)

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def measure(say: Callable[[str], None]) -> SyncNow:
    """Press.

    :raises RollcallError: where Airflow does not start or a run fails.
    """
    say(f"sync now: a district of {STUDENTS:,} students")
    with (
        temporary_postgres() as postgres,
        provider(STUDENTS, app=_APP, guardians=True, bustle=1.0) as served,
        tempfile.TemporaryDirectory(prefix="rollcall-bench-") as made,
    ):
        folder = Path(made)
        postgres.create_database("rollcall")
        engine = connect(sa.make_url(postgres.url("rollcall")))
        upgrade(engine)
        districts = folder / "districts"
        districts.mkdir()
        district = describe(districts, _APP, peak_concurrency=1)
        env = {**served.environment(), "AIRFLOW_CONN_WAREHOUSE": postgres.airflow_connection("rollcall")}
        pressed = []
        with scheduler(postgres, folder, district, env, say) as running:
            for number in range(PRESSES):
                if number:
                    served.pass_night()
                say(f"sync now: press {number + 1}")
                pressed.append(running.press("auto"))
        columns = (runs.c.mode, runs.c.requests, runs.c.most_at_once)
        with engine.connect() as connection:
            ledger = connection.execute(sa.select(*columns).order_by(runs.c.started_at)).all()
        engine.dispose()
    return SyncNow(
        start=running.start,
        published=[press.published for press in pressed],
        seconds=[press.seconds for press in pressed],
        parts=[press.parts for press in pressed],
        modes=[run.mode for run in ledger],
        requests=[run.requests for run in ledger],
        most_at_once=max(run.most_at_once for run in ledger),
    )
