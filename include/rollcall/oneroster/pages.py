"""What passes between the steps of reading a collection: a response, a page, a checkpoint, and the proof."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from operator import attrgetter
from typing import Any, Literal

import msgspec

from rollcall.oneroster.decode import Decoded, UnreadableRecord

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
    :param repeated: rows that had come on an earlier page.
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
    repeated: int = 0
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


@dataclass(frozen=True)
class ReadStats:
    """What one reading saw.

    :param repeated: rows that had come on an earlier page.
    :param unidentified: rows without a readable sourcedId.
    :param shared: rows that share sourcedId and dateLastModified with another and are not the same.
    :param changed: how the total changed while it was read, in words.
    :param confirmed: False where the request behind the total was refused.
    :param link_ended: a chain of links came to its end.
    """

    total: int | None
    received: int
    unique: int
    pages: int
    rows_per_page: int
    repeated: int
    unidentified: int
    shared: int
    changed: str
    confirmed: bool
    link_ended: bool
    attempt: int

    def proof(self) -> Proof:
        kind, reason = self._verdict()
        if kind == "unproven" and self.attempt > 1:
            reason += "; it was read twice"
        return Proof(kind, self.total, self.received, self.unique, self.pages, self.rows_per_page, reason, self.attempt)

    def _verdict(self) -> tuple[Kind, str]:
        different = self.received - self.repeated
        again = f"rows that came again on a later page: {self.repeated}" if self.repeated else ""
        if self.changed:
            return "unproven", self.changed
        if self.total is not None and different != self.total:
            return "unproven", _sentence(self._not_the_total(different, self.total), again)
        if self.total is None and again:
            return "unproven", f"{again}; they moved while it was read"
        on_one_page = different - self.unidentified - self.shared - self.unique
        notes = _sentence(
            again,
            f"rows that stood twice on a page: {on_one_page}" if on_one_page else "",
            f"rows that share a sourcedId with a different one: {self.shared}" if self.shared else "",
            "" if self.confirmed else "the request behind the total was refused",
        )
        if self.total is not None:
            return "total", notes
        return "link_end" if self.link_ended else "empty_page", notes

    def _not_the_total(self, different: int, total: int) -> str:
        """`exactly 5,000 of 9,871 rows came, in 1 full page of 5,000: cut off?`: a round number reads as truncation."""
        pages = f"{self.pages:,} page{'' if self.pages == 1 else 's'}"
        if different > total:
            return f"{different:,} rows came where the provider counts {total:,}"
        if self.pages and different == self.pages * self.rows_per_page:
            full = pages.replace("page", "full page")
            return f"exactly {different:,} of {total:,} rows came, in {full} of {self.rows_per_page:,}: cut off?"
        return f"{different:,} of {total:,} rows came, in {pages} of at most {self.rows_per_page:,}"


def _sentence(*parts: str) -> str:
    return "; ".join(part for part in parts if part)
