"""The one way to a terminal, a pipe, or a task's log. Every value is printed as it is, as text.

No markup, no emoji codes, no links, no control characters: a role `ext:ghost:` and a name `[bold]` stay what they are.
Tables are whole at any width: words wrap, numbers and short values never lose a character.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from rollcall.display.printable import printable

#: Characters in a line where there is no terminal. A pipe is searched by line, so rows should not wrap.
_PIPE_WIDTH = 1_000


class TextConsole(Console):
    """A console that prints strings literally and never cuts a table."""

    def render_str(self, text: str, **options: Any) -> Text:
        options |= {"emoji": False, "markup": False, "highlight": False}
        return super().render_str(printable(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            is_plain = segment.control or segment.text == "\n"
            yield segment if is_plain else Segment(printable(segment.text), segment.style)

    def print(self, *objects: Any, **options: Any) -> None:
        """Print strings as lines that only the terminal wraps; print tables no narrower than their longest words."""
        is_line = all(isinstance(each, (str, Text)) for each in objects)
        if is_line:
            options.setdefault("soft_wrap", True)
        elif len(objects) == 1:
            needed = self.measure(objects[0]).minimum
            if needed > self.width:
                options |= {"width": needed, "crop": False, "no_wrap": False}
        if self.is_terminal:
            super().print(*objects, **options)
            return
        with self.capture() as captured:
            super().print(*objects, **options)
        lines = captured.get().split("\n")
        self.file.write("\n".join(line.rstrip() for line in lines))


def open_console(file: IO[str] | None = None, *, width: int = _PIPE_WIDTH) -> TextConsole:
    """A console for standard output or another stream.

    :param width: used if the stream is not a terminal.
    """
    file = file or sys.stdout
    return TextConsole(
        file=file,
        width=None if file.isatty() else width,
        markup=False,
        emoji=False,
        highlight=False,
    )


def plain_grid(*columns: str, **options: Any) -> Table:
    """A table without a border. Its columns wrap, and fold words that are too long."""
    grid = Table(box=None, pad_edge=False, header_style="dim", title_justify="left", title_style="bold", **options)
    for name in columns:
        grid.add_column(name, overflow="fold")
    return grid


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], title: str | None = None) -> Table:
    """Rows as a table. Integers are right-aligned with separators; None is empty."""
    grid = plain_grid(title=title)
    for name in columns:
        is_number = bool(rows) and all(isinstance(row[name], int) for row in rows)
        justify: Any = "right" if is_number else "left"
        grid.add_column(name.replace("_", " "), justify=justify, no_wrap=is_number, overflow="fold")
    for row in rows:
        grid.add_row(*(_cell(row[name]) for name in columns))
    return grid


def _cell(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else printable("" if value is None else value)


def line(*parts: str | tuple[str, str]) -> Text:
    """Styled parts of a line, such as `("maple", "bold")`."""
    safe = ((printable(part[0]), part[1]) if isinstance(part, tuple) else printable(part) for part in parts)
    return Text.assemble(*safe)
