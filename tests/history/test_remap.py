"""A changed mapping applied to what is published, without a pull."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from rollcall.diff.diff import next_publish
from rollcall.errors import ActionRequired
from rollcall.explain.context import district_context
from rollcall.history.pulls import landed_pulls
from rollcall.pipeline import run
from rollcall.pipeline.remap import prepare_remap
from rollcall.reports.report import print_summary
from rollcall.settings import Sites


def _remap(nights, run_id="remap"):
    ref = prepare_remap(nights.engine, nights.district, run_id, nights.landing)
    run.map_night(nights.engine, nights.district, ref, nights.landing)
    return run.publish_night(nights.engine, nights.district, ref, nights.landing)


def test_accounts_follow_the_new_mapping_and_nothing_else_changes(nights, roster):
    nights.publish(roster("ada", "ben"))
    before = {name: nights.rows(name) for name in ("users", "user_roles", "enrollments", "orgs")}
    marks = nights.scalar("SELECT string_agg(w::text, ';' ORDER BY collection) FROM roster_ops.watermarks w")
    nights.settings(sites=Sites(targets={"E": "The Elm"}, map={"school": "E"}))
    done = _remap(nights)
    assert (done.status, done.generation) == ("published", 2)
    assert (done.counts["accounts"].added, done.counts["accounts"].removed) == (2, 2)
    assert nights.live("accounts", "user_sourced_id", "site_id") == [("ada", "E"), ("ben", "E")]
    assert {name: nights.rows(name) for name in before} == before
    after = nights.scalar("SELECT string_agg(w::text, ';' ORDER BY collection) FROM roster_ops.watermarks w")
    assert after == marks
    assert nights.scalar("SELECT (kind, mode)::text FROM roster_ops.runs WHERE run_id = 'remap'") == "(remap,)"
    again = _remap(nights, "remap2")
    assert sum(count.touched() for count in again.counts.values()) == 0


def test_a_full_pull_is_called_full_after_a_remap(nights, roster, capsys):
    nights.publish(roster("ada", "ben"))
    nights.settings(sites=Sites(targets={"E": "The Elm"}, map={"school": "E"}))
    _remap(nights)
    with nights.engine.connect() as connection:
        context = district_context(connection, nights.district, datetime.now(UTC))
    assert "(full pull)" in context.notes()[0]
    assert context.pull["proofs"]["users"]["kind"] != "unproven"
    shown = next_publish(nights.engine, nights.district, nights.landing)
    assert (shown.facts["mode"], "remap of the roster of" in shown.heading) == ("remap", True)
    print_summary(nights.engine, "elm", "remap", nights.landing)
    assert "remap, no pull" in capsys.readouterr().out


def test_it_is_to_history_what_a_replay_of_the_newest_night_is(nights, roster, replayed, whole_history):
    nights.publish(roster("ada"))
    nights.publish(roster("ada", "ben"))
    nights.settings(sites=Sites(targets={"E": "The Elm"}, map={"school": "E"}))
    _remap(nights)
    remapped = whole_history()["accounts"]
    with nights.engine.connect() as connection:
        query = (
            "SELECT site_id, _valid_from, _valid_to IS NULL FROM roster_history.accounts WHERE user_sourced_id = 'ada'"
        )
        rows = [tuple(row) for row in connection.execute(sa.text(f"{query} ORDER BY _valid_from"))]
    day = {n: nights.began.replace(day=1 + n) for n in (1, 2)}
    assert rows == [("school", day[1], False), ("E", day[2], True)]
    assert "history is unchanged" in replayed(2).why
    assert whole_history()["accounts"] == remapped


def test_readers_find_what_it_changed_under_the_instant_it_was_made(nights, roster):
    nights.publish(roster("ada"))
    nights.settings(sites=Sites(targets={"E": "The Elm"}, map={"school": "E"}))
    _remap(nights)
    query = "SELECT min(_changed_at) > (SELECT current_as_of FROM roster_ops.state) FROM roster_staging.accounts"
    assert nights.scalar(f"{query} WHERE site_id = 'E'") is True


def test_the_next_night_goes_on_from_it_and_no_replay_takes_it_for_a_pull(nights, roster):
    nights.publish(roster("ada"))
    _remap(nights)
    assert [known.pull.pull_id for known in landed_pulls(nights.landing, "elm")] == ["pull1"]
    assert nights.publish(roster("ada", "ben")).generation == 3


def test_a_night_in_flight_is_mapped_again_after_it(nights, roster):
    nights.publish(roster("ada"))
    slow = nights.prepare(roster("ada", "ben"))
    run.map_night(nights.engine, nights.district, slow, nights.landing)
    nights.settings(sites=Sites(targets={"E": "The Elm"}, map={"school": "E"}))
    _remap(nights)
    assert run.publish_night(nights.engine, nights.district, slow, nights.landing).generation == 3
    assert nights.live("accounts", "user_sourced_id", "site_id") == [("ada", "E"), ("ben", "E")]


def test_nothing_published_is_nothing_to_map_again(nights):
    with pytest.raises(ActionRequired) as caught:
        prepare_remap(nights.engine, nights.district, "remap", nights.landing)
    assert caught.value.code == "not_published"
