"""How much of a roster may change in one night before a person has to look (DESIGN, rule 4)."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Literal, get_args

import msgspec

from include.settings.base import Settings


class Floor(Settings, frozen=True):
    """So many rows may always change, so that a small school does not trip the guard."""

    people: int = 10
    classes: int = 10
    enrollments: int = 50


#: A share in the JSON Schema for editors; `Guards` itself explains what is wrong with one.
Share = Annotated[str, msgspec.Meta(extra_json_schema={"pattern": r"^\d{1,3}(\.\d+)?%$", "examples": ["10%"]})]

SHARES = ("students", "staff", "others", "accounts", "classes", "enrollments", "updates", "usernames", "identity")


class Guards(Settings, frozen=True):
    """Shares, written like `10%`; a night that changes more is held.

    Each is measured in the whole district, per school and per site; students, staff and others apart, so that many
    guardians never hide how many students leave.

    :param students: students who leave; `staff` and `others` (guardians, relatives, people without a role) likewise.
    :param accounts: accounts that go, students' and staff's apart.
    :param updates: rows whose content changes, of any collection.
    :param usernames: accounts whose username changes.
    :param identity: people who come back under another sourcedId.
    """

    students: Share = "10%"
    staff: Share = "10%"
    others: Share = "25%"
    accounts: Share = "10%"
    classes: Share = "10%"
    enrollments: Share = "20%"
    updates: Share = "75%"
    usernames: Share = "25%"
    identity: Share = "25%"
    floor: Floor = msgspec.field(default_factory=Floor)

    def __post_init__(self) -> None:
        for name in SHARES:
            if not re.fullmatch(r"\d{1,3}(\.\d+)?%", getattr(self, name)) or self.share(name) > 1:
                raise ValueError(f'{name} must be a share such as "10%", at most 100%')

    def share(self, name: str) -> float:
        """A share as a number from 0 to 1."""
        return float(getattr(self, name).rstrip("%")) / 100


#: Settings of former versions, and what says the same now.
RETIRED = {"people": "students, staff and others (guardians and relatives), each measured apart"}


Accepted = Literal["classes", "enrollments", "promoted", "graduated"]


class Rollover(Settings, frozen=True):
    """The days of the year in which a school year is exchanged for the next: what it accepts is not held."""

    from_: date = msgspec.field(name="from")
    to: date
    accept: list[Accepted] = msgspec.field(default_factory=lambda: list(get_args(Accepted)))

    def __post_init__(self) -> None:
        if self.to < self.from_:
            raise ValueError("rollover must not end before it begins")

    def covers(self, night: date) -> bool:
        """Both ends included."""
        return self.from_ <= night <= self.to
