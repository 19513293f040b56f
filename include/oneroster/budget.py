"""How many requests may be under way at once: the politeness the client asks leave of before each one.

Infinite Campus publishes five at most off-peak and one in peak hours, per host. A client alone in its process has
:class:`LocalBudget`; a budget that holds across processes is handed to it from outside.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Budget(Protocol):
    """Permission to have a request under way."""

    def slot(self, host: str) -> AbstractContextManager[None]:
        """Hold one for the length of one request, a token request like any other; waits until one is free.

        A thread never holds two.

        :param host: the machine's name, without port.
        """


class LocalBudget:
    """So many at once to each host, counted in this process alone."""

    def __init__(self, concurrency: int) -> None:
        self._concurrency = concurrency
        self._lock = threading.Lock()
        self._hosts: dict[str, threading.BoundedSemaphore] = {}

    @contextmanager
    def slot(self, host: str) -> Iterator[None]:
        with self._lock:
            places = self._hosts.setdefault(host, threading.BoundedSemaphore(self._concurrency))
        with places:
            yield
