"""Generates the people of a district, with their names, families, and guardians."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from rollcall_sandbox.dice import BIRTHPLACES, FAMILY, GIVEN, Dice, plain
from rollcall_sandbox.roster import FAMILY_ROLES, Demographics, Membership, Person, Roster
from rollcall_sandbox.schools import ALL_GRADES, school_of

RACES = (
    "americanIndianOrAlaskaNative",
    "asian",
    "blackOrAfricanAmerican",
    "nativeHawaiianOrOtherPacificIslander",
    "white",
)

_PRONOUNS = ("she/her", "he/him", "they/them")
_NICKNAMES = ("Alex", "Bo", "Cam", "Dee", "Ellie", "Jay", "Max", "Pepe", "Sam", "Tori")
# CEDS public school residence status: lives in the school's usual attendance area, or in another of the district.
_USUAL_AREA, _OTHER_AREA = "01652", "01653"
_FIRST_PERSON_ID = 10001
_FIRST_STUDENT_NUMBER = 400001
_FIRST_STAFF_NUMBER = 2001


class Registrar:
    """Enters people into a roster, each with a GUID, a unique login, and the time from `when`.

    :param domain: the district's own, under the reserved top-level domain `example`.
    """

    def __init__(self, roster: Roster, dice: Dice, domain: str, when: Callable[[], datetime]) -> None:
        self._roster = roster
        self._dice = dice
        self._domain = domain
        self._when = when

    def student(self, family: str, grade: str, school: str, begin: date) -> Person:
        """A student of a school, with demographics."""
        person = self._person(family)
        person.grade = grade
        person.identifier = str(self._roster.next("student", _FIRST_STUDENT_NUMBER))
        person.state_id = f"{self._dice.below(10**10):010d}"
        person.username = f"{plain(person.given)[0]}{plain(person.family)[0]}{person.identifier}"
        person.login = self._login(person)
        person.email = f"{person.login}@students.{self._domain}"
        person.enabled = not self._dice.chance(0.005)
        if self._dice.chance(0.05):
            person.preferred = self._dice.one_of(_NICKNAMES)
        if self._dice.chance(0.02):
            person.pronouns = self._dice.one_of(_PRONOUNS)
        person.memberships.append(Membership("student", school, begin))
        self._describe(person)
        return person

    def staff(self, role: str, org: str, begin: date) -> Person:
        """An employee with one role in one org."""
        person = self._person(self._dice.one_of(FAMILY))
        person.identifier = f"E{self._roster.next('staff', _FIRST_STAFF_NUMBER):05d}"
        person.login = self._login(person)
        person.username = person.login
        person.email = f"{person.login}@{self._domain}"
        person.memberships.append(Membership(role, org, begin))
        return person

    def guardian(self, family: str, role: str, children: list[Person]) -> Person:
        """A guardian or relative of some children. Most share the children's family name."""
        if self._dice.chance(0.25):
            family = self._dice.one_of(FAMILY)
        person = self._person(family)
        person.username = f"{plain(person.given)}.{plain(person.family)}.p{person.number}"
        if self._dice.chance(0.9):
            person.email = f"{plain(person.given)}.{plain(person.family)}{person.number}@mail.example"
        person.phone = f"555-01{self._dice.below(100):02d}"
        person.enabled = not self._dice.chance(0.1)
        relate(self._roster, person, role, children)
        return person

    def _person(self, family: str) -> Person:
        dice = self._dice
        person = Person(
            sourced_id=dice.guid(),
            modified=self._when(),
            number=self._roster.next("person", _FIRST_PERSON_ID),
            given=dice.one_of(GIVEN),
            family=family,
            middle=dice.one_of(GIVEN) if dice.chance(0.3) else None,
            username="",
            has_profile=dice.chance(0.05),
        )
        self._roster.people[person.number] = person
        return person

    def _login(self, person: Person) -> str:
        """The part before the @ of a school address, unique in the district."""
        name = f"{plain(person.given)}.{plain(person.family)}"
        count = self._roster.next(f"login {name}", 1)
        return name if count == 1 else f"{name}{count}"

    def _describe(self, student: Person) -> None:
        dice = self._dice
        age = 5 + ALL_GRADES.index(student.grade or "KG")
        born = date(2026 - age, 9, 1) - timedelta(days=dice.below(365))
        races = tuple(dice.some_of(RACES, 2 if dice.chance(0.08) else 1))
        self._roster.demographics[student.number] = Demographics(
            sourced_id=student.sourced_id,
            modified=student.modified,
            person=student.number,
            birth=born,
            sex="other" if dice.chance(0.01) else dice.one_of(("female", "male")),
            races=races,
            hispanic=dice.chance(0.25),
            born_in=dice.one_of(BIRTHPLACES) if dice.chance(0.8) else None,
            residence=_OTHER_AREA if dice.chance(0.05) else _USUAL_AREA,
        )


def relate(roster: Roster, guardian: Person, role: str, children: list[Person]) -> None:
    """Make a person the children's guardian or relative, on both sides."""
    for child in children:
        guardian.agents.append(child.number)
        child.agents.append(guardian.number)
    settle_family_role(roster, guardian, role)


def settle_family_role(roster: Roster, guardian: Person, role: str = "") -> bool:
    """Give a guardian or relative the orgs of their children, and say whether that changed anything.

    :param role: `guardian` or `relative`; optional for a person who already is one.
    """
    role = role or family_role(guardian)
    orgs = [
        membership.org
        for child in guardian.agents
        for membership in roster.people[child].memberships
        if membership.role == "student"
    ]
    kept = [membership for membership in guardian.memberships if membership.role not in FAMILY_ROLES]
    settled = [*kept, *(Membership(role, org) for org in dict.fromkeys(orgs))]
    changed = settled != guardian.memberships
    guardian.memberships = settled
    return changed


def family_role(person: Person) -> str:
    """A person's family role, `guardian` or `relative`; empty for everyone else."""
    return next((membership.role for membership in person.memberships if membership.role in FAMILY_ROLES), "")


# Families: brothers and sisters, their guardians and relatives, and the e-mail addresses they have, share or lack.

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
    """The first address of a guardian who is not employed here: a work address never becomes a child's."""
    guardians = (people[number] for number in family.children[0].agents)
    return next((guardian.email for guardian in guardians if guardian.email and guardian.identifier is None), None)
