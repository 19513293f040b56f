"""`make bench`: Rollcall beside dlt, a hand-made script and what nobody can go below, in one run on one machine."""

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
    from bench.contender import Turn

#: With those who teach and serve them, 100,000 people and 600,000 enrollments.
STUDENTS = 94_300

#: Rows of the table, in their order: functions of `bench.measured`.
TURNS = ("rollcall", "airflow", "dlt", "script", "floor")
#: What is measured besides, and told below the table.
BESIDES = ("sync-now", "parsing")
#: What is measured only where it is asked for.
GROWTH = "growth"


@click.command()
@click.option(
    "--students",
    type=click.IntRange(1),
    default=STUDENTS,
    show_default=True,
    help="Of the district in the table; the bars are meant for the default.",
)
@click.option(
    "--only",
    type=click.Choice([*TURNS, *BESIDES, GROWTH]),
    multiple=True,
    help="Measure this part (repeatable).  [default: all but growth]",
)
@click.option("--json", "file", type=click.Path(dir_okay=False), help="Write the figures too, below bench/results/.")
def bench(students: int, only: tuple[str, ...], file: str | None) -> None:
    """Measure, print one table, and say of each bar whether it is met; exit code 1 if one is not.

    \b
    rollcall  `rollcall sync`: a first full night, a full night on which nothing
              changed, and a delta night on which 0.5 % changed
    airflow   the same three as runs through a scheduler, from trigger to success;
              shown, not barred
    dlt       dlt's rest_api source at its documented best settings, with CSV and
              with Parquet files: fetch and load only
    script    requests, json_normalize, to_sql
    floor     the same pages fetched and thrown away, and the same rows through COPY
    sync-now  1,500 students by a scheduler in peak hours, one request at a time:
              from the trigger to published, three times
    parsing   1,000 district files, as the DAG processor reads them, and a task
    growth    a first night and a delta of districts with 10,000 to 1,000,000
              enrollments, as tables and as docs/performance-growth.svg

    Each has a process and a database of its own on one PostgreSQL, and the same pages, made before anybody is timed.
    Seconds are from the first request to the commit. `start s` is not in them: imports, of a run the start of Airflow.
    `peak MB` is the most resident memory of one process, `CPU s` of all processes, PostgreSQL's not; of a run, of its
    tasks. Progress goes to standard error. What is started and written is gone at the end, after Ctrl-C too.
    """
    for name in set(os.environ) - set(own_environment()):  # what is set for some other Airflow or Rollcall
        del os.environ[name]
    sys.exit(processes.run(lambda: run(students, only or (*TURNS, *BESIDES), file)))


def run(students: int, who: Sequence[str], file: str | None) -> int:
    """Measure these parts and print what they came to; 1 where a bar is not met."""
    # here, as the warehouse's schemas have their names from the environment
    from bench import growth, measured, parsing, sync_now
    from bench.bars import bars, show, summary

    console = Console(highlight=False, soft_wrap=True, width=120)  # the table is as wide on a pipe
    progress = Console(stderr=True, highlight=False)
    began = time.monotonic()

    def say(what: str) -> None:
        progress.print(f"{time.monotonic() - began:5.0f} s  {what}", markup=False)

    if {"dlt", GROWTH} & set(who):
        say("the environment of dlt and matplotlib")
        measured.side_python()
    load = os.getloadavg()[0]
    figures: dict[str, Any] = {"load": load, "students": students}
    judged: list[Bar] = []
    turns = _turns(students, who, say)
    if turns:
        show(console, turns)
        judged.extend(bars(turns))
        figures["turns"] = [turn.plain() for turn in turns]
    for name, module in (("sync-now", sync_now), ("parsing", parsing)):
        if name in who:
            found = module.measure(say)
            console.print(found.words())
            judged.extend(found.bars())
            figures[name] = found.plain()
    if GROWTH in who:
        grown = growth.measure(say)
        growth.show(console, grown)
        growth.plot(grown)
        console.print(f"drawn in {growth.PLOT.relative_to(PROJECT)}")
        figures[GROWTH] = [size.plain() for size in grown]
    console.print(f"load before: {load:.1f} on {os.cpu_count()} cores; page size {measured.PAGE_SIZE:,}")
    for bar in judged:
        console.print(f"{'met     ' if bar.met else 'NOT met '} {bar.words}")
    if line := summary(turns):
        console.print(line)
    if file:
        target = PROJECT / "bench" / "results" / file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    return 0 if all(bar.met for bar in judged) else 1


def _turns(students: int, who: Sequence[str], say: Callable[[str], None]) -> list[Turn]:
    from bench import measured
    from bench.provider import provider
    from rollcall_local.postgres import temporary_postgres

    named = [name for name in TURNS if name in who]
    if not named:
        return []
    say(f"making up a district of {students:,} students")
    turns: list[Turn] = []
    with temporary_postgres() as postgres, provider(students) as served:
        for name in named:
            say("the provider makes its pages")
            records = served.make_pages(measured.PAGE_SIZE)
            with tempfile.TemporaryDirectory(prefix="rollcall-bench-") as folder:
                ground = measured.Ground(postgres, served, students, records, Path(folder), say)
                turns.extend(getattr(measured, name)(ground))
    return turns


if __name__ == "__main__":
    bench()
