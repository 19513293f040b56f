"""How a pull tells what it is doing: to a caller that draws it, and to the log. Counts only, never a value."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

from rollcall.landing.pull import LandedCollection, Proof

log = logging.getLogger(__name__)

#: Seconds between two reports while collections are being read.
REPORT_SECONDS = 10.0

#: Seconds between two reports to a caller that draws them, while the provider has asked to wait: a countdown.
COUNTDOWN_SECONDS = 1.0

_PROOFS = {
    "total": "the provider's total was met",
    "empty_page": "an empty page came after the last",
    "link_end": "the chain of links ended",
}


class Progress(Protocol):
    """Called after each page and every `REPORT_SECONDS`; every `COUNTDOWN_SECONDS` while the provider makes us wait.

    Calls come from any thread, one at a time.

    :param rows: received so far of this collection; smaller than before where its reading began again.
    :param total: what the provider says there is, if it says.
    :param at_once: requests under way now, over all collections.
    :param seconds_left: until this collection is read, at the rate so far; None where nobody can tell.
    :param waiting: seconds until requests go on after the provider answered 429; None while it did not.
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
class _UnderWay:
    """A collection being read; `before` are rows that were there when the clock started at `began`."""

    rows: int
    total: int | None
    before: int
    began: float

    def seconds_left(self) -> float | None:
        came, seconds = self.rows - self.before, time.monotonic() - self.began
        if self.total is None or came <= 0:
            return None
        return max(0, self.total - self.rows) * seconds / came


class ProgressReporter:
    """Keeps count over all threads of a pull, and reports on its own while it is entered.

    :param progress: the caller's, if it wants to know.
    :param at_once: asked for whenever something is reported, like `waiting`: the seconds until requests go on.
    """

    def __init__(
        self, progress: Progress | None, at_once: Callable[[], int], waiting: Callable[[], float | None]
    ) -> None:
        self._progress = progress
        self._at_once = at_once
        self._waiting = waiting
        self._lock = threading.Lock()
        self._under_way: dict[str, _UnderWay] = {}
        self._over = threading.Event()
        self._ticking = threading.Thread(target=self._tick, name="extract-progress", daemon=True)

    def __enter__(self) -> ProgressReporter:
        self._ticking.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        self._ticking.join()

    def begin(self, collection: str, rows: int) -> None:
        """The first page is about to be asked for; `rows` are there from an earlier try."""
        with self._lock:
            self._under_way[collection] = _UnderWay(rows, None, rows, time.monotonic())

    @contextmanager
    def reading(self, collection: str) -> Iterator[None]:
        """A collection that is read before its turn."""
        self.begin(collection, 0)
        try:
            yield
        finally:
            with self._lock:
                self._under_way.pop(collection, None)

    def page(self, collection: str, rows: int, total: int | None) -> None:
        """A page came."""
        with self._lock:
            now = self._under_way[collection]
            if rows < now.rows:  # begun again: so is the clock
                now = self._under_way[collection] = _UnderWay(rows, total, 0, time.monotonic())
            now.rows, now.total = rows, total
            self._tell(collection, now, self._waiting())

    def done(self, landed: LandedCollection) -> None:
        """A collection is complete, or as complete as it gets; the log says how that is known."""
        with self._lock:
            self._under_way.pop(landed.collection, None)
        log.log(logging.INFO if landed.proof.proven else logging.WARNING, "%s", summary(landed))

    def _tell(self, collection: str, now: _UnderWay, waiting: float | None) -> None:
        if self._progress is not None:
            self._progress(collection, now.rows, now.total, self._at_once(), now.seconds_left(), waiting)

    def _tick(self) -> None:
        last = time.monotonic()
        while not self._over.wait(min(REPORT_SECONDS, COUNTDOWN_SECONDS)):
            waiting, now = self._waiting(), time.monotonic()
            if is_due := now - last >= REPORT_SECONDS:
                last = now
            if is_due or waiting is not None:
                with self._lock:
                    for collection, under_way in self._under_way.items():
                        if is_due:
                            self._log(collection, under_way, waiting)
                        self._tell(collection, under_way, waiting)

    def _log(self, collection: str, now: _UnderWay, waiting: float | None) -> None:
        doing = (
            f"{self._at_once()} requests at once, {_left(now.seconds_left())}"
            if waiting is None
            else f"waiting {waiting:.0f} s more, for the provider answered 429 (too many requests)"
        )
        log.info("%s: %s rows, %s", collection, f"{now.rows:,} of {_or_unknown(now.total)}", doing)


def summary(landed: LandedCollection) -> str:
    """A collection's numbers and proof in one line, such as

    users: 5,000 of 9,871 rows in 1 page of up to 5,000; NOT proven complete: exactly 5,000 of 9,871 rows came, …
    """
    proof = landed.proof
    known = _PROOFS[proof.kind] if proof.kind != "unproven" else f"NOT proven complete: {proof.reason}"
    notes = [
        proof.reason if proof.proven else "",
        f"modified since {landed.since:%Y-%m-%d %H:%M} UTC" if landed.since else "",
        f"{landed.unreadable:,} unreadable" if landed.unreadable else "",
        f"{landed.not_landed:,} people not landed" if landed.not_landed else "",
    ]
    pages = f"{proof.pages:,} {'page' if proof.pages == 1 else 'pages'} of up to {proof.rows_per_page:,}"
    return "; ".join(
        [f"{landed.collection}: {_share(proof)} rows in {pages}", known, *(note for note in notes if note)]
    )


def _share(proof: Proof) -> str:
    """`all 9,871`, or how many of how many."""
    if proof.expected is None:
        return f"{proof.received:,}"
    if proof.received == proof.expected:
        return f"all {proof.expected:,}"
    return f"{proof.received:,} of {proof.expected:,}"


def _or_unknown(total: int | None) -> str:
    return "an unknown total" if total is None else f"{total:,}"


def _left(seconds: float | None) -> str:
    if seconds is None:
        return "time left unknown"
    return f"about {seconds:.0f} s left" if seconds < 90 else f"about {seconds / 60:.0f} min left"
