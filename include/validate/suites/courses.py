"""Courses: what is taught, whoever teaches it. All of it describes, so nothing here refuses one."""

from __future__ import annotations

from include.expectations.rules import Rule, Suite, Version, present
from include.validate.suites import every_record


def suite(_version: Version) -> Suite:
    return Suite(
        [
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
        ]
    )
