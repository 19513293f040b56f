"""The performance targets and the results table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from bench.contender import Measurement

#: Each night, and how many times faster than dlt's scd2 it has to be.
TIMES_DLT = {"full, first night": 2.5, "full, nothing changed": 8.0, "delta": 8.0}
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
    for night, target in TIMES_DLT.items():
        if times := _times_faster(by_name, night):
            yield Bar(f"{night}: {times:.1f} x as fast as dlt's scd2, target: at least {target:g}", times >= target)
    peak = max(measurement.peak_mb for measurement in measurements if measurement.name.startswith("Rollcall,"))
    yield Bar(f"peak resident memory {peak:.0f} MB, target: below {MOST_MB:.0f}", peak < MOST_MB)
    for name, what, most in (
        ("Rollcall, full, nothing changed", "an unchanged full night", UNCHANGED_SHARE),
        ("Rollcall, delta", "a delta night", DELTA_SHARE),
    ):
        if night := by_name.get(name):
            share = night.seconds / first.seconds
            yield Bar(f"{what} takes {share:.0%} of the first, target: at most {most:.0%}", share <= most)


def _times_faster(by_name: Mapping[str, Measurement], night: str) -> float | None:
    """How many times faster a night is than dlt's scd2; None if one of them is not measured."""
    own, other = by_name.get(f"Rollcall, {night}"), by_name.get(f"dlt scd2, {night}")
    return other.seconds / own.seconds if own and other else None


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
