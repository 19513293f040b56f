"""The nested lists of OneRoster, the classes of a school or the students of a class, as joins (reference section 1.2).

An unknown parent has an empty list: the specification declares no 404 for these paths.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol

from rollcall_sandbox.auth import CORE, DEMOGRAPHICS, ROSTER
from rollcall_sandbox.rendering import Renderer, Row

# The paths a provider serves: which stored collection each shows, under which wrapper, and what it selects.
#
# Wrappers are named after the data type, not after the path (OneRoster 1.2 REST binding; reference section 1.2).

#: Lists and records of the other services, by the scope that opens them.
OTHER_SERVICES = {
    "categories": "gradebook.readonly",
    "lineItems": "gradebook.readonly",
    "results": "gradebook.readonly",
    "scoreScales": "gradebook.readonly",
    "assessmentLineItems": "gradebook.readonly",
    "assessmentResults": "gradebook.readonly",
    "resources": "resource.readonly",
}


class Resource(NamedTuple):
    """A path; `view` is the token that selects its records from the collection, empty for all of them."""

    collection: str
    wrapper: str
    single: str
    view: str = ""


_USERS = ("users", "users", "user")
_ORGS = ("orgs", "orgs", "org")
_SESSIONS = ("academicSessions", "academicSessions", "academicSession")

RESOURCES = {
    "orgs": Resource(*_ORGS),
    "schools": Resource(*_ORGS, view="school"),
    "academicSessions": Resource(*_SESSIONS),
    "terms": Resource(*_SESSIONS, view="term"),
    "gradingPeriods": Resource(*_SESSIONS, view="gradingPeriod"),
    "courses": Resource("courses", "courses", "course"),
    "classes": Resource("classes", "classes", "class"),
    "users": Resource(*_USERS),
    "students": Resource(*_USERS, view="student"),
    "teachers": Resource(*_USERS, view="teacher"),
    "enrollments": Resource("enrollments", "enrollments", "enrollment"),
    "demographics": Resource("demographics", "demographics", "demographics"),
}


class RecordStore(Protocol):
    """The rows a provider shows."""

    def all(self, collection: str) -> list[Row]: ...
    def one(self, resource: Resource, sourced_id: str) -> Row | None: ...


_Keys = Callable[[Any], Iterable[object]]

# An index: the collection, and the keys under which one of its roster records is found. Users are found by their rows.
_INDEXES: dict[str, tuple[str, _Keys]] = {
    "courses of school": ("courses", lambda course: (course.school,)),
    "classes of school": ("classes", lambda section: (section.course.school,)),
    "classes of course": ("classes", lambda section: (section.course.sourced_id,)),
    "classes of session": ("classes", lambda section: section.sessions),
    "class": ("classes", lambda section: (section.sourced_id,)),
    "session": ("academicSessions", lambda session: (session.sourced_id,)),
    "sessions of session": ("academicSessions", lambda session: (session.parent,)),
    "enrollments of school": ("enrollments", lambda enrollment: (enrollment.school,)),
    "enrollments of class": ("enrollments", lambda enrollment: (enrollment.section,)),
    "enrollments of person": ("enrollments", lambda enrollment: (enrollment.person,)),
    "users of person": ("users", lambda person: (person.number,)),
}


class Joins:
    """Follows references backwards, by indexes made when they are first needed."""

    def __init__(self, shown: RecordStore, renderer: Renderer) -> None:
        self._shown = shown
        self._renderer = renderer
        self._indexes: dict[str, dict[object, list[Row]]] = {}

    def rows(self, pattern: str, parents: tuple[str, ...]) -> list[Row]:
        """The rows of a nested list.

        :param pattern: one of :data:`NESTED`.
        """
        found: list[Row] = []
        for name, sourced_id in zip(pattern.split("/"), parents, strict=False):
            # classes name school years as well as terms among their `terms`
            row = self._shown.one(RESOURCES["academicSessions" if name == "terms" else name], sourced_id)
            if row is None:
                return []
            found.append(row)
        unique = {row.sourced_id: row for row in _JOINS[pattern](self, *found)}
        return [unique[key] for key in sorted(unique)]

    def of(self, index: str, key: object) -> list[Row]:
        """The rows an index has under a key of the roster."""
        if index not in self._indexes:
            collection, keys = _INDEXES[index]
            made: dict[object, list[Row]] = {}
            for row in self._shown.all(collection):
                for each in keys(row.record):
                    made.setdefault(each, []).append(row)
            self._indexes[index] = made
        return self._indexes[index].get(key, [])

    def users_at(self, school: Row, role: str) -> list[Row]:
        """Users who have a role at a school, by the row that says so."""
        key = school.record.sourced_id
        return [
            row
            for row in self._shown.all("users")
            if any((membership.role, membership.org) == (role, key) for membership in row.memberships)
        ]

    def users_in(self, section: Row, role: str) -> list[Row]:
        """Users enrolled in a class."""
        rows = []
        for enrollment in map(_record, self.of("enrollments of class", section.record.sourced_id)):
            if enrollment.role == role:
                person = self._renderer.roster.people[enrollment.person]
                key = self._renderer.user_id(person, role, enrollment.school)
                rows += [row for row in self.of("users of person", enrollment.person) if row.sourced_id == key]
        return rows

    def classes_of(self, user: Row) -> list[Row]:
        """The classes a user is enrolled in, by this user record."""
        person: Any = user.record
        rows = []
        for enrollment in map(_record, self.of("enrollments of person", person.number)):
            if self._renderer.user_id(person, enrollment.role, enrollment.school) == user.sourced_id:
                rows += self.of("class", enrollment.section)
        return rows

    def terms_at(self, school: Row) -> list[Row]:
        """The terms in which a school has classes; OneRoster's sessions name no school."""
        classes = map(_record, self.of("classes of school", school.record.sourced_id))
        keys = {key for section in classes for key in section.sessions}
        return [row for key in keys for row in self.of("session", key) if _record(row).type == "term"]

    def grading_periods_in(self, session: Row) -> list[Row]:
        """The grading periods of a term, or of the terms below a semester or school year."""
        rows = []
        for row in self.of("sessions of session", session.record.sourced_id):
            rows += [row] if _record(row).type == "gradingPeriod" else self.grading_periods_in(row)
        return rows


