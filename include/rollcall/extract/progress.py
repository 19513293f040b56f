"""Reports the progress of a pull to a caller and to the log. Counts only, never a value."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

from rollcall.display.dates import format_instant
from rollcall.landing.pull import LandedCollection, Proof
from rollcall.runtime.waits import duration

log = logging.getLogger(__name__)

#: Seconds between two reports while collections are read.
REPORT_SECONDS = 10.0

#: Seconds between two reports to the caller while the provider makes us wait: a countdown.
COUNTDOWN_SECONDS = 1.0

_PROOFS = {
    "total": "matches the provider's total",
    "empty_page": "an empty page followed the last page",
    "link_end": "the last page had no next link",
}


class Progress(Protocol):
    """Called after each page and every `REPORT_SECONDS`; every `COUNTDOWN_SECONDS` while the provider makes us wait.

    Calls come from any thread, one at a time.

    :param rows: rows received of this collection. Smaller than before if the collection started over.
    :param total: the provider's total, if it sent one.
    :param at_once: requests in flight, over all collections.
    :param seconds_left: estimate until the collection is read. None: unknown.
    :param waiting: seconds until requests resume after a 429. None: no wait.
    """

    def __call__(
        self,
        collection: str,
        rows: int,
        total: int | None,
        at_once: int,
        seconds_left: float | None,
        waiting: float | None,
    ) -> None: ...


@dataclass
class _Reading:
    """A collection being read. `before` counts the rows present when the clock started at `began`."""

    rows: int
    total: int | None
    before: int
    began: float

    def seconds_left(self) -> float | None:
        received, seconds = self.rows - self.before, time.monotonic() - self.began
        if self.total is None or received <= 0:
            return None
        return max(0, self.total - self.rows) * seconds / received


class ProgressReporter:
    """Counts over all threads of a pull, and reports regularly while its context is open.

    :param progress: the caller's function, if any.
    :param at_once: returns the requests in flight.
    :param waiting: returns the seconds until requests resume, or None.
    """

    def __init__(
        self, progress: Progress | None, at_once: Callable[[], int], waiting: Callable[[], float | None]
    ) -> None:
        self._progress = progress
        self._at_once = at_once
        self._waiting = waiting
        self._lock = threading.Lock()
        self._readings: dict[str, _Reading] = {}
        self._done = threading.Event()
        self._ticker = threading.Thread(target=self._tick, name="extract-progress", daemon=True)

    def __enter__(self) -> ProgressReporter:
        self._ticker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._done.set()
        self._ticker.join()

    def begin(self, collection: str, rows: int) -> None:
        """The collection starts. `rows` rows exist from an earlier try."""
        with self._lock:
            self._readings[collection] = _Reading(rows, None, rows, time.monotonic())

    @contextmanager
    def reading(self, collection: str) -> Iterator[None]:
        """Report a collection that is read before the others."""
        self.begin(collection, 0)
        try:
            yield
        finally:
            with self._lock:
                self._readings.pop(collection, None)

    def page(self, collection: str, rows: int, total: int | None) -> None:
        """A page was received."""
        with self._lock:
            reading = self._readings[collection]
            if rows < reading.rows:  # started over, so the clock does too
                reading = self._readings[collection] = _Reading(rows, total, 0, time.monotonic())
            reading.rows, reading.total = rows, total
        self._report(collection, reading, self._waiting())

    def done(self, landed: LandedCollection) -> None:
        """A collection is read. The log states its proof."""
        with self._lock:
            self._readings.pop(landed.collection, None)
        log.log(logging.INFO if landed.proof.proven else logging.WARNING, "%s", summary(landed))

    def _report(self, collection: str, reading: _Reading, waiting: float | None) -> None:
        if self._progress is not None:
            self._progress(collection, reading.rows, reading.total, self._at_once(), reading.seconds_left(), waiting)

    def _tick(self) -> None:
        last = time.monotonic()
        while not self._done.wait(min(REPORT_SECONDS, COUNTDOWN_SECONDS)):
            waiting, now = self._waiting(), time.monotonic()
            if is_due := now - last >= REPORT_SECONDS:
                last = now
            if is_due or waiting is not None:
                with self._lock:
                    readings = list(self._readings.items())
                for collection, reading in readings:  # without the lock: a caller may write to a slow warehouse
                    if is_due and waiting is None:  # `rollcall.runtime.waits` reports waits
                        self._log(collection, reading)
                    self._report(collection, reading, waiting)

    def _log(self, collection: str, reading: _Reading) -> None:
        activity = f"{self._at_once()} requests in flight, {_time_left(reading.seconds_left())}"
        log.info("%s: %s rows, %s", collection, f"{reading.rows:,} of {_or_unknown(reading.total)}", activity)


def summary(landed: LandedCollection) -> str:
    """A collection's numbers and proof in one line, such as

    users: 5,000 of 9,871 rows in 1 page of up to 5,000; NOT proven complete: exactly 5,000 of 9,871 rows in …
    """
    proof = landed.proof
    completeness = _PROOFS[proof.kind] if proof.kind != "unproven" else f"NOT proven complete: {proof.reason}"
    notes = [
        proof.reason if proof.proven else "",
        f"modified since {format_instant(landed.since)}" if landed.since else "",
        f"{landed.unreadable:,} unreadable" if landed.unreadable else "",
        f"{landed.not_landed:,} people not landed" if landed.not_landed else "",
    ]
    pages = f"{proof.pages:,} {'page' if proof.pages == 1 else 'pages'} of up to {proof.rows_per_page:,}"
    return "; ".join(
        [f"{landed.collection}: {_rows(proof)} rows in {pages}", completeness, *(note for note in notes if note)]
    )


def _rows(proof: Proof) -> str:
    """`all 9,871`, or `5,000 of 9,871`."""
    if proof.expected is None:
        return f"{proof.received:,}"
    if proof.received == proof.expected:
        return f"all {proof.expected:,}"
    return f"{proof.received:,} of {proof.expected:,}"


def _or_unknown(total: int | None) -> str:
    return "an unknown total" if total is None else f"{total:,}"


def _time_left(seconds: float | None) -> str:
    return "time left unknown" if seconds is None else f"about {duration(seconds)} left"
