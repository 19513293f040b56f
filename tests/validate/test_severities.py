"""A district raises and lowers rules in its YAML."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rollcall.errors import ActionRequired
from rollcall.expectations.severities import GROUPS, Severities
from rollcall.settings import RuleChange

Good = Callable[..., dict[str, Any]]


def _rules(**severities: str) -> dict[str, RuleChange]:
    return {
        name.replace("__", "."): RuleChange(severity=severity, reason="They asked for it.")  # type: ignore[arg-type]
        for name, severity in severities.items()
    }


def test_a_lowered_critical_rule_refuses_nothing(validated: Any, good: Good) -> None:
    outcome = validated(
        "enrollments", [good("enrollments", begin_date="soon")], rules=_rules(begin_date_impossible="info")
    )
    assert (outcome.collection.accepted, outcome.rejects()) == (1, [])
    assert outcome.findings["begin_date_impossible"].severity == "info"
    assert outcome.rows("enrollments")[0]["begin_date"] is None


def test_a_raised_warning_refuses_with_its_reason(validated: Any, good: Good) -> None:
    people = [good("users"), good("users", sourced_id="u2", email=None)]
    roles = [good("user_roles"), good("user_roles", user_sourced_id="u2")]
    outcome = validated("users", people, user_roles=roles, rules=_rules(users__email_missing="critical"))
    (reject,) = outcome.rejects()
    assert (reject["sourced_id"], reject["rule"], reject["field"]) == ("u2", "email_missing", "email")
    assert reject["reason"] == "The person has no email address."
    assert [row["sourced_id"] for row in outcome.rows("users")] == ["u1"]
    assert [row["user_sourced_id"] for row in outcome.rows("user_roles")] == ["u1"]


def test_a_name_alone_means_every_collection_that_has_the_rule(validated: Any, good: Good) -> None:
    for rules, severities in (
        (_rules(title_missing="critical"), ("critical", "critical")),
        (_rules(courses__title_missing="critical"), ("critical", "warning")),
    ):
        found = [
            validated(collection, [good(collection, title=None)], rules=rules).findings["title_missing"].severity
            for collection in ("courses", "academic_sessions")
        ]
        assert tuple(found) == severities


def test_a_raised_rule_about_a_part_leaves_the_part_out_and_keeps_the_person(validated: Any, good: Good) -> None:
    roles = [good("user_roles"), good("user_roles", role="janitor")]
    outcome = validated("users", [good("users")], user_roles=roles, rules=_rules(users__role_unknown="critical"))
    assert [row["role"] for row in outcome.rows("user_roles")] == ["student"]
    assert (outcome.findings["role_unknown"].severity, outcome.collection.accepted) == ("warning", 1)


def test_an_orphan_enrollment_has_one_name_for_all_its_causes() -> None:
    assert set(GROUPS["orphan_enrollment"]) == {
        f"enrollments.{name}" for name in ("orphan_user", "user_refused", "orphan_class", "class_refused")
    }


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("orphan_enrolment", "'orphan_enrollment'"),
        ("users.emial_missing", "'users.email_missing'"),
        ("begin_date_imposible", "'begin_date_impossible'"),
    ],
)
def test_an_unknown_name_is_an_error_with_the_nearest(name: str, near: str, validated: Any, good: Good) -> None:
    with pytest.raises(ActionRequired) as caught:
        validated("orgs", [good("orgs")], rules=_rules(**{name: "info"}))
    assert (caught.value.code, caught.value.district) == ("rule_unknown", "maple")
    assert near in caught.value.message
    assert "maple.yaml" in caught.value.remedy


@pytest.mark.parametrize(
    ("rule", "severity"),
    [
        ("sourced_id_missing", "warning"),
        ("orgs.sourced_id_repeated", "info"),
        ("role_missing", "warning"),
        ("term_missing", "info"),
        ("orphan_enrollment", "warning"),
        ("enrollments.user_missing", "info"),
        ("demographics.orphan_user", "info"),
        ("share_without_email", "critical"),
    ],
)
def test_what_no_district_can_have_otherwise(rule: str, severity: str) -> None:
    with pytest.raises(ActionRequired) as caught:
        Severities(_rules(**{rule: severity}), "maple")
    assert caught.value.code == "rule_fixed"
