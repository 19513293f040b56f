"""School years, semesters, terms, and grading periods.

Every class of a term takes its dates from the session. A session whose dates are missing, invalid, or in the wrong
order would open or close all its classes, so it is rejected and its published version stays.
"""

from __future__ import annotations

import great_expectations.expectations as gxe

from rollcall.expectations.rules import Rule, Suite, in_order, is_true, not_null, parseable, provided, vocabulary
from rollcall.expectations.suites import every_record
from rollcall.model.vocabularies import SESSION_TYPES

SUITE = Suite(
    records=[
        *every_record.storable(),
        *every_record.dated(),
        Rule("title_missing", "warning", "title", "The session has no title.", not_null("title")),
        Rule(
            "type_missing",
            "warning",
            "type",
            "The session has no type: school year, semester, term, or grading period.",
            not_null("type"),
        ),
        *vocabulary(
            "type_unknown",
            "type",
            "The session's type is not a OneRoster type (schoolYear, semester, term, gradingPeriod).",
            "type",
            SESSION_TYPES,
        ),
        Rule(
            "start_date_impossible",
            "critical",
            "startDate",
            "The start date is not a valid date such as 2026-08-21.",
            parseable("start_date"),
        ),
        Rule(
            "start_date_missing",
            "critical",
            "startDate",
            "The session has no start date.",
            provided("start_date"),
        ),
        Rule(
            "end_date_impossible",
            "critical",
            "endDate",
            "The end date is not a valid date such as 2026-08-21.",
            parseable("end_date"),
        ),
        Rule(
            "end_date_missing",
            "critical",
            "endDate",
            "The session has no end date.",
            provided("end_date"),
        ),
        Rule(
            "dates_out_of_order",
            "critical",
            "endDate",
            "The session ends before it starts.",
            in_order("start_date", "end_date"),
        ),
        Rule(
            "school_year_missing",
            "warning",
            "schoolYear",
            "The session has no school year.",
            not_null("school_year"),
        ),
        Rule(
            "school_year_malformed",
            "warning",
            "schoolYear",
            "The school year is not the four-digit year in which it ends.",
            gxe.ExpectColumnValuesToMatchRegex(column="school_year", regex=r"^\d{4}\Z"),
        ),
    ],
    roster={
        "academic_sessions": [
            Rule(
                "orphan_parent",
                "warning",
                "parent",
                "Its parent session was not received. It is probably in a school year that is not shared.",
                is_true("parent_sourced_id_resolves"),
            ),
            Rule(
                "parent_loop",
                "warning",
                "parent",
                "Its parent sessions lead back to itself, so it belongs to no school year.",
                is_true("parent_ends"),
            ),
        ]
    },
)
