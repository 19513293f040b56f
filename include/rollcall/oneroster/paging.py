"""Reads the pages of a collection and proves that it is complete (rule 1: no silent loss).

Public clients lose rows silently. A provider may lower `limit`: Ed-Fi serves 500 of 5,000 requested rows. A client
that stops at a short page, or advances by the rows requested, takes part of a district for the whole. Therefore:

- The offset advances by rows received.
- A total (`X-Total-Count`, or in the body) must be reached. One request after it confirms it.
- Without a total, only an empty page ends the collection, or a chain of `Link: rel="next"` that ends.
- `Link` is never followed, because it may lead to another host. Offsets decide.
- If the counts do not match, the collection is read once more from the start. If the second attempt does not match
  either, the collection is unproven. Pages that only repeat, or never end, are an error.
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
from rollcall.oneroster.limits import RowCount, exceeded, megabytes
from rollcall.oneroster.pages import Checkpoint, Fetched, Page, Proof, ReadStats
from rollcall.oneroster.records import Collection, Record
from rollcall.oneroster.seen import RowIndex
from rollcall.oneroster.source import Prefetcher

__all__ = ["Checkpoint", "Page", "PageReader", "Proof"]

log = logging.getLogger(__name__)

_encode = msgspec.json.Encoder().encode

#: Rows that contradict an earlier row of the same sourcedId. Their hashes are kept, at 300 bytes each.
_MAX_CONFLICTS = 250_000


@dataclass(frozen=True)
class ReadLimits:
    """The bounds on reading one collection.

    :param rows: counts the rows of the whole pull.
    :param pages: pages of the collection.
    :param max_rows: rows of the collection, if it has a bound of its own.
    :param max_bytes: bytes of its pages, if they are kept in memory.
    """

    rows: RowCount
    pages: int
    max_rows: int | None = None
    max_bytes: int | None = None


class PageReader:
    """Iterates over the pages of a collection once. Afterwards it has the proof.

    A second attempt follows an unproven one. Its pages carry `attempt` 2. The consumer then drops everything from
    attempt 1, resumed pages included, and keeps the parts of `proof.attempt`.

    :param prefetcher: makes the prefetcher of an attempt.
    :param resume: the checkpoint of an earlier attempt. Its last page is read again. If that page changed, the
        collection is read from the start, as attempt 2.
    :param seen: every sourcedId read before, landed or not.
    :param limits: the bounds on pages and rows.
    """

    def __init__(
        self,
        collection: Collection,
        prefetcher: Callable[[], Prefetcher],
        *,
        resume: Checkpoint | None = None,
        seen: Iterable[str] = (),
        limits: ReadLimits,
    ) -> None:
        self._collection = collection
        self._prefetcher = prefetcher
        self._limits = limits
        self._resume = resume
        self._seen = seen
        self._proof: Proof | None = None

    @property
    def proof(self) -> Proof:
        """:raises RuntimeError: the last page was not read yet."""
        if self._proof is None:
            raise RuntimeError("the proof exists after the last page only")
        return self._proof

    def __iter__(self) -> Iterator[Page]:
        """:raises OneRosterError: as the client does; `PagingBroken` for repeated or endless pages."""
        attempt = self._first_attempt()
        yield from self._read(attempt)
        proof = attempt.proof()
        if attempt.given_up or not proof.proven:
            log.info("%s: %s. Reading again from the start.", self._collection.path, attempt.given_up or proof.reason)
            self._limits.rows.add(-attempt.received)
            attempt = _Attempt(collection=self._collection, attempt=2, limits=self._limits)
            yield from self._read(attempt)
            proof = attempt.proof()
        self._proof = proof

    def _first_attempt(self) -> _Attempt:
        if self._resume is None or not self._resume.pages:
            return _Attempt(collection=self._collection, attempt=1, limits=self._limits)
        self._limits.rows.add(self._resume.received)
        return _Attempt.resume(self._collection, self._resume, RowIndex.of(self._seen), self._limits)

    def _read(self, attempt: _Attempt) -> Iterator[Page]:
        prefetcher = self._prefetcher()
        try:
            yield from attempt.read(prefetcher)
        finally:
            prefetcher.drop()


@dataclass(kw_only=True)
class _Attempt(ReadStats):
    """One attempt at a collection.

    :param has_next_links: whether a page had a `next` link.
    :param envelope: the member of the first page that held its list.
    :param given_up: why this attempt ended early, in words. Only the first attempt may end early.
    :param resume_from: the checkpoint to resume from.
    :param bytes_received: bytes of its pages.
    :param first_hashes: the sourcedIds received, each with the hash of its first record.
    :param other_hashes: hashes of further records with a sourcedId received before.
    :param page_digests: digests of the pages received. `id_digests` covers only their sourcedIds.
    """

    collection: Collection
    limits: ReadLimits
    bytes_received: int = 0
    has_next_links: bool = False
    envelope: str | None = None
    given_up: str = ""
    resume_from: Checkpoint | None = None
    first_hashes: RowIndex = field(default_factory=RowIndex)
    other_hashes: dict[str, set[int]] = field(default_factory=dict)
    page_digests: set[bytes] = field(default_factory=set)
    id_digests: set[str] = field(default_factory=set)

    @classmethod
    def resume(cls, collection: Collection, checkpoint: Checkpoint, seen: RowIndex, limits: ReadLimits) -> _Attempt:
        """An attempt that continues from a checkpoint."""
        return cls(
            collection=collection,
            limits=limits,
            attempt=1,
            total=checkpoint.total,
            received=checkpoint.received,
            unique=len(seen),
            pages=checkpoint.pages,
            rows_per_page=checkpoint.rows_per_page,
            repeated=checkpoint.repeated,
            unidentified=checkpoint.unidentified,
            conflicting=checkpoint.conflicting,
            has_next_links=checkpoint.has_next_links,
            resume_from=checkpoint,
            first_hashes=seen,
        )

    def read(self, prefetcher: Prefetcher) -> Iterator[Page]:
        if self.resume_from is not None:
            self._check_last_page(self.resume_from, prefetcher)
        while not self.given_up and not self.link_ended and (fetched := self._next(prefetcher)) is not None:
            self._note_total(fetched)
            if self.given_up or self._is_empty(fetched):
                return
            repeated, conflicting = self._count_known(fetched)
            if not self._has_new_rows(fetched, repeated):
                if self._total_reached:
                    return  # the provider repeats itself past its end; the total is still reached
                if not self._is_remainder(fetched):
                    self._give_up_repeated()
                    return
            page = self._accept(fetched, repeated, conflicting)
            self._note_link(fetched)
            prefetcher.prefetch(self.received, self.total, fetched)
            memory = fetched.memory
            del fetched
            yield page
            del page, memory  # before the next page reserves its own

    @property
    def _total_reached(self) -> bool:
        """Whether the rows equal the total. An exceeded total is wrong; then only an empty page ends the collection."""
        return self.received == self.total

    def _check_last_page(self, last: Checkpoint, prefetcher: Prefetcher) -> None:
        """Read the last page again. If it is unchanged, the pages before it have not moved either."""
        again = prefetcher.get(last.offset)
        if again is None or again.ids_digest() != last.ids_digest or self.unique != last.unique:
            self.given_up = "the last page of the earlier attempt changed"
            return
        self.envelope = again.decoded.envelope
        self.page_digests.add(again.digest)
        self._note_total(again)
        self._note_link(again)
        prefetcher.prefetch(self.received, self.total, again)

    def _next(self, prefetcher: Prefetcher) -> Fetched | None:
        if self.pages >= self.limits.pages:
            raise exceeded(
                "pages_without_end",
                f"{self.collection.path} did not end after {self.pages:,} pages",
                f"{self.limits.pages:,} pages",
                "max_pages",
                "The provider's pages never end, or they are very small. Report this to its support.",
            )
        if not self._total_reached:
            return prefetcher.get(self.received)
        try:
            return prefetcher.get(self.received, retries=False)
        except ClientClosed:
            raise
        except OneRosterError:  # it refuses offsets past the end; the total is reached anyway
            self.confirmed = False
            return None

    def _is_empty(self, fetched: Fetched) -> bool:
        """Whether the page is empty, which ends the collection.

        :raises InvalidResponse: an empty list without an envelope, after pages with one and without a total of zero.
        """
        envelope = fetched.decoded.envelope
        if not fetched.decoded.rows and not envelope and self.envelope != "" and (self.received or fetched.total != 0):
            raise envelope_missing(self.collection)
        if self.envelope is None:
            self.envelope = envelope
            if envelope != self.collection.envelope:
                actual = f"in the envelope `{envelope}`" if envelope else "without an envelope"
                log.info("%s: received %s", self.collection.path, actual)
        return not fetched.decoded.rows

    def _note_total(self, fetched: Fetched) -> None:
        total = fetched.total
        if total is None or (total == 0 and self.received and not fetched.decoded.rows):
            return  # no total, or the count of an empty page
        if self.total is not None and total != self.total:
            self.total_change = f"its total changed from {self.total:,} to {total:,} during the pull"
            self.given_up = self.total_change if self.attempt == 1 else ""
        self.total = total

    def _note_link(self, fetched: Fetched) -> None:
        self.link_ended = self.total is None and self.has_next_links and fetched.next_link is False
        self.has_next_links = self.has_next_links or bool(fetched.next_link)

    def _count_known(self, fetched: Fetched) -> tuple[int, int]:
        """How many rows are repeated, and how many conflict with a row of the same sourcedId and dateLastModified.

        Both are nearly always zero, which is detected without a step per row.
        """
        ids = fetched.known_ids
        if len(set(ids)) == len(ids) and self.first_hashes.isdisjoint(ids):
            return 0, 0
        repeated = conflicting = 0
        page_hashes: dict[str, set[int]] = {}
        for row in chain(fetched.decoded.records, fetched.decoded.unreadable):
            if row.sourced_id is None:
                continue
            row_hash = _row_hash(row)
            on_page = page_hashes.setdefault(row.sourced_id, set())
            known = self._known_hashes(row.sourced_id) | on_page
            is_conflict = row_hash not in known and any(map(partial(_is_conflict, row_hash), known))
            conflicting += is_conflict
            repeated += row.sourced_id in self.first_hashes and not is_conflict
            on_page.add(row_hash)
        return repeated, conflicting

    def _known_hashes(self, sourced_id: str) -> set[int]:
        first = self.first_hashes.get(sourced_id)
        return self.other_hashes.get(sourced_id, set()) | ({first} if first is not None else set())

    def _has_new_rows(self, fetched: Fetched, repeated: int) -> bool:
        """Whether the page has a new row.

        The same sourcedIds in the same order are the same page, whatever else changed: some providers stamp each
        response. A single row proves this only after the total is reached.
        """
        ids = fetched.known_ids
        if (len(ids) > 1 or self._total_reached) and fetched.ids_digest() in self.id_digests:
            return False
        return repeated < len(ids) if ids else fetched.digest not in self.page_digests

    def _accept(self, fetched: Fetched, repeated: int, conflicting: int) -> Page:
        decoded = fetched.decoded
        offset, has_next_links = self.received, self.has_next_links
        self._check_limits(fetched, conflicting)
        self.page_digests.add(fetched.digest)
        self.id_digests.add(fetched.ids_digest())
        self.repeated += repeated
        self.conflicting += conflicting
        self.unidentified += decoded.rows - len(fetched.known_ids)
        records, unreadable = self._new_rows(fetched, repeated + conflicting)
        self.unique = len(self.first_hashes)
        self.pages += 1
        self.received += decoded.rows
        self.rows_per_page = max(self.rows_per_page, decoded.rows)
        checkpoint = Checkpoint(
            offset=offset,
            page_size=fetched.limit,
            ids_digest=fetched.ids_digest(),
            received=self.received,
            unique=self.unique,
            pages=self.pages,
            rows_per_page=self.rows_per_page,
            repeated=self.repeated,
            unidentified=self.unidentified,
            conflicting=self.conflicting,
            total=self.total,
            has_next_links=has_next_links,
        )
        return Page(records, unreadable, offset, decoded.rows, self.total, self.attempt, checkpoint)

    def _check_limits(self, fetched: Fetched, conflicting: int) -> None:
        """:raises InvalidResponse: more rows or bytes than the collection or the pull may have."""
        rows, size = self.received + fetched.decoded.rows, self.bytes_received + fetched.size
        path, limits = self.collection.path, self.limits
        if limits.max_rows is not None and rows > limits.max_rows:
            raise exceeded(
                "too_many_rows", f"{path} has more than {limits.max_rows:,} rows", f"{limits.max_rows:,}", ""
            )
        if limits.max_bytes is not None and size > limits.max_bytes:
            limit = megabytes(limits.max_bytes)
            raise exceeded("too_many_bytes", f"{path} has more than {limit} in {rows:,} rows", limit, "")
        if self.conflicting + conflicting > _MAX_CONFLICTS:
            raise exceeded(
                "rows_contradict",
                f"{path} has more than {_MAX_CONFLICTS:,} rows that contradict another row of the same sourcedId",
                f"{_MAX_CONFLICTS:,} rows",
                "",
            )
        limits.rows.add(fetched.decoded.rows)
        self.bytes_received = size

    def _new_rows(self, fetched: Fetched, known: int) -> tuple[list[Any], list[Any]]:
        """The new readable and unreadable rows: all rows, unless one is known or repeated on the page."""
        records, unreadable, ids = fetched.decoded.records, fetched.decoded.unreadable, fetched.known_ids
        if unreadable or known or len(set(ids)) < len(ids):
            return self._filter_new(records), self._filter_new(unreadable)
        self.first_hashes.update(ids, map(_row_hash, records))
        return records, []

    def _filter_new(self, rows: list[Any]) -> list[Any]:
        """The rows that differ from all rows before: a new or unreadable sourcedId, or other content.

        Validate decides which of several rows with one sourcedId counts. Of rows read by an earlier process only the
        sourcedId is known, so they are kept again.
        """
        new = []
        for row in rows:
            row_hash = _row_hash(row)
            if row.sourced_id is None or row_hash not in self._known_hashes(row.sourced_id):
                new.append(row)
            if row.sourced_id is None:
                continue
            if self.first_hashes.get(row.sourced_id) is None:
                self.first_hashes.set(row.sourced_id, row_hash)
            else:
                self.other_hashes.setdefault(row.sourced_id, set()).add(row_hash)
        return new

    def _is_remainder(self, fetched: Fetched) -> bool:
        """Whether known rows are the end of a collection that changes during the pull, not a repeated page.

        That is fewer rows than a page, in new form, and no more than the total lacks. They leave it unproven.
        """
        rows = fetched.decoded.rows
        lacking = 0 if self.total is None else self.total - self.received
        is_short = rows < self.rows_per_page and rows <= lacking
        return self.attempt > 1 and fetched.digest not in self.page_digests and is_short

    def _give_up_repeated(self) -> None:
        """:raises PagingBroken: this is the second attempt."""
        problem = f"offset {self.received} returned only rows received before"
        if self.attempt == 1:
            self.given_up = problem
            return
        raise PagingBroken(
            "page_repeated",
            f"{self.collection.path}: {problem}, in two attempts.",
            remedy="The provider seems to ignore `offset`. Report this to its support. None of the rows are used.",
        )


def _row_hash(row: Any) -> int:
    """A hash of a row's content, with the hash of its dateLastModified in the upper bits."""
    if isinstance(row, Record):
        return (hash(row.date_last_modified) & 0x7FFFFFFF) << 32 | crc32(_encode(row))
    return crc32(getattr(row, "record", b""))


def _is_conflict(row_hash: int, other: int) -> bool:
    """Whether two rows of one sourcedId have the same dateLastModified and differ."""
    return row_hash != other and row_hash >> 32 == other >> 32
