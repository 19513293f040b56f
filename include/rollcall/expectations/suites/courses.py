"""Courses: what is taught, whoever teaches it. All of it describes, so nothing here refuses one."""

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
            "The course has no code, such as the one printed in the course catalog.",
            not_null("course_code"),
        ),
        Rule(
            "org_missing",
            "info",
            "org",
            "The course does not say which school or district offers it.",
            not_null("org_sourced_id"),
        ),
    ],
    roster={
        "courses": [
            Rule(
                "orphan_org",
                "warning",
                "org",
                "The organization that offers it did not arrive: probably outside the connection's school scope.",
                is_true("org_sourced_id_resolves"),
            ),
            Rule(
                "orphan_year",
                "warning",
                "schoolYear",
                "Its school year did not arrive: probably a year that is not shared.",
                is_true("school_year_sourced_id_resolves"),
            ),
        ]
    },
)
