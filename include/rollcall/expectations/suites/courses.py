"""Courses. Their fields only describe, so no rule here rejects one."""

from __future__ import annotations

from rollcall.expectations.rules import Rule, Suite, is_true, not_null
from rollcall.expectations.suites import every_record

SUITE = Suite(
    records=[
        *every_record.storable(),
        *every_record.dated(),
        Rule("title_missing", "warning", "title", "The course has no title.", not_null("title")),
        Rule(
            "course_code_missing",
            "warning",
            "courseCode",
            "The course has no code such as the one in the course catalog.",
            not_null("course_code"),
        ),
        Rule(
            "org_missing",
            "info",
            "org",
            "The course has no school or district.",
            not_null("org_sourced_id"),
        ),
    ],
    roster={
        "courses": [
            Rule(
                "orphan_org",
                "warning",
                "org",
                "Its school or district was not received. It is probably outside the connection's school scope.",
                is_true("org_sourced_id_resolves"),
            ),
            Rule(
                "orphan_year",
                "warning",
                "schoolYear",
                "Its school year was not received. That year is probably not shared.",
                is_true("school_year_sourced_id_resolves"),
            ),
        ]
    },
)
