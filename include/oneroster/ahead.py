"""The pages of one big collection asked for before their turn, several at once, and handed over in their order.

Once the total is known, all offsets are: the rows of page one are what the provider serves at a time, whatever was
asked for. So requests of one collection can overlap. What comes out is what serial reading would give: a page is used
only for the very offset that serial reading arrives at, and where a page is shorter or longer than was reckoned with,
what had been asked for behind it is dropped.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import CancelledError, Future

from include.oneroster.errors import stopped
from include.oneroster.pages import Fetched

#: The rows at an offset; None where the provider says that there is nothing. `patient` is False for the one request
#: behind a total that was reached, which need not succeed.
Fetch = Callable[[int, bool], Fetched | None]
Submit = Callable[[Fetch, int, bool], "Future[Fetched | None]"]

#: After so many pages of another length for no reason we know, each guess would only cost the provider requests.
_MOST_WRONG_GUESSES = 2


class Ahead:
    """The answers of one reading, of which up to `width` are asked for, or in memory, ahead of their turn.

    :param submit: runs a fetch in another thread; with a `width` of 0 none is.
    """

    def __init__(self, fetch: Fetch, submit: Submit, width: int) -> None:
        self._fetch = fetch
        self._submit = submit
        self._width = width
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

    def expect(self, offset: int, total: int | None, page: Fetched) -> None:
        """Ask for what follows a page that was taken.

        :param offset: behind that page.
        """
        if not self._width or total is None or offset >= total:
            return
        rows = page.decoded.rows
        if self._stride and rows != self._stride:
            self.drop()
            # A provider that was asked for less serves less; else its pages follow no rule.
            self._wrong_guesses += page.limit == self._limit
        self._stride, self._limit = rows, page.limit
        if self._wrong_guesses >= _MOST_WRONG_GUESSES:
            return
        for place in range(offset, min(total, offset + self._width * rows), rows):
            if place not in self._asked:
                self._asked[place] = self._submit(self._fetch, place, True)

    def drop(self) -> None:
        """Forget what was asked for; what has not begun never will."""
        for future in self._asked.values():
            future.cancel()
        self._asked.clear()
