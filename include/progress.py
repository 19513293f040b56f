"""A run on a terminal: which stage it is in, and how far each collection has come."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn


class Terminal:
    """Draws on standard error while a run goes on; without a terminal it writes one line per stage.

    :param title: what is being synced.
    """

    def __init__(self, title: str) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._title = title
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Terminal:
        self._console.print(f"{self._title}: sync")
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bars.stop()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Show a stage while it runs, and how long it took when it is done."""
        began = time.monotonic()
        task = self._bars.add_task(name, total=None)
        yield
        for made in (task, *self._tasks.values()):
            self._bars.remove_task(made)
        self._tasks.clear()
        self._console.print(f"  {name:<12} {time.monotonic() - began:6.1f} s")

    def progress(self, collection: str, rows: int, total: int | None, most_at_once: int) -> None:
        """What extract tells after each page."""
        del most_at_once  # for the ledger, not for the screen
        if collection not in self._tasks:
            self._tasks[collection] = self._bars.add_task(f"  {collection}", total=total)
        self._bars.update(self._tasks[collection], completed=rows, total=total)
