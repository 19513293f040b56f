"""The waits of all threads of one client: those of one thread, those of all, and their common end.

A provider that answers 429 means the whole client. So while one thread waits for that reason, no other begins a
request. And a client that is closed keeps nobody waiting: a pull that failed in one collection would else sit out the
back-off of the others, minutes of it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from include.oneroster.errors import stopped


class Waits:
    """Shared by the threads of a client."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._gate = threading.Condition()
        self._keeping_shut = 0

    @property
    def shut(self) -> bool:
        """Whether somebody waits for all."""
        return self._keeping_shut > 0

    def sleep(self, seconds: float, *, for_all: bool, sleep: Callable[[float], None] | None = None) -> None:
        """Wait, until the client is closed at the latest.

        :param for_all: nobody else begins a request meanwhile.
        :param sleep: another way to wait, for tests.
        :raises ReadingStopped: the client was closed.
        """
        if for_all:
            with self._shut_for_others():
                (sleep or self._stopped.wait)(seconds)
        else:
            (sleep or self._stopped.wait)(seconds)
        self.check()

    def until_open(self) -> None:
        """Wait as long as somebody waits for all.

        :raises ReadingStopped: the client was closed.
        """
        with self._gate:
            self._gate.wait_for(lambda: not self._keeping_shut or self._stopped.is_set())
        self.check()

    def check(self) -> None:
        """:raises ReadingStopped: the client was closed."""
        if self._stopped.is_set():
            raise stopped()

    def stop(self) -> None:
        """End all waits, for good."""
        self._stopped.set()
        with self._gate:
            self._gate.notify_all()

    @contextmanager
    def _shut_for_others(self) -> Iterator[None]:
        with self._gate:
            self._keeping_shut += 1
        try:
            yield
        finally:
            with self._gate:
                self._keeping_shut -= 1
                self._gate.notify_all()
