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

from rollcall.oneroster.decode import decode_checked, envelope_missing
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
from rollcall.oneroster.limits import PageMemory, Reservation, require_decodable
from rollcall.oneroster.pages import Fetched
from rollcall.oneroster.records import Collection
from rollcall.oneroster.requester import Requester, Retry

log = logging.getLogger(__name__)

#: No record is modified after this. Some databases behind providers have no dates after June 2079.
FAR_FUTURE = datetime(2079, 1, 1, tzinfo=UTC)


def modified_since(moment: datetime) -> str:
    """The OneRoster filter for records modified after a moment, to the millisecond, in UTC.

    A known client writes the ISO week-numbering year and whole days here. Around New Year it misses a year.

    :raises ValueError: the moment has no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError("the moment needs a time zone")
    stamp = moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")
    return f"dateLastModified>'{stamp}Z'"


T = TypeVar("T")

#: Maximums that providers document, tried from the largest down.
_LIMITS = (5000, 3000, 2000, 1000, 500, 250, 200, 100, 50, 25, 10)


class LargestLimit:
    """The largest `limit` a provider accepts. Found once, shared by the collections and threads of a client.

    The specification lets a server lower a limit that is too large. Some refuse it with 400, 413, or 422 (openAIP,
    Ed-Fi's Data Management Service). Then every page must be requested with fewer rows.

    :ivar accepted: the largest limit accepted after a larger one was refused. None: no limit was refused.
    """

    def __init__(self) -> None:
        self.accepted: int | None = None
        self._assumed: int | None = None
        self._search_lock = threading.Lock()

    def assume(self, limit: int) -> None:
        """Request no more than this limit, which an earlier pull found."""
        self._assumed = limit

    def cap(self, limit: int) -> int:
        """This limit, or the known maximum if that is smaller."""
        return min(limit, self.accepted or limit, self._assumed or limit)

    def fetch(self, limit: int, fetch: Callable[[int], T]) -> T:
        """A page with this limit, or with the largest smaller limit that the provider accepts.

        One thread searches while the others wait for its result.

        :param fetch: requests the page with a given limit.
        :raises RequestRefused: the request is refused with every limit.
        """
        limit = self.cap(limit)
        try:
            return fetch(limit)
        except ParameterRefused as refused:
            with self._search_lock:
                if (maximum := self.cap(limit)) == limit:
                    return self._search(limit, fetch, refused)
            return fetch(maximum)

    def _search(self, limit: int, fetch: Callable[[int], T], refused: ParameterRefused) -> T:
        smaller = [step for step in _LIMITS if step < limit]
        if not smaller or not _accepts_smallest(fetch):
            raise refused
        for step in smaller:
            try:
                page = fetch(step)
            except ParameterRefused:
                continue
            self.accepted = step
            log.info("The provider refuses a limit of %d and accepts %d. Requesting %d.", limit, step, step)
            return page
        raise RequestRefused(
            "limit_refused",
            f"{refused.message.rstrip('.')}. Every smaller limit down to {smaller[-1]} was refused too.",
            remedy="Ask the provider's support for the largest limit it accepts. Set `extract.page_size` to it.",
        )


def _accepts_smallest(fetch: Callable[[int], T]) -> bool:
    """Whether the request passes with a limit of one, which no provider refuses as too large."""
    try:
        fetch(1)
    except ParameterRefused:
        return False
    return True


#: A request past the end is not worth a retry.
_NO_RETRY = Retry(attempts=1)

#: Minimum page size: the specification's default.
_MIN_LIMIT = 100


class Source:
    """Fetches pages of one collection, from any thread.

    :param base_url: returns the URL of the service; called at the first request.
    :param filter_: a OneRoster filter. None: the whole collection.
    :param limit: rows requested per page. It is halved permanently when a page is too heavy for the provider.
    :param largest: the largest limit the provider accepts.
    :param memory: limits the pages in memory.
    """

    def __init__(
        self,
        requester: Requester,
        base_url: Callable[[], str],
        collection: Collection,
        filter_: str | None,
        limit: int,
        largest: LargestLimit,
        memory: PageMemory,
    ) -> None:
        self._memory = memory
        self._requester = requester
        self._base_url = base_url
        self._collection = collection
        self._filter = filter_
        self._limit = limit
        self._largest = largest
        self._lock = threading.Lock()

    def fetch(self, offset: int, retries: bool = True, ahead: bool = False) -> Fetched | None:
        """The page at an offset. None: the provider reports no page there.

        :param retries: whether a failed request is retried.
        :param ahead: whether the page is requested ahead of its turn. Then it does not wait for memory.
        :raises NotEnoughMemory: a page requested ahead does not fit into memory now.
        :raises FilterUnanswered: a filtered request returned no list and no total of zero.
        :raises OneRosterError: as the requester does.
        """
        try:
            if not retries:
                return self._page(offset, self._largest.cap(self._limit), _NO_RETRY)
            return self._largest.fetch(self._limit, lambda limit: self._page(offset, limit, ahead=ahead))
        except EndpointNotFound:
            if offset:
                return None  # some providers have no page after the last one
            if not self._is_offered():
                raise
            raise self._unanswered("404 without a list") from None

    def _page(self, offset: int, limit: int, retry: Retry | None = None, *, ahead: bool = False) -> Fetched | None:
        requested = limit

        def smaller_request() -> str | None:
            nonlocal requested
            requested = self._halve(requested)
            return self._url(offset, requested) if requested else None

        return self._requester.get(
            self._url(offset, requested),
            lambda response: self._read(response, offset, requested, ahead=ahead),
            retry=retry,
            smaller_request=smaller_request,
        )

    def _halve(self, limit: int) -> int:
        """Half the limit of a heavy request, or the smaller limit another thread set. 0: it cannot get smaller."""
        with self._lock:
            smaller = min(self._limit, max(limit // 2, _MIN_LIMIT))
            if smaller >= limit:
                return 0
            self._limit = smaller
        log.info("%s: %d rows per page are too many. Requesting %d.", self._collection.path, limit, smaller)
        return smaller

    def _is_offered(self) -> bool:
        """Whether the collection exists without the filter."""
        if self._filter is None:
            return False
        try:
            self._requester.get(self._url(0, 1, filtered=False), lambda _: None)
        except EndpointNotFound:
            return False
        return True

    def _url(self, offset: int, limit: int, *, filtered: bool = True) -> str:
        query = {"limit": str(limit), "offset": str(offset)}
        if filtered and self._filter is not None:
            query["filter"] = self._filter
        # Spaces as %20: OAuth 1 signs them so, and some servers read `+` as a plus sign.
        return f"{self._base_url()}/{self._collection.path}?{urlencode(query, quote_via=quote, safe='')}"

    def _reserve(self, response: Response, *, ahead: bool) -> Reservation:
        size = require_decodable(response.body, self._collection.path)
        reservation = self._memory.reserve(size, wait=not ahead)
        if reservation is None:
            raise NotEnoughMemory
        return reservation

    def _read(self, response: Response, offset: int, limit: int, *, ahead: bool = False) -> Fetched | None:
        is_empty = not response.body.strip()
        if self._filter is not None and is_empty:
            self._require_no_rows(response, offset)
            return None
        if response.status == HTTPStatus.NO_CONTENT:
            if not offset and parse_total(response.headers.get("X-Total-Count")):
                raise envelope_missing(self._collection)  # the total is above zero, but the response is empty
            return None
        memory: Reservation | None = self._reserve(response, ahead=ahead)
        try:
            decoded = decode_checked(self._collection, response.body)
        except InvalidResponse as error:
            memory = None  # the error keeps this frame
            if error.code == "html_answer":  # the service responded before: this is a maintenance page
                raise RetryableError("the provider returned a web page", becomes=error) from None
            if error.code != "envelope_missing" or self._filter is None:
                raise
            self._require_no_rows(response, offset)
            return None
        total = parse_total(response.headers.get("X-Total-Count"))
        total = decoded.total if total is None else total
        if self._filter is not None and not decoded.rows and not decoded.envelope and not offset and total != 0:
            raise self._unanswered("an empty list without an envelope")
        return Fetched(
            decoded,
            total,
            has_next(response.headers.get("Link")),
            hashlib.sha256(response.body).digest(),
            limit,
            len(response.body),
            memory,
        )

    def _require_no_rows(self, response: Response, offset: int) -> None:
        """Accept a filtered response without a list as zero rows, if its total is zero or it is a 204 after rows.

        :raises FilterUnanswered: otherwise. A provider may respond like this to a filter it does not support.
        """
        follows_rows = offset > 0 and response.status == HTTPStatus.NO_CONTENT
        if not follows_rows and parse_total(response.headers.get("X-Total-Count")) != 0:
            raise self._unanswered(f"{response.status} without a list")

    def _unanswered(self, what: str) -> FilterUnanswered:
        return FilterUnanswered(
            "filter_unanswered",
            f"The provider returned {what} for a filter on {self._collection.path}, and no total of zero.",
            remedy="The whole collection is read instead. Ask the provider's support to return an empty list.",
        )


class NotEnoughMemory(Exception):
    """A page requested ahead does not fit into memory now. It is requested again in its turn."""


def parse_total(header: str | None) -> int | None:
    """The `X-Total-Count` header. None: missing or not a number."""
    header = (header or "").strip()
    return int(header) if header.isascii() and header.isdecimal() and len(header) < 12 else None


def has_next(header: str | None) -> bool | None:
    """Whether a `Link` header has a `next` link. Its URL is never used. None: no header."""
    if not header:
        return None
    return any("next" in link.get("rel", "").lower().split() for link in parse_header_links(header))


#: Fetches the page at an offset. None: no page there. The second argument says whether a failure is retried. It is
#: False for the request after the total is reached, which may fail. The third says whether it is requested ahead.
Fetch = Callable[[int, bool, bool], Fetched | None]
Submit = Callable[[Fetch, int], "Future[Fetched | None]"]

#: Unexpected page lengths after which prefetching stops. More guesses would only cost the provider requests.
_MAX_WRONG_GUESSES = 2


class PrefetchSlots:
    """Limits the pages that are requested ahead or wait in memory, over all collections of a client.

    Memory then does not grow with the number of collections read in parallel.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._free = threading.Semaphore(count)

    def acquire(self) -> bool:
        """Take a slot. False: none is free."""
        return self._free.acquire(blocking=False)

    def release(self) -> None:
        self._free.release()


class Prefetcher:
    """The pages of one attempt, some of them requested ahead, in order.

    Once the total is known, all offsets are known: page 1 shows how many rows the provider serves per page. So requests
    of one collection can overlap. The result equals serial reading: a page is used only for the offset that serial
    reading reaches. If a page has another length than expected, the pages requested after it are dropped.

    :param submit: runs a fetch in another thread.
    :param slots: each page requested ahead holds one. If none is free, pages are read one by one.
    """

    def __init__(self, fetch: Fetch, submit: Submit, slots: PrefetchSlots) -> None:
        self._fetch = fetch
        self._submit = submit
        self._slots = slots
        self._futures: dict[int, Future[Fetched | None]] = {}
        self._stride = 0
        self._limit = 0
        self._wrong_guesses = 0

    def get(self, offset: int, *, retries: bool = True) -> Fetched | None:
        """The page at an offset: prefetched or requested now.

        :raises OneRosterError: as its request does.
        """
        future = self._futures.pop(offset, None)
        if future is None:
            self.drop()
            return self._fetch(offset, retries, False)
        try:
            return future.result()
        except NotEnoughMemory:
            pass
        except CancelledError:
            raise client_closed() from None
        finally:
            self._slots.release()
        del future
        self.drop()  # a thread that waits for memory holds none
        return self._fetch(offset, retries, False)

    def prefetch(self, offset: int, total: int | None, page: Fetched) -> None:
        """Request the pages after a page.

        :param offset: offset after that page.
        """
        if total is None or offset >= total:
            return
        rows = page.decoded.rows
        if self._stride and rows != self._stride:
            self.drop()
            # A smaller limit explains a shorter page. Otherwise the pages follow no rule.
            self._wrong_guesses += page.limit == self._limit
        self._stride, self._limit = rows, page.limit
        if self._wrong_guesses >= _MAX_WRONG_GUESSES:
            return
        for position in range(offset, min(total, offset + self._slots.count * rows), rows or 1):
            if position in self._futures:
                continue
            if not self._slots.acquire():
                return
            self._futures[position] = self._submit(self._fetch, position)

    def drop(self) -> None:
        """Drop all prefetched pages. Requests that have not started never will."""
        for future in self._futures.values():
            future.cancel()
            self._slots.release()
        self._futures.clear()
