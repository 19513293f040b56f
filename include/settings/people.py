"""Decisions about one person, which stand in the district's file with why and until when."""

from __future__ import annotations

from datetime import date

import msgspec

from include.settings.base import Settings


class PersonDecision(Settings, frozen=True):
    """What was decided about one person, by sourcedId.

    :param leave_out: no account.
    :param username: this username instead of what the sources give.
    :param because: why; a sentence somebody else understands next year.
    :param from: the first night it holds; without it, at once.
    :param until: the last night it holds; without it, for good.
    """

    because: str
    leave_out: bool = False
    username: str | None = None
    from_: date | None = msgspec.field(default=None, name="from")
    until: date | None = None

    def __post_init__(self) -> None:
        if self.leave_out == (self.username is not None):
            raise ValueError("say either leave_out: true or a username, and why")
        if not self.because.strip():
            raise ValueError("because must say why")
        if self.from_ and self.until and self.until < self.from_:
            raise ValueError("a decision must not end before it begins")

    def holds_on(self, night: date) -> bool:
        return not self.is_yet_to_begin(night) and not self.is_over(night)

    def is_yet_to_begin(self, night: date) -> bool:
        return self.from_ is not None and night < self.from_

    def is_over(self, night: date) -> bool:
        return self.until is not None and self.until < night
