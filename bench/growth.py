"""How time and memory grow with the district's size: a first night and a delta, as a table and a plot."""

from __future__ import annotations

import itertools
import json
import math
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.bars import MOST_MB
from bench.contender import Measurement
from bench.measured import NIGHTS, PAGE_SIZE, BenchSetup, rollcall, side_python
from bench.provider import provider
from rollcall.errors import RollcallError
from rollcall_local.airflow_env import PROJECT
from rollcall_local.postgres import temporary_postgres

#: Approximate enrollments; the exact number depends on the generated schools.
SIZES = (10_000, 30_000, 100_000, 300_000, 1_000_000)
PLOT = PROJECT / "docs" / "performance-growth.svg"

_ENROLLMENTS_PER_STUDENT = 6.35


@dataclass(frozen=True)
class GrowthPoint:
    """A first night and a delta for one district size."""

    enrollments: int
    night: Measurement
    delta: Measurement

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {"enrollments": self.enrollments, **self.night.plain(), "delta": self.delta.plain()}


def measure(say: Callable[[str], None], sizes: Sequence[int] = SIZES) -> list[GrowthPoint]:
    """Run two nights for each size, each with a new district and an empty warehouse.

    :raises RollcallError: `contender_failed`.
    """
    grown = []
    with temporary_postgres() as postgres:
        for size in sizes:
            students = round(size / _ENROLLMENTS_PER_STUDENT)
            say(f"growth: a district of {size:,} enrollments")
            with provider(students) as served, tempfile.TemporaryDirectory(prefix="rollcall-bench-") as folder:
                records = served.make_pages(PAGE_SIZE)
                setup = BenchSetup(postgres, served, students, records, Path(folder), say)
                night, delta = rollcall(setup, (NIGHTS[0], NIGHTS[-1]))
            grown.append(GrowthPoint(records["enrollments"], night, delta))
    return grown


def show(console: Console, grown: Sequence[GrowthPoint]) -> None:
    """Print a row for each size, the growth between sizes, and the deltas."""
    stages = list(grown[0].night.parts)
    _table(
        console,
        ("enrollments", "rows", "seconds", "rows/s", *(f"{stage} s" for stage in stages), "peak MB", "CPU s"),
        (
            (
                f"{size.enrollments:,}",
                f"{size.night.rows:,}",
                f"{size.night.seconds:.1f}",
                f"{size.night.rate:,.0f}",
                *(f"{size.night.parts[stage]:.1f}" for stage in stages),
                f"{size.night.peak_mb:,.0f}",
                f"{size.night.cpu:.1f}",
            )
            for size in grown
        ),
    )
    for smaller, larger in itertools.pairwise(grown):
        rows = larger.night.rows / smaller.night.rows
        seconds = larger.night.seconds / smaller.night.seconds
        memory = larger.night.peak_mb / smaller.night.peak_mb
        console.print(
            f"  {rows:4.1f} x the rows: {seconds:4.1f} x the seconds (rows to the power of "
            f"{math.log(seconds) / math.log(rows):.2f}), {memory:.1f} x the memory"
        )
    console.print("\nDelta nights:")
    _table(
        console,
        ("enrollments", "rows", "seconds", "of the first", "peak MB", "CPU s"),
        (
            (
                f"{size.enrollments:,}",
                f"{size.delta.rows:,}",
                f"{size.delta.seconds:.1f}",
                f"{size.delta.seconds / size.night.seconds:.0%}",
                f"{size.delta.peak_mb:,.0f}",
                f"{size.delta.cpu:.1f}",
            )
            for size in grown
        ),
    )


def _table(console: Console, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console.print(table)


def plot(grown: Sequence[GrowthPoint], target: Path = PLOT) -> None:
    """Draw the plot, in the environment that has matplotlib.

    :raises RollcallError: `plot_failed`.
    """
    nights = [
        {
            "enrollments": size.enrollments,
            "seconds": size.night.seconds,
            "parts": size.night.parts,
            "peak_mb": size.night.peak_mb,
            "delta": {"seconds": size.delta.seconds, "peak_mb": size.delta.peak_mb},
        }
        for size in grown
    ]
    done = subprocess.run(
        [side_python(), PROJECT / "bench" / "growth_plot.py", target],
        input=json.dumps({"most_mb": MOST_MB, "nights": nights}),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RollcallError("plot_failed", f"Could not draw the plot:\n{done.stderr[-2000:]}")
