"""A check for people: a table on a terminal, plain lines everywhere else, so that a log can be searched."""

from __future__ import annotations

from typing import IO

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from rollcall.check.steps import CheckReport, Outcome, Step

_STYLES: dict[Outcome, str] = {"pass": "green", "fail": "bold red", "warning": "yellow", "skipped": "dim"}


def print_checked(checked: CheckReport, file: IO[str] | None = None) -> None:
    """The steps, what has changed, and the verdict."""
    console = Console(file=file, highlight=False, soft_wrap=True)
    source = f", {checked.source}" if checked.source else ""
    console.print(Text(f"{checked.name} ({checked.conn_id}{source})", style="bold"))
    if console.is_terminal:
        console.print(Padding(_grid(checked), (0, 0, 0, 2)), soft_wrap=False)
    else:
        for step in checked.steps:
            console.print(Text(_line(step)))
    for change in checked.changes:
        console.print(Text(f"  changed since the last check: {change}", style="yellow"))
    console.print(Text(f"  {_verdict(checked)}", style="green" if checked.passed else "bold red"))


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
    """A step as JSON has it."""
    return {
        "name": step.name,
        "outcome": step.outcome,
        "ms": step.ms,
        "message": step.message,
        "remedy": step.remedy,
        "mistakes": [diagnosis.mistake for diagnosis in step.diagnoses],
    }


def _grid(checked: CheckReport) -> Table:
    grid = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for justify in ("left", "left", "right"):
        grid.add_column(justify=justify, no_wrap=True)
    grid.add_column(overflow="fold")
    for step in checked.steps:
        message = Text(step.message)
        if step.remedy and step.outcome != "skipped":
            message.append(f"\n{step.remedy}", style="italic")
        style = _STYLES[step.outcome]
        grid.add_row(Text(step.outcome, style=style), _title(step), Text(_time(step), style="dim"), message)
    return grid


def _line(step: Step) -> str:
    line = f"  {step.outcome:<8} {_title(step):<18} {_time(step):>8}  {step.message}"
    return f"{line}\n{'':<30}→ {step.remedy}" if step.remedy else line


def _title(step: Step) -> str:
    return step.name.replace("_", " ")


def _time(step: Step) -> str:
    return f"{step.ms:,} ms" if step.outcome != "skipped" else ""


def _verdict(checked: CheckReport) -> str:
    if checked.passed:
        warned = sum(step.outcome == "warning" for step in checked.steps)
        return f"passed, with {warned} warning{'s' * (warned > 1)}" if warned else "passed"
    return f"failed: {', '.join(_title(step) for step in checked.failed)}"
