"""From pages to a collection, and the proof that it is complete (DESIGN, rule 1: no silent loss).

Public clients lose rows silently: a provider lowers `limit` on its own (Ed-Fi serves 500 where 5,000 were asked) and a
client that stops at a short page, or steps by the rows it asked for, takes part of a district for the whole. So:

- the offset advances by rows received;
- a stated total (`X-Total-Count`) is reached and then confirmed by one request behind it;
- without a total only an empty page ends the collection, or a chain of `Link: rel="next"` that ends;
- `Link` is never followed: offsets decide, so that no link leads to another host;
- a page that brings nothing new is an error; a total that changes restarts the collection once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from include.oneroster.decode import Decoded, Unreadable
from include.oneroster.entities import Collection
from include.oneroster.errors import OneRosterError, PagingBroken

log = logging.getLogger(__name__)

Kind = Literal["total", "empty_page", "link_end", "unproven"]

#: Two million rows at the specification's default of 100; more means that a provider never ends.
MOST_PAGES = 20_000


@dataclass(frozen=True)
class Fetched:
    """One answer of a collection, decoded.

    :param total: what `X-Total-Count` says, if anything.
    :param next_link: whether `Link` has a `next`; None where there is no `Link`.
    """

    decoded: Decoded
    total: int | None
    next_link: bool | None
    digest: bytes


@dataclass(frozen=True)
class Page:
    """Part of a collection.

    :param records: new ones; a record that came on an earlier page is dropped.
    :param received: rows that stood on the page.
    :param attempt: 1, or 2 after a restart: then everything of attempt 1 is void.
    """

    records: list[Any]
    unreadable: list[Unreadable]
    offset: int
    received: int
    total: int | None
    attempt: int


@dataclass(frozen=True)
class Proof:
    """How it is known that a collection is complete, or why it is not.

    :param kind: the `total` was met, an `empty_page` followed the last, a chain of links ended, or `unproven`.
    :param expected: the total the provider stated, if any.
    :param received: rows, repeated ones included; `unique` counts different sourcedIds.
    :param rows_per_page: the largest page, which shows a provider that lowers our limit.
    :param why: why it is unproven, or what else was seen.
    :param attempt: the one whose pages count.
    """

    kind: Kind
    expected: int | None
    received: int
    unique: int
    pages: int
    rows_per_page: int
    why: str
    attempt: int = 1

    @property
    def proven(self) -> bool:
        return self.kind != "unproven"


#: The rows at an offset; None where the provider says that there is nothing. `patient` is False for the one request
#: behind a total that was reached, which need not succeed.
Fetch = Callable[[int, bool], Fetched | None]


class PageReader:
    """Iterates over the pages of a collection, once, and then has its proof.

    When the provider's total changes between two pages, the collection is read again from the start: pages then carry
    `attempt` 2, and the consumer drops what it made of attempt 1 (it keeps the parts of `proof.attempt`).
    """

    def __init__(self, collection: Collection, fetch: Fetch) -> None:
        self._collection = collection
        self._fetch = fetch
        self._proof: Proof | None = None

    @property
    def proof(self) -> Proof:
        """:raises RuntimeError: before the last page was taken."""
        if self._proof is None:
            raise RuntimeError("a collection has its proof after its last page")
        return self._proof

    def __iter__(self) -> Iterator[Page]:
        """:raises OneRosterError: as the client does; PagingBroken for a repeated page and for pages without end."""
        reading = _Reading(self._collection, attempt=1)
        yield from reading.read(self._fetch)
        if reading.changed:
            log.info("%s: %s; reading it again from the start", self._collection.path, reading.changed)
            reading = _Reading(self._collection, attempt=2)
            yield from reading.read(self._fetch)
        self._proof = reading.proof()


@dataclass
class _Reading:
    """One attempt at a collection.

    :param came_again: rows that had come on an earlier page.
    :param unidentified: rows without a readable sourcedId.
    :param changed: what moved while it was read, in words.
    :param confirmed: False where the request behind the total was refused.
    """

    collection: Collection
    attempt: int
    total: int | None = None
    received: int = 0
    pages: int = 0
    rows_per_page: int = 0
    came_again: int = 0
    unidentified: int = 0
    changed: str = ""
    confirmed: bool = True
    chained: bool = False
    link_ended: bool = False
    ids: set[str] = field(default_factory=set)
    digests: set[bytes] = field(default_factory=set)

    def read(self, fetch: Fetch) -> Iterator[Page]:
        while not self.link_ended and (fetched := self._next(fetch)) is not None:
            self._note_total(fetched)
            if not fetched.decoded.rows or (self.changed and self.attempt == 1):
                return
            if not self._brings_something(fetched):
                if self._reached:
                    return  # behind its end the provider repeats itself; the total is met all the same
                raise self._repeated()
            yield self._take(fetched)
            self.link_ended = self.total is None and self.chained and fetched.next_link is False
            self.chained = self.chained or bool(fetched.next_link)

    def proof(self) -> Proof:
        kind, why = self._verdict()
        return Proof(kind, self.total, self.received, len(self.ids), self.pages, self.rows_per_page, why, self.attempt)

    @property
    def _reached(self) -> bool:
        """The rows of the total are there. One that was exceeded is wrong, and then only an empty page is an end."""
        return self.received == self.total

    def _next(self, fetch: Fetch) -> Fetched | None:
        if self.pages >= MOST_PAGES:
            raise PagingBroken(
                "pages_without_end",
                f"{self.collection.path} did not end after {MOST_PAGES} pages.",
                remedy="The provider serves pages for ever; its support has to look at it.",
            )
        if not self._reached:
            return fetch(self.received, True)
        try:
            return fetch(self.received, False)
        except OneRosterError:  # it dislikes offsets behind the end, and has met its total all the same
            self.confirmed = False
            return None

    def _note_total(self, fetched: Fetched) -> None:
        stated = fetched.total
        if stated is None or (stated == 0 and self.received and not fetched.decoded.rows):
            return  # nothing said, or the count of an empty page
        if self.total is not None and stated != self.total:
            self.changed = f"its total changed from {self.total} to {stated} while it was read"
        self.total = stated

    def _brings_something(self, fetched: Fetched) -> bool:
        ids = [row.sourced_id for row in _rows(fetched.decoded) if row.sourced_id is not None]
        known = sum(sourced_id in self.ids for sourced_id in ids)
        if (known == len(ids)) if ids else (fetched.digest in self.digests):
            return False
        self.digests.add(fetched.digest)
        self.came_again += known
        self.unidentified += fetched.decoded.rows - len(ids)
        return True

    def _take(self, fetched: Fetched) -> Page:
        decoded = fetched.decoded
        page = Page(
            records=self._new(decoded.records),
            unreadable=self._new(decoded.unreadable),
            offset=self.received,
            received=decoded.rows,
            total=self.total,
            attempt=self.attempt,
        )
        self.pages += 1
        self.received += decoded.rows
        self.rows_per_page = max(self.rows_per_page, decoded.rows)
        return page

    def _new(self, rows: list[Any]) -> list[Any]:
        """The rows whose sourcedId is new, and those that have none."""
        kept = []
        for row in rows:
            if row.sourced_id is None:
                kept.append(row)
            elif row.sourced_id not in self.ids:
                kept.append(row)
                self.ids.add(row.sourced_id)
        return kept

    def _verdict(self) -> tuple[Kind, str]:
        different = self.received - self.came_again
        again = f"rows that came again on a later page: {self.came_again}" if self.came_again else ""
        if self.changed:
            return "unproven", f"{self.changed}, twice"
        if self.total is not None and different != self.total:
            return "unproven", _sentence(f"the provider counts {self.total} rows and served {different}", again)
        if self.total is None and again:
            return "unproven", f"{again}; they moved while it was read"
        on_one_page = different - self.unidentified - len(self.ids)
        notes = _sentence(
            again,
            f"rows that stood twice on a page: {on_one_page}" if on_one_page else "",
            "" if self.confirmed else "the request behind the total was refused",
        )
        if self.total is not None:
            return "total", notes
        return "link_end" if self.link_ended else "empty_page", notes

    def _repeated(self) -> PagingBroken:
        return PagingBroken(
            "page_repeated",
            f"{self.collection.path} at offset {self.received} brought only rows that had come before.",
            remedy="The provider seems to ignore `offset`; its support has to look at it. Nothing of it is used.",
        )


def _rows(decoded: Decoded) -> Iterator[Any]:
    yield from decoded.records
    yield from decoded.unreadable


def _sentence(*parts: str) -> str:
    return "; ".join(part for part in parts if part)
