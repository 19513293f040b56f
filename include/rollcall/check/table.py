"""Prints a check: a table on a terminal, and plain lines elsewhere, so that a log can be searched."""

from __future__ import annotations

from typing import IO

from rich.padding import Padding
from rich.table import Table

from rollcall.check.steps import CheckReport, Outcome, Step
from rollcall.display.terminal import line, open_console, plain_grid

_STYLES: dict[Outcome, str] = {"pass": "green", "fail": "bold red", "warning": "yellow", "skipped": "dim"}


def print_checked(checked: CheckReport, file: IO[str] | None = None) -> None:
    """The steps, the changes, and the result."""
    console = open_console(file)
    source = f", {checked.source}" if checked.source else ""
    console.print(f"{checked.name} ({checked.conn_id}{source})", style="bold")
    if console.is_terminal:
        console.print(Padding(_grid(checked), (0, 0, 0, 2)))
    else:
        for step in checked.steps:
            for text in _lines(step):
                console.print(text)
    for change in checked.changes:
        console.print(f"  changed since the last check: {change}", style="yellow")
    console.print(f"  {_verdict(checked)}", style="green" if checked.passed else "bold red")


def as_plain(checked: CheckReport) -> dict[str, object]:
    """The same for `--json`."""
    return {
        "district": checked.district,
        "connection": {"id": checked.conn_id, "source": checked.source},
        "checked_at": checked.checked_at.isoformat(),
        "passed": checked.passed,
        "steps": [plain_step(step) for step in checked.steps],
        "schools": [
            {
                "sourced_id": school.sourced_id,
                "name": school.name,
                "students": school.students,
                "teachers": school.teachers,
            }
            for school in checked.schools
        ],
        "rows": dict(checked.rows),
        "profile": checked.profile.plain() if checked.profile else None,
        "changes": list(checked.changes),
    }


def plain_step(step: Step) -> dict[str, object]:
    """A step for `--json`."""
    return {
        "name": step.name,
        "outcome": step.outcome,
        "ms": step.ms,
        "message": step.message,
        "remedy": step.remedy,
        "mistakes": [diagnosis.mistake for diagnosis in step.diagnoses],
    }


def _grid(checked: CheckReport) -> Table:
    grid = plain_grid(show_header=False, padding=(0, 2, 0, 0))
    for justify in ("left", "left", "right"):
        grid.add_column(justify=justify, no_wrap=True)
    grid.add_column(overflow="fold")
    for step in checked.steps:
        grid.add_row(
            line((step.outcome, _STYLES[step.outcome])), _title(step), line((_time(step), "dim")), step.message
        )
        if step.remedy and step.outcome != "skipped":
            grid.add_row("", "", "", line((step.remedy, "italic")))
    return grid


def _lines(step: Step) -> list[str]:
    first = f"  {step.outcome:<8} {_title(step):<18} {_time(step):>8}  {step.message}"
    return [first, f"{'':<30}→ {step.remedy}"] if step.remedy else [first]


def _title(step: Step) -> str:
    return step.name.replace("_", " ")


def _time(step: Step) -> str:
    return f"{step.ms:,} ms" if step.outcome != "skipped" else ""


def _verdict(checked: CheckReport) -> str:
    if checked.passed:
        warned = sum(step.outcome == "warning" for step in checked.steps)
        return f"passed, with {warned} warning{'s' * (warned > 1)}" if warned else "passed"
    return f"failed: {', '.join(_title(step) for step in checked.failed)}"
