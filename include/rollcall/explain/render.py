"""Prints an explanation on a terminal."""

from __future__ import annotations

from typing import IO

from rich.padding import Padding
from rich.table import Table as Grid

from rollcall.display.dates import format_day
from rollcall.display.terminal import TextConsole, line, open_console, plain_grid, table
from rollcall.explain.answers.template import NO_ACTION
from rollcall.explain.changes import PersonChange
from rollcall.explain.timeline import Explanation, PersonMatches, TimelineStep

_MARKS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "stop": ("✗", "red")}

#: The change of a class by its kind.
_CLASS_CHANGES = {"received": "enrolled in {}", "removed": "no longer in {}", "returned": "in {} again"}

#: Any other change by its kind.
_CHANGES = {
    "received": "{} first received",
    "removed": "{} removed",
    "returned": "{} returned",
    "missing": "{} not in the full pull",
    "received_again": "{} received again",
}

#: The most changes shown; `--json` has all of them.
_MAX_CHANGES = 12


def print_explanation(explanation: Explanation, timezone: str, file: IO[str] | None = None) -> None:
    """Print the heading, notes about the district, the timeline, the changes, and the answer last."""
    console = open_console(file)
    console.print(line((explanation.subject, "bold"), f"  {explanation.sourced_id or ''}"))
    for note in explanation.notes:
        console.print(f"  {note}", style="dim")
    for step in explanation.steps:
        console.print(_step(step))
    if explanation.changes:
        console.print()
        console.print("Changes", style="bold")
        grid = _two_columns(20)
        for change in explanation.changes[:_MAX_CHANGES]:
            grid.add_row(f"  {format_day(change.at, timezone)}", change_line(change))
        console.print(grid)
        if len(explanation.changes) > _MAX_CHANGES:
            console.print(f"  … and {len(explanation.changes) - _MAX_CHANGES:,} earlier (--json)", style="dim")
    if explanation.near:
        console.print()
        _print_near(console, explanation)
    _print_answer(console, explanation)


def print_near(explanation: Explanation, file: IO[str] | None = None) -> None:
    """Print only the people that are probably meant; nothing if there are none."""
    if explanation.near:
        _print_near(open_console(file), explanation)


def _print_near(console: TextConsole, explanation: Explanation) -> None:
    console.print(f'No one matches "{explanation.subject}". Closest matches; run the command again with one ID:')
    console.print(table(explanation.near, ("name", "role", "school", "grade", "state", "similarity", "sourced_id")))


def _step(step: TimelineStep) -> Grid:
    grid = _two_columns(14)
    mark, color = _MARKS[step.outcome]
    for number, text in enumerate(step.lines):
        grid.add_row(line((mark, color), f" {step.stage}") if number == 0 else "", text)
    return grid


def _print_answer(console: TextConsole, explanation: Explanation) -> None:
    answer = explanation.answer
    console.print()
    console.print(line(("Answer", "bold"), f" ({answer.code})"))
    console.print(Padding(answer.text, (0, 0, 0, 2)))
    for number, cause in enumerate(answer.causes, 1):
        console.print(Padding(f"{number}. {cause}", (0, 0, 0, 4)))
    if answer.owner == NO_ACTION:
        console.print(f"  {NO_ACTION}")
    grid = _two_columns(18)
    if answer.owner != NO_ACTION:
        grid.add_row("  Who can fix it", answer.owner)
    for place, text in answer.where:
        grid.add_row(f"  {place}", text)
    if grid.row_count:
        console.print(grid)


def print_matches(matches: PersonMatches, file: IO[str] | None = None) -> None:
    """Print the people that match, with what distinguishes them."""
    console = open_console(file)
    console.print(f'Several people match "{matches.who}". Run the command again with one ID:')
    console.print(table(matches.matches, ("name", "role", "school", "grade", "state", "sourced_id")))
    if matches.more:
        console.print("… and more. Enter more of the name.", style="dim")


def change_line(change: PersonChange) -> str:
    """One change as a line. Values are quoted, which shows spaces at their ends."""
    if change.kind == "changed":
        line = f"{change.label}: {_quoted(change.before)} → {_quoted(change.after)}"
    else:
        template = (_CLASS_CHANGES if change.subject == "class" else _CHANGES)[change.kind]
        line = template.format(change.label) + (f" ({change.reason})" if change.reason else "")
    return line[0].upper() + line[1:]


def _quoted(value: str | None) -> str:
    return "no value" if value is None else f'"{value}"'


def _two_columns(width: int) -> Grid:
    grid = plain_grid(show_header=False)
    grid.add_column(width=width, no_wrap=True)
    grid.add_column(overflow="fold")
    return grid
