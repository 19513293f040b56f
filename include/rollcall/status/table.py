"""Prints the state of districts on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO

from rollcall.display.dates import format_date
from rollcall.display.terminal import open_console, plain_grid
from rollcall.status.digest import totals
from rollcall.status.status import DistrictStatus


def print_statuses(
    districts: Sequence[DistrictStatus], *, every: bool, notes: Sequence[str] = (), file: IO[str] | None = None
) -> None:
    """Print the totals, then the districts that need action, worst first.

    :param every: include healthy districts.
    :param notes: lines at the end.
    """
    console = open_console(file)
    console.print(totals(districts))
    shown = [status for status in districts if every or status.action_required]
    grid = plain_grid("district", "state", "since", "message", "published roster", "next")
    for status in shown:
        night = format_date(status.night) if status.night else "none yet"
        grid.add_row(status.district, status.state, status.since_label, status.message, night, status.command)
    if shown:
        console.print(grid)
    for note in notes:
        console.print(note)
