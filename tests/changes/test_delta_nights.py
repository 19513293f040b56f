"""A delta night goes the same way as a full one, and proves no absence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from rollcall.pipeline.plan import plan_night
from rollcall.settings import Schedule

TOMBSTONE = {"status": "tobedeleted"}


def _only(rows, **tables):
    """Of each named table the rows of these people; other tables empty, as a delta brings them."""
    people = tables.pop("people")
    kept = {"orgs": rows["orgs"], "academic_sessions": rows["academic_sessions"], "courses": [], "classes": []}
    kept["users"] = [row for row in rows["users"] if row["sourced_id"] in people]
    kept["user_roles"] = [row for row in rows["user_roles"] if row["user_sourced_id"] in people]
    kept["enrollments"] = tables.get("enrollments", [])
    return kept


def _plan(nights, requested="auto", days=0.0):
    now = nights.began + timedelta(days=nights.count + days)
    with nights.engine.connect() as connection:
        return plan_night(connection, nights.district, requested, now)


def test_a_delta_adds_changes_and_removes_by_tombstone_only(nights, roster):
    nights.publish(roster("ada", "ben", "cid"))
    rows = roster("ada", "ben", "dot")
    rows["users"][0]["family_name"] = "Married"
    delta = _only(rows, people=("ada", "dot"))
    delta["users"].append({"sourced_id": "ben", **TOMBSTONE})
    done = nights.publish(delta, delta=True)
    users = done.counts["users"]
    assert (users.added, users.changed, users.removed, users.missing) == (1, 1, 1, 0)
    assert nights.live("users", "sourced_id") == ["ada", "cid", "dot"]
    assert nights.live("enrollments", "sourced_id") == ["e-ada", "e-cid"]
    assert done.counts["enrollments"].removed == 1
    assert nights.live("classes", "sourced_id") == ["maths-1"]
    assert nights.live("accounts", "username") == ["ada@elm.example", "cid@elm.example", "dot@elm.example"]


def test_an_empty_delta_changes_nothing_and_holds_nothing(nights, roster):
    nights.publish(roster("ada"))
    done = nights.publish(_only(roster("ada"), people=()), delta=True)
    assert (done.holds, sum(count.touched() + count.missing for count in done.counts.values())) == ([], 0)
    assert nights.live("accounts", "username") == ["ada@elm.example"]


def test_who_returns_in_a_delta_brings_back_what_left_with_them(nights, roster):
    rows = {**roster("ada", "ben"), "demographics": [{"sourced_id": "ben", "sex": "male"}]}
    nights.publish(rows)
    gone = _only(rows, people=())
    gone["users"] = [{"sourced_id": "ben", **TOMBSTONE}]
    nights.publish({**gone, "demographics": []}, delta=True)
    assert nights.live("enrollments", "sourced_id") == ["e-ada"]
    back = nights.publish({**_only(rows, people=("ben",)), "demographics": []}, delta=True)
    assert {name: count.returned for name, count in back.counts.items() if count.returned} == {
        "users": 1,
        "user_roles": 1,
        "enrollments": 1,
        "demographics": 1,
        "accounts": 1,
    }
    assert nights.live("enrollments", "sourced_id", "user_sourced_id", "role") == [
        ("e-ada", "ada", "student"),
        ("e-ben", "ben", "student"),
    ]
    assert nights.live("demographics", "sex") == ["male"]
    again = nights.publish(rows)
    assert sum(count.touched() for count in again.counts.values()) == 0


def test_an_enrollment_that_left_by_itself_stays_away_when_its_person_returns(nights, roster):
    rows = roster("ada", "ben")
    nights.publish(rows)
    nights.publish(_only(rows, people=(), enrollments=[{"sourced_id": "e-ben", **TOMBSTONE}]), delta=True)
    gone = _only(rows, people=())
    gone["users"] = [{"sourced_id": "ben", **TOMBSTONE}]
    nights.publish(gone, delta=True)
    nights.publish(_only(rows, people=("ben",)), delta=True)
    assert nights.live("users", "sourced_id") == ["ada", "ben"]
    assert nights.live("enrollments", "sourced_id") == ["e-ada"]


@pytest.mark.parametrize("when", ["while the person is gone", "as the person returns"])
def test_an_enrollment_marked_as_deleted_after_its_person_left_does_not_return_with_them(nights, roster, when):
    rows = roster("ada", "ben")
    nights.publish(rows)
    marked = [{"sourced_id": "e-ben", **TOMBSTONE}]
    gone = _only(rows, people=())
    gone["users"] = [{"sourced_id": "ben", **TOMBSTONE}]
    nights.publish(gone, delta=True)
    if when == "while the person is gone":
        done = nights.publish(_only(rows, people=(), enrollments=marked), delta=True)
        assert done.counts["enrollments"].touched() == 0
        marked = []
    nights.publish(_only(rows, people=("ben",), enrollments=marked), delta=True)
    assert nights.live("users", "sourced_id") == ["ada", "ben"]
    assert nights.live("enrollments", "sourced_id") == ["e-ada"]
    query = "SELECT _removed_reason FROM roster_staging.enrollments WHERE sourced_id = 'e-ben'"
    assert nights.scalar(query) == "the provider marked it as to be deleted"


def test_an_org_is_read_in_full_every_night(nights, roster):
    rows = roster("ada")
    rows["orgs"].append({"sourced_id": "closed", "name": "Closed School", "type": "school"})
    nights.publish(rows)
    done = nights.publish(_only(roster("ada"), people=()), delta=True)
    assert done.counts["orgs"].missing == 1


def test_rejected_in_a_delta_keeps_its_published_version(nights, roster):
    nights.publish(roster("ada"))
    done = nights.publish(_only(roster("ada"), people=()), delta=True, rejected={"users": ["ada"]})
    assert (done.counts["users"].rejected, done.counts["users"].removed) == (1, 0)
    assert nights.live("accounts", "username") == ["ada@elm.example"]


def test_watermarks_move_only_forwards_and_only_for_proven_collections(nights, roster):
    nights.publish({name: rows for name, rows in roster("ada").items() if name != "enrollments"})
    query = "SELECT string_agg(collection, ' ' ORDER BY collection) FROM roster_ops.watermarks"
    assert nights.scalar(query) == "academic_sessions classes courses orgs users"
    first = nights.scalar("SELECT watermark FROM roster_ops.watermarks WHERE collection = 'users'")
    assert first == nights.began + timedelta(days=1)
    tonight = _only(roster("ada"), people=())
    del tonight["enrollments"]  # without a watermark no delta asks for them
    nights.publish(tonight, delta=True, unproven=("users",))
    assert nights.scalar("SELECT watermark FROM roster_ops.watermarks WHERE collection = 'users'") == first
    assert nights.scalar("SELECT watermark FROM roster_ops.watermarks WHERE collection = 'orgs'") > first


def test_the_first_night_is_full_and_the_next_a_delta_with_overlap(nights, roster):
    assert (_plan(nights).mode, _plan(nights).reason) == ("full", "the first pull")
    assert _plan(nights, "delta").mode == "full"
    nights.publish(roster("ada"))
    plan = _plan(nights, days=1)
    assert plan.mode == "delta"
    assert set(plan.since) == {"courses", "classes", "users", "enrollments"}
    assert set(plan.since.values()) == {nights.began + timedelta(days=1) - timedelta(hours=24)}
    assert plan.school_years == {"year"}


def test_on_request_a_full_night(nights, roster):
    nights.publish(roster("ada"))
    assert _plan(nights, "full", days=1).mode == "full"


def test_the_day_of_the_full_pull_has_one(nights, roster):
    nights.settings(schedule=Schedule(timezone="UTC", full_on="wednesday"))
    nights.began = datetime(2026, 11, 2, 2, tzinfo=UTC)  # a Monday; the first night is Tuesday's
    nights.publish(roster("ada"))
    assert _plan(nights, days=1).reason == "Wednesday is the day of the full pull"
    nights.publish(roster("ada"))
    assert _plan(nights, days=0.2).mode == "delta"
    assert _plan(nights, days=1).mode == "delta"


def test_after_seven_days_without_a_complete_full_pull_there_is_one(nights, roster):
    nights.settings(schedule=Schedule(timezone="UTC", full_on="sunday"))
    nights.began = datetime(2026, 11, 1, 8, tzinfo=UTC)  # the first night is Monday's
    nights.publish(roster("ada"))
    assert _plan(nights, days=5).mode == "delta"
    assert "the last complete full pull was on November 2, 2026" in _plan(nights, days=7.5).reason


def test_a_full_pull_that_was_not_proven_is_none(nights, roster):
    nights.publish({"orgs": roster("ada")["orgs"]})
    nights.publish(roster("ada"), unproven=("users",))
    assert _plan(nights, days=1).reason == "no complete full pull yet"


def test_a_partial_pull_is_no_full_pull(nights, roster):
    nights.publish(roster("ada"))
    nights.publish({"orgs": roster("ada")["orgs"]})
    assert nights.scalar("SELECT last_full_as_of FROM roster_ops.state") == nights.began + timedelta(days=1)


def test_a_full_that_finds_absences_makes_the_next_night_a_full_too(nights, roster):
    nights.publish(roster("ada", "ben"))
    nights.publish(roster("ada"))
    assert "confirm" in _plan(nights, days=1).reason
    nights.publish(roster("ada"))
    assert nights.live("users", "sourced_id") == ["ada"]
    assert _plan(nights, days=1).reason == "this provider never marks deleted records"


def test_a_provider_that_sends_tombstones_is_trusted_with_deltas(nights, roster):
    nights.publish(roster("ada", "ben", "cid"))
    gone = roster("ada", "cid")
    gone["users"].append({"sourced_id": "ben", **TOMBSTONE})
    nights.publish(gone)
    for _ in range(2):
        nights.publish(roster("ada"))
    assert nights.live("users", "sourced_id") == ["ada"]
    assert _plan(nights, days=1).mode == "delta"


def test_the_ledger_says_what_the_night_cost_the_provider(nights, roster):
    nights.publish(roster("ada"))
    columns = "mode, requests, requests_in_peak, bytes_received, most_at_once, seconds_waited"
    with nights.engine.connect() as connection:
        row = connection.execute(sa.text(f"SELECT {columns} FROM roster_ops.runs")).one()
    assert tuple(row) == ("full", 9, 2, 1000, 3, 0.5)


@pytest.mark.parametrize("hours", [0, 48])
def test_the_overlap_is_the_districts(nights, roster, hours):
    nights.settings(schedule=Schedule(timezone="UTC", overlap_hours=hours))
    nights.publish(roster("ada"))
    since = _plan(nights, days=1).since["users"]
    assert since == nights.began + timedelta(days=1) - timedelta(hours=hours)
