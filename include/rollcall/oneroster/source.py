"""How pages of one collection are requested: filter, limit, several at once."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import quote, urlencode

from requests.utils import parse_header_links

from rollcall.oneroster.decode import decode_page, envelope_missing
from rollcall.oneroster.errors import (
    EndpointNotFound,
    FilterUnanswered,
    InvalidResponse,
    ParameterRefused,
    RequestRefused,
    RetryableError,
    client_closed,
)
from rollcall.oneroster.http import Response
from rollcall.oneroster.pages import Fetched
from rollcall.oneroster.records import Collection
from rollcall.oneroster.requester import Exchange, Retry

log = logging.getLogger(__name__)

#: No record is modified after it. Some databases behind providers know no date past June 2079.
FAR_FUTURE = datetime(2079, 1, 1, tzinfo=UTC)


def modified_since(moment: datetime) -> str:
    """The filter for what was modified after a moment, to the millisecond, in UTC.

    A known client writes ISO's week-numbering year here, and whole days: around New Year it misses a year.

    :raises ValueError: the moment has no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone is none")
    told = moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")
    return f"dateLastModified>'{told}Z'"


T = TypeVar("T")

#: Maximums that providers document; the largest one that is accepted is used.
_STEPS = (5000, 3000, 2000, 1000, 500, 250, 200, 100, 50, 25, 10)


class LargestLimit:
    """Shared by the collections and threads of a client, for a maximum belongs to the provider.

    :ivar found: the largest limit that was accepted after a larger one had been refused; None while none was refused.
    """

    def __init__(self) -> None:
        self.found: int | None = None
        self._known: int | None = None
        self._searching = threading.Lock()

    def expect(self, limit: int) -> None:
        """Ask for no more than this, which was found earlier."""
        self._known = limit

    def within(self, limit: int) -> int:
        """The limit to ask with where this one is wanted."""
        return min(limit, self.found or limit, self._known or limit)

    def ask(self, limit: int, page: Callable[[int], T]) -> T:
        """A page with this limit, or with the largest smaller one where it is refused.

        One thread searches while the others wait for what it finds.

        :param page: asks for the page with a limit.
        :raises RequestRefused: the request is refused whatever the limit is.
        """
        limit = self.within(limit)
        try:
            return page(limit)
        except ParameterRefused as refused:
            with self._searching:
                if (known := self.within(limit)) == limit:
                    return self._search(limit, page, refused)
            return page(known)

    def _search(self, limit: int, page: Callable[[int], T], refused: ParameterRefused) -> T:
        smaller = [step for step in _STEPS if step < limit]
        if not smaller or not _is_accepted(page):
            raise refused
        for step in smaller:
            try:
                found = page(step)
            except ParameterRefused:
                continue
            self.found = step
            log.info("the provider refuses a limit of %d and accepts %d; %d is asked for", limit, step, step)
            return found
        raise RequestRefused(
            "limit_refused",
            f"{refused.message.rstrip('.')}, and so was every smaller limit down to {smaller[-1]}.",
            remedy="Ask the provider's support for the largest limit it accepts and set `politeness.page_size` to it.",
        )


def _is_accepted(page: Callable[[int], T]) -> bool:
    """Whether the same request passes with a limit of one, which no provider finds too large."""
    try:
        page(1)
    except ParameterRefused:
        return False
    return True


#: Behind the end nothing is worth a second try.
_ONCE = Retry(attempts=1)

#: No page gets lighter than the specification's default.
_LEAST = 100


