"""Organizations: schools, districts and what stands above them.

Nothing here refuses one: everything else hangs on its school, and a school without a name is still that school.
"""

from __future__ import annotations

from include.expectations.rules import Rule, Suite, Version, one_of, present
from include.validate.suites import every_record
from include.validate.vocabularies import ORG_TYPES


def suite(version: Version) -> Suite:
    return Suite(
        [
            *every_record.dated(),
            Rule("name_missing", "warning", "name", "The organization has no name.", present("name")),
            Rule(
                "type_missing",
                "warning",
                "type",
                "It is not said whether the organization is a school or a district.",
                present("type"),
            ),
            Rule(
                "type_unknown",
                "warning",
                "type",
                "The type of the organization is none of OneRoster's (school, district, …).",
                one_of("type", ORG_TYPES, version),
            ),
            Rule(
                "identifier_missing",
                "warning",
                "identifier",
                "The organization has no identifier such as its state or NCES number.",
                present("identifier"),
            ),
        ]
    )
