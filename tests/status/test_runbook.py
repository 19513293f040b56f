"""The runbook names the states, error codes and commands there are."""

from __future__ import annotations

import re
from pathlib import Path

from rollcall.cli.main import COMMANDS
from rollcall.status.status import STATES, command_after

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")


def _table(heading: str, column: int) -> str:
    """One column of the last table under a heading, without its head."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [line.split(" | ") for line in section.splitlines() if line.startswith("| ")]
    return " ".join(row[column] for row in rows[1:])


def test_every_state_is_in_the_table_worst_first():
    assert re.findall(r"`(\w+)`", _table("The first screen", 0)) == list(STATES)


def test_every_error_code_is_one_the_code_raises():
    raised = {
        code
        for path in (ROOT / "include").rglob("*.py")
        for code in re.findall(r'"([a-z_]+)"', path.read_text(encoding="utf-8"))
    }
    named = set(re.findall(r"`(\w+)`", _table("A night that failed", 1)))
    assert len(named) > 30
    assert {code for code in named - raised if not code.endswith("_failed")} == set()


def test_every_command_is_there():
    assert set(re.findall(r"`?rollcall (\w+)", PAGE)) <= set(COMMANDS)


def test_where_it_names_a_command_for_an_error_the_first_screen_names_the_same():
    section = PAGE.split("\n## A night that failed\n")[1].split("\n## ")[0]
    rows = [line.split(" | ") for line in section.splitlines() if line.startswith("| ")][1:]
    said = {
        code: command
        for _, codes, _, what_to_do in rows
        for command in re.findall(r"^`(rollcall [^`]*)`", what_to_do)
        for code in re.findall(r"`(\w+)`", codes)
    }
    assert len(said) > 10
    assert {code: command_after(code, "maple") for code in said} == said
