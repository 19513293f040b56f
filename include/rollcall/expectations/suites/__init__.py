"""The rules, one file per collection: those about single records, and those about the roster as it will be."""

from __future__ import annotations

from rollcall.expectations.rules import Rule, Suite
from rollcall.expectations.suites import academic_sessions, classes, courses, demographics, enrollments, orgs, users

SUITES: dict[str, Suite] = {
    "orgs": orgs.SUITE,
    "academic_sessions": academic_sessions.SUITE,
    "courses": courses.SUITE,
    "classes": classes.SUITE,
    "users": users.SUITE,
    "enrollments": enrollments.SUITE,
    "demographics": demographics.SUITE,
}


def rules_of(collection: str) -> list[Rule]:
    """Every row-by-row rule of a collection, without those of `every_record`."""
    suite = SUITES[collection]
    parts = [rule for rules in (*suite.parts.values(), *suite.roster.values()) for rule in rules]
    return [*suite.records, *parts]
