"""From pages to a collection, and the proof that it is complete (rule 1: no silent loss).

Public clients lose rows silently: a provider lowers `limit` on its own (Ed-Fi serves 500 where 5,000 were asked) and a
client that stops at a short page, or steps by the rows it asked for, takes part of a district for the whole. So:

- the offset advances by rows received;
- a stated total (`X-Total-Count`, or beside the list) is reached and then confirmed by one request behind it;
- without a total only an empty page ends the collection, or a chain of `Link: rel="next"` that ends;
- `Link` is never followed: offsets decide, so that no link leads to another host;
- what does not add up, whatever the reason, is read from the start once more; a second reading that does not either is
  handed on as unproven. Pages that only repeat, or never end, are an error.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import Any
from zlib import crc32

import msgspec

from rollcall.oneroster.decode import envelope_missing
from rollcall.oneroster.errors import ClientClosed, OneRosterError, PagingBroken
from rollcall.oneroster.pages import Checkpoint, Fetched, Page, Proof, ReadStats
from rollcall.oneroster.records import Collection, Record
from rollcall.oneroster.source import Prefetcher

__all__ = ["Checkpoint", "Page", "PageReader", "Proof"]

log = logging.getLogger(__name__)

_encode = msgspec.json.Encoder().encode

#: Two million rows at the specification's default of 100; more means that a provider never ends.
MAX_PAGES = 20_000


class PageReader:
    """Iterates over the pages of a collection, once, and then has its proof.

    A reading that proves nothing is followed by a second one: pages then carry `attempt` 2, and the consumer drops what
    it made of attempt 1 (it keeps the parts of `proof.attempt`), that of the reading that was resumed included.

    :param ahead: makes what answers one reading.
    :param resume: where an earlier reading came to; its last page is read again, and if it is not the same any more,
        the collection is read from the start, as attempt 2.
    :param seen: every sourcedId that was read before, landed or not.
    """

    def __init__(
        self,
        collection: Collection,
        ahead: Callable[[], Prefetcher],
        *,
        resume: Checkpoint | None = None,
        seen: Iterable[str] = (),
    ) -> None:
        self._collection = collection
        self._ahead = ahead
        self._resume = resume
        self._seen = seen
        self._proof: Proof | None = None

    @property
    def proof(self) -> Proof:
        """:raises RuntimeError: before the last page was taken."""
        if self._proof is None:
            raise RuntimeError("a collection has its proof after its last page")
        return self._proof

    def __iter__(self) -> Iterator[Page]:
        """:raises OneRosterError: as the client does; PagingBroken for repeated pages and for pages without end."""
        reading = self._first()
        yield from self._read(reading)
        proof = reading.proof()
        if reading.given_up or not proof.proven:
            log.info("%s: %s; reading it again from the start", self._collection.path, reading.given_up or proof.reason)
            reading = _Reading(self._collection, attempt=2)
            yield from self._read(reading)
            proof = reading.proof()
        self._proof = proof

    def _first(self) -> _Reading:
        if self._resume is None or not self._resume.pages:
            return _Reading(self._collection, attempt=1)
        return _Reading.resumed(self._collection, self._resume, set(self._seen))

    def _read(self, reading: _Reading) -> Iterator[Page]:
        ahead = self._ahead()
        try:
            yield from reading.read(ahead)
        finally:
            ahead.drop()


@dataclass
class _Reading:
    """One attempt at a collection; the fields are those of `Seen` and `Checkpoint`.

    :param envelope: the member the first page's list stood in.
    :param given_up: why this attempt ended before its end, in words; only the first may.
    :param ids: the sourcedIds that came, each with the mark of its first record; None where that is not known.
    :param digests: of the pages that came; `id_lists` those of their sourcedIds.
    :param more: the marks of different records with a sourcedId that came before.
    """

    collection: Collection
    attempt: int
    total: int | None = None
    received: int = 0
    pages: int = 0
    rows_per_page: int = 0
    repeated: int = 0
    unidentified: int = 0
    shared: int = 0
    changed: str = ""
    given_up: str = ""
    confirmed: bool = True
    chained: bool = False
    link_ended: bool = False
    envelope: str | None = None
    resume: Checkpoint | None = None
    ids: dict[str, int | None] = field(default_factory=dict)
    more: dict[str, set[int]] = field(default_factory=dict)
    digests: set[bytes] = field(default_factory=set)
    id_lists: set[str] = field(default_factory=set)

    @classmethod
    def resumed(cls, collection: Collection, at: Checkpoint, seen: set[str]) -> _Reading:
        """An attempt that goes on where another one came to."""
        return cls(
            collection,
            attempt=1,
            total=at.total,
            received=at.received,
            pages=at.pages,
            rows_per_page=at.rows_per_page,
            repeated=at.repeated,
            unidentified=at.unidentified,
            shared=at.shared,
            chained=at.chained,
            resume=at,
            ids=dict.fromkeys(seen),
        )

    def read(self, ahead: Prefetcher) -> Iterator[Page]:
        if self.resume is not None:
            self._check_last_page(self.resume, ahead)
        while not self.given_up and not self.link_ended and (fetched := self._next(ahead)) is not None:
            self._note_total(fetched)
            if self.given_up or self._is_empty(fetched):
                return
            known, shared = self._known(fetched)
            if not self._brings_something(fetched, known):
                if self._reached:
                    return  # behind its end the provider repeats itself; the total is met all the same
                if not self._is_rest(fetched):
                    self._repeated()
                    return
            page = self._take(fetched, known, shared)
            self._note_link(fetched)
            ahead.expect(self.received, self.total, fetched)
            yield page

    def proof(self) -> Proof:
        return ReadStats(
            total=self.total,
            received=self.received,
            unique=len(self.ids),
            pages=self.pages,
            rows_per_page=self.rows_per_page,
            repeated=self.repeated,
            unidentified=self.unidentified,
            shared=self.shared,
            changed=self.changed,
            confirmed=self.confirmed,
            link_ended=self.link_ended,
            attempt=self.attempt,
        ).proof()

    @property
    def _reached(self) -> bool:
        """The rows of the total are there. One that was exceeded is wrong, and then only an empty page is an end."""
        return self.received == self.total

    def _check_last_page(self, last: Checkpoint, ahead: Prefetcher) -> None:
        """Read the last page again: if it is the same, those before it have not moved behind our back either."""
        again = ahead.at(last.offset)
        if again is None or again.ids_digest() != last.ids_digest or len(self.ids) != last.unique:
            self.given_up = "the last page read before is not what it was"
            return
        self.envelope = again.decoded.envelope
        self.digests.add(again.digest)
        self._note_total(again)
        self._note_link(again)
        ahead.expect(self.received, self.total, again)

    def _next(self, ahead: Prefetcher) -> Fetched | None:
        if self.pages >= MAX_PAGES:
            raise PagingBroken(
                "pages_without_end",
                f"{self.collection.path} did not end after {MAX_PAGES} pages.",
                remedy="The provider serves pages for ever; its support has to look at it.",
            )
        if not self._reached:
            return ahead.at(self.received)
        try:
            return ahead.at(self.received, patient=False)
        except ClientClosed:
            raise
        except OneRosterError:  # it dislikes offsets behind the end, and has met its total all the same
            self.confirmed = False
            return None

    def _is_empty(self, fetched: Fetched) -> bool:
        """Whether it is the end.

        :raises InvalidResponse: an empty list without an envelope, after pages with one and without a total of zero.
        """
        envelope = fetched.decoded.envelope
        if not fetched.decoded.rows and not envelope and self.envelope != "" and (self.received or fetched.total != 0):
            raise envelope_missing(self.collection)
        if self.envelope is None:
            self.envelope = envelope
            if envelope != self.collection.envelope:
                came = f"under another name: `{envelope}`" if envelope else "as a list without a name"
                log.info("%s came %s", self.collection.path, came)
        return not fetched.decoded.rows

    def _note_total(self, fetched: Fetched) -> None:
        stated = fetched.total
        if stated is None or (stated == 0 and self.received and not fetched.decoded.rows):
            return  # nothing said, or the count of an empty page
        if self.total is not None and stated != self.total:
            self.changed = f"its total changed from {self.total} to {stated} while it was read"
            self.given_up = self.changed if self.attempt == 1 else ""
        self.total = stated

    def _note_link(self, fetched: Fetched) -> None:
        self.link_ended = self.total is None and self.chained and fetched.next_link is False
        self.chained = self.chained or bool(fetched.next_link)

    def _known(self, fetched: Fetched) -> tuple[int, int]:
        """How many rows came before, and how many share a sourcedId with another of the same dateLastModified and are
        not the same: nearly always none, which is found out without a step per row.
        """
        if self.ids.keys().isdisjoint(fetched.known_ids) and len(set(fetched.known_ids)) == len(fetched.known_ids):
            return 0, 0
        known = shared = 0
        here: dict[str, set[int]] = {}
        for row in chain(fetched.decoded.records, fetched.decoded.unreadable):
            if row.sourced_id is None:
                continue
            before, mark = self._marks(row.sourced_id), _mark(row)
            on_page = here.setdefault(row.sourced_id, set())
            is_other = any(map(partial(_is_other_record, mark), before | on_page)) and mark not in before | on_page
            shared += is_other
            known += row.sourced_id in self.ids and not is_other
            on_page.add(mark)
        return known, shared

    def _marks(self, sourced_id: str) -> set[int]:
        first = self.ids.get(sourced_id)
        return self.more.get(sourced_id, set()) | ({first} if first is not None else set())

    def _brings_something(self, fetched: Fetched, known: int) -> bool:
        """Whether a row is new. The sourcedIds of an earlier page in their order are that page again, whatever else is
        on it: some providers stamp each answer. Of a single row that cannot be told, but behind a total that is met.
        """
        ids = fetched.known_ids
        if (len(ids) > 1 or self._reached) and fetched.ids_digest() in self.id_lists:
            return False
        return known < len(ids) if ids else fetched.digest not in self.digests

    def _take(self, fetched: Fetched, known: int, shared: int) -> Page:
        decoded = fetched.decoded
        offset, chained = self.received, self.chained
        self.digests.add(fetched.digest)
        self.id_lists.add(fetched.ids_digest())
        self.repeated += known
        self.shared += shared
        self.unidentified += decoded.rows - len(fetched.known_ids)
        records, unreadable = self._new(fetched, known + shared)
        self.pages += 1
        self.received += decoded.rows
        self.rows_per_page = max(self.rows_per_page, decoded.rows)
        checkpoint = Checkpoint(
            offset=offset,
            page_size=fetched.limit,
            ids_digest=fetched.ids_digest(),
            received=self.received,
            unique=len(self.ids),
            pages=self.pages,
            rows_per_page=self.rows_per_page,
            repeated=self.repeated,
            unidentified=self.unidentified,
            shared=self.shared,
            total=self.total,
            chained=chained,
        )
        return Page(records, unreadable, offset, decoded.rows, self.total, self.attempt, checkpoint)

    def _new(self, fetched: Fetched, known: int) -> tuple[list[Any], list[Any]]:
        """The readable and the unreadable rows to take: all of them, unless one came before or stands there twice."""
        records, unreadable, ids = fetched.decoded.records, fetched.decoded.unreadable, fetched.known_ids
        if unreadable or known or len(set(ids)) < len(ids):
            return self._one_by_one(records), self._one_by_one(unreadable)
        self.ids.update(zip(ids, map(_mark, records), strict=True))
        return records, []

    def _one_by_one(self, rows: list[Any]) -> list[Any]:
        """The rows that are not the same as one that came before: those whose sourcedId is new or cannot be read, and
        those that say something else under a sourcedId. Validate decides which of these counts and unites the others
        with it. Of what an earlier try read only the sourcedId is known, so it is taken again.
        """
        kept = []
        for row in rows:
            mark = _mark(row)
            if row.sourced_id is None or mark not in self._marks(row.sourced_id):
                kept.append(row)
            if row.sourced_id is None:
                continue
            if self.ids.get(row.sourced_id) is None:
                self.ids[row.sourced_id] = mark
            else:
                self.more.setdefault(row.sourced_id, set()).add(mark)
        return kept

    def _is_rest(self, fetched: Fetched) -> bool:
        """Whether known rows are the rest of a collection that moves while it is read, and no page that came again:
        fewer than a page, not seen in this form, and of the rows the total still lacks. They leave it unproven.
        """
        rows = fetched.decoded.rows
        lacks = 0 if self.total is None else self.total - self.received
        return self.attempt > 1 and fetched.digest not in self.digests and rows < self.rows_per_page and rows <= lacks

    def _repeated(self) -> None:
        """:raises PagingBroken: it happened in the second reading too."""
        what = f"offset {self.received} brought only rows that had come before"
        if self.attempt == 1:
            self.given_up = what
            return
        raise PagingBroken(
            "page_repeated",
            f"{self.collection.path}: {what}, in two readings.",
            remedy="The provider seems to ignore `offset`; its support has to look at it. Nothing of it is used.",
        )


def _mark(row: Any) -> int:
    """A number for what a row says, and above it one for its dateLastModified."""
    if isinstance(row, Record):
        return (hash(row.date_last_modified) & 0x7FFFFFFF) << 32 | crc32(_encode(row))
    return crc32(getattr(row, "record", b""))


def _is_other_record(mark: int, other: int) -> bool:
    """Whether two rows of one sourcedId are equally new and differ."""
    return mark != other and mark >> 32 == other >> 32
