"""The proof that a collection is complete, or why there is none, so that a person sees at a glance what happened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["total", "empty_page", "link_end", "unproven"]


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


@dataclass(frozen=True)
class ReadStats:
    """What one reading saw.

    :param came_again: rows that had come on an earlier page.
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
    came_again: int
    unidentified: int
    shared: int
    changed: str
    confirmed: bool
    link_ended: bool
    attempt: int

    def proof(self) -> Proof:
        kind, why = self._verdict()
        if kind == "unproven" and self.attempt > 1:
            why += "; it was read twice"
        return Proof(kind, self.total, self.received, self.unique, self.pages, self.rows_per_page, why, self.attempt)

    def _verdict(self) -> tuple[Kind, str]:
        different = self.received - self.came_again
        again = f"rows that came again on a later page: {self.came_again}" if self.came_again else ""
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
