"""Organizations: schools, districts, and the organizations above them.

No rule here rejects one. Everything else depends on its school, and a school without a name is still that school.
"""

from __future__ import annotations

from rollcall.expectations.rules import Rule, Suite, is_true, not_null, vocabulary
from rollcall.expectations.suites import every_record
from rollcall.model.vocabularies import ORG_TYPES

SUITE = Suite(
    records=[
        *every_record.storable(),
        *every_record.dated(),
        Rule("name_missing", "warning", "name", "The organization has no name.", not_null("name")),
        Rule(
            "type_missing",
            "warning",
            "type",
            "The organization has no type, such as school or district.",
            not_null("type"),
        ),
        *vocabulary(
            "type_unknown",
            "type",
            "The organization's type is not a OneRoster type (school, district, …).",
            "type",
            ORG_TYPES,
        ),
        Rule(
            "identifier_missing",
            "warning",
            "identifier",
            "The organization has no identifier such as its state or NCES number.",
            not_null("identifier"),
        ),
    ],
    roster={
        "orgs": [
            Rule(
                "orphan_parent",
                "warning",
                "parent",
                "Its parent organization was not received. It is probably outside the connection's school scope.",
                is_true("parent_sourced_id_resolves"),
            ),
            Rule(
                "parent_loop",
                "warning",
                "parent",
                "Its parent organizations lead back to itself, so it belongs to no district.",
                is_true("parent_ends"),
            ),
        ]
    },
)
