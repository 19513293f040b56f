"""Prints a checkup."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO

from rollcall.display.terminal import line, open_console, plain_grid
from rollcall.doctor.checkup import Check, Outcome

_STYLES: dict[Outcome, str] = {"ok": "green", "failed": "bold red", "skipped": "dim"}


def print_checkup(checks: Sequence[Check], file: IO[str] | None = None) -> None:
    """One line per check; a failure has its remedy below it."""
    console = open_console(file)
    grid = plain_grid(show_header=False, padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for check in checks:
        grid.add_row(line((check.outcome, _STYLES[check.outcome])), check.name, check.message)
        if check.remedy:
            grid.add_row("", "", line((check.remedy, "italic")))
    console.print(grid)
    failed = sum(check.outcome == "failed" for check in checks)
    if failed:
        console.print(f"{failed} of {len(checks)} checks failed.", style="bold red")
    else:
        console.print("No problems found.", style="green")