def _record(row: Row) -> Any:
    return row.record


def _key(row: Row) -> str:
    return row.record.sourced_id


_JOINS: dict[str, Callable[..., list[Row]]] = {
    "schools/terms": lambda joins, school: joins.terms_at(school),
    "schools/courses": lambda joins, school: joins.of("courses of school", _key(school)),
    "schools/classes": lambda joins, school: joins.of("classes of school", _key(school)),
    "schools/enrollments": lambda joins, school: joins.of("enrollments of school", _key(school)),
    "schools/students": lambda joins, school: joins.users_at(school, "student"),
    "schools/teachers": lambda joins, school: joins.users_at(school, "teacher"),
    "schools/classes/enrollments": lambda joins, school, section: [
        row for row in joins.of("enrollments of class", _key(section)) if _record(row).school == _key(school)
    ],
    "schools/classes/students": lambda joins, school, section: _there(school, section, joins, "student"),
    "schools/classes/teachers": lambda joins, school, section: _there(school, section, joins, "teacher"),
    "terms/gradingPeriods": lambda joins, term: joins.grading_periods_in(term),
    "terms/classes": lambda joins, term: joins.of("classes of session", _key(term)),
    "courses/classes": lambda joins, course: joins.of("classes of course", _key(course)),
    "students/classes": lambda joins, user: joins.classes_of(user),
    "teachers/classes": lambda joins, user: joins.classes_of(user),
    "users/classes": lambda joins, user: joins.classes_of(user),
    "classes/students": lambda joins, section: joins.users_in(section, "student"),
    "classes/teachers": lambda joins, section: joins.users_in(section, "teacher"),
}


def _there(school: Row, section: Row, joins: Joins, role: str) -> list[Row]:
    return joins.users_in(section, role) if _record(section).course.school == _key(school) else []


NESTED = frozenset(_JOINS)
"""The patterns of nested lists: the names in their paths without the sourcedIds between."""


# The discovery document of a 1.2 service: an OpenAPI document adapted to the district (reference section 1.3).

FILES = {
    "discovery": "onerosterv1p2rostersservice_openapi3_v1p0.json",
    "discovery-other-name": "imsorv1p2_rostering_openapi3_v1p0.json",
}
"""The document's name by the quirk that serves it: the REST binding's, and the conformance guide's."""


def document(title: str, service_url: str, token_url: str) -> dict[str, Any]:
    """The service's URL, Token URL, scopes, and paths."""
    prefix = "https://purl.imsglobal.org/spec/or/v1p2/scope/"
    flow = {"tokenUrl": token_url, "scopes": {prefix + name: name for name in (CORE, ROSTER, DEMOGRAPHICS)}}
    paths = [f"/{name}" for name in RESOURCES] + [f"/{name}/{{sourcedId}}" for name in RESOURCES]
    paths += ["/" + "/{sourcedId}/".join(pattern.split("/")) for pattern in sorted(NESTED)]
    return {
        "openapi": "3.0.1",
        "info": {"title": title, "version": "1.2"},
        "servers": [{"url": service_url}],
        "paths": {path: {"get": {"security": [{"OAuth2CC": []}]}} for path in paths},
        "components": {"securitySchemes": {"OAuth2CC": {"type": "oauth2", "flows": {"clientCredentials": flow}}}},
    }
