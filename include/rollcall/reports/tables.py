"""Tables and text on a terminal. Values are printed as they are: no markup, no emoji codes, no highlighting.

A role `ext:ghost:` stays text and a name `[bold]` stays a name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import IO, Any

from rich.console import Console
from rich.table import Table as Grid


def open_console(file: IO[str] | None = None, *, width: int = 120) -> Console:
    """A console that prints every string literally.

    :param width: used if the output is not a terminal.
    """
    is_terminal = file is None or file.isatty()
    return Console(file=file, width=None if is_terminal else width, markup=False, emoji=False, highlight=False)


def plain_grid(**options: Any) -> Grid:
    """A table without a border."""
    return Grid(box=None, pad_edge=False, header_style="dim", title_justify="left", title_style="bold", **options)


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], title: str | None = None) -> Grid:
    """Rows as a table. Integers are right-aligned with separators; None is empty."""
    grid = plain_grid(title=title)
    for name in columns:
        is_number = bool(rows) and isinstance(rows[0][name], int)
        grid.add_column(name.replace("_", " "), justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        grid.add_row(*(_cell(row[name]) for name in columns))
    return grid


def _cell(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value or "")
