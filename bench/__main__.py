"""`make bench`: Rollcall beside dlt, a hand-made script and what nobody can go below, in one run on one machine."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
from rich.console import Console

from bench import measured, parsing
from bench.bars import bars, show, summary
from bench.contender import Turn
from bench.measured import PAGE_SIZE, Ground
from bench.provider import provider
from include.local import launcher
from include.local.airflow_env import PROJECT
from include.local.postgres import temporary_postgres

#: With those who teach and serve them, 100,000 people and 600,000 enrollments.
STUDENTS = 94_300

_TURNS: dict[str, Callable[[Ground], Iterator[Turn]]] = {
    "rollcall": measured.rollcall,
    "dlt": measured.dlt,
    "script": measured.script,
    "floor": measured.floor,
}


@click.command()
@click.option("--students", type=click.IntRange(1), default=STUDENTS, show_default=True)
@click.option("--only", type=click.Choice([*_TURNS, "parsing"]), multiple=True, help="Repeatable.  [default: all]")
@click.option("--json", "file", type=click.Path(dir_okay=False), help="Write the figures, below bench/results/.")
def bench(students: int, only: tuple[str, ...], file: str | None) -> None:
    """Measure, print one table, and say of each bar whether it is met; exit code 1 if one is not."""
    sys.exit(launcher.run(lambda: _bench(students, only or (*_TURNS, "parsing"), file)))


def _bench(students: int, who: tuple[str, ...], file: str | None) -> int:
    console = Console(highlight=False, soft_wrap=True, width=120)  # the table is as wide on a pipe
    progress = Console(stderr=True, highlight=False)
    began = time.monotonic()

    def say(what: str) -> None:
        progress.print(f"{time.monotonic() - began:5.0f} s  {what}")

    load = os.getloadavg()[0]
    turns: list[Turn] = []
    if set(who) & set(_TURNS):
        turns = _turns(students, who, say)
        show(console, turns)
    parsed = parsing.measure(say) if "parsing" in who else None
    if parsed:
        console.print(parsed.words())
    console.print(f"load before: {load:.1f} on {os.cpu_count()} cores; page size {PAGE_SIZE:,}")
    judged = [*bars(turns), *(parsed.bars() if parsed else ())]
    for bar in judged:
        console.print(f"{'met     ' if bar.met else 'NOT met '} {bar.words}")
    if line := summary(turns):
        console.print(line)
    if file:
        target = PROJECT / "bench" / "results" / file
        target.parent.mkdir(parents=True, exist_ok=True)
        figures = {"load": load, "students": students, "turns": [turn.plain() for turn in turns]}
        target.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    return 0 if all(bar.met for bar in judged) else 1


def _turns(students: int, who: tuple[str, ...], say: Callable[[str], None]) -> list[Turn]:
    say(f"making up a district of {students:,} students")
    with (
        temporary_postgres() as postgres,
        provider(students) as served,
        tempfile.TemporaryDirectory(prefix="rollcall-bench-") as folder,
    ):
        turns: list[Turn] = []
        for name, turn in _TURNS.items():
            if name in who:
                say("the provider makes its pages")
                ground = Ground(postgres, served, served.make_pages(PAGE_SIZE), Path(folder), say)
                turns.extend(turn(ground))
        return turns


if __name__ == "__main__":
    bench()
