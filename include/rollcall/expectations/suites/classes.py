"""Classes: sections and homerooms.

A class without a school, course, or term is only warned about. Students are enrolled in it, and rejecting it would
reject their enrollments too, which is the greater harm.
"""

from __future__ import annotations

from rollcall.expectations.rules import Rule, Suite, is_true, not_null, vocabulary
from rollcall.expectations.suites import every_record
from rollcall.model.vocabularies import CLASS_TYPES

SUITE = Suite(
    records=[
        *every_record.storable(),
        *every_record.dated(),
        Rule("title_missing", "warning", "title", "The class has no title.", not_null("title")),
        *vocabulary(
            "class_type_unknown",
            "classType",
            "The class type is not a OneRoster type (scheduled, homeroom).",
            "class_type",
            CLASS_TYPES,
        ),
        Rule(
            "course_missing",
            "warning",
            "course",
            "The class has no course.",
            not_null("course_sourced_id"),
        ),
        Rule(
            "school_missing",
            "warning",
            "school",
            "The class has no school.",
            not_null("school_sourced_id"),
        ),
        Rule(
            "terms_missing",
            "warning",
            "terms",
            "The class has no term, so its dates are unknown.",
            is_true("has_class_terms"),
        ),
    ],
    parts={
        "class_terms": [
            Rule(
                "term_missing",
                "critical",
                "terms",
                "A term of the class has no usable sourcedId. That term is skipped.",
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
                "Its school was not received. It is probably outside the connection's school scope.",
                is_true("school_sourced_id_resolves"),
            ),
            Rule(
                "orphan_course",
                "warning",
                "course",
                "Its course was not received, so its subject is unknown.",
                is_true("course_sourced_id_resolves"),
            ),
        ],
        "class_terms": [
            Rule(
                "orphan_term",
                "warning",
                "terms",
                "One of its terms was not received, so its dates are uncertain.",
                is_true("term_sourced_id_resolves"),
            )
        ],
    },
)
