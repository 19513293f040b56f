"""Enrollments: which person is in which class, and in which role.

An enrollment without a person or class is rejected. So is one with an invalid date: its published version, with valid
dates, stays. Dates in the wrong order are only warned about. One of them is probably a typing error; both are published
as received, because a student missing from a class would be worse.
"""

from __future__ import annotations

from rollcall.expectations.rules import Rule, Suite, in_order, is_true, not_null, parseable, vocabulary
from rollcall.expectations.suites import every_record
from rollcall.expectations.suites.orphans import NO_CLASS, NO_PERSON, orphans
from rollcall.model.vocabularies import ENROLLMENT_ROLES

SUITE = Suite(
    records=[
        *every_record.storable(),
        *every_record.dated(),
        Rule(
            "user_missing",
            "critical",
            "user",
            "The enrollment has no user.",
            not_null("user_sourced_id"),
            needs_owner=True,
        ),
        Rule(
            "class_missing",
            "critical",
            "class",
            "The enrollment has no class.",
            not_null("class_sourced_id"),
            needs_owner=True,
        ),
        Rule(
            "school_missing",
            "warning",
            "school",
            "The enrollment has no school.",
            not_null("school_sourced_id"),
        ),
        Rule(
            "role_missing",
            "warning",
            "role",
            "The enrollment has no role, such as student or teacher.",
            not_null("role"),
        ),
        *vocabulary(
            "role_unknown",
            "role",
            "The role in the class is not a OneRoster role (student, teacher, …).",
            "role",
            ENROLLMENT_ROLES,
        ),
        Rule(
            "primary_unreadable",
            "warning",
            "primary",
            "The field for the class's primary teacher is neither true nor false. It is left empty.",
            parseable("is_primary"),
        ),
        Rule(
            "begin_date_impossible",
            "critical",
            "beginDate",
            "The begin date is not a valid date such as 2026-08-21.",
            parseable("begin_date"),
        ),
        Rule(
            "end_date_impossible",
            "critical",
            "endDate",
            "The end date is not a valid date such as 2026-08-21.",
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
                "Its school was not received. It is probably outside the connection's school scope.",
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
