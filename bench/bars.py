"""What the figures have to come to, and the table they are shown in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from bench.contender import Turn

TIMES_DLT = 8.0
TIMES_FLOOR = 3.0
MOST_MB = 700.0
UNCHANGED_SHARE = 0.60
DELTA_SHARE = 0.20


@dataclass(frozen=True)
class Bar:
    """One bar: what it came to, in words, and whether that is good enough."""

    words: str
    met: bool


def bars(turns: Sequence[Turn]) -> Iterator[Bar]:
    """Those that can be judged by who had a turn."""
    by_name = {turn.name: turn for turn in turns}
    first = by_name.get("Rollcall, full, first night")
    if first is None:
        return
    if loaded := [turn for turn in turns if turn.name.startswith("dlt")]:
        times = first.rate / max(turn.rate for turn in loaded)
        yield Bar(f"{times:.1f} x dlt's rows per second, at least {TIMES_DLT:.0f}", times >= TIMES_DLT)
    if floor := next((turn for turn in turns if turn.name.startswith("floor")), None):
        times = first.seconds / floor.seconds
        yield Bar(f"{times:.1f} x the floor's time, at most {TIMES_FLOOR:.0f}", times <= TIMES_FLOOR)
    peak = max(turn.peak_mb for turn in turns if turn.name.startswith("Rollcall,"))
    yield Bar(f"{peak:.0f} MB of resident memory at most, below {MOST_MB:.0f}", peak < MOST_MB)
    for name, what, most in (
        ("Rollcall, full, nothing changed", "an unchanged full night", UNCHANGED_SHARE),
        ("Rollcall, delta", "a delta night", DELTA_SHARE),
    ):
        if night := by_name.get(name):
            share = night.seconds / first.seconds
            yield Bar(f"{what} takes {share:.0%} of the first, at most {most:.0%}", share <= most)


def summary(turns: Sequence[Turn]) -> str:
    """The line that matters; empty where nothing stands beside Rollcall."""
    by_start = {turn.name.split(",")[0].split(":")[0]: turn for turn in reversed(turns)}
    first = by_start.get("Rollcall")
    told = []
    if first and (loaded := [turn for turn in turns if turn.name.startswith("dlt")]):
        told.append(f"{first.rate / max(turn.rate for turn in loaded):.1f} x dlt")
    if first and (floor := by_start.get("floor")):
        told.append(f"{first.seconds / floor.seconds:.1f} x the floor's time")
    return f"Rollcall full night: {', '.join(told)}" if told else ""


def show(console: Console, turns: Sequence[Turn]) -> None:
    """The table, a row for each turn."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", no_wrap=True)
    for heading in ("rows", "seconds", "rows/s", "start s", "peak MB", "CPU s", "requests", "MB"):
        table.add_column(heading, justify="right", no_wrap=True)
    for turn in turns:
        table.add_row(
            turn.name,
            f"{turn.rows:,}",
            f"{turn.seconds:.1f}",
            f"{turn.rate:,.0f}",
            f"{turn.start:.1f}",
            f"{turn.peak_mb:,.0f}",
            f"{turn.cpu:.1f}",
            f"{turn.requests:,}",
            f"{turn.received / 1e6:,.0f}",
        )
    console.print(table)
    for turn in turns:
        if turn.parts:
            parts = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in turn.parts.items())
            console.print(f"  {turn.name}: {parts}")
