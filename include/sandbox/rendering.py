"""From the roster to records of a version of OneRoster: what both versions have in common.

Optional members without a value are left out, booleans are the strings `true` and `false`, instants are in UTC with
milliseconds and `Z`, and hrefs are absolute (reference: OneRoster 1.2 OpenAPI, `GUIDRef` and `Base`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import date, datetime
from typing import Any, NamedTuple

from include.sandbox.people import RACES
from include.sandbox.roster import (
    AcademicSession,
    Course,
    Demographics,
    Enrollment,
    Org,
    Person,
    Record,
    Roster,
    Section,
)
from include.sandbox.school_year import SCHOOL_YEAR_ID, YEAR

Fields = dict[str, Any]


class Rendered(NamedTuple):
    """A record of a version; `views` are the tokens by which views such as `/students` or `/terms` select it."""

    sourced_id: str
    status: str
    modified: datetime
    views: tuple[str, ...]
    fields: Fields


class Renderer(ABC):
    """Makes a version's records.

    :param base: the absolute URL below which the collections lie, for hrefs.
    """

    def __init__(self, roster: Roster, base: str) -> None:
        self.roster = roster
        self._base = base

    def records(self, record: Record) -> list[Rendered]:
        """The version's records of one of the roster's: one, or several where 1.1 has one per role."""
        match record:
            case Person():
                return self.users(record)
            case Enrollment():
                fields = self._enrollment(record)
            case Demographics():
                return [self._demographics(record)]
            case Section():
                fields = self._class(record)
            case Course():
                fields = self._course(record)
            case Org():
                return [self._rendered(record, self._org(record), record.type)]
            case AcademicSession():
                return [self._rendered(record, self._session(record), record.type)]
            case _:
                raise TypeError(type(record).__name__)
        return [self._rendered(record, fields)]

    @abstractmethod
    def users(self, person: Person) -> list[Rendered]:
        """The user records of a person."""

    @abstractmethod
    def user_id(self, person: Person, role: str) -> str:
        """The sourcedId of a person's user record, as far as it concerns this role."""

    @abstractmethod
    def user_type(self, role: str) -> str:
        """The token in references to a user enrolled with this role."""

    @abstractmethod
    def session_type(self, session: AcademicSession) -> str:
        """The token in references to an academic session."""

    @abstractmethod
    def sex(self, demographics: Demographics) -> str | None:
        """The version's token for a person's sex, or nothing where it has none."""

    def org_ref(self, key: str) -> Fields:
        return self._ref("orgs", key, "org")

    def user_ref(self, number: int, role: str, type_: str = "user") -> Fields:
        return self._ref("users", self.user_id(self.roster.people[number], role), type_)

    def base_fields(self, record: Record, sourced_id: str) -> Fields:
        return {"sourcedId": sourced_id, "status": record.status, "dateLastModified": instant(record.modified)}

    def _rendered(self, record: Record, fields: Fields, *views: str) -> Rendered:
        whole = self.base_fields(record, record.sourced_id) | present(fields)
        return Rendered(record.sourced_id, record.status, record.modified, views, whole)

    def _ref(self, collection: str, key: str, type_: str) -> Fields:
        return {"href": f"{self._base}/{collection}/{key}", "sourcedId": key, "type": type_}

    def _session_ref(self, key: str) -> Fields:
        return self._ref("academicSessions", key, self.session_type(self.roster.sessions[key]))

    def _org(self, org: Org) -> Fields:
        return {
            "name": org.name,
            "type": org.type,
            "identifier": org.identifier,
            "parent": self.org_ref(org.parent) if org.parent else None,
            "children": [self.org_ref(child) for child in org.children],
        }

    def _session(self, session: AcademicSession) -> Fields:
        return {
            "title": session.title,
            "startDate": session.start.isoformat(),
            "endDate": session.end.isoformat(),
            "type": session.type,
            "parent": self._session_ref(session.parent) if session.parent else None,
            "children": [self._session_ref(child) for child in session.children],
            "schoolYear": YEAR,
        }

    def _course(self, course: Course) -> Fields:
        return {
            "title": course.title,
            "schoolYear": self._session_ref(SCHOOL_YEAR_ID),
            "courseCode": course.code,
            "grades": course.grades,
            "subjects": [course.subject.name],
            "org": self.org_ref(course.school),
            "subjectCodes": [course.subject.code],
        }

    def _class(self, section: Section) -> Fields:
        return {
            "title": section.title,
            "classCode": section.code,
            "classType": section.type,
            "location": section.location,
            "grades": section.grades,
            "subjects": [section.course.subject.name],
            "course": self._ref("courses", section.course.sourced_id, "course"),
            "school": self.org_ref(section.course.school),
            "terms": [self._session_ref(key) for key in section.sessions],
            "subjectCodes": [section.course.subject.code],
            "periods": [str(section.period)] if section.period is not None else None,
        }

    def _enrollment(self, enrollment: Enrollment) -> Fields:
        return {
            "user": self.user_ref(enrollment.person, enrollment.role, self.user_type(enrollment.role)),
            "class": self._ref("classes", enrollment.section, "class"),
            "school": self.org_ref(enrollment.school),
            "role": enrollment.role,
            "primary": boolean(enrollment.primary),
            "beginDate": day(enrollment.begin),
            "endDate": day(enrollment.end),
        }

    def _demographics(self, demographics: Demographics) -> Rendered:
        key = self.user_id(self.roster.people[demographics.person], "student")
        city, state = demographics.born_in or (None, None)
        fields = {
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
        whole = self.base_fields(demographics, key) | present(fields)
        return Rendered(key, demographics.status, demographics.modified, (), whole)


def present(fields: Fields) -> Fields:
    """The members that have a value."""
    return {name: value for name, value in fields.items() if value is not None}


def boolean(value: bool | None) -> str | None:
    return None if value is None else "true" if value else "false"


def day(value: date | None) -> str | None:
    return value.isoformat() if value else None


def instant(value: datetime) -> str:
    """A UTC instant as `2026-08-03T14:05:27.000Z`."""
    return f"{value:%Y-%m-%dT%H:%M:%S}.{value.microsecond // 1000:03d}Z"


def user_ids(person: Person) -> list[Fields]:
    """A person's identifiers in other systems: the directory login and the state's student number."""
    ids = {"LDAP": person.login, "STATE": person.state_id}
    return [{"type": type_, "identifier": value} for type_, value in ids.items() if value]
