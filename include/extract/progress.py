"""How a pull tells what it is doing: to a caller that draws it, and to the log. Counts only, never a value."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Protocol

log = logging.getLogger("rollcall.extract")


class Progress(Protocol):
    """Told after each page of a collection; one call at a time, from any thread.

    :param rows: received so far of this collection; smaller than before where its reading began again.
    :param total: what the provider says there is, if it says.
    :param most_at_once: the most requests that were under way at once so far, over all collections.
    """

    def __call__(self, collection: str, rows: int, total: int | None, most_at_once: int) -> None: ...


class Teller:
    """Keeps count over all threads of a pull.

    :param progress: the caller's, if it wants to know.
    :param most_at_once: asked for at each page.
    """

    def __init__(self, progress: Progress | None, most_at_once: Callable[[], int]) -> None:
        self._progress = progress
        self._most_at_once = most_at_once
        self._lock = threading.Lock()
        self._under_way: dict[str, tuple[int, int | None]] = {}

    def page(self, collection: str, rows: int, total: int | None) -> None:
        """A page came."""
        with self._lock:
            self._under_way[collection] = (rows, total)
            if self._progress is not None:
                self._progress(collection, rows, total, self._most_at_once())

    def done(self, collection: str, rows: int, unreadable: int, proof: str) -> None:
        """A collection is complete, or as complete as it gets.

        :param proof: its kind and, if there is something to say, why.
        """
        with self._lock:
            self._under_way.pop(collection, None)
        log.info("%s: %d rows received, %d unreadable, proof: %s", collection, rows, unreadable, proof)

    def under_way(self) -> None:
        """Log how far the collections that are being read have come."""
        with self._lock:
            told = [
                f"{name} {rows} of {'an unknown total' if total is None else total}"
                for name, (rows, total) in self._under_way.items()
            ]
        log.info("reading: %s; at most %d requests at once", ", ".join(told) or "first pages", self._most_at_once())
