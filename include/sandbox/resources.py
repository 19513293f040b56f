"""The paths a provider serves: which stored collection each shows, under which wrapper, and what it selects.

Wrappers are named after the data type, not after the path (OneRoster 1.2 REST binding; reference section 1.2).
"""

from __future__ import annotations

from typing import NamedTuple

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
