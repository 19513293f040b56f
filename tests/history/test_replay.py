"""Past nights replayed from their pulls: what they write, and what they leave alone."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa

from rollcall.errors import ActionRequired
from rollcall.history.published import generation_of_night
from rollcall.history.pulls import begin_replay
from rollcall.history.replay import replay
from rollcall.landing.pull import PullRef
from rollcall.orchestration.backfill import backfill_night, nights_between, read_ledger
from tests.history.conftest import delta_of


def _past(nights, table, key, *columns):
    listed = ", ".join(columns)
    with nights.engine.connect() as connection:
        query = f"SELECT {listed} FROM roster_history.{table} WHERE {key} ORDER BY _valid_from"
        return [tuple(row) for row in connection.execute(sa.text(query))]


def test_three_nights_without_a_warehouse_are_back_filled(nights, roster, replayed):
    """Each pulled in full; the last one, newer than what readers have, becomes the roster."""
    nights.publish(roster("ada", "ben"))
    for people in (("ada", "ben", "cid"), ("ada", "cid"), ("ada", "cid", "dot")):
        nights.prepare(roster(*people))
    assert replayed(3).status == "replayed"
    assert nights.live("users", "sourced_id") == ["ada", "ben"]
    last = replayed(4)
    assert (last.status, last.generation) == ("published", 2)
    assert nights.live("users", "sourced_id") == ["ada", "ben", "cid", "dot"]
    assert replayed(2).status == "replayed"
    day = {n: nights.began.replace(day=1 + n) for n in range(1, 5)}
    assert _past(nights, "users", "sourced_id = 'ben'", "_valid_from", "_valid_to") == [(day[1], day[3])]
    assert _past(nights, "users", "sourced_id = 'cid'", "_valid_from", "_valid_to") == [(day[2], None)]
    assert _past(nights, "accounts", "user_sourced_id = 'dot'", "_valid_from", "_valid_to") == [(day[4], None)]
    assert nights.scalar("SELECT count(*) FROM roster_staging.users WHERE _missing_since IS NOT NULL") == 1


def test_a_replay_touches_nothing_newer(nights, roster, replayed):
    nights.publish(roster("ada", "ben"))
    nights.publish(roster("ada"))
    query = "SELECT (s.*)::text FROM roster_ops.state s"
    marks = "SELECT string_agg(w::text, ';' ORDER BY collection) FROM roster_ops.watermarks w"
    before = (nights.scalar(query), nights.scalar(marks), nights.rows("users"), nights.rows("accounts"))
    done = replayed(1)
    assert "history is unchanged" in done.why
    assert (nights.scalar(query), nights.scalar(marks), nights.rows("users"), nights.rows("accounts")) == before


def test_a_past_night_is_written_through_todays_mapping(nights, roster, replayed):
    nights.publish(roster("ada"))
    nights.publish(roster("ada"))
    nights.settings(usernames="identifier")
    done = replayed(1)
    assert "1 row of history changed" in done.why
    day = {n: nights.began.replace(day=1 + n) for n in (1, 2)}
    assert _past(nights, "accounts", "true", "username", "_valid_from", "_valid_to", "_run_id", "_closed_run_id") == [
        ("id-ada", day[1], day[2], "run1", "run2"),
        ("ada@elm.example", day[2], None, "run2", None),
    ]
    assert nights.live("accounts", "username") == ["ada@elm.example"]
    again = replayed(1)
    assert "history is unchanged" in again.why


def test_a_username_stays_in_history_with_whoever_had_it_first(nights, roster, replayed):
    """Two people want one username: the past holder keeps it in the past, no matter who has it today."""
    nights.prepare(roster("ada"))
    both = roster("ada", "ben")
    both["users"][1]["email"] = "ADA@elm.example"
    nights.prepare(both)
    only_ben = {name: [row for row in rows if "ada" not in str(row.get("sourced_id"))] for name, rows in both.items()}
    only_ben["user_roles"] = [row for row in both["user_roles"] if row["user_sourced_id"] == "ben"]
    nights.prepare(only_ben)
    for number in (3, 2, 1):
        replayed(number)
    day = {n: nights.began.replace(day=1 + n) for n in (1, 2, 3)}
    assert _past(nights, "accounts", "true", "user_sourced_id", "_valid_from", "_valid_to") == [
        ("ada", day[1], day[3]),
        ("ben", day[3], None),
    ]


def test_without_a_complete_pull_nothing_is_written(nights, roster, replayed):
    nights.prepare(delta_of(roster("ada"), "ada"), delta=True)
    written = replayed(1)
    assert "no complete pull is kept: courses, classes, class_terms, users" in written.why
    assert nights.scalar("SELECT count(*) FROM roster_history.users") == 0


def test_a_pull_nothing_of_which_is_proven_cannot_be_replayed(nights, roster, replayed):
    nights.publish(roster("ada"))
    nights.prepare(roster("ada"), unproven=tuple(roster("ada")))
    assert replayed(2).status == "published"  # what came of it is shown; what is absent proves nothing
    (Path(nights.landing.url) / "district=elm" / "pull=pull1" / "extract" / "manifest.json").unlink()
    with pytest.raises(ActionRequired) as caught:
        replayed(2)
    assert caught.value.code == "no_full_pull"


def test_by_default_only_missing_and_failed_nights_are_back_filled(nights, roster):
    nights.publish(roster("ada"))
    nights.prepare(roster("ada", "ben"))
    nights.prepare(roster("ada", "ben", "cid"))
    asked = nights_between(date(2026, 11, 2), date(2026, 11, 4), date(2026, 11, 22))
    where = (nights.engine, nights.district)
    assert [read_ledger(*where, night).is_done for night in asked] == [True, False, False]
    came = [backfill_night(*where, nights.landing, night, every=False) for night in asked]
    assert [outcome.result for outcome in came] == ["skipped", "replayed", "published"]
    assert all(read_ledger(*where, night).is_done for night in asked)
    with nights.engine.connect() as connection:
        assert [generation_of_night(connection, "elm", night) for night in asked] == [1, None, 2]
    every = [backfill_night(*where, nights.landing, night, every=True) for night in asked]
    assert [outcome.result for outcome in every] == ["replayed"] * 3


def test_a_night_published_by_airflow_and_replayed_under_the_same_run_stays_published(nights, roster):
    """Airflow's backfill of All clears the run there is and runs it again under its id."""
    nights.publish(roster("ada"))
    nights.publish(roster("ada", "ben"))
    ref = begin_replay(nights.engine, nights.district, nights.landing, "run1", date(2026, 11, 2))
    assert isinstance(ref, PullRef)
    assert replay(nights.engine, nights.district, ref, nights.landing).status == "replayed"
    row = nights.scalar("SELECT (status, generation)::text FROM roster_ops.runs WHERE run_id = 'run1'")
    assert row == "(published,1)"


