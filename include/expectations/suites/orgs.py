"""Organizations: schools, districts and what stands above them.

Nothing here refuses one: everything else hangs on its school, and a school without a name is still that school.
"""

from __future__ import annotations

from include.expectations.rules import Rule, Suite, holds, present, vocabulary
from include.expectations.suites import every_record
from include.expectations.vocabularies import ORG_TYPES

SUITE = Suite(
    records=[
        *every_record.storable(),
        *every_record.dated(),
        Rule("name_missing", "warning", "name", "The organization has no name.", present("name")),
        Rule(
            "type_missing",
            "warning",
            "type",
            "It is not said whether the organization is a school or a district.",
            present("type"),
        ),
        *vocabulary(
            "type_unknown",
            "type",
            "The type of the organization is none of OneRoster's (school, district, …).",
            "type",
            ORG_TYPES,
        ),
        Rule(
            "identifier_missing",
            "warning",
            "identifier",
            "The organization has no identifier such as its state or NCES number.",
            present("identifier"),
        ),
    ],
    roster={
        "orgs": [
            Rule(
                "orphan_parent",
                "warning",
                "parent",
                "The organization above it did not arrive: probably outside the connection's school scope.",
                holds("parent_sourced_id_resolves"),
            ),
            Rule(
                "parent_loop",
                "warning",
                "parent",
                "The organizations above it lead back to itself, so it belongs to no district.",
                holds("parent_ends"),
            ),
        ]
    },
)
