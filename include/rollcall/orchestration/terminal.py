"""A run on a terminal: its stage, and the progress of each collection."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from types import TracebackType

import sqlalchemy as sa
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from rollcall.credentials.lookup import connect
from rollcall.display.terminal import open_console
from rollcall.extract.pull import Plan
from rollcall.landing.change_set import Published
from rollcall.landing.pull import PullRef
from rollcall.landing.zone import Landing
from rollcall.oneroster.client import OneRosterClient
from rollcall.oneroster.connection import OneRosterConnection
from rollcall.pipeline import run
from rollcall.pipeline.stage_record import recorded_stage
from rollcall.runtime.waits import WAITS
from rollcall.settings import District, night_of
from rollcall.warehouse.lease import HostLease
from rollcall.warehouse.ledger import new_run_id

#: Seconds between two lines where there is no terminal.
_LINE_EVERY = 10.0


class Terminal:
    """Shows a run's progress on standard error. Without a terminal, it prints one line per stage.

    :param title: the district's name.
    """

    def __init__(self, title: str) -> None:
        self._console = open_console(sys.stderr)
        self._title = title
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self._last_line = time.monotonic()
        self._is_waiting = False

    def __enter__(self) -> Terminal:
        self._console.print(f"{self._title}: sync")
        self._bars.start()
        self._waits = WAITS.said_by(self.say)
        self._waits.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._waits.__exit__(None, None, None)
        self._bars.stop()

    def say(self, line: str) -> None:
        """Print a line above the bars."""
        self._console.print(Text(f"  {line}"))

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Show a stage while it runs, then its duration."""
        began = time.monotonic()
        task = self._bars.add_task(name, total=None)
        yield
        for made in (task, *self._tasks.values()):
            self._bars.remove_task(made)
        self._tasks.clear()
        self._console.print(f"  {name:<12} {time.monotonic() - began:6.1f} s")

    def progress(
        self,
        collection: str,
        rows: int,
        total: int | None,
        at_once: int,
        seconds_left: float | None,
        waiting: float | None,
    ) -> None:
        """Show what extract reports: after each page, every ten seconds, and every second of a wait that the provider
        requested. Without a terminal, print a line every ten seconds, and one when a wait begins.
        """
        if collection not in self._tasks:
            self._tasks[collection] = self._bars.add_task("", total=total)
        left = "" if seconds_left is None else f", {seconds_left:.0f} s left"
        doing = f"{at_once} at once{left}"
        if waiting is not None:
            doing = f"waiting {waiting:.0f} s: the provider answered 429, too many requests"
        self._bars.update(self._tasks[collection], completed=rows, total=total, description=f"  {collection} ({doing})")
        begins_to_wait = waiting is not None and not self._is_waiting
        self._is_waiting = waiting is not None
        # a wait that lasts has its own lines (`rollcall.runtime.waits`)
        is_due = begins_to_wait or (waiting is None and time.monotonic() - self._last_line >= _LINE_EVERY)
        if is_due and not self._console.is_terminal:
            self._last_line = time.monotonic()
            self._console.print(f"  {collection}: {rows:,} of {f'{total:,}' if total else '?'} ({doing})")


def terminal_run_id(district: District, night: date | None = None) -> str:
    """A run ID for a run that a person starts. Airflow makes its own.

    :param night: the night it publishes for; by default tonight.
    """
    return new_run_id("cli", night or night_of(datetime.now(UTC), district.schedule.timezone))


def run_stages(
    engine: sa.Engine,
    district: District,
    landing: Landing,
    run_id: str,
    start: Plan | PullRef,
    terminal: Terminal,
    *,
    connection: OneRosterConnection | None = None,
    collections: Sequence[str] = (),
    dry_run: bool = False,
) -> Published:
    """Run every stage from the start to the publication, with progress. Each failure is recorded in the ledger.

    :param start: what to pull; or the pull of a remap, which makes no provider requests.
    :param connection: the provider's; by default the one that `rollcall.credentials` finds.
    """

    @contextmanager
    def stage(name: str, title: str = "") -> Iterator[None]:
        with terminal.stage(title or name), recorded_stage(engine, district.district, run_id, name):
            yield

    if isinstance(start, PullRef):
        ref = start
    else:
        connection = connection or connect(district.connection_id, terminal.say)
        with (
            stage("extract", f"extract ({start.mode})"),
            HostLease(engine.url, district) as lease,
            OneRosterClient(connection, budget=lease, **district.client_options()) as client,
        ):
            ref = run.extract_night(
                client,
                district,
                landing,
                run_id=run_id,
                plan=start,
                collections=collections,
                progress=terminal.progress,
            )
        with stage("validate"):
            run.validate_night(district, ref, landing)
    with stage("map_roster", "map"):
        run.map_night(engine, district, ref, landing)
    with stage("publish"):
        return run.publish_night(engine, district, ref, landing, dry_run=dry_run)
