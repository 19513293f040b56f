"""Which of a person's role entries counts where several have the same school, role and begin date."""

from __future__ import annotations

import itertools
from typing import Any

import pyarrow as pa
import pytest

from rollcall.landing.pull import landed_schema
from rollcall.model.tables import TABLES
from rollcall.validate.copies import deduplicate_roles, with_role_key
from rollcall.validate.types import to_types

USER_ROLES = TABLES["user_roles"]
ROLE = {"user_sourced_id": "u1", "org_sourced_id": "o1", "role": "student", "begin_date": "2026-08-15"}


def counting(*entries: dict[str, Any]) -> list[tuple[Any, ...]]:
    """End and type of the entries that count, as text."""
    rows = [{**ROLE, **entry} for entry in entries]
    roles, facts = deduplicate_roles(to_types(pa.Table.from_pylist(rows, schema=landed_schema(USER_ROLES)), USER_ROLES))
    kept = roles.rows.filter(facts["lasts_longest"]).to_pylist()
    return [(str(row["end_date"]), row["role_type"]) for row in kept]


STINT = {"end_date": "2026-08-17", "role_type": "primary"}


@pytest.mark.parametrize(
    ("other", "counts"),
    [
        ({"end_date": None, "role_type": "secondary"}, ("None", "secondary")),
        ({"end_date": "", "role_type": "secondary"}, ("None", "secondary")),
        ({"end_date": "2027-06-11", "role_type": "secondary"}, ("2027-06-11", "secondary")),
        ({"end_date": "2027-06-11T00:00:00Z", "role_type": "secondary"}, ("2027-06-11", "secondary")),
        ({"end_date": "when school is over", "role_type": "secondary"}, ("None", "secondary")),  # left open
        ({"end_date": "2026-08-16", "role_type": "secondary"}, ("2026-08-17", "primary")),
        ({"end_date": "2026-08-17", "role_type": "secondary"}, ("2026-08-17", "primary")),
        ({"begin_date": "2026-08-15T00:00:00", "end_date": None, "role_type": None}, ("None", None)),
        (STINT, ("2026-08-17", "primary")),
    ],
)
def test_the_entry_that_lasts_longest_counts_in_either_order(other, counts):
    assert counting(STINT, other) == counting(other, STINT) == [counts]


def test_of_three_entries_the_open_one_counts_in_any_order():
    entries = [STINT, {"end_date": None, "role_type": "secondary"}, {"end_date": "2027-06-11", "role_type": "primary"}]
    for order in itertools.permutations(entries):
        assert counting(*order) == [("None", "secondary")]


@pytest.mark.parametrize(
    "other", [{"role": "aide"}, {"org_sourced_id": "o2"}, {"begin_date": None}, {"user_sourced_id": "u2"}]
)
def test_entries_that_differ_in_their_key_all_count(other):
    assert len(counting(STINT, {**STINT, **other})) == 2


def test_no_two_roles_have_one_key():
    roles = [("a|b", "c"), ("a", "b|c"), ("a%7Cb", "c"), ("a%b", "c"), ("a", "b")]
    keys = [key_of({**ROLE, "role": role, "org_sourced_id": org}) for role, org in roles]

    assert len(set(keys)) == len(roles)
    assert keys[-1] == "a|b|2026-08-15"


def key_of(role: dict[str, Any]) -> str:
    """The key of a role that is alone in its slice."""
    rows = to_types(pa.Table.from_pylist([role], schema=landed_schema(USER_ROLES)), USER_ROLES).rows
    return with_role_key(rows)["role_key"][0].as_py()


def test_a_repeated_entry_is_reported_and_costs_neither_the_person_nor_the_role(validated: Any, good: Any) -> None:
    roles = [good("user_roles", end_date="2026-08-17"), good("user_roles"), good("user_roles")]
    outcome = validated("users", [good("users")], user_roles=roles)

    assert [row["end_date"] for row in outcome.rows("user_roles")] == [None]
    assert {rule: (finding.severity, finding.count) for rule, finding in outcome.findings.items()} == {
        "role_repeated": ("warning", 1)
    }
    assert outcome.rejects() == []
