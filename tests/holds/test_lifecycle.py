"""A hold's life from night to night, in exact rows: what opens and ends it, and who is live meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rollcall.errors import ActionRequired
from rollcall.holds import decisions, queries
from rollcall.pipeline import run
from rollcall.pipeline.remap import prepare_remap
from rollcall.warehouse import holds


def _approve(held, **how):
    with held.engine.begin() as connection:
        return decisions.approve(connection, held.one().hold_id, by="robin", reason="they moved away", **how)


def _reject(held):
    with held.engine.begin() as connection:
        return decisions.reject(connection, held.one().hold_id, by="robin", reason="the school says they are there")


def test_first_absences_are_announced_and_become_a_question_when_a_second_pull_confirms_them(holding, roster):
    holding.publish(roster("ada", "ben", "cid"))
    holding.publish(roster("ada"))
    announced = holding.one()
    assert (announced.status, announced.rows) == ("announced", 2)
    assert holding.nights.live("users", "_missing_since").count(None) == 1
    holding.publish(roster("ada"))
    hold = holding.one()
    assert (hold.status, hold.rows, hold.published) == ("open", 2, 3)
    assert (hold.hold_id, hold.opened_run_id, hold.last_run_id) == (announced.hold_id, "run2", "run3")
    assert hold.question_at > announced.question_at
    assert holding.named() == ["ben", "cid"]
    assert holding.named(approved=True) == []
    assert holding.live() == ["ada", "ben", "cid"]


def test_held_on_monday_it_is_open_on_tuesday_and_wednesday_and_the_rest_is_published(held, roster):
    held.publish(roster("ada", "dan"))
    held.publish(roster("ada", "dan", "eve"), delta=True)
    hold = held.one()
    assert (hold.status, hold.rows, hold.opened_run_id) == ("open", 2, "run2")
    assert held.live() == ["ada", "ben", "cid", "dan", "eve"]
    met = "SELECT array_agg(run_id ORDER BY run_id) FROM roster_ops.run_holds"
    assert held.nights.scalar(met)[:3] == ["run2", "run3", "run4"]


def test_who_comes_back_leaves_the_hold_and_the_last_one_closes_it(held, roster):
    held.publish(roster("ada", "ben"))
    assert (held.one().status, held.one().rows, held.named()) == ("open", 1, ["cid"])
    held.publish(roster("ada", "ben", "cid"), delta=True)
    hold = held.one()
    assert (hold.status, hold.closed_reason, held.named()) == ("closed", "came_back", [])
    assert hold.closed_at is not None
    assert held.live() == ["ada", "ben", "cid"]


def test_a_complete_run_that_brings_everybody_back_closes_it_and_asks_nobody(held, roster):
    done = held.publish(roster("ada", "ben", "cid"))
    assert (held.one().status, held.one().closed_reason, done.exit_code) == ("closed", "came_back", 0)
    assert held.named() == []


def test_an_approval_names_its_rows_and_the_next_publication_uses_it_up(held, roster):
    done = _approve(held)
    assert (done.approved, done.left, done.next_command) == (2, 0, "rollcall sync elm --remap")
    hold = held.one()
    assert (hold.status, hold.decided_by, hold.reason) == ("approved", "robin", "they moved away")
    assert (hold.expires_at - hold.decided_at).total_seconds() == 24 * 3600
    assert held.named(approved=True) == ["ben", "cid"]
    held.publish(roster("ada"))
    hold = held.one()
    assert (hold.status, hold.closed_reason, hold.last_run_id) == ("closed", "published", "run4")
    assert held.live() == ["ada"]
    assert held.nights.live("enrollments", "sourced_id") == ["e-ada"]


@pytest.mark.parametrize("mode", ["remap", "full", "delta", "orgs alone"])
def test_an_approved_removal_takes_the_accounts_along_whatever_run_carries_it_out(held, roster, mode):
    nights = held.nights
    _approve(held, excepted=["cid"])
    quiet = {name: [] for name in roster()} | {name: roster()[name] for name in ("orgs", "academic_sessions")}
    if mode == "remap":
        ref = prepare_remap(held.engine, nights.district, "remap", nights.landing)
        run.map_night(held.engine, nights.district, ref, nights.landing)
        done = run.publish_night(held.engine, nights.district, ref, nights.landing)
    elif mode == "full":
        done = held.publish(roster("ada"))
    else:
        done = held.publish(quiet if mode == "delta" else {"orgs": quiet["orgs"]}, delta=True)
    assert (done.accounts, done.counts["accounts"].removed) == (2, 1)
    assert nights.live("accounts", "user_sourced_id") == ["ada", "cid"]
    assert nights.live("user_roles", "user_sourced_id") == ["ada", "cid"]
    assert nights.live("enrollments", "sourced_id") == ["e-ada", "e-cid"]
    gone = nights.scalar("SELECT _removed_reason FROM roster_staging.accounts WHERE user_sourced_id = 'ben'")
    assert gone == "its person was removed"
    held.publish(quiet, delta=True)
    assert nights.live("accounts", "user_sourced_id") == ["ada", "cid"]


def test_an_approved_school_takes_its_accounts_along_without_a_pull(holding, roster):
    rows = roster("ada", "ben")
    second = {"sourced_id": "second", "name": "Second School", "type": "school"}
    rows["user_roles"][1] |= {"org_sourced_id": "second", "role_key": "student|second|"}
    holding.publish({**rows, "orgs": [*rows["orgs"], second]})
    for _ in range(2):
        holding.publish(rows)
    _approve(holding)
    nights = holding.nights
    ref = prepare_remap(holding.engine, nights.district, "remap", nights.landing)
    run.map_night(holding.engine, nights.district, ref, nights.landing)
    run.publish_night(holding.engine, nights.district, ref, nights.landing)
    assert nights.live("orgs", "sourced_id") == ["school"]
    assert nights.live("accounts", "user_sourced_id") == ["ada"]
    assert nights.scalar("SELECT reason FROM roster_ops.left_out WHERE user_sourced_id = 'ben'") == "no_school"


@pytest.mark.parametrize("decided_first", ["approved", "rejected"])
def test_a_decision_between_mapping_and_publishing_counts(held, roster, decided_first):
    nights = held.nights
    if decided_first == "approved":
        _approve(held)
    ref = nights.prepare(roster("ada"))
    run.map_night(held.engine, nights.district, ref, nights.landing)
    (_reject if decided_first == "approved" else _approve)(held)
    run.publish_night(held.engine, nights.district, ref, nights.landing)
    assert held.live() == (["ada", "ben", "cid"] if decided_first == "approved" else ["ada"])
    assert nights.live("accounts", "user_sourced_id") == held.live()


def test_who_is_left_out_of_an_approval_stays_with_all_that_is_theirs_and_is_a_question_of_its_own(held, roster):
    done = _approve(held, excepted=["cid"])
    assert (done.approved, done.left) == (1, 1)
    assert held.named(approved=True) == ["ben"]
    asked = held.one().question_at
    held.publish(roster("ada"))
    hold = held.one()
    assert (hold.status, hold.rows, hold.expires_at) == ("open", 1, None)
    assert hold.question_at > asked
    assert held.live() == ["ada", "cid"]
    assert held.nights.live("enrollments", "sourced_id") == ["e-ada", "e-cid"]


def test_an_approval_ends_a_day_after_the_time_it_was_given(held):
    given = datetime(2031, 5, 6, 7, tzinfo=UTC)
    _approve(held, now=given)
    found = []
    for now in (given + timedelta(hours=23), given + timedelta(hours=24)):
        with held.engine.connect() as connection:
            approved = holds.active_hold_rows(connection, "elm", now)["is_approved"].to_pylist()
            found.append((queries.find_hold(connection, held.one().hold_id, now).status, sum(approved)))
    assert found == [("approved", 2), ("open", 0)]


def test_an_approval_by_school_adds_to_one_that_has_not_expired(held):
    with held.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE roster_ops.hold_rows SET school = 'other' WHERE row_key = 'cid'")
    assert _approve(held, schools=["Elm School"]).approved == 1
    assert held.named(approved=True) == ["ben"]
    assert _approve(held, schools=["other"]).approved == 2
    with pytest.raises(ActionRequired, match="no rows at the school 'Oak'") as caught:
        _approve(held, schools=["Oak"])
    assert caught.value.remedy == "It has rows at: Elm School (school), other (other)."


def test_approving_looks_at_the_newest_roster_and_says_what_no_longer_holds(held):
    # ben is there again, though no run has looked at the hold since
    with held.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE roster_staging.users SET _missing_since = NULL WHERE sourced_id = 'ben'")
    done = _approve(held)
    assert (done.no_longer, done.approved) == ([("users", ["ben"])], 1)
    assert held.named() == held.named(approved=True) == ["cid"]


def test_approving_what_is_all_over_closes_the_hold(held):
    with held.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE roster_staging.users SET _removed_at = now() WHERE sourced_id <> 'ada'")
    done = _approve(held)
    assert (len(done.no_longer), done.approved, done.next_command) == (2, 0, "")
    assert (held.one().status, held.one().closed_reason) == ("closed", "came_back")


def test_an_unused_approval_ends_and_the_people_stay(held, roster):
    _approve(held)
    held.age(25)
    assert held.named(approved=True) == []
    with held.engine.connect() as connection:
        [read] = queries.active_holds(connection)
    assert read.status == "open"
    asked = held.one().question_at
    held.publish(roster("ada"))
    hold = held.one()
    assert (hold.status, hold.closed_at, hold.reason) == ("open", None, "they moved away")
    assert hold.question_at > asked
    assert held.nights.scalar("SELECT count(*) FROM roster_ops.hold_rows WHERE is_approved") == 0
    assert held.live() == ["ada", "ben", "cid"]


def test_a_rejected_hold_withholds_its_rows_and_is_not_asked_again(held, roster):
    assert _reject(held).left == 2
    asked = held.one().question_at
    done = held.publish(roster("ada"))
    assert (done.counts["users"].held, done.exit_code) == (2, 0)
    held.publish(roster("ada", "ben"))
    hold = held.one()
    assert (hold.status, hold.closed_at, hold.rows, hold.question_at) == ("rejected", None, 1, asked)
    assert held.named() == ["cid"]
    assert held.live() == ["ada", "ben", "cid"]


def test_a_rejected_hold_opens_again_when_others_join_it(held, roster):
    _reject(held)
    asked = held.one().question_at
    held.publish(roster("ada", "dan", "eve", "fay"))
    for _ in range(2):
        held.publish(roster("ada"))
    hold = held.one()
    assert (hold.status, hold.rows) == ("open", 5)
    assert hold.question_at > asked


def test_a_rejection_can_be_taken_back_and_so_can_an_approval(held):
    _reject(held)
    assert _approve(held).approved == 2
    assert held.one().status == "approved"
    _reject(held)
    assert (held.one().status, held.named(approved=True)) == ("rejected", [])


def test_who_is_not_in_the_hold_cannot_be_left_out_of_an_approval(held):
    with pytest.raises(
        ActionRequired, match="Number 2 of the records to leave out is not in elm-users-removals"
    ) as caught:
        _approve(held, excepted=["cid", "planted-nobody"])
    assert (caught.value.code, "planted" in str(caught.value)) == ("not_in_hold", False)
    with pytest.raises(ActionRequired) as caught:
        _approve(held, excepted=["ben", "cid"])
    assert caught.value.code == "nothing_to_approve"
    assert (held.one().status, held.named(approved=True)) == ("open", [])


def test_a_closed_hold_takes_no_decision(held, roster):
    held.publish(roster("ada", "ben", "cid"))
    with pytest.raises(ActionRequired, match="its rows were received again") as caught:
        _approve(held)
    assert caught.value.code == "hold_closed"


def test_a_dry_run_asks_nobody_and_touches_no_living_hold(held, roster):
    before = held.one()
    assert held.dry_run(roster("ada")).exit_code == 3
    held.dry_run(roster("ada", "ben", "cid"))
    living, tried = held.all()
    assert living == before
    assert (tried.status, tried.closed_reason) == ("closed", "dry_run")
    with held.engine.connect() as connection:
        assert [one.hold_id for one in queries.active_holds(connection)] == [before.hold_id]
