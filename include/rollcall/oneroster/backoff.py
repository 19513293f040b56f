"""The waits of all threads of one client: those of one thread, those of all, and their common end.

A provider that answers 429 means the whole client. So while one thread waits for that reason, no other begins a
request. And a client that is closed keeps nobody waiting: a pull that failed in one collection would else sit out the
back-off of the others, minutes of it.

Threads that wait at the same time wait once: their seconds are not added up, and what a request waits for because
another one was answered 429 is not taken from its own patience.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

from rollcall.oneroster.errors import OneRosterError, stopped

# How many requests may be under way at once: the politeness the client asks leave of before each one.
#
# Infinite Campus publishes five at most off-peak and one in peak hours, per host. A client alone in its process has
# :class:`LocalBudget`; a budget that holds across processes is handed to it from outside.


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


# How long, and how patiently, a request is tried again.


class TryAgain(Exception):
    """This attempt failed in a way that may pass. Never leaves `rollcall.oneroster`.

    :param reason: in words, without any value of an answer.
    :param code: of the error it becomes when patience ends.
    :param retry_after: seconds the provider asks for.
    :param heavy: whether the provider may have been asked for too much at once (its own failure, or silence).
    :param becomes: the error when patience ends, where it is not simply that the provider is unavailable.
    """

    def __init__(
        self,
        reason: str,
        *,
        code: str = "provider_unavailable",
        retry_after: float | None = None,
        heavy: bool = False,
        becomes: OneRosterError | None = None,
    ) -> None:
        self.reason = reason
        self.code = code
        self.retry_after = retry_after
        self.heavy = heavy
        self.becomes = becomes
        super().__init__(reason)


@dataclass(frozen=True)
class Retry:
    """Exponential back-off with full jitter: each wait is between nothing and its step.

    Patience is counted in time, not in attempts: a request is given up only when its first attempt lies `patience`
    back, so the defaults outlive an outage of five minutes however the dice fall.

    :param attempts: requests in all, the first included; None: as many as patience allows.
    :param first_wait: the first step, in seconds; every step doubles up to `longest_wait`.
    :param patience: seconds since the first attempt after which no other is begun. A `Retry-After` beyond it is not
        waited for.
    :param sleep: another way to wait than the client's own, which ends when the client is closed.
    """

    attempts: int | None = None
    first_wait: float = 1.0
    longest_wait: float = 60.0
    patience: float = 330.0
    sleep: Callable[[float], None] | None = None

    def wait(self, tried: int, elapsed: float, retry_after: float | None = None) -> float | None:
        """Seconds to wait after `tried` attempts and `elapsed` seconds; None when it is time to give up."""
        if (self.attempts is not None and tried >= self.attempts) or elapsed >= self.patience:
            return None
        if retry_after is not None:
            if elapsed + retry_after > self.patience:
                return None
            # Never earlier than asked, and not all clients in the same instant.
            return retry_after + random.uniform(0, self.first_wait)  # noqa: S311 - spreads requests, guards nothing
        step = min(self.longest_wait, self.first_wait * 2.0 ** min(tried - 1, 16))
        return random.uniform(0, step)  # noqa: S311


class BackoffGate:
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
