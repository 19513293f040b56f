"""What goes from hand to hand while a collection is read: an answer, a page of it, and the place to go on from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from operator import attrgetter
from typing import Any

from include.oneroster.decode import Decoded, Unreadable

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
