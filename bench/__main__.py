"""`make bench`: compares Rollcall with dlt, a hand-made script, and the minimum possible time, on one machine."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from rollcall_local import processes
from rollcall_local.airflow_env import PROJECT, own_environment

if TYPE_CHECKING:
    from bench.bars import Bar
    from bench.contender import Measurement

#: With staff, 100,000 people and 600,000 enrollments.
STUDENTS = 94_300

#: Districts of the fleet, a size at which a night takes minutes.
FLEET_DISTRICTS = 300

#: The table's rows in order: functions of `bench.measured`.
CONTENDERS = ("rollcall", "airflow", "dlt-scd2", "dlt", "script", "floor")
#: Other measurements, printed below the table.
EXTRAS = ("sync-now", "parsing")
#: Measured only on request.
GROWTH = "growth"
FLEET = "fleet"
PAGE = "page"


@click.command()
@click.option(
    "--students",
    type=click.IntRange(1),
    default=STUDENTS,
    show_default=True,
    help="Students in the table's district. The targets are for the default.",
)
@click.option(
    "--only",
    type=click.Choice([*CONTENDERS, *EXTRAS, GROWTH, FLEET, PAGE]),
    multiple=True,
    help="Measure this part (repeatable).  [default: all but growth, fleet, and page]",
)
@click.option(
    "--districts",
    type=click.IntRange(1),
    default=FLEET_DISTRICTS,
    show_default=True,
    help="Districts of the fleet. Fewer are faster to try.",
)
@click.option(
    "--json", "file", type=click.Path(dir_okay=False), help="Also write the results to this file in bench/results/."
)
def bench(students: int, only: tuple[str, ...], districts: int, file: str | None) -> None:
    """Measure, print one table, and check each performance target. Exit code 1 if one is missed.

    \b
    rollcall  `rollcall sync`: a first full night, a full night on which nothing
              changed, and a delta night on which 0.5% changed
    airflow   the same three nights through a scheduler, from trigger to success;
              shown without a target
    dlt-scd2  dlt's rest_api source at its documented best settings: the same nights,
              merged by primary key, and with a type 2 history (scd2)
    dlt       the same, with CSV and with Parquet files: fetch and load only
    script    requests, json_normalize, to_sql
    floor     fetch the same pages and discard them, then COPY the same rows
    sync-now  1,500 students through a scheduler in peak hours, one request at a
              time: from trigger to published, three times
    parsing   1,000 district files, a shard of 13,000, and a task's own file
    growth    a first night and a delta for 10,000 to 1,000,000 enrollments, as
              tables and as docs/performance-growth.svg
    fleet     300 districts of 500 people through a scheduler: a first night and two
              delta nights, districts per hour, and processor seconds of each part
    page      each page of "Rosters" over HTTP, with 2,000 districts in the warehouse

    Each contender has its own process and its own database on one PostgreSQL. All get the same pages, generated before
    timing starts. Seconds count from the first request to the commit. `start s` is separate: imports, or for a run, the
    start of Airflow. `peak MB` is the peak resident memory of one process. `CPU s` covers all processes except
    PostgreSQL (for a run: its tasks). Progress goes to standard error. Everything is cleaned up at the end, even after
    Ctrl-C.
    """
    for name in set(os.environ) - set(own_environment()):  # settings of another Airflow or Rollcall
        del os.environ[name]
    sys.exit(processes.run(lambda: run(students, only or (*CONTENDERS, *EXTRAS), file, districts=districts)))


def run(students: int, selected: Sequence[str], file: str | None, *, districts: int = FLEET_DISTRICTS) -> int:
    """Measure these parts and print the results. Returns 1 if a target is missed."""
    # Imported here because the schemas' names come from the environment.
    from bench import fleet, growth, measured, page, parsing, sync_now
    from bench.bars import bars, show

    console = Console(highlight=False, soft_wrap=True, width=120)  # same width on a pipe
    progress = Console(stderr=True, highlight=False)
    began = time.monotonic()

    def say(what: str) -> None:
        progress.print(f"{time.monotonic() - began:5.0f} s  {what}", markup=False)

    if {"dlt", "dlt-scd2", GROWTH} & set(selected):
        say("the environment of dlt and matplotlib")
        measured.side_python()
    load = os.getloadavg()[0]
    figures: dict[str, Any] = {"load": load, "students": students}
    targets: list[Bar] = []
    measurements = _measure(students, selected, say)
    if measurements:
        show(console, measurements)
        targets.extend(bars(measurements))
        figures["measurements"] = [measurement.plain() for measurement in measurements]
    for name, module in (("sync-now", sync_now), ("parsing", parsing)):
        if name in selected:
            found = module.measure(say)
            console.print(found.summary())
            targets.extend(found.bars())
            figures[name] = found.plain()
    if GROWTH in selected:
        grown = growth.measure(say)
        growth.show(console, grown)
        growth.plot(grown)
        console.print(f"Plot: {growth.PLOT.relative_to(PROJECT)}")
        figures[GROWTH] = [size.plain() for size in grown]
    if FLEET in selected:
        many = fleet.measure(say, districts)
        fleet.show(console, many)
        targets.extend(many.bars())
        figures[FLEET] = many.plain()
    if PAGE in selected:
        pages = page.measure(say)
        page.show(console, pages)
        targets.extend(pages.bars())
        figures[PAGE] = pages.plain()
    console.print(f"load before: {load:.1f} on {os.cpu_count()} cores; page size {measured.PAGE_SIZE:,}")
    for bar in targets:
        console.print(f"{'met     ' if bar.met else 'MISSED  '} {bar.words}")
    if file:
        target = PROJECT / "bench" / "results" / file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    return 0 if all(bar.met for bar in targets) else 1


def _measure(students: int, selected: Sequence[str], say: Callable[[str], None]) -> list[Measurement]:
    from bench import measured
    from bench.provider import provider
    from rollcall_local.postgres import temporary_postgres

    named = [name for name in CONTENDERS if name in selected]
    if not named:
        return []
    say(f"generating a district of {students:,} students")
    measurements: list[Measurement] = []
    with temporary_postgres() as postgres, provider(students) as served:
        for name in named:
            say("generating the provider's pages")
            records = served.make_pages(measured.PAGE_SIZE)
            with tempfile.TemporaryDirectory(prefix="rollcall-bench-") as folder:
                setup = measured.BenchSetup(postgres, served, students, records, Path(folder), say)
                measurements.extend(getattr(measured, name.replace("-", "_"))(setup))
    return measurements


if __name__ == "__main__":
    bench()
