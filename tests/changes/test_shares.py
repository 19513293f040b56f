"""A jump in the share of people without email, class, or school is reported, measured on the roster as it will be."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rollcall.changes.shares import MAY_GROW_BY, MAY_GROW_BY_PEOPLE, is_too_small_to_jump
from tests.conftest import examples

NAMES = [f"child{number:02}" for number in range(40)]


def _jumps(nights):
    counts = "json_object_agg(rule, count)"
    return nights.scalar(
        f"SELECT {counts} FROM roster_ops.findings WHERE run_id = 'run{nights.count}' AND rule LIKE 'share%'"
    )


@pytest.fixture
def without(roster):
    """Forty children, so many of them without e-mail, class and school."""

    def make(email=0, classes=0, school=0):
        rows = roster(*NAMES)
        for user in rows["users"][:email]:
            user["email"] = None
        for role in rows["user_roles"][:school]:
            role.update(org_sourced_id="outside", role_key="student|outside|")
        rows["enrollments"] = rows["enrollments"][classes:]
        return rows

    return make


def test_a_first_night_has_nothing_to_jump_from(nights, without):
    nights.publish(without(email=40, school=40, classes=40))
    assert _jumps(nights) is None


def test_a_jump_is_reported_with_both_shares(nights, without):
    nights.publish(without(email=2))
    nights.publish(without(email=13, school=11))
    assert _jumps(nights) == {"share_without_email": 13, "share_without_school": 11}
    message = nights.scalar("SELECT message FROM roster_ops.findings WHERE rule = 'share_without_email'")
    assert message.startswith(
        "13 of 40 people have no email address (32.5%); in the published roster it is 2 of 40 (5.0%)"
    )


def test_a_few_people_are_no_jump(nights, without):
    nights.publish(without(email=2))
    nights.publish(without(email=12, school=10))
    assert _jumps(nights) is None


def test_a_delta_is_judged_on_the_whole_roster(nights, without):
    nights.publish(without())
    rows = without(email=3)
    delta = {name: [] for name in rows} | {name: rows[name] for name in ("orgs", "academic_sessions")}
    delta["users"], delta["user_roles"] = rows["users"][:3], rows["user_roles"][:3]
    nights.publish(delta, delta=True)
    assert _jumps(nights) is None
    delta["enrollments"] = [{"sourced_id": f"e-{name}", "status": "tobedeleted"} for name in NAMES[:11]]
    nights.publish(delta, delta=True)
    assert _jumps(nights) == {"share_without_class": 11}


@examples(100)
@given(st.integers(0, 5000), st.integers(0, 5000), *[st.integers(0, 60)] * 3)
def test_who_are_too_few_to_be_counted_never_make_a_share_jump(with_fact, without_it, lose_it, leave, come):
    """At worst those who leave had the fact, and those who come have not."""
    assume(lose_it + leave <= with_fact)
    assume(is_too_small_to_jump(lose_it + leave + come, with_fact + without_it))
    before, now = with_fact + without_it, with_fact + without_it - leave + come
    now_without = without_it + lose_it + come
    share = without_it / before if before else 0.0

    assert now_without <= without_it + MAY_GROW_BY_PEOPLE or now_without <= now * (share + MAY_GROW_BY)
