"""The waits of all threads of one client: those of one thread, those of all, and their common end.

A provider that answers 429 means the whole client. So while one thread waits for that reason, no other begins a
request. And a client that is closed keeps nobody waiting: a pull that failed in one collection would else sit out the
back-off of the others, minutes of it.

Threads that wait at the same time wait once: their seconds are not added up, and what a request waits for because
another one was answered 429 is not taken from its own patience.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from include.oneroster.errors import stopped


class Waits:
    """Shared by the threads of a client."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._gate = threading.Condition()
        self._keeping_shut = 0
        self._opens_at = 0.0
        self._asleep = 0
        self._fell_asleep_at = self._wakes_at = 0.0
        self._seconds = 0.0
        self._held = threading.local()

    @property
    def shut(self) -> bool:
        """Whether a thread waits for all."""
        return self._keeping_shut > 0

    @property
    def seconds(self) -> float:
        """Seconds in which at least one thread waited."""
        return self._seconds

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the pause of all ends; None where there is no pause."""
        with self._gate:
            return max(0.0, self._opens_at - time.monotonic()) if self._keeping_shut else None

    @property
    def held(self) -> float:
        """Seconds this thread has waited so far because another thread waits for all."""
        return getattr(self._held, "seconds", 0.0)

    def sleep(self, seconds: float, *, for_all: bool, sleep: Callable[[float], None] | None = None) -> None:
        """Wait, until the client is closed at the latest.

        :param for_all: nobody else begins a request meanwhile.
        :param sleep: another way to wait, for tests.
        :raises ReadingStopped: the client was closed.
        """
        with self._counted(seconds):
            if for_all:
                with self._shut_for_others(seconds):
                    (sleep or self._stopped.wait)(seconds)
            else:
                (sleep or self._stopped.wait)(seconds)
        self.check()

    def until_open(self) -> None:
        """Wait as long as a thread waits for all.

        :raises ReadingStopped: the client was closed.
        """
        with self._gate:
            if self._keeping_shut:
                began = time.monotonic()
                self._gate.wait_for(lambda: not self._keeping_shut or self._stopped.is_set())
                self._held.seconds = self.held + time.monotonic() - began
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
    def _counted(self, seconds: float) -> Iterator[None]:
        """Count a wait, and one that overlaps with another only as far as it is longer."""
        with self._gate:
            now = time.monotonic()
            if not self._asleep:
                self._fell_asleep_at = self._wakes_at = now
            self._asleep += 1
            self._wakes_at = max(self._wakes_at, now + seconds)
        try:
            yield
        finally:
            with self._gate:
                self._asleep -= 1
                if not self._asleep:
                    woke = time.monotonic() if self._stopped.is_set() else self._wakes_at
                    self._seconds += woke - self._fell_asleep_at

    @contextmanager
    def _shut_for_others(self, seconds: float) -> Iterator[None]:
        with self._gate:
            opens_at = time.monotonic() + seconds
            self._opens_at = max(self._opens_at, opens_at) if self._keeping_shut else opens_at
            self._keeping_shut += 1
        try:
            yield
        finally:
            with self._gate:
                self._keeping_shut -= 1
                self._gate.notify_all()