def test_history_does_not_wait_for_the_second_pull_that_readers_are_given(nights, roster, replayed):
    """Who is absent once is missing to readers and gone in history, published and replayed alike; and back if found."""
    nights.publish(roster("ada", "ben"))
    assert nights.publish({**roster("ada", "ben"), "enrollments": []}).exit_code == 3
    day = {n: nights.began.replace(day=1 + n) for n in (1, 2, 3)}
    once = [(day[1], day[2])]
    assert _past(nights, "enrollments", "sourced_id = 'e-ben'", "_valid_from", "_valid_to") == once
    assert nights.live("enrollments", "sourced_id") == ["e-ada", "e-ben"]
    assert "history is unchanged" in replayed(2).why
    nights.publish(roster("ada", "ben"))
    found = [*once, (day[3], None)]
    assert _past(nights, "enrollments", "sourced_id = 'e-ben'", "_valid_from", "_valid_to") == found


def test_what_belongs_to_somebody_missing_is_missing_in_history_too(nights, roster, replayed):
    nights.publish(roster("ada", "ben"))
    nights.publish(roster("ada"))
    day = {n: nights.began.replace(day=1 + n) for n in (1, 2)}
    for table in ("users", "user_roles", "accounts", "enrollments"):
        where = "sourced_id IN ('ben', 'e-ben')" if table in ("users", "enrollments") else "user_sourced_id = 'ben'"
        assert _past(nights, table, where, "_valid_from", "_valid_to") == [(day[1], day[2])], table
    assert nights.live("accounts", "user_sourced_id") == ["ada", "ben"]
    assert "history is unchanged" in replayed(2).why
