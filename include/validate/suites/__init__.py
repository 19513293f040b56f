"""The rules, one file per collection."""

from __future__ import annotations

from collections.abc import Callable

from include.expectations.rules import Suite, Version
from include.validate.suites import academic_sessions, classes, courses, demographics, enrollments, orgs, users

SUITES: dict[str, Callable[[Version], Suite]] = {
    "orgs": orgs.suite,
    "academic_sessions": academic_sessions.suite,
    "courses": courses.suite,
    "classes": classes.suite,
    "users": users.suite,
    "enrollments": enrollments.suite,
    "demographics": demographics.suite,
}
