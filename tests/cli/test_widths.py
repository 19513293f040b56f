"""Tables are whole at any width: words wrap, and no number or value loses a character."""

from __future__ import annotations

import io
import re

import pytest

from rollcall.display.terminal import open_console, plain_grid, table
from rollcall.reports.report import print_summary

COUNTS = dict.fromkeys(("received", "rejected", "added", "changed", "unchanged", "removed", "held"), 1234567)
ROWS = [{"table_name": "academic_sessions", **COUNTS, "message": "three words wrap here"}]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _printed(monkeypatch, width: int, *, is_terminal: bool) -> str:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    file = Terminal() if is_terminal else io.StringIO()
    open_console(file, width=width).print(table(ROWS, list(ROWS[0])))
    return file.getvalue()


@pytest.mark.parametrize("width", [20, 40, 80, 120, 200])
@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_table_is_whole_at_any_width(monkeypatch, width, is_terminal):
    text = _printed(monkeypatch, width, is_terminal=is_terminal)
    assert text.count("1,234,567") == 7
    for word in ("academic_sessions", "three", "words", "wrap", "here", "received", "unchanged"):
        assert word in text
    assert "…" not in text


def test_words_wrap_to_the_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    file = Terminal()
    grid = plain_grid("a", "b")
    grid.add_row("one two three four five six", "seven eight nine ten eleven twelve")
    open_console(file).print(grid)
    printed = re.sub("\x1b\\[[0-9;]*m", "", file.getvalue())
    assert max(len(each) for each in printed.splitlines()) <= 30
    assert sorted(printed.split()[2:]) == sorted(
        ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
    )


def test_the_summary_in_a_task_log_is_whole(nights, roster):
    nights.publish(roster("ada", "ben", teacher=True))
    text = io.StringIO()
    print_summary(nights.engine, "elm", "run1", nights.landing, text)
    assert "…" not in text.getvalue()
    for word in ("academic_sessions", "unchanged", "user_roles", "class_terms", "enrollments"):
        assert word in text.getvalue()
