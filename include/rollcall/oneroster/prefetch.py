"""The pages of one big collection asked for before their turn, several at once, and handed over in their order.

Once the total is known, all offsets are: the rows of page one are what the provider serves at a time, whatever was
asked for. So requests of one collection can overlap. What comes out is what serial reading would give: a page is used
only for the very offset that serial reading arrives at, and where a page is shorter or longer than was reckoned with,
what had been asked for behind it is dropped.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future

from rollcall.oneroster.errors import stopped
from rollcall.oneroster.source import Fetched

#: The rows at an offset; None where the provider says that there is nothing. `patient` is False for the one request
#: behind a total that was reached, which need not succeed.
Fetch = Callable[[int, bool], Fetched | None]
Submit = Callable[[Fetch, int, bool], "Future[Fetched | None]"]

#: After so many pages of another length for no reason we know, each guess would only cost the provider requests.
_MOST_WRONG_GUESSES = 2


class PrefetchSlots:
    """How many pages may be asked for, or in memory, ahead of their turn: over all collections of a client together,
    so that memory does not grow with how many are read at once.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._free = threading.Semaphore(count)

    def take(self) -> bool:
        """Take a place, unless none is free."""
        return self._free.acquire(blocking=False)

    def give_back(self) -> None:
        self._free.release()


class Prefetcher:
    """The answers of one reading, some of which are asked for ahead of their turn.

    :param submit: runs a fetch in another thread.
    :param places: one is held by each page that is ahead; where none is free, pages are read in their turn.
    """

    def __init__(self, fetch: Fetch, submit: Submit, places: PrefetchSlots) -> None:
        self._fetch = fetch
        self._submit = submit
        self._places = places
        self._asked: dict[int, Future[Fetched | None]] = {}
        self._stride = 0
        self._limit = 0
        self._wrong_guesses = 0

    def at(self, offset: int, *, patient: bool = True) -> Fetched | None:
        """The page at an offset, waited for or asked for now.

        :raises OneRosterError: as the request for it does.
        """
        future = self._asked.pop(offset, None)
        if future is None:
            self.drop()
            return self._fetch(offset, patient)
        try:
            return future.result()
        except CancelledError:
            raise stopped() from None
        finally:
            self._places.give_back()

    def expect(self, offset: int, total: int | None, page: Fetched) -> None:
        """Ask for what follows a page that was taken.

        :param offset: behind that page.
        """
        if total is None or offset >= total:
            return
        rows = page.decoded.rows
        if self._stride and rows != self._stride:
            self.drop()
            # A provider that was asked for less serves less; else its pages follow no rule.
            self._wrong_guesses += page.limit == self._limit
        self._stride, self._limit = rows, page.limit
        if self._wrong_guesses >= _MOST_WRONG_GUESSES:
            return
        for place in range(offset, min(total, offset + self._places.count * rows), rows or 1):
            if place in self._asked:
                continue
            if not self._places.take():
                return
            self._asked[place] = self._submit(self._fetch, place, True)

    def drop(self) -> None:
        """Forget what was asked for; what has not begun never will."""
        for future in self._asked.values():
            future.cancel()
            self._places.give_back()
        self._asked.clear()