class Source:
    """Fetches pages of one collection, from any thread.

    :param base_url: of the service; asked for at the first request.
    :param filter_: OneRoster's expression, if not everything is wanted.
    :param limit: rows asked for per page. A page that is too heavy for the provider halves it, for good.
    :param largest: what the provider accepts at most, of all collections.
    """

    def __init__(
        self,
        exchange: Exchange,
        base_url: Callable[[], str],
        collection: Collection,
        filter_: str | None,
        limit: int,
        largest: LargestLimit,
    ) -> None:
        self._exchange = exchange
        self._base_url = base_url
        self._collection = collection
        self._filter = filter_
        self._limit = limit
        self._largest = largest
        self._lock = threading.Lock()

    def fetch(self, offset: int, patient: bool = True) -> Fetched | None:
        """The page at an offset; None where the provider says that there is nothing.

        :param patient: whether trouble that may pass is outlived.
        :raises FilterUnanswered: nothing came for a filter, and no total says that there is nothing.
        :raises OneRosterError: as the exchange does.
        """
        try:
            if not patient:
                return self._page(offset, self._largest.within(self._limit), _ONCE)
            return self._largest.ask(self._limit, lambda limit: self._page(offset, limit))
        except EndpointNotFound:
            if offset:
                return None  # some providers have no page behind the last
            if not self._is_offered():
                raise
            raise self._unanswered("404 without a list") from None

    def _page(self, offset: int, limit: int, retry: Retry | None = None) -> Fetched | None:
        asked = limit

        def lighter() -> str | None:
            nonlocal asked
            asked = self._halved(asked)
            return self._url(offset, asked) if asked else None

        return self._exchange.get(
            self._url(offset, asked), lambda answer: self._read(answer, offset, asked), retry=retry, lighter=lighter
        )

    def _halved(self, asked: int) -> int:
        """Half the rows a heavy request asked for, or what another thread has come down to; 0 where it is enough."""
        with self._lock:
            less = min(self._limit, max(asked // 2, _LEAST))
            if less >= asked:
                return 0
            self._limit = less
        log.info("%s: %d rows a page are too many for the provider; asking for %d", self._collection.path, asked, less)
        return less

    def _is_offered(self) -> bool:
        """Whether the collection is there without its filter."""
        if self._filter is None:
            return False
        try:
            self._exchange.get(self._url(0, 1, filtered=False), lambda _: None)
        except EndpointNotFound:
            return False
        return True

    def _url(self, offset: int, limit: int, *, filtered: bool = True) -> str:
        query = {"limit": str(limit), "offset": str(offset)}
        if filtered and self._filter is not None:
            query["filter"] = self._filter
        # Spaces as %20: OAuth 1 signs them so, and some servers read `+` as a plus.
        return f"{self._base_url()}/{self._collection.path}?{urlencode(query, quote_via=quote, safe='')}"

    def _read(self, answer: Response, offset: int, limit: int) -> Fetched | None:
        is_empty = not answer.body.strip()
        if self._filter is not None and is_empty:
            self._require_nothing(answer, offset)
            return None
        if answer.status == HTTPStatus.NO_CONTENT:
            if not offset and _total(answer.headers.get("X-Total-Count")):
                raise envelope_missing(self._collection)  # a total above zero is stated, and nothing came
            return None
        try:
            decoded = decode_page(self._collection, answer.body)
        except InvalidResponse as error:
            if error.code == "html_answer":  # the service was found before: it is being maintained
                raise RetryableError("a web page came", becomes=error) from None
            if error.code != "envelope_missing" or self._filter is None:
                raise
            self._require_nothing(answer, offset)
            return None
        total = _total(answer.headers.get("X-Total-Count"))
        total = decoded.total if total is None else total
        if self._filter is not None and not decoded.rows and not decoded.envelope and not offset and total != 0:
            raise self._unanswered("an empty list without a name")
        return Fetched(
            decoded,
            total,
            _has_next(answer.headers.get("Link")),
            hashlib.sha256(answer.body).digest(),
            limit,
        )

    def _require_nothing(self, answer: Response, offset: int) -> None:
        """Take an answer without a list to a filtered request for no rows, if a total says so or it is 204 behind rows.

        :raises FilterUnanswered: else, for a filter that is not understood may be answered so too.
        """
        behind_rows = offset > 0 and answer.status == HTTPStatus.NO_CONTENT
        if not behind_rows and _total(answer.headers.get("X-Total-Count")) != 0:
            raise self._unanswered(f"{answer.status} without a list")

    def _unanswered(self, what: str) -> FilterUnanswered:
        return FilterUnanswered(
            "filter_unanswered",
            f"The provider answered {what} when {self._collection.path} were filtered, and no total says zero.",
            remedy="The whole collection is read instead. Ask the provider's support to answer an empty list.",
        )


def _total(header: str | None) -> int | None:
    """The stated total; what is no number says nothing."""
    header = (header or "").strip()
    return int(header) if header.isascii() and header.isdecimal() and len(header) < 12 else None


def _has_next(header: str | None) -> bool | None:
    if not header:
        return None
    return any("next" in link.get("rel", "").lower().split() for link in parse_header_links(header))


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
            raise client_closed() from None
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
