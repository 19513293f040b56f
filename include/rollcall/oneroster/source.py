"""One collection as its provider serves it: where it lies, how much of it may be asked for at once, what comes."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from http import HTTPStatus
from itertools import chain
from operator import attrgetter
from typing import Any
from urllib.parse import quote, urlencode

from requests.utils import parse_header_links

from rollcall.oneroster.backoff import Retry, TryAgain
from rollcall.oneroster.decode import Decoded, Unreadable, decode_page, envelope_missing
from rollcall.oneroster.errors import AnswerUnusable, FilterUnanswered, NotOffered
from rollcall.oneroster.exchange import Exchange
from rollcall.oneroster.http import Answer
from rollcall.oneroster.limits import LargestLimit
from rollcall.oneroster.records import Collection

# OneRoster filters that Rollcall asks with (1.1 and 1.2, section 3.4.4 of the specification).

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


# What goes from hand to hand while a collection is read: an answer, a page of it, and the place to go on from.

_SOURCED_ID = attrgetter("sourced_id")


@dataclass(frozen=True)
class Fetched:
    """One answer of a collection, decoded.

    :param total: what `X-Total-Count` says, or the body beside the list, if anything.
    :param next_link: whether `Link` has a `next`; None where there is no `Link`.
    :param limit: rows that were asked for.
    """

    decoded: Decoded
    total: int | None
    next_link: bool | None
    digest: bytes
    limit: int

    @cached_property
    def ids(self) -> list[str | None]:
        """The sourcedIds of its rows, None for those that cannot be read."""
        return list(map(_SOURCED_ID, chain(self.decoded.records, self.decoded.unreadable)))

    @cached_property
    def known_ids(self) -> list[str]:
        """The sourcedIds that can be read."""
        return [sourced_id for sourced_id in self.ids if sourced_id is not None]

    def ids_digest(self) -> str:
        """A digest of its sourcedIds in their order: the same page has the same, whatever else changed on it.

        Rows without one can only be told apart by the whole answer.
        """
        told = self.digest.hex() if None in self.ids else ""
        return hashlib.blake2b(f"{told} {self.ids}".encode(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class Checkpoint:
    """How far a reading came, to go on from in another process: plain values, JSON and back without loss.

    :param offset: of the last good page, which was asked for with `page_size` and had the ids of `ids_digest`.
    :param received: rows so far, that page's included; `unique` different sourcedIds among them.
    :param pages: so far; the largest had `rows_per_page`.
    :param came_again: rows that had come on an earlier page.
    :param unidentified: rows without a readable sourcedId.
    :param shared: rows that share sourcedId and dateLastModified with another and are not the same.
    :param total: what the provider stated, if anything.
    :param chained: whether a page before the last had a `next` link.
    """

    offset: int = 0
    page_size: int = 0
    ids_digest: str = ""
    received: int = 0
    unique: int = 0
    pages: int = 0
    rows_per_page: int = 0
    came_again: int = 0
    unidentified: int = 0
    shared: int = 0
    total: int | None = None
    chained: bool = False


@dataclass(frozen=True)
class Page:
    """Part of a collection.

    :param records: new ones; one that came on an earlier page and was the same is dropped.
    :param received: rows that stood on the page.
    :param attempt: 1, or 2 after a restart: then everything of attempt 1, and from before a resumption, is void.
    :param checkpoint: to go on from, once this page is safe.
    """

    records: list[Any]
    unreadable: list[Unreadable]
    offset: int
    received: int
    total: int | None
    attempt: int
    checkpoint: Checkpoint = Checkpoint()


log = logging.getLogger(__name__)

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
        except NotOffered:
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
        except NotOffered:
            return False
        return True

    def _url(self, offset: int, limit: int, *, filtered: bool = True) -> str:
        query = {"limit": str(limit), "offset": str(offset)}
        if filtered and self._filter is not None:
            query["filter"] = self._filter
        # Spaces as %20: OAuth 1 signs them so, and some servers read `+` as a plus.
        return f"{self._base_url()}/{self._collection.path}?{urlencode(query, quote_via=quote, safe='')}"

    def _read(self, answer: Answer, offset: int, limit: int) -> Fetched | None:
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
        except AnswerUnusable as error:
            if error.code == "html_answer":  # the service was found before: it is being maintained
                raise TryAgain("a web page came", becomes=error) from None
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

    def _require_nothing(self, answer: Answer, offset: int) -> None:
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
