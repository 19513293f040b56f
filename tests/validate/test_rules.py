"""Every rule of every suite, by name: what breaks it, and what then happens to the record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rollcall.expectations.suites import SUITES, every_record

Good = Callable[..., dict[str, Any]]

PARTS = {
    "classes": ["class_terms"],
    "users": ["user_roles", "user_agents"],
}

#: collection, field (or part.field), value, rule, severity of the finding. `refused` follows from critical.
CASES: list[tuple[str, str, str | None, str, str]] = [
    *((collection, "sourced_id", None, "sourced_id_missing", "critical") for collection in SUITES),
    *((collection, "sourced_id", "   ", "sourced_id_missing", "critical") for collection in SUITES),
    *((collection, "sourced_id", "x" * 256, "sourced_id_missing", "critical") for collection in SUITES),
    *((collection, "status", "deleted", "status_unknown", "critical") for collection in SUITES),
    *((collection, "date_last_modified", None, "date_last_modified_missing", "warning") for collection in SUITES),
    *((collection, "date_last_modified", "soon", "date_last_modified_unreadable", "warning") for collection in SUITES),
    ("users", "sourced_id", "u\x1f1", "sourced_id_missing", "critical"),
    ("orgs", "name", None, "name_missing", "warning"),
    ("orgs", "type", None, "type_missing", "warning"),
    ("orgs", "type", "School", "type_unknown", "warning"),
    ("orgs", "identifier", " ", "identifier_missing", "warning"),
    ("academic_sessions", "title", None, "title_missing", "warning"),
    ("academic_sessions", "type", None, "type_missing", "warning"),
    ("academic_sessions", "type", "trimester", "type_unknown", "warning"),
    ("academic_sessions", "start_date", None, "start_date_missing", "critical"),
    ("academic_sessions", "start_date", "2027-02-30", "start_date_impossible", "critical"),
    ("academic_sessions", "end_date", None, "end_date_missing", "critical"),
    ("academic_sessions", "end_date", "20.12.2026", "end_date_impossible", "critical"),
    ("academic_sessions", "end_date", "2026-08-14", "dates_out_of_order", "critical"),
    ("academic_sessions", "school_year", None, "school_year_missing", "warning"),
    ("academic_sessions", "school_year", "2026-2027", "school_year_malformed", "warning"),
    ("courses", "title", None, "title_missing", "warning"),
    ("courses", "course_code", None, "course_code_missing", "warning"),
    ("courses", "org_sourced_id", None, "org_missing", "info"),
    ("classes", "title", None, "title_missing", "warning"),
    ("classes", "class_type", "lecture", "class_type_unknown", "warning"),
    ("classes", "course_sourced_id", None, "course_missing", "warning"),
    ("classes", "school_sourced_id", None, "school_missing", "warning"),
    ("classes", "class_terms", None, "terms_missing", "warning"),
    ("classes", "class_terms.term_sourced_id", None, "term_missing", "warning"),
    ("users", "given_name", None, "given_name_missing", "warning"),
    ("users", "family_name", "", "family_name_missing", "warning"),
    ("users", "username", None, "username_missing", "warning"),
    ("users", "email", None, "email_missing", "warning"),
    ("users", "identifier", None, "identifier_missing", "warning"),
    *(
        ("users", "username", f"qui{blank}mby", "username_malformed", "warning")
        for blank in (" ", "\t", "\u00a0", "\u200b")
    ),
    ("users", "username", "quimby ", "username_malformed", "warning"),
    ("users", "username", "quimby\n", "username_malformed", "warning"),
    *(
        ("users", "email", value, "email_malformed", "warning")
        for value in (
            "ramona",
            "ramona@maple",
            "@maple.example",
            "ramona@@maple.example",
            "ramona@maple..example",
            "ramona@maple.example ",
            "ramona@maple.example\n",
            "two@maple.example,one@maple.example",
        )
    ),
    ("users", "is_enabled", None, "enabled_user_missing", "info"),
    ("users", "is_enabled", "perhaps", "enabled_user_unreadable", "warning"),
    ("users", "user_roles", None, "roles_missing", "warning"),
    ("users", "user_roles.role", None, "role_missing", "warning"),
    ("users", "user_roles.org_sourced_id", None, "role_org_missing", "warning"),
    ("users", "user_roles.role", "janitor", "role_unknown", "warning"),
    ("users", "user_roles.role_type", "tertiary", "role_type_unknown", "warning"),
    ("users", "user_roles.begin_date", "2026-13-01", "role_begin_date_impossible", "warning"),
    ("users", "user_roles.end_date", "never", "role_end_date_impossible", "warning"),
    ("users", "user_roles.end_date", "2026-08-14", "role_dates_out_of_order", "warning"),
    ("users", "user_agents.agent_sourced_id", "x" * 256, "agent_missing", "warning"),
    ("enrollments", "user_sourced_id", None, "user_missing", "critical"),
    ("enrollments", "class_sourced_id", None, "class_missing", "critical"),
    ("enrollments", "school_sourced_id", None, "school_missing", "warning"),
    ("enrollments", "role", None, "role_missing", "warning"),
    ("enrollments", "role", "Student", "role_unknown", "warning"),
    ("enrollments", "is_primary", "maybe", "primary_unreadable", "warning"),
    ("enrollments", "begin_date", "2026-02-29", "begin_date_impossible", "critical"),
    ("enrollments", "end_date", "0000-00-00", "end_date_impossible", "critical"),
    ("enrollments", "end_date", "2026-08-14", "dates_out_of_order", "warning"),
    ("demographics", "birth_date", "2015-02-29", "birth_date_impossible", "critical"),
    ("demographics", "sex", "f", "sex_unknown", "warning"),
    *(
        ("demographics", f"is_{name}", "unknown", f"{name}_unreadable", "warning")
        for name in (
            "american_indian_or_alaska_native",
            "asian",
            "black_or_african_american",
            "native_hawaiian_or_other_pacific_islander",
            "white",
            "demographic_race_two_or_more_races",
            "hispanic_or_latino_ethnicity",
        )
    ),
]


@pytest.mark.parametrize("version", ["1.1", "1.2"])
@pytest.mark.parametrize("collection", list(SUITES))
def test_a_good_record_breaks_no_rule(collection: str, version: str, validated: Any, good: Good) -> None:
    parts = {table: [good(table)] for table in PARTS.get(collection, [])}
    outcome = validated(collection, [good(collection)], version=version, **parts)
    assert outcome.manifest.findings == []
    assert (outcome.collection.received, outcome.collection.accepted, outcome.collection.rejected) == (1, 1, 0)
    assert outcome.collection.proves_absence
    assert [len(outcome.rows(table)) for table in parts] == [1] * len(parts)


@pytest.mark.parametrize(("collection", "place", "value", "rule", "severity"), CASES)
def test_a_rule(
    collection: str, place: str, value: str | None, rule: str, severity: str, validated: Any, good: Good
) -> None:
    parts = {table: [good(table)] for table in PARTS.get(collection, [])}
    record = good(collection)
    table, _, field = place.rpartition(".")
    if table:
        parts[table][0][field] = value
    elif place in parts:
        parts[place] = []
    else:
        record[place] = value

    outcome = validated(collection, [record], **parts)

    finding = outcome.findings[rule]
    assert (finding.collection, finding.severity, finding.count) == (collection, severity, 1)
    assert list(outcome.findings) == [rule]
    refused = severity == "critical"
    assert (outcome.collection.accepted, outcome.collection.rejected) == ((0, 1) if refused else (1, 0))
    assert [(reject["rule"], reject["reason"]) for reject in outcome.rejects()] == (
        [(rule, finding.message)] if refused else []
    )
    assert len(outcome.rows(collection)) == outcome.collection.accepted


#: Values no index of PostgreSQL takes, by collection: each record that has one is refused for it alone.
TOO_LONG: dict[str, list[dict[str, str]]] = {
    "orgs": [{"parent_sourced_id": "x" * 256}],
    "academic_sessions": [{"parent_sourced_id": "x" * 256}],
    "courses": [{"org_sourced_id": "x" * 256}],
    "classes": [{"course_sourced_id": "x" * 256}],
    "users": [
        {"primary_org_sourced_id": "x" * 256},
        {"username": "\u00fc" * 501},
        {"identifier": "\u00fc" * 501},
        {"email": f"{'x' * 1_000}@maple.example"},
    ],
    "enrollments": [{"user_sourced_id": "x" * 256}, {"class_sourced_id": "c\x1f1"}],
    "demographics": [],
}
_TOO_LARGE = '{"a":"%s"}' % ("x" * 1_000_000)
_TOO_DEEP = '{"a":' * 101 + "1" + "}" * 101


@pytest.mark.parametrize("collection", list(SUITES))
def test_what_the_warehouse_cannot_take_is_refused_alone(collection: str, validated: Any, good: Good) -> None:
    spoiled = [
        *(("text_too_long", fields) for fields in TOO_LONG[collection]),
        ("record_too_large", {"metadata": _TOO_LARGE}),
        ("nested_too_deeply", {"metadata": _TOO_DEEP}),
    ]
    records = [good(collection, **{"sourced_id": f"bad{place}", **fields}) for place, (_, fields) in enumerate(spoiled)]
    shallow = good(collection, metadata='{"a":' * 100 + '"[[{"' + "}" * 100)
    parts = {table: [good(table)] for table in PARTS.get(collection, [])}
    if collection == "users":
        spoiled.append(("text_too_long", {}))
        records.append(good("users", sourced_id="long_role"))
        parts["user_roles"].append(good("user_roles", user_sourced_id="long_role", role="ext:" + "x" * 252))

    outcome = validated(collection, [shallow, *records], **parts)

    assert [row["sourced_id"] for row in outcome.rows(collection)] == [good(collection)["sourced_id"]]
    assert [reject["rule"] for reject in outcome.rejects()] == [rule for rule, _ in spoiled]
    assert all(len(reject["record"] or "") < 100_000 for reject in outcome.rejects())


def test_every_rule_has_a_case() -> None:
    shown = {(collection, rule) for collection, _, _, rule, _ in CASES}
    shown |= {(collection, rule) for collection in SUITES for rule in ("record_too_large", "nested_too_deeply")}
    shown |= {(collection, "text_too_long") for collection, values in TOO_LONG.items() if values}
    rules = {
        (collection, rule.name)
        for collection, suite in SUITES.items()
        for rule in [
            *every_record.identity(),
            *suite.records,
            *(rule for part in suite.parts.values() for rule in part),
        ]
    }
    # which of two copies counts needs two records: tests/validate/test_copies.py, tests/validate/test_roles.py
    of_two = ("sourced_id_repeated", "sourced_id_disputed", "sourced_id_shared")
    assert rules - shown == {(collection, rule) for collection in SUITES for rule in of_two} | {
        ("users", "role_repeated")
    }


@pytest.mark.parametrize(
    ("collection", "field", "value", "versions"),
    [
        ("orgs", "type", "ext:campus", ["1.2"]),
        ("academic_sessions", "type", "ext:tri.mester-1", ["1.2"]),
        ("classes", "class_type", "ext:lab", ["1.2"]),
        ("enrollments", "role", "ext:observer", ["1.2"]),
        ("enrollments", "role", "guardian", ["1.1"]),
        ("demographics", "sex", "ext:x", ["1.2"]),
        ("demographics", "sex", "unspecified", ["1.2"]),
        ("orgs", "type", "ext:no spaces", []),
    ],
)
def test_vocabularies_are_those_of_the_version(
    collection: str, field: str, value: str, versions: list[str], validated: Any, good: Good
) -> None:
    record, parts = good(collection, **{field: value}), {table: [good(table)] for table in PARTS.get(collection, [])}
    findings_of = {
        version: validated(collection, [record], version=version, **parts).findings for version in ("1.1", "1.2")
    }
    assert [version for version, findings in findings_of.items() if not findings] == versions


@pytest.mark.parametrize(
    ("role", "known_in"),
    [("counselor", ["1.2"]), ("administrator", ["1.1"]), ("teacher", ["1.1", "1.2"]), ("ext:coach", ["1.2"])],
)
def test_an_unknown_role_keeps_person_and_role(role: str, known_in: list[str], validated: Any, good: Good) -> None:
    for version in ("1.1", "1.2"):
        outcome = validated("users", [good("users")], version=version, user_roles=[good("user_roles", role=role)])
        assert ("role_unknown" not in outcome.findings) == (version in known_in)
        assert [row["role"] for row in outcome.rows("user_roles")] == [role]
        assert outcome.collection.accepted == 1
