"""What passes between the steps of reading a collection: a response, a page, a checkpoint, and the proof."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from operator import attrgetter
from typing import Any, Literal

import msgspec

from rollcall.oneroster.decode import Decoded, UnreadableRecord
from rollcall.oneroster.limits import Reservation

_SOURCED_ID = attrgetter("sourced_id")


@dataclass(frozen=True)
class Fetched:
    """One decoded response of a collection.

    :param total: from `X-Total-Count` or the body. None: not sent.
    :param next_link: whether `Link` has a `next`. None: no `Link` header.
    :param limit: rows requested.
    :param size: bytes of its body.
    :param memory: reserved for it, released with it.
    """

    decoded: Decoded
    total: int | None
    next_link: bool | None
    digest: bytes
    limit: int
    size: int = 0
    memory: Reservation | None = field(default=None, repr=False, compare=False)

    @cached_property
    def ids(self) -> list[str | None]:
        """The sourcedIds of its rows. None: unreadable."""
        return list(map(_SOURCED_ID, chain(self.decoded.records, self.decoded.unreadable)))

    @cached_property
    def known_ids(self) -> list[str]:
        """The readable sourcedIds."""
        return [sourced_id for sourced_id in self.ids if sourced_id is not None]

    def ids_digest(self) -> str:
        """A digest of its sourcedIds in order. It stays the same when other fields of the page change.

        Rows without a sourcedId can only be distinguished by the whole response.
        """
        body_digest = self.digest.hex() if None in self.ids else ""
        return hashlib.blake2b(f"{body_digest} {self.ids}".encode(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class Checkpoint:
    """Progress of an attempt, to resume from in another process. Plain values, JSON and back without loss.

    :param offset: offset of the last good page, requested with `page_size`; its sourcedIds have `ids_digest`.
    :param received: rows so far, that page included. `unique` counts distinct sourcedIds.
    :param pages: pages so far. The largest had `rows_per_page` rows.
    :param repeated: rows that were on an earlier page too.
    :param unidentified: rows without a readable sourcedId.
    :param conflicting: rows that have the sourcedId and dateLastModified of another row but other content.
    :param total: the provider's total, if it sent one.
    :param has_next_links: whether a page before the last one had a `next` link.
    """

    offset: int = 0
    page_size: int = 0
    ids_digest: str = ""
    received: int = 0
    unique: int = 0
    pages: int = 0
    rows_per_page: int = 0
    repeated: int = 0
    unidentified: int = 0
    conflicting: int = 0
    total: int | None = None
    has_next_links: bool = False


@dataclass(frozen=True)
class Page:
    """One page of a collection.

    :param records: new records. A record that was identical on an earlier page is dropped.
    :param received: rows on the page.
    :param attempt: 1, or 2 after a restart. Attempt 2 voids attempt 1 and everything from before a resumption.
    :param checkpoint: to resume from once this page is stored.
    """

    records: list[Any]
    unreadable: list[UnreadableRecord]
    offset: int
    received: int
    total: int | None
    attempt: int
    checkpoint: Checkpoint = Checkpoint()


Kind = Literal["total", "empty_page", "link_end", "unproven"]


class Proof(msgspec.Struct, frozen=True):
    """Proof that a collection is complete (rule 1), or the reason why there is none.

    :param kind: `total`: rows match the provider's total. `empty_page`: an empty page followed the last one.
        `link_end`: the last page had no `next` link. `unproven`: no proof.
    :param expected: the provider's total, if it sent one.
    :param received: rows received, repeated rows included. `unique` counts distinct sourcedIds.
    :param rows_per_page: rows of the largest page. "5,000 of 9,871" reads as truncation.
    :param reason: why it is unproven, or remarks.
    :param attempt: the attempt whose pages count.
    """

    kind: Kind
    expected: int | None
    received: int
    unique: int
    pages: int
    rows_per_page: int
    reason: str = ""
    attempt: int = 1

    @property
    def proven(self) -> bool:
        return self.kind != "unproven"


@dataclass(kw_only=True)
class ReadStats:
    """Counts of one attempt. `Checkpoint` explains the shared fields.

    :param total_change: how the total changed during the attempt, in words.
    :param confirmed: False if the request after the total was refused.
    :param link_ended: whether the last page had no `next` link after pages that had one.
    """

    attempt: int
    total: int | None = None
    received: int = 0
    unique: int = 0
    pages: int = 0
    rows_per_page: int = 0
    repeated: int = 0
    unidentified: int = 0
    conflicting: int = 0
    total_change: str = ""
    confirmed: bool = True
    link_ended: bool = False

    def proof(self) -> Proof:
        kind, reason = self._evaluate()
        if kind == "unproven" and self.attempt > 1:
            reason += "; read twice"
        return Proof(kind, self.total, self.received, self.unique, self.pages, self.rows_per_page, reason, self.attempt)

    def _evaluate(self) -> tuple[Kind, str]:
        different = self.received - self.repeated
        repeats = f"rows repeated on a later page: {self.repeated}" if self.repeated else ""
        if self.total_change:
            return "unproven", self.total_change
        if self.total is not None and different != self.total:
            return "unproven", _join(self._mismatch(different, self.total), repeats)
        if self.total is None and repeats:
            return "unproven", f"{repeats}; the collection changed during the pull"
        on_same_page = different - self.unidentified - self.conflicting - self.unique
        notes = _join(
            repeats,
            f"rows repeated on the same page: {on_same_page}" if on_same_page else "",
            f"rows with a duplicate sourcedId and other content: {self.conflicting}" if self.conflicting else "",
            "" if self.confirmed else "the request after the total was refused",
        )
        if self.total is not None:
            return "total", notes
        return "link_end" if self.link_ended else "empty_page", notes

    def _mismatch(self, different: int, total: int) -> str:
        """Such as `exactly 5,000 of 9,871 rows in 1 full page of 5,000: truncated?`. Full pages suggest truncation."""
        pages = f"{self.pages:,} page{'' if self.pages == 1 else 's'}"
        if different > total:
            return f"{different:,} rows received, but the provider's total is {total:,}"
        if self.pages and different == self.pages * self.rows_per_page:
            full = pages.replace("page", "full page")
            return f"exactly {different:,} of {total:,} rows in {full} of {self.rows_per_page:,}: truncated?"
        return f"{different:,} of {total:,} rows in {pages} of at most {self.rows_per_page:,}"


def _join(*parts: str) -> str:
    return "; ".join(part for part in parts if part)
