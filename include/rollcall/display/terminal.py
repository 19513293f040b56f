"""The one way to a terminal, a pipe, or a task's log. Every value is printed as it is, as text.

No markup, no emoji codes, no links, no control characters: a role `ext:ghost:` and a name `[bold]` stay what they are.
Tables are whole at any width: words wrap, numbers and short values never lose a character.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.padding import Padding
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from rollcall.display.printable import printable, printable_lines

#: Characters in a line where there is no terminal. A pipe is searched by line, so rows should not wrap.
_PIPE_WIDTH = 1_000

#: Words up to this length are never folded.
_LONGEST_WORD = 18


class TextConsole(Console):
    """A console that prints strings literally and never cuts a table."""

    def render_str(self, text: str, **options: Any) -> Text:
        options |= {"emoji": False, "markup": False, "highlight": False}
        return super().render_str(printable(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable_lines(segment.text), segment.style)

    def print(self, *objects: Any, **options: Any) -> None:
        """Print strings as lines that only the terminal wraps; print tables no narrower than their longest words."""
        if all(isinstance(each, str | Text) for each in objects):
            options.setdefault("soft_wrap", True)
        needed = max((self._set_column_widths(each) for each in objects if isinstance(each, Table)), default=0)
        with self._at_least(needed):
            if self.is_terminal:
                super().print(*objects, **options)
                return
            with self.capture() as captured:
                super().print(*objects, **options)
        lines = captured.get().split("\n")
        self.file.write("\n".join(each.rstrip() for each in lines))

    @contextmanager
    def _at_least(self, width: int) -> Iterator[None]:
        """Print wider than the screen if needed: its own wrapping shows what a cut would hide."""
        own = self._width
        if width > self.width:
            self.width = width
        yield
        self._width = own

    def _set_column_widths(self, grid: Table) -> int:
        """Share the screen among the columns of a table that is too wide. Return the width the table needs.

        rich takes space from any column, and cuts what then sticks out. Here numbers and short words keep theirs.
        """
        wide = self.options.update(max_width=_PIPE_WIDTH)
        least, most = [], []
        for column in grid.columns:
            sizes = [self.measure(cell, options=wide) for cell in (column.header, *column.cells)]
            longest = max(size.maximum for size in sizes)
            word = max(size.minimum for size in sizes)
            least.append(column.width or (longest if column.no_wrap else min(word, _LONGEST_WORD)))
            most.append(column.width or longest)
        _, right, _, left_side = Padding.unpack(grid.padding)
        padding = (right + left_side) * (len(most) - (not grid.pad_edge))
        left = max(self.width - padding - sum(least), 0)
        if sum(most) > sum(least) + left:
            by_need = sorted(range(len(most)), key=lambda place: most[place] - least[place])
            for done, place in enumerate(by_need):
                more = min(most[place] - least[place], left // (len(most) - done))
                grid.columns[place].width = least[place] + more
                left -= more
        return sum(least) + padding


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
