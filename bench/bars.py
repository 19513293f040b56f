"""The performance targets and the results table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from bench.contender import Measurement

TIMES_DLT = 8.0
TIMES_FLOOR = 3.0
MOST_MB = 700.0
UNCHANGED_SHARE = 0.60
DELTA_SHARE = 0.20


@dataclass(frozen=True)
class Bar:
    """A performance target: the result as text, and whether it meets the target."""

    words: str
    met: bool


def bars(measurements: Sequence[Measurement]) -> Iterator[Bar]:
    """The targets that these measurements allow to check."""
    by_name = {measurement.name: measurement for measurement in measurements}
    first = by_name.get("Rollcall, full, first night")
    if first is None:
        return
    if loaded := [measurement for measurement in measurements if measurement.name.startswith("dlt")]:
        times = first.rate / max(measurement.rate for measurement in loaded)
        yield Bar(f"{times:.1f} x dlt's rows per second, target: at least {TIMES_DLT:.0f}", times >= TIMES_DLT)
    if floor := next((measurement for measurement in measurements if measurement.name.startswith("floor")), None):
        times = first.seconds / floor.seconds
        yield Bar(f"{times:.1f} x the floor's time, target: at most {TIMES_FLOOR:.0f}", times <= TIMES_FLOOR)
    peak = max(measurement.peak_mb for measurement in measurements if measurement.name.startswith("Rollcall,"))
    yield Bar(f"peak resident memory {peak:.0f} MB, target: below {MOST_MB:.0f}", peak < MOST_MB)
    for name, what, most in (
        ("Rollcall, full, nothing changed", "an unchanged full night", UNCHANGED_SHARE),
        ("Rollcall, delta", "a delta night", DELTA_SHARE),
    ):
        if night := by_name.get(name):
            share = night.seconds / first.seconds
            yield Bar(f"{what} takes {share:.0%} of the first, target: at most {most:.0%}", share <= most)


def summary(measurements: Sequence[Measurement]) -> str:
    """The headline result; empty if there is nothing to compare with Rollcall."""
    by_start = {measurement.name.split(",")[0].split(":")[0]: measurement for measurement in reversed(measurements)}
    first = by_start.get("Rollcall")
    results = []
    if first and (loaded := [measurement for measurement in measurements if measurement.name.startswith("dlt")]):
        results.append(f"{first.rate / max(measurement.rate for measurement in loaded):.1f} x dlt")
    if first and (floor := by_start.get("floor")):
        results.append(f"{first.seconds / floor.seconds:.1f} x the floor's time")
    return f"Rollcall full night: {', '.join(results)}" if results else ""


def show(console: Console, measurements: Sequence[Measurement]) -> None:
    """Print the results table, one row per measurement."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", no_wrap=True)
    for heading in ("rows", "seconds", "rows/s", "start s", "peak MB", "CPU s", "requests", "MB"):
        table.add_column(heading, justify="right", no_wrap=True)
    for measurement in measurements:
        table.add_row(
            measurement.name,
            f"{measurement.rows:,}",
            f"{measurement.seconds:.1f}",
            f"{measurement.rate:,.0f}",
            f"{measurement.start:.1f}",
            f"{measurement.peak_mb:,.0f}",
            f"{measurement.cpu:.1f}",
            f"{measurement.requests:,}",
            f"{measurement.received / 1e6:,.0f}",
        )
    console.print(table)
    for measurement in measurements:
        if measurement.parts:
            parts = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in measurement.parts.items())
            console.print(f"  {measurement.name}: {parts}")
