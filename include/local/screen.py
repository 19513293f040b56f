"""What a launcher shows: lines, and for runs under way a live table on a terminal, a line per change elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

#: Task states by district, in the order of the tasks: `{"maple": {"extract": "success", "validate": "running"}}`.
States = Mapping[str, Mapping[str, str | None]]

_STYLES = {
    "success": "green",
    "running": "yellow",
    "failed": "bold red",
    "upstream_failed": "red",
    "up_for_retry": "magenta",
}


class Screen:
    """One launcher's terminal, file or pipe."""

    def __init__(self) -> None:
        self.console = Console(highlight=False, soft_wrap=True)
        self._begun = time.monotonic()

    def say(self, line: str) -> None:
        """A line with the seconds since the start before it."""
        self.console.print(f"[dim]{self.seconds:4.0f} s[/]  {escape(line)}")

    def title(self, text: str) -> None:
        """A line that begins a part."""
        self.console.print(f"\n[bold]{escape(text)}[/]")

    def lines(self, text: str) -> None:
        """Text as it is."""
        self.console.print(text, markup=False)

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._begun


class TaskBoard:
    """The states of each district's tasks, shown while they change."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._shown: dict[tuple[str, str], str | None] = {}
        self._live = Live(console=screen.console, refresh_per_second=4) if screen.console.is_terminal else None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, states: States) -> None:
        """Show the states as they are now."""
        if self._live is not None:
            self._live.update(_table(states))
            return
        for district, tasks in states.items():
            for task, state in tasks.items():
                if state in (None, "scheduled", "queued") or self._shown.get((district, task)) == state:
                    continue
                self._shown[district, task] = state
                self._screen.say(f"{district:8} {task:12} {state}")


def _table(states: States) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("district")
    tasks = list(dict.fromkeys(task for district in states.values() for task in district))
    for task in tasks:
        table.add_column(task, min_width=10)
    for district, found in states.items():
        cells = []
        for task in tasks:
            state = found.get(task) or "-"
            cells.append(f"[{_STYLES.get(state, 'dim')}]{state}[/]")
        table.add_row(district, *cells)
    return table
