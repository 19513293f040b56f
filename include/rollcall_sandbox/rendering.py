"""From the roster to records of a version of OneRoster: what both versions have in common.

A record is made in two steps: its row, which is small and made for all records, tells what it is found and counted by;
its fields are made when it is sent, so that a large district is never held in JSON.

Optional members without a value are left out, booleans are the strings `true` and `false`, instants are in UTC with
milliseconds and `Z`, and hrefs are absolute (reference: OneRoster 1.2 OpenAPI, `GUIDRef` and `Base`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import quote

from rollcall_sandbox.dice import odd
from rollcall_sandbox.people import RACES
from rollcall_sandbox.roster import (
    AcademicSession,
    Course,
    Demographics,
    Enrollment,
    Membership,
    Org,
    Person,
    Record,
    Roster,
    Section,
)
from rollcall_sandbox.schools import SCHOOL_YEAR_ID, YEAR

Fields = dict[str, Any]


class Style(NamedTuple):
    """What a provider does to all its records alike.

    :param base: what precedes `/orgs/…` in hrefs: the absolute URL of the service, or Aeries's `~/ims/…`.
    :param odd_ids: sourcedIds hold all that OneRoster allows, and what it does not.
    :param per_school: a person is one record per school (Ed-Fi; 1.2 only).
    """

    base: str
    odd_ids: bool = False
    per_school: bool = False


@dataclass(slots=True, eq=False)
class Row:
    """One record as its version has it.

    :param record: what it is made from; a person may be several rows.
    :param memberships: the roles of a person that this row is about; empty for everything but users.
    """

    sourced_id: str
    record: Record
    memberships: tuple[Membership, ...] = ()

    @property
    def status(self) -> str:
        return self.record.status

    @property
    def modified(self) -> datetime:
        return self.record.modified


class Renderer(ABC):
    """Makes a version's records."""

    def __init__(self, roster: Roster, style: Style) -> None:
        self.roster = roster
        self._style = style
        self._refs: dict[tuple[str, str], Fields] = {}
        self._makers: dict[type[Record], Callable[[Any, tuple[Membership, ...]], Fields]] = {
            Org: self._org,
            AcademicSession: self._session,
            Course: self._course,
            Section: self._class,
            Person: self._user,
            Enrollment: self._enrollment,
            Demographics: self._demographics,
        }

    def rows(self, record: Record) -> Iterator[Row]:
        """The version's records of one of the roster's: one, or several of a person."""
        match record:
            case Person():
                yield from self._users(record)
            case Demographics():
                for key in self._ids_of_student(self.roster.people[record.person]):
                    yield Row(key, record)
            case _:
                yield Row(self.sourced_id(record.sourced_id), record)

    def fields(self, row: Row) -> Fields:
        """A row's members, with those every record has."""
        record = row.record
        made = {
            "sourcedId": row.sourced_id,
            "status": record.status,
            "dateLastModified": instant(record.modified),
            **self._makers[type(record)](record, row.memberships),
        }
        if None in made.values():
            return present(made)
        return made

    def views(self, row: Row) -> tuple[str, ...]:
        """The tokens by which views such as `/students` or `/terms` select a row."""
        if isinstance(row.record, (Org, AcademicSession)):
            return (row.record.type,)
        return tuple(dict.fromkeys(self.role(membership.role) for membership in row.memberships))

    @abstractmethod
    def role(self, role: str) -> str:
        """The version's word for a role of 1.2."""

    @abstractmethod
    def _users(self, person: Person) -> Iterator[Row]:
        """The user records of a person."""

    @abstractmethod
    def _user(self, person: Person, memberships: tuple[Membership, ...]) -> Fields:
        """The fields of one of them."""

    @abstractmethod
    def _ids_of_student(self, person: Person) -> Iterator[str]:
        """The sourcedIds under which a student's demographics are kept."""

    @abstractmethod
    def user_id(self, person: Person, role: str, school: str = "") -> str:
        """The sourcedId of a person's user record, as far as it concerns this role at this school."""

    @abstractmethod
    def user_type(self, role: str) -> str:
        """The token in references to a user enrolled with this role."""

    @abstractmethod
    def session_type(self, session: AcademicSession) -> str:
        """The token in references to an academic session."""

    @abstractmethod
    def sex(self, demographics: Demographics) -> str | None:
        """The version's token for a person's sex, or nothing where it has none."""

    def sourced_id(self, key: str) -> str:
        """A key of the roster as the provider writes it."""
        return odd(key) if self._style.odd_ids else key

    def org_ref(self, key: str) -> Fields:
        return self._shared_ref("orgs", key, "org")

    def user_ref(self, number: int, role: str, type_: str = "user", school: str = "") -> Fields:
        return self._ref("users", self.user_id(self.roster.people[number], role, school), type_)

    def _ref(self, collection: str, sourced_id: str, type_: str) -> Fields:
        place = quote(sourced_id, safe="") if self._style.odd_ids else sourced_id
        return {"href": f"{self._style.base}/{collection}/{place}", "sourcedId": sourced_id, "type": type_}

    def _shared_ref(self, collection: str, key: str, type_: str) -> Fields:
        """A reference to what many records refer to, such as a class: made once, and the same object ever after."""
        ref = self._refs.get((collection, key))
        if ref is None:
            ref = self._refs[collection, key] = self._ref(collection, self.sourced_id(key), type_)
        return ref

    def _session_ref(self, key: str) -> Fields:
        return self._shared_ref("academicSessions", key, self.session_type(self.roster.sessions[key]))

    def _org(self, org: Org, _: tuple[Membership, ...]) -> Fields:
        return {
            "name": org.name,
            "type": org.type,
            "identifier": org.identifier,
            "parent": self.org_ref(org.parent) if org.parent else None,
            "children": [self.org_ref(child) for child in org.children],
        }

    def _session(self, session: AcademicSession, _: tuple[Membership, ...]) -> Fields:
        return {
            "title": session.title,
            "startDate": session.start.isoformat(),
            "endDate": session.end.isoformat(),
            "type": session.type,
            "parent": self._session_ref(session.parent) if session.parent else None,
            "children": [self._session_ref(child) for child in session.children],
            "schoolYear": YEAR,
        }

    def _course(self, course: Course, _: tuple[Membership, ...]) -> Fields:
        return {
            "title": course.title,
            "schoolYear": self._session_ref(SCHOOL_YEAR_ID),
            "courseCode": course.code,
            "grades": course.grades,
            "subjects": [course.subject.name],
            "org": self.org_ref(course.school),
            "subjectCodes": [course.subject.code],
        }

    def _class(self, section: Section, _: tuple[Membership, ...]) -> Fields:
        return {
            "title": section.title,
            "classCode": section.code,
            "classType": section.type,
            "location": section.location,
            "grades": section.grades,
            "subjects": [section.course.subject.name],
            "course": self._shared_ref("courses", section.course.sourced_id, "course"),
            "school": self.org_ref(section.course.school),
            "terms": [self._session_ref(key) for key in section.sessions],
            "subjectCodes": [section.course.subject.code],
            "periods": [str(section.period)] if section.period is not None else None,
        }

    def _enrollment(self, enrollment: Enrollment, _: tuple[Membership, ...]) -> Fields:
        return {
            "user": self.user_ref(
                enrollment.person, enrollment.role, self.user_type(enrollment.role), enrollment.school
            ),
            "class": self._shared_ref("classes", enrollment.section, "class"),
            "school": self.org_ref(enrollment.school),
            "role": enrollment.role,
            "primary": boolean(enrollment.primary),
            "beginDate": day(enrollment.begin),
            "endDate": day(enrollment.end),
        }

    def _demographics(self, demographics: Demographics, _: tuple[Membership, ...]) -> Fields:
        city, state = demographics.born_in or (None, None)
        return {
            "birthDate": day(demographics.birth),
            "sex": self.sex(demographics),
            **{race: boolean(race in demographics.races) for race in RACES},
            "demographicRaceTwoOrMoreRaces": boolean(len(demographics.races) > 1),
            "hispanicOrLatinoEthnicity": boolean(demographics.hispanic),
            "countryOfBirthCode": "US" if state else None,
            "stateOfBirthAbbreviation": state,
            "cityOfBirth": city,
            "publicSchoolResidenceStatus": demographics.residence,
        }


def present(fields: Fields) -> Fields:
    """The members that have a value."""
    return {name: value for name, value in fields.items() if value is not None}


def boolean(value: bool | None) -> str | None:
    return None if value is None else "true" if value else "false"


@lru_cache(maxsize=4096)
def day(value: date | None) -> str | None:
    return value.isoformat() if value else None


def instant(value: datetime) -> str:
    """A UTC instant as `2026-08-03T14:05:27.000Z`."""
    return value.isoformat("T", "milliseconds")[:23] + "Z"


def user_ids(person: Person) -> list[Fields]:
    """A person's identifiers in other systems: the directory login and the state's student number."""
    ids = {"LDAP": person.login, "STATE": person.state_id}
    return [{"type": type_, "identifier": value} for type_, value in ids.items() if value]
