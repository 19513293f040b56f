"""Everybody received ends as exactly one of: an account or several, left out with one reason, rejected with a reason;
and the same input makes the same tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from rollcall.accounts.mapping import map_accounts
from rollcall.landing.mapping import LEFT_OUT_REASONS, MappingInput, MappingResult
from tests.accounts.cases import NIGHT, TERMS, district, in_classes, people
from tests.conftest import examples

_NAMES = ["ada", "ben", "cid", "dot", "eve", "fay", "gus", "hal"]
_ORGS = ["north", "south", "annex", "district", "gone", ""]
_ROLES = ["student", "student", "teacher", "aide", "guardian", "ext:coach"]
_USERNAMES = ["a@x", "A@x", " b@x", "c@x", "d@x", "", None]

_role = st.builds(
    lambda role, org, rest: f"{role}@{org}{rest}",
    st.sampled_from(_ROLES),
    st.sampled_from(_ORGS),
    st.sampled_from(["", " secondary", " until 2026-11-21", " secondary until 2027-06-01"]),
)

_person = st.fixed_dictionaries(
    {
        "roles": st.lists(_role, max_size=3).map(", ".join),
        "email": st.sampled_from(_USERNAMES),
        "username": st.sampled_from(_USERNAMES),
        "identifier": st.sampled_from(["1", "2", "3", "", None]),
        "given_name": st.sampled_from(["Ada", "Ben"]),
        "grades": st.sampled_from([["03"], ["04", "05"], []]),
        "primary_org_sourced_id": st.sampled_from(["north", "south", None]),
    }
)

_persons = st.dictionaries(st.sampled_from(_NAMES), _person, max_size=len(_NAMES))

_classes = st.fixed_dictionaries(
    {
        "enrollments": st.dictionaries(
            st.sampled_from(_NAMES), st.sampled_from(["maths", "art, maths until 2026-11-20", "art"]), max_size=6
        ),
        "terms": st.fixed_dictionaries({"maths": st.sampled_from([*TERMS]), "art": st.just("summer")}),
    }
)

_settings = st.fixed_dictionaries(
    {},
    optional={
        "usernames": st.sampled_from(
            [
                "username",
                {
                    "student": [{"field": "email", "transform": ["trim"], "pattern": ".@x"}, {"field": "identifier"}],
                    "staff": [{"field": "username"}],
                },
            ]
        ),
        "sites": st.sampled_from(
            [
                {"targets": ["N", "S"], "map": {"north": "N", "south": "S", "annex": "N"}},
                {"targets": ["N"], "map": {"north": "N", "south": "exclude", "district": "N"}},
            ]
        ),
        "filters": st.sampled_from(
            [{"grades": ["03"]}, {"schools": ["north"]}, {"roles": ["teacher"]}, {"require_class": True}]
        ),
        "people": st.sampled_from(
            [
                {"ada": {"exclude": True, "reason": "asked"}},
                {"ben": {"username": "C@X", "reason": "asked"}, "zoe": {"exclude": True, "reason": "asked"}},
            ]
        ),
        "person_key": st.just("sourcedId"),
    },
)

_nights = examples(15)


@_nights
@given(_persons, _persons, _classes, _settings)
def test_everybody_is_accounts_or_left_out_with_one_reason(before, tonight, classes, said) -> None:
    elm = district(**said)
    published = map_accounts(elm, replace(people(before), in_classes=in_classes(**classes)), NIGHT)
    roster = replace(people(tonight), in_classes=in_classes(**classes), accounts=published.accounts)
    made = map_accounts(elm, roster, NIGHT)

    with_account, left_out = set(_column(made.accounts, "user_sourced_id")), _column(made.left_out, "user_sourced_id")
    assert len(left_out) == len(set(left_out))
    assert with_account.isdisjoint(left_out)
    assert with_account | set(left_out) == set(tonight)
    assert set(_column(made.left_out, "reason")) <= set(LEFT_OUT_REASONS)
    assert made.coverage["people"] == made.coverage["with_account"] + made.left_out.num_rows
    _check_names(made, tonight)


@_nights
@given(_persons, _persons, _settings, st.randoms(use_true_random=False))
def test_the_order_in_which_rows_come_makes_no_difference(before, tonight, said, random) -> None:
    elm = district(**said)
    classes = in_classes({"ada": "maths", "ben": "maths"}, {"maths": "year"})
    published = map_accounts(elm, replace(people(before), in_classes=classes), NIGHT).accounts
    roster = replace(people(tonight), accounts=published, in_classes=classes)
    shuffled = MappingInput(
        *(_shuffled(getattr(roster, name), random) for name in ("orgs", "users", "user_roles", "accounts"))
    )
    shuffled = replace(shuffled, in_classes=classes)
    assert _tables(map_accounts(elm, shuffled, NIGHT)) == _tables(map_accounts(elm, roster, NIGHT))


@_nights
@given(_persons, _persons, _settings)
def test_a_roster_that_stays_comes_to_rest(before, tonight, said) -> None:
    """The second night may assign a username that a person gave up in the first. The third night changes nothing."""
    elm = district(**said)
    classes = in_classes({"ada": "maths", "ben": "maths"}, {"maths": "year"})
    accounts = map_accounts(elm, replace(people(before), in_classes=classes), NIGHT).accounts
    roster = replace(people(tonight), in_classes=classes)
    for _ in range(2):
        accounts = map_accounts(elm, replace(roster, accounts=accounts), NIGHT).accounts
    third = map_accounts(elm, replace(roster, accounts=accounts), NIGHT)
    assert third.accounts == accounts
    assert third.name_changes.num_rows == 0


@pytest.mark.parametrize("seed", range(3))
def test_through_merge_a_rejected_person_is_neither(nights, roster, seed) -> None:
    random = np.random.default_rng(seed)
    rows = roster(*_NAMES, teacher=True)
    for user, role in zip(rows["users"], rows["user_roles"], strict=True):
        user["email"] = random.choice([*_USERNAMES[:5], user["email"]])
        role["org_sourced_id"] = random.choice(["school", "school", "gone"])
    refused = [str(name) for name in random.choice(_NAMES, size=3, replace=False)]
    everybody = {user["sourced_id"] for user in rows["users"]}
    for table, key in (("users", "sourced_id"), ("user_roles", "user_sourced_id"), ("enrollments", "user_sourced_id")):
        rows[table] = [row for row in rows[table] if row[key] not in refused]
    nights.publish(rows, rejected={"users": refused})
    with nights.engine.connect() as connection:
        left_out = list(connection.execute(sa.text("SELECT user_sourced_id FROM roster_ops.left_out")).scalars())
        rejects = sa.text("SELECT sourced_id FROM roster_ops.rejects WHERE collection = 'users'")
        rejected = list(connection.execute(rejects).scalars())
    accounts = list(nights.live("accounts", "user_sourced_id"))
    assert sorted(rejected) == sorted(refused)
    assert sorted([*accounts, *left_out, *rejected]) == sorted(everybody)


def _check_names(made: MappingResult, tonight: dict[str, Any]) -> None:
    """One username per person, one person per username."""
    holders: dict[str, set[tuple[Any, ...]]] = {}
    for row in made.accounts.to_pylist():
        said = tonight[row["user_sourced_id"]]
        number = (said["identifier"] or "").strip()
        person = (number, said["given_name"]) if number else (row["user_sourced_id"],)
        holders.setdefault(row["username"].lower(), set()).add(person)
    assert all(len(persons) == 1 for persons in holders.values())
    changed = set(zip(*(_column(made.name_changes, name) for name in ("user_sourced_id", "site_id")), strict=True))
    assert changed <= set(zip(*(_column(made.accounts, name) for name in ("user_sourced_id", "site_id")), strict=True))


def _tables(made: MappingResult) -> list[Any]:
    return [made.accounts.to_pylist(), made.left_out.to_pylist(), made.name_changes.to_pylist(), made.findings]


def _shuffled(rows: pa.Table, random: Any) -> pa.Table:
    order = list(range(rows.num_rows))
    random.shuffle(order)
    return rows.take(pa.array(order, pa.int64()))


def _column(rows: pa.Table, name: str) -> list[Any]:
    values: list[Any] = rows[name].to_pylist()
    return values
