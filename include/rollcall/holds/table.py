"""Prints holds and decisions on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, Any

from rich.padding import Padding

from rollcall.display.dates import format_day
from rollcall.display.terminal import line, open_console, plain_grid
from rollcall.holds import render
from rollcall.holds.decisions import Decision
from rollcall.holds.queries import HoldDetails

#: Named rows of a decision; `--json` has all of them.
_MAX_ROWS = 5


def print_holds(holds: Sequence[HoldDetails], file: IO[str] | None = None) -> None:
    """Print one hold after another: its ID, status, and date, then what it is about. IDs are too long for a table."""
    console = open_console(file)
    if not holds:
        console.print("No open holds.")
    for hold in holds:
        since = format_day(hold.opened_at, hold.timezone)
        console.print(line((hold.hold_id, "bold"), f"  {hold.status} since {since}"))
        looks = f" Looks like: {hold.looks_like}." if hold.looks_like else ""
        console.print(Padding(f"{render.render_subject(hold)}.{looks}", (0, 0, 0, 2)))


def print_hold(
    hold: HoldDetails, schools: Sequence[dict[str, Any]], people: Sequence[str], file: IO[str] | None = None
) -> None:
    """Print everything to know before a decision, and the commands that decide.

    :param people: some of the people it is about.
    """
    console = open_console(file)
    console.print(line((hold.hold_id, "bold"), f"  {hold.district_name}"))
    lines = render.render_details(hold, schools)
    if people:
        lines.insert(len(lines) if hold.status == "closed" else -4, ("For example", ", ".join(people)))
    grid = plain_grid(show_header=False)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for label, text in lines:
        grid.add_row(f"  {label}", text)
    console.print(grid)
    if hold.status != "closed":
        some = "  [--except SOURCEDID] [--school SCHOOL]" if hold.lists_rows else ""
        console.print()
        console.print(f'  rollcall holds approve {hold.command_arguments} --reason "…"{some}')
        console.print(f'  rollcall holds reject {hold.command_arguments} --reason "…"')


def print_decision(done: Decision, file: IO[str] | None = None) -> None:
    """Print the result of a decision and the next command."""
    console = open_console(file)
    console.print(f"{done.held.hold_id}: {render.render_status(done.held)}.")
    if done.no_longer:
        shown = ", ".join(f"{table} {' '.join(key)}" for table, key in done.no_longer[:_MAX_ROWS])
        more = len(done.no_longer) - _MAX_ROWS
        also = f" and {more:,} more" if more > 0 else ""
        console.print(f"{len(done.no_longer):,} no longer need a decision: {shown}{also}.")
    if done.left:
        console.print(f"{done.left:,} stay held.")
    if done.next_command:
        console.print(f"To publish it now: {done.next_command}")
