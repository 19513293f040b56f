"""A district's roster as the sandbox keeps it: once, in no version of OneRoster.

The two renderers (`v1p1`, `v1p2`) make records of either version from it. Roles are those of OneRoster 1.2, which
knows more of them than 1.1; a person is one `Person` whatever number of user records a version makes of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple

ACTIVE = "active"
TOBEDELETED = "tobedeleted"

COLLECTIONS = ("orgs", "academicSessions", "courses", "classes", "users", "enrollments", "demographics")

FAMILY_ROLES = ("guardian", "relative")


@dataclass(slots=True, kw_only=True)
class Record:
    """What every OneRoster record has; `modified` is in UTC."""

    sourced_id: str
    modified: datetime
    status: str = ACTIVE


@dataclass(slots=True, kw_only=True)
class Org(Record):
    """The district, a department or a school."""

    name: str
    type: str
    identifier: str
    parent: str | None = None
    children: list[str] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class AcademicSession(Record):
    """A school year, semester, term or grading period; `end` is the first day after it."""

    title: str
    type: str
    start: date
    end: date
    parent: str | None = None
    children: list[str] = field(default_factory=list)


class Subject(NamedTuple):
    """A school subject with its SCED subject area code."""

    name: str
    code: str


@dataclass(slots=True, kw_only=True)
class Course(Record):
    """A course of one school, as in Infinite Campus, where a course belongs to a school's calendar."""

    title: str
    code: str
    grades: list[str]
    subject: Subject
    school: str


@dataclass(slots=True, kw_only=True)
class Section(Record):
    """A class: a section of a course; `end` is the first day after its last session."""

    title: str
    code: str
    type: str
    location: str
    grades: list[str]
    course: Course
    sessions: tuple[str, ...]
    start: date
    end: date
    period: int | None


class Membership(NamedTuple):
    """A person's role in an org, from a date on."""

    role: str
    org: str
    begin: date | None = None


@dataclass(slots=True, kw_only=True)
class Person(Record):
    """A person in the district; `sourced_id` is the person's GUID, `number` Campus's personID.

    `agents` are person numbers: a student's guardians and relatives, and theirs back.
    """

    number: int
    given: str
    family: str
    middle: str | None = None
    preferred: str | None = None
    pronouns: str | None = None
    username: str
    login: str | None = None
    email: str | None = None
    phone: str | None = None
    identifier: str | None = None
    state_id: str | None = None
    grade: str | None = None
    enabled: bool = True
    has_profile: bool = False
    memberships: list[Membership] = field(default_factory=list)
    agents: list[int] = field(default_factory=list)

    def has_role(self, *roles: str) -> bool:
        return any(membership.role in roles for membership in self.memberships)


@dataclass(slots=True, kw_only=True)
class Enrollment(Record):
    """A person in a class, as `student` or `teacher`. `person` is a person number; `primary` is for teachers."""

    person: int
    section: str
    school: str
    role: str
    primary: bool | None
    begin: date
    end: date


@dataclass(slots=True, kw_only=True)
class Demographics(Record):
    """A student's demographics; `races` are names of OneRoster's race fields, `born_in` is city and state.

    `residence` is a CEDS public school residence status.
    """

    person: int
    birth: date
    sex: str
    races: tuple[str, ...]
    hispanic: bool
    born_in: tuple[str, str] | None
    residence: str


@dataclass(slots=True)
class Timetable:
    """What a grade of a school can be placed in: cohorts with the same core classes, and slots of electives."""

    cohorts: list[list[str]] = field(default_factory=list)
    electives: list[list[str]] = field(default_factory=list)


@dataclass(slots=True)
class Roster:
    """Everything a district has, by key; people and demographics by person number, all else by sourcedId.

    `schools` are by level, `timetables` by school and grade.
    """

    orgs: dict[str, Org] = field(default_factory=dict)
    sessions: dict[str, AcademicSession] = field(default_factory=dict)
    courses: dict[str, Course] = field(default_factory=dict)
    sections: dict[str, Section] = field(default_factory=dict)
    people: dict[int, Person] = field(default_factory=dict)
    enrollments: dict[str, Enrollment] = field(default_factory=dict)
    demographics: dict[int, Demographics] = field(default_factory=dict)
    enrollments_of: dict[int, list[str]] = field(default_factory=dict)
    schools: dict[str, list[Org]] = field(default_factory=dict)
    timetables: dict[tuple[str, str], Timetable] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)

    def next(self, counter: str, first: int) -> int:
        """The next number of a counter that begins with `first`."""
        number = self.counters.get(counter, first)
        self.counters[counter] = number + 1
        return number

    def collection(self, name: str) -> dict[Any, Any]:
        """The records of an OneRoster collection, by key."""
        by_name: dict[str, dict[Any, Any]] = {
            "orgs": self.orgs,
            "academicSessions": self.sessions,
            "courses": self.courses,
            "classes": self.sections,
            "users": self.people,
            "enrollments": self.enrollments,
            "demographics": self.demographics,
        }
        return by_name[name]

    def org_of_type(self, type_: str) -> Org:
        """The first org of a type: the district, or its department."""
        return next(org for org in self.orgs.values() if org.type == type_)

    def add_enrollment(self, enrollment: Enrollment) -> None:
        self.enrollments[enrollment.sourced_id] = enrollment
        self.enrollments_of.setdefault(enrollment.person, []).append(enrollment.sourced_id)

    def remove_enrollment(self, enrollment: Enrollment) -> None:
        """Take an enrollment out without a trace."""
        del self.enrollments[enrollment.sourced_id]
        self.enrollments_of[enrollment.person].remove(enrollment.sourced_id)

    def live_enrollments(self, person: int) -> list[Enrollment]:
        """A person's enrollments, without tombstones."""
        mine = (self.enrollments[key] for key in self.enrollments_of.get(person, ()))
        return [enrollment for enrollment in mine if enrollment.status == ACTIVE]
