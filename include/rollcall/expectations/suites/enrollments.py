"""Enrollments: who is in which class, and as what.

Without person or class an enrollment says nothing and is refused. Dates that are no dates refuse it too: its published
version, with the dates that were right, stays. Dates in the wrong order only warn: one of the two is a slip of the
pen, both are handed on as they came, and a child missing from a class would be worse.
"""

from __future__ import annotations

from rollcall.expectations.rules import Rule, Suite, in_order, is_true, not_null, parseable, vocabulary
from rollcall.expectations.suites import every_record
from rollcall.expectations.suites.orphans import NO_CLASS, NO_PERSON, orphans
from rollcall.expectations.vocabularies import ENROLLMENT_ROLES

SUITE = Suite(
    records=[
        *every_record.storable(),
        *every_record.dated(),
        Rule(
            "user_missing",
            "critical",
            "user",
            "The enrollment does not say who is enrolled.",
            not_null("user_sourced_id"),
            needs_owner=True,
        ),
        Rule(
            "class_missing",
            "critical",
            "class",
            "The enrollment does not say in which class.",
            not_null("class_sourced_id"),
            needs_owner=True,
        ),
        Rule(
            "school_missing",
            "warning",
            "school",
            "The enrollment does not say at which school.",
            not_null("school_sourced_id"),
        ),
        Rule(
            "role_missing",
            "warning",
            "role",
            "The enrollment does not say whether the person learns or teaches in the class.",
            not_null("role"),
        ),
        *vocabulary(
            "role_unknown",
            "role",
            "The role in the class is none of OneRoster's (student, teacher, …).",
            "role",
            ENROLLMENT_ROLES,
        ),
        Rule(
            "primary_unreadable",
            "warning",
            "primary",
            "Whether this is the class's primary teacher is answered with neither true nor false; it counts as not "
            "said.",
            parseable("is_primary"),
        ),
        Rule(
            "begin_date_impossible",
            "critical",
            "beginDate",
            "The begin date is not a date of the calendar, written like 2026-08-21.",
            parseable("begin_date"),
        ),
        Rule(
            "end_date_impossible",
            "critical",
            "endDate",
            "The end date is not a date of the calendar, written like 2026-08-21.",
            parseable("end_date"),
        ),
        Rule(
            "dates_out_of_order",
            "warning",
            "endDate",
            "The enrollment ends before it begins.",
            in_order("begin_date", "end_date"),
        ),
    ],
    roster={
        "enrollments": [
            *orphans("user_sourced_id", "user", "user", NO_PERSON),
            *orphans("class_sourced_id", "class", "class", NO_CLASS),
            Rule(
                "orphan_school",
                "warning",
                "school",
                "Its school did not arrive: probably outside the connection's school scope.",
                is_true("school_sourced_id_resolves"),
            ),
            Rule(
                "outside_session",
                "warning",
                "beginDate",
                "The enrollment begins before the terms of its class or ends after them.",
                is_true("is_inside_session"),
            ),
        ]
    },
)
