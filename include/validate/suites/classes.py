"""Classes, which are sections and homerooms.

A class without school, course or term is poorer, and yet children sit in it: refusing it would leave its enrollments
pointing at nothing, which is the greater harm.
"""

from __future__ import annotations

from include.expectations.rules import Rule, Suite, Version, holds, one_of, present
from include.validate.suites import every_record
from include.validate.vocabularies import CLASS_TYPES


def suite(version: Version) -> Suite:
    return Suite(
        [
            *every_record.dated(),
            Rule("title_missing", "warning", "title", "The class has no title.", present("title")),
            Rule(
                "class_type_unknown",
                "warning",
                "classType",
                "The class is said to be neither a scheduled class nor a homeroom.",
                one_of("class_type", CLASS_TYPES, version),
            ),
            Rule(
                "course_missing",
                "warning",
                "course",
                "The class does not say which course is taught in it.",
                present("course_sourced_id"),
            ),
            Rule(
                "school_missing",
                "warning",
                "school",
                "The class does not say at which school it is held.",
                present("school_sourced_id"),
            ),
            Rule(
                "terms_missing",
                "warning",
                "terms",
                "The class belongs to no term, so it is unclear when it is held.",
                holds("has_class_terms"),
            ),
        ],
        {
            "class_terms": [
                Rule(
                    "term_missing",
                    "critical",
                    "terms",
                    "A term of the class has no sourcedId that can be used; that term is left out.",
                    present("term_sourced_id"),
                )
            ]
        },
    )
