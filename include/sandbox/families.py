"""Families: brothers and sisters, their guardians and relatives, and the e-mail addresses they have, share or lack."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from include.sandbox.dice import Dice
from include.sandbox.names import FAMILY
from include.sandbox.people import Registrar, relate
from include.sandbox.roster import Person, Roster
from include.sandbox.schools import ALL_GRADES, school_of

_SHARED_EMAIL = 0.01
_NO_EMAIL = 0.01


@dataclass(slots=True)
class Family:
    name: str
    children: list[Person]


def enter_family(roster: Roster, registrar: Registrar, dice: Dice, at_most: int, begin: date) -> Family:
    """A family of one to three students, living in one elementary school's zone."""
    size = min(at_most, 1 + dice.chance(0.45) + dice.chance(0.15))
    name = dice.one_of(FAMILY)
    zone = dice.below(len(roster.schools["elementary"]))
    grades = dice.some_of(ALL_GRADES, size)
    children = [registrar.student(name, grade, school_of(roster, grade, zone).sourced_id, begin) for grade in grades]
    return Family(name, children)


def enter_guardians(registrar: Registrar, dice: Dice, family: Family, *, already: int = 0) -> None:
    """Give a family its guardians, one to three less those it has already; a grandparent may be a relative."""
    count = 1 + dice.chance(0.85) + dice.chance(0.2) - already
    for place in range(count):
        role = "relative" if place + already == 2 and dice.chance(0.4) else "guardian"
        registrar.guardian(family.name, role, family.children)


def employ_guardians(roster: Roster, families: list[Family], staff: list[Person]) -> list[Family]:
    """Make each of these employees a guardian of one of the first families; return those families."""
    chosen = families[: len(staff)]
    for family, employee in zip(chosen, staff, strict=False):
        relate(roster, employee, "guardian", family.children)
    return chosen


def share_and_lose_emails(dice: Dice, families: list[Family], people: dict[int, Person]) -> None:
    """Let about one student in a hundred share a guardian's e-mail with brothers and sisters, and one have none."""
    students = sum(len(family.children) for family in families)
    share, lose = max(2, round(students * _SHARED_EMAIL)), max(1, round(students * _NO_EMAIL))
    for family in dice.shuffled(families):
        address = _family_email(family, people)
        if len(family.children) > 1 and share > 0 and address:
            for child in family.children:
                child.email = address
            share -= len(family.children)
        elif lose > 0:
            family.children[0].email = None
            lose -= 1


def _family_email(family: Family, people: dict[int, Person]) -> str | None:
    """The first address of a guardian who is not employed here: nobody's work address becomes a child's."""
    guardians = (people[number] for number in family.children[0].agents)
    return next((guardian.email for guardian in guardians if guardian.email and guardian.identifier is None), None)
