"""Courses: what is taught, whoever teaches it. All of it describes, so nothing here refuses one."""

from __future__ import annotations

from include.expectations.rules import Rule, Suite, holds, present
from include.expectations.suites import every_record

SUITE = Suite(
    records=[
        *every_record.storable(),
        *every_record.dated(),
        Rule("title_missing", "warning", "title", "The course has no title.", present("title")),
        Rule(
            "course_code_missing",
            "warning",
            "courseCode",
            "The course has no code, such as the one printed in the course catalog.",
            present("course_code"),
        ),
        Rule(
            "org_missing",
            "info",
            "org",
            "The course does not say which school or district offers it.",
            present("org_sourced_id"),
        ),
    ],
    roster={
        "courses": [
            Rule(
                "orphan_org",
                "warning",
                "org",
                "The organization that offers it did not arrive: probably outside the connection's school scope.",
                holds("org_sourced_id_resolves"),
            ),
            Rule(
                "orphan_year",
                "warning",
                "schoolYear",
                "Its school year did not arrive: probably a year that is not shared.",
                holds("school_year_sourced_id_resolves"),
            ),
        ]
    },
)
