"""An explanation on a terminal."""

from __future__ import annotations

import sys
from typing import IO

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table as Grid

from rollcall.explain.answers import GROUPS, AnswerTemplate
from rollcall.explain.changes import Change
from rollcall.explain.timeline import Explanation, PersonMatches
from rollcall.settings import night_of

_MARKS = {"ok": "[green]✓[/]", "warning": "[yellow]![/]", "stop": "[red]✗[/]"}

#: What happened, by its kind and whether it is about classes.
_VERBS = {
    ("came", False): "{} came for the first time",
    ("removed", False): "{} was removed",
    ("returned", False): "{} came back",
    ("missing", False): "{} did not come",
    ("found", False): "{} was there again",
    ("came", True): "enrolled in {}",
    ("removed", True): "no longer in {}",
    ("returned", True): "in {} again",
}

#: So many changes are shown; `--json` has them all.
_MOST_CHANGES = 12


def print_explanation(told: Explanation, timezone: str, file: IO[str] | None = None) -> None:
    """Heading, what to know about the district, the way, what happened, and the answer last."""
    console = _console(file)
    console.print(f"[bold]{escape(told.subject)}[/]  {escape(told.sourced_id or '')}")
    for note in told.notes:
        console.print(f"  {escape(note)}", style="dim")
    for step in told.steps:
        grid = _two_columns(14)
        for number, line in enumerate(step.lines):
            grid.add_row(f"{_MARKS[step.outcome]} {step.stage}" if number == 0 else "", escape(line))
        console.print(grid)
    if told.changes:
        console.print("\n[bold]What happened[/]")
        grid = _two_columns(14)
        for change in told.changes[:_MOST_CHANGES]:
            grid.add_row(f"  {night_of(change.at, timezone)}", escape(change_line(change)))
        console.print(grid)
        if len(told.changes) > _MOST_CHANGES:
            console.print(f"  … and {len(told.changes) - _MOST_CHANGES:,} before that (--json)", style="dim")
    _print_answer(console, told)


def _print_answer(console: Console, told: Explanation) -> None:
    answer = told.answer
    console.print(f"\n[bold]Answer[/] ({answer.code})")
    console.print(Padding(escape(answer.said), (0, 0, 0, 2)))
    for number, cause in enumerate(answer.causes, 1):
        console.print(Padding(f"{number}. {escape(cause)}", (0, 0, 0, 4)))
    grid = _two_columns(18)
    grid.add_row("  Who can fix it", escape(answer.who))
    for place, what in answer.where:
        grid.add_row(f"  {place}", escape(what))
    console.print(grid)


def print_matches(several: PersonMatches, file: IO[str] | None = None) -> None:
    """Those who fit, with what tells them apart."""
    console = _console(file)
    console.print(f'Several people fit "{escape(several.who)}". Ask again with the id of one:')
    grid = Grid(box=None, pad_edge=False, header_style="dim")
    for name in ("name", "school", "grade", "state", "sourced_id"):
        grid.add_column(name.replace("_", " "), no_wrap=name == "sourced_id")
    for match in several.matches:
        grid.add_row(*(escape(match[name]) for name in ("name", "school", "grade", "state", "sourced_id")))
    console.print(grid)
    if several.more:
        console.print("… and others; give more of the name.", style="dim")


def change_line(change: Change) -> str:
    """One change as a sentence; values in quotes, so that a blank at an end is seen."""
    because = f" ({change.because})" if change.because else ""
    if change.kind == "changed":
        return f"{change.what}: {_quoted(change.before)} → {_quoted(change.after)}"
    return f"{_VERBS[change.kind, change.about == 'class'].format(change.what)}{because}"


def _quoted(value: str | None) -> str:
    return "nothing" if value is None else f'"{value}"'


def _two_columns(width: int) -> Grid:
    grid = Grid(box=None, show_header=False, pad_edge=False)
    grid.add_column(width=width, no_wrap=True)
    grid.add_column(overflow="fold")
    return grid


def _console(file: IO[str] | None) -> Console:
    return Console(file=file, width=None if file is None or file.isatty() else 120, highlight=False, soft_wrap=False)


# The answers as docs/answers.md has them: `python -m rollcall.explain.render > docs/answers.md`.

_HEAD = """# The answers of `rollcall explain`

`rollcall explain DISTRICT WHO` ends with one of these answers, and with no other. Words in braces are filled in.
`--forward` prints the reply alone, ready to send: without ids, and without the name of anybody but the person.

This page is made from `include/rollcall/explain/answers.py`; a test compares the two.
"""


def as_markdown() -> str:
    """The whole page."""
    parts = [_HEAD]
    for title, group in GROUPS.items():
        parts.append(f"## {title}\n")
        parts += [_section(code, answer) for code, answer in group.items()]
    return "\n".join(parts)


def _section(code: str, answer: AnswerTemplate) -> str:
    lines = [f"### `{code}`\n", answer.said, ""]
    lines += [f"{number}. {cause}" for number, cause in enumerate(answer.causes, 1)]
    lines += [""] if answer.causes else []
    lines.append(f"- **Who can fix it**: {answer.who}")
    where = {"In Infinite Campus": answer.campus, "In another system": answer.elsewhere, "Here": answer.ours}
    lines += [f"- **{place}**: {text}" for place, text in where.items() if text]
    lines.append(f"- **Reply**: {answer.reply}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(as_markdown())
