"""rules 2, 3 and 6, case by case, from accepted rows to the published tables."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from rollcall.errors import RollcallError
from rollcall.pipeline import run

TOMBSTONE = {"status": "tobedeleted"}


def _without(rows, table, **match):
    return {
        **rows,
        table: [row for row in rows[table] if any(row.get(name) != value for name, value in match.items())],
    }


def test_a_first_night_adds_everything(nights, roster):
    done = nights.publish(roster("ada", "ben", teacher=True))
    assert {name: count.added for name, count in done.counts.items()} == {
        "orgs": 1,
        "academic_sessions": 1,
        "courses": 1,
        "classes": 1,
        "class_terms": 1,
        "users": 3,
        "user_roles": 3,
        "user_agents": 0,
        "enrollments": 3,
        "accounts": 3,
    }
    assert nights.live("accounts", "username") == ["ada@elm.example", "ben@elm.example", "teacher@elm.example"]


def test_the_same_data_again_changes_nothing(nights, roster):
    nights.publish(roster("ada", "ben"))
    before = nights.rows("users", "sourced_id", "_run_id", "_changed_at")
    history = nights.scalar("SELECT count(*) FROM roster_history.users")
    again = nights.publish(roster("ada", "ben"))
    assert sum(count.touched() + count.missing for count in again.counts.values()) == 0
    assert again.counts["users"].unchanged == 2
    assert nights.rows("users", "sourced_id", "_run_id", "_changed_at") == before
    assert nights.scalar("SELECT count(*) FROM roster_history.users") == history


def test_a_new_stamp_alone_is_no_change(nights, roster):
    from datetime import UTC, datetime

    rows = roster("ada")
    nights.publish(rows)
    rows["users"][0]["date_last_modified"] = datetime(2026, 11, 2, tzinfo=UTC)
    assert nights.publish(rows).counts["users"].unchanged == 1


def test_a_changed_field_is_named_and_kept_in_history(nights, roster):
    rows = roster("ada")
    nights.publish(rows)
    rows["users"][0].update(family_name="Married", grades='["07"]')
    done = nights.publish(rows)
    assert (done.counts["users"].changed, done.counts["accounts"].changed) == (1, 1)
    assert nights.live("users", "family_name") == ["Married"]
    closed = nights.scalar("SELECT family_name FROM roster_history.users WHERE _valid_to IS NOT NULL")
    assert closed == "Planted-Okonkwo"
    boundary = "SELECT count(*) FROM roster_history.users o JOIN roster_history.users n ON o._valid_to = n._valid_from"
    assert nights.scalar(boundary) == 1


def test_a_tombstone_removes_at_once_and_takes_dependents_along(nights, roster):
    rows = roster("ada", "ben")
    rows["demographics"] = [{"sourced_id": "ben"}]
    nights.publish(rows)
    left = _without(rows, "users", sourced_id="ben")
    left["users"].append({"sourced_id": "ben", **TOMBSTONE})
    left = _without(left, "user_roles", user_sourced_id="ben")
    done = nights.publish(left)
    removed = {name: count.removed for name, count in done.counts.items() if count.removed}
    assert removed == {"users": 1, "user_roles": 1, "enrollments": 1, "demographics": 1, "accounts": 1}
    assert nights.live("users", "sourced_id") == ["ada"]
    gone = nights.rows("enrollments", "_removed_reason", where=sa.text("_removed_at IS NOT NULL"))
    assert gone == ["its person was removed"]


def test_a_bare_tombstone_of_somebody_unknown_is_nothing(nights, roster):
    rows = roster("ada")
    rows["users"].append({"sourced_id": "never-seen", **TOMBSTONE})
    assert nights.publish(rows).counts["users"].removed == 0
    assert nights.live("users", "sourced_id") == ["ada"]


def test_absence_removes_only_after_two_complete_full_pulls(nights, roster):
    nights.publish(roster("ada", "ben"))
    first = nights.publish(roster("ada"))
    assert (first.counts["users"].missing, first.counts["users"].removed) == (1, 0)
    assert nights.live("users", "sourced_id") == ["ada", "ben"]
    assert nights.live("accounts", "username") == ["ada@elm.example", "ben@elm.example"]
    second = nights.publish(roster("ada"))
    assert (second.counts["users"].removed, second.counts["accounts"].removed) == (1, 1)
    assert nights.live("users", "sourced_id") == ["ada"]


def test_who_comes_back_is_restored_under_the_same_key_and_account(nights, roster):
    nights.publish(roster("ada", "ben"))
    before = dict(nights.live("accounts", "user_sourced_id", "account_id"))
    for _ in range(2):
        nights.publish(roster("ada"))
    back = nights.publish(roster("ada", "ben"))
    assert {name: count.returned for name, count in back.counts.items() if count.returned} == {
        "users": 1,
        "user_roles": 1,
        "enrollments": 1,
        "accounts": 1,
    }
    assert dict(nights.live("accounts", "user_sourced_id", "account_id")) == before
    assert nights.scalar("SELECT count(*) FROM roster_history.users WHERE sourced_id = 'ben'") == 2


def test_who_was_missing_once_and_is_seen_again_was_never_lost(nights, roster):
    nights.publish(roster("ada", "ben"))
    nights.publish(roster("ada"))
    again = nights.publish(roster("ada", "ben"))
    assert (again.counts["users"].unchanged, again.counts["users"].returned) == (2, 0)
    assert nights.live("users", "_missing_since") == [None, None]
    nights.publish(roster("ada"))
    assert nights.live("users", "sourced_id") == ["ada", "ben"]


def test_an_unproven_pull_proves_no_absence(nights, roster):
    nights.publish(roster("ada", "ben"))
    for _ in range(3):
        done = nights.publish(roster("ada", "cid"), unproven=("users", "enrollments"))
    assert nights.live("users", "sourced_id") == ["ada", "ben", "cid"]
    assert done.counts["users"].missing == 0
    finding = "SELECT message FROM roster_ops.findings WHERE rule = 'unproven' AND collection = 'users' LIMIT 1"
    assert "5 of 9" in nights.scalar(finding)


def test_a_rejected_record_keeps_its_published_version_and_is_never_missing(nights, roster):
    nights.publish(roster("ada", "ben"))
    for _ in range(3):
        without = _without(
            _without(roster("ada", "ben"), "users", sourced_id="ben"), "user_roles", user_sourced_id="ben"
        )
        done = nights.publish(without, rejected={"users": ["ben"]})
    assert (done.counts["users"].missing, done.counts["users"].rejected) == (0, 1)
    assert nights.live("users", "sourced_id") == ["ada", "ben"]
    assert nights.live("user_roles", "user_sourced_id") == ["ada", "ben"]
    assert nights.live("accounts", "username") == ["ada@elm.example", "ben@elm.example"]


def test_enrollments_of_a_rejected_class_resolve_by_its_published_version(nights, roster):
    nights.publish(roster("ada"))
    done = nights.publish({**roster("ada"), "classes": [], "class_terms": []}, rejected={"classes": ["maths-1"]})
    assert done.counts["enrollments"].unchanged == 1
    assert done.counts["enrollments"].rejected == 0


def test_enrollments_of_somebody_outside_the_scope_are_rejected_with_the_likely_cause(nights, roster):
    rows = roster("ada", "ghost")
    rows = _without(_without(rows, "users", sourced_id="ghost"), "user_roles", user_sourced_id="ghost")
    done = nights.publish(rows)
    assert (done.counts["enrollments"].added, done.counts["enrollments"].rejected) == (1, 1)
    reason = nights.scalar("SELECT reason FROM roster_ops.rejects WHERE sourced_id = 'e-ghost'")
    assert "no user account" in reason


def test_enrollments_without_their_collections_resolve_by_who_is_published_and_the_next_pull_is_full(nights, roster):
    nights.publish(roster("ada"))
    rows = roster("ada", "ghost")
    rows["enrollments"].append({**rows["enrollments"][0], "sourced_id": "e-ada-2"})
    done = nights.publish({"enrollments": rows["enrollments"]})
    assert (done.counts["enrollments"].added, done.counts["enrollments"].rejected) == (1, 1)
    assert "users" not in done.counts
    assert nights.scalar("SELECT full_required FROM roster_ops.state") != ""


def test_references_to_a_collection_the_district_never_shares_are_not_checked(nights, roster):
    done = nights.publish({"enrollments": roster("ada")["enrollments"]})
    assert (done.counts["enrollments"].added, done.counts["enrollments"].rejected) == (1, 0)


def test_collections_not_pulled_stay_but_follow_who_is_removed(nights, roster):
    nights.publish(roster("ada", "ben"))
    done = nights.publish(
        {
            "users": [roster("ada")["users"][0], {"sourced_id": "ben", **TOMBSTONE}],
            "user_roles": roster("ada")["user_roles"],
        }
    )
    assert done.counts["enrollments"].removed == 1
    assert nights.live("enrollments", "sourced_id") == ["e-ada"]
    assert nights.live("classes", "sourced_id") == ["maths-1"]


def test_a_role_that_ends_leaves_with_its_record(nights, roster):
    rows = roster("ada")
    rows["user_roles"].append({**rows["user_roles"][0], "role_key": "aide|school|", "role": "aide"})
    nights.publish(rows)
    done = nights.publish(roster("ada"))
    assert (done.counts["user_roles"].removed, done.counts["users"].changed) == (1, 0)
    assert nights.live("user_roles", "role") == ["student"]


def test_an_older_pull_never_overwrites_a_newer_roster(nights, roster):
    nights.publish(roster("ada", "ben"))
    old = nights.prepare(roster("ada"), as_of=nights.began)
    with pytest.raises(RollcallError) as caught:
        run.map_night(nights.engine, nights.district, old, nights.landing)
    assert caught.value.code == "pull_is_older"
    assert nights.live("users", "sourced_id") == ["ada", "ben"]
