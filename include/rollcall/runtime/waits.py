"""Says what a run waits for: a line every ten seconds, in the task's log and on the terminal, while a wait lasts.

Code that waits for a provider's answer, a Retry-After, a back-off, a token, other requests to the same host, or another
run's publication opens a wait around it (`waiting`). One thread reports all waits of the process. It runs only while
there are some. A line has no record values (rule 8).
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

log = logging.getLogger(__name__)

#: Seconds between two lines about a wait. The first line comes after as many seconds.
INTERVAL = 10.0


@dataclass(eq=False)
class _Wait:
    """One thing a thread waits for.

    :param what: the start of the line: what has not happened yet.
    :param then: the end of the line: the attempt, when the wait ends, or when it is given up. Called for each line.
    """

    what: str
    then: Callable[[], str]
    began: float
    said: float


class Waits:
    """The open waits of all threads.

    :param interval: seconds between two lines about one wait.
    :param clock: seconds that only grow.
    :param say: gets each line; by default a warning in the log.
    """

    def __init__(
        self,
        interval: float = INTERVAL,
        clock: Callable[[], float] = time.monotonic,
        say: Callable[[str], None] | None = None,
    ) -> None:
        self.interval = interval
        self.say = say or (lambda line: log.warning("%s", line))
        self._clock = clock
        self._stacks: dict[int, list[_Wait]] = {}
        self._lock = threading.Lock()
        self._reporter: threading.Thread | None = None

    @contextmanager
    def waiting(self, what: str, then: Callable[[], str] = lambda: "") -> Iterator[None]:
        """The block waits. Inside another wait of the same thread, only the inner one is reported.

        :param what: such as `users: no answer from the provider`.
        :param then: such as `attempt 2`.
        """
        thread, now = threading.get_ident(), self._clock()
        wait = _Wait(what, then, now, now)
        with self._lock:
            self._stacks.setdefault(thread, []).append(wait)
            if self._reporter is None or not self._reporter.is_alive():  # an exception of `say` or `then` ends it
                self._reporter = threading.Thread(target=self._report, name="waits", daemon=True)
                self._reporter.start()
        try:
            yield
        finally:
            with self._lock:
                stack = self._stacks.get(thread, [])  # empty in a child that was forked during the wait
                if wait in stack:
                    stack.remove(wait)
                if not stack:
                    self._stacks.pop(thread, None)

    @contextmanager
    def said_by(self, say: Callable[[str], None]) -> Iterator[None]:
        """Give the lines to another function, as a terminal with progress bars needs."""
        before, self.say = self.say, say
        try:
            yield
        finally:
            self.say = before

    def due(self) -> list[str]:
        """The lines that are due now. Threads that wait for the same thing have one line, of the longest wait."""
        with self._lock:
            now = self._clock()
            inner = sorted((stack[-1] for stack in self._stacks.values() if stack), key=lambda wait: wait.began)
            due: dict[str, _Wait] = {}
            for wait in inner:
                if now - wait.said >= self.interval:
                    wait.said = now
                    due.setdefault(wait.what, wait)
        return [_line(wait, now) for wait in due.values()]

    def reset(self) -> None:
        """Forget all waits."""
        self._stacks, self._lock, self._reporter = {}, threading.Lock(), None

    def _report(self) -> None:
        while True:
            time.sleep(min(1.0, self.interval / 4))
            with self._lock:
                if not self._stacks:
                    self._reporter = None
                    return
            for line in self.due():
                self.say(line)


def _line(wait: _Wait, now: float) -> str:
    then = wait.then()
    return f"{wait.what} for {duration(now - wait.began)}" + (f" ({then})" if then else "")


def duration(seconds: float) -> str:
    """`45 s`, `5 min`, `1 h 10 min`."""
    if seconds < 90:
        return f"{max(0, seconds):.0f} s"
    minutes = round(seconds / 60)
    hours, rest = divmod(minutes, 60)
    if not hours:
        return f"{rest} min"
    return f"{hours} h {rest} min" if rest else f"{hours} h"


#: The waits of this process. A forked child has none, and no thread that reports them.
WAITS = Waits()
os.register_at_fork(after_in_child=WAITS.reset)
waiting = WAITS.waiting
