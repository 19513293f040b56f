"""Classes, which are sections and homerooms.

A class without school, course or term is poorer, and yet children sit in it: refusing it would leave its enrollments
pointing at nothing, which is the greater harm.
"""

from __future__ import annotations

from rollcall.expectations.rules import Rule, Suite, is_true, not_null, vocabulary
from rollcall.expectations.suites import every_record
from rollcall.expectations.vocabularies import CLASS_TYPES

SUITE = Suite(
    records=[
        *every_record.storable(),
        *every_record.dated(),
        Rule("title_missing", "warning", "title", "The class has no title.", not_null("title")),
        *vocabulary(
            "class_type_unknown",
            "classType",
            "The class is said to be neither a scheduled class nor a homeroom.",
            "class_type",
            CLASS_TYPES,
        ),
        Rule(
            "course_missing",
            "warning",
            "course",
            "The class does not say which course is taught in it.",
            not_null("course_sourced_id"),
        ),
        Rule(
            "school_missing",
            "warning",
            "school",
            "The class does not say at which school it is held.",
            not_null("school_sourced_id"),
        ),
        Rule(
            "terms_missing",
            "warning",
            "terms",
            "The class belongs to no term, so it is unclear when it is held.",
            is_true("has_class_terms"),
        ),
    ],
    parts={
        "class_terms": [
            Rule(
                "term_missing",
                "critical",
                "terms",
                "A term of the class has no sourcedId that can be used; that term is left out.",
                not_null("term_sourced_id"),
                guards_key=True,
            )
        ]
    },
    roster={
        "classes": [
            Rule(
                "orphan_school",
                "warning",
                "school",
                "Its school did not arrive: probably outside the connection's school scope.",
                is_true("school_sourced_id_resolves"),
            ),
            Rule(
                "orphan_course",
                "warning",
                "course",
                "Its course did not arrive, so it is unclear what is taught in it.",
                is_true("course_sourced_id_resolves"),
            ),
        ],
        "class_terms": [
            Rule(
                "orphan_term",
                "warning",
                "terms",
                "One of its terms did not arrive, so it is unclear when the class is held.",
                is_true("term_sourced_id_resolves"),
            )
        ],
    },
)
