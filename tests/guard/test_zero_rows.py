"""The guard's simplest rule: zero rows where live rows are is always held, on the first night too; the rest flows."""

from __future__ import annotations

import pytest

from rollcall.errors import ActionRequired


def test_zero_people_in_a_complete_pull_are_held_and_nobody_is_lost(nights, roster):
    nights.publish(roster("ada", "ben"))
    for _ in range(3):
        done = nights.publish({**roster("ada", "ben"), "users": [], "user_roles": [], "enrollments": []})
    assert [(hold.collection, hold.kind, hold.published) for hold in done.holds] == [
        ("users", "removals", 2),
        ("enrollments", "removals", 2),
    ]
    assert done.exit_code == 3
    assert (done.counts["users"].held, done.counts["users"].missing, done.counts["users"].removed) == (2, 0, 0)
    assert nights.live("users", "sourced_id") == ["ada", "ben"]
    assert nights.live("accounts", "username") == ["ada@elm.example", "ben@elm.example"]
    assert {since.date().isoformat() for since in nights.live("users", "_missing_since")} == {"2026-11-03"}


def test_what_is_not_held_is_published_in_the_same_night(nights, roster):
    nights.publish(roster("ada"))
    changed = roster("ada", "cid")
    changed["orgs"] = []
    done = nights.publish(changed)
    assert [hold.collection for hold in done.holds] == ["orgs"]
    assert nights.live("users", "sourced_id") == ["ada", "cid"]
    assert nights.live("orgs", "sourced_id") == ["school"]
    assert len(nights.live("accounts", "username")) == 2


def test_a_second_absence_is_withheld_with_all_that_it_would_take_along(nights, roster):
    nights.publish(roster("ada", "ben"))
    nights.publish({**roster("ada"), "enrollments": roster("ada", "ben")["enrollments"]})
    done = nights.publish({**roster("ada", "ben"), "users": [], "user_roles": []})
    # ada is missed for the first time, which is recorded; ben would be removed, which is withheld
    users = done.counts["users"]
    assert (users.held, users.missing, users.removed, done.counts["enrollments"].removed) == (1, 1, 0, 0)
    assert [(hold.collection, hold.rows, hold.is_announced) for hold in done.holds] == [("users", 2, False)]
    assert nights.live("enrollments", "sourced_id") == ["e-ada", "e-ben"]
    assert len(nights.live("accounts", "username")) == 2


def test_zero_rows_of_an_unproven_pull_need_no_hold(nights, roster):
    nights.publish(roster("ada"))
    done = nights.publish({**roster("ada"), "enrollments": []}, unproven=("enrollments",))
    assert done.holds == []
    assert nights.live("enrollments", "sourced_id") == ["e-ada"]


@pytest.mark.parametrize(("empty", "code"), [("orgs", "no_orgs"), ("users", "no_people")])
def test_a_first_pull_without_schools_or_people_fails_in_words_and_writes_nothing(nights, roster, empty, code):
    with pytest.raises(ActionRequired) as caught:
        nights.publish({**roster("ada"), empty: []})
    assert caught.value.code == code
    assert "Nothing was published" in caught.value.remedy
    assert nights.scalar("SELECT count(*) FROM roster_staging.classes") == 0
    assert nights.scalar("SELECT count(*) FROM roster_ops.state") == 0
