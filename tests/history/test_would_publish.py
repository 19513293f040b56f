"""The summary of a run that published nothing tells what readers would have, not what they have."""

from __future__ import annotations

import sqlalchemy as sa

from rollcall.pipeline import run as night
from rollcall.reports.report import run_summary
from rollcall.settings import PersonDecision

_SITE = {"site_id": "school", "site_name": "Elm School"}


def _summary(nights, run):
    with nights.engine.connect() as connection:
        summary = run_summary(connection, "elm", run, nights.landing)
    return summary["accounts_per_site"], {row["reason"]: row["people"] for row in summary["left_out"]}


def test_a_dry_run_counts_who_comes_who_goes_and_who_stays(nights, roster):
    nights.publish(roster("ada", "ben", teacher=True))
    assert _summary(nights, "run1") == ([{**_SITE, "students": 2, "staff": 1}], {})
    nights.settings(people={"ben": PersonDecision(exclude=True, reason="A test.")})
    ref = nights.prepare(roster("ada", "ben", "cid", "dan", teacher=True))
    night.map_night(nights.engine, nights.district, ref, nights.landing)
    night.finish_dry_run(nights.engine, nights.district, ref, nights.landing)
    assert _summary(nights, "run2") == ([{**_SITE, "students": 3, "staff": 1}], {"decided": 1})
    assert _summary(nights, "run1") == ([{**_SITE, "students": 2, "staff": 1}], {})


def test_so_does_a_run_while_publication_is_paused(nights, roster):
    nights.publish(roster("ada"))
    with nights.engine.begin() as connection:
        connection.execute(sa.text("UPDATE roster_ops.state SET paused = 'a test'"))
    assert nights.publish(roster("ada", "ben")).status == "paused"
    assert _summary(nights, "run2") == ([{**_SITE, "students": 2, "staff": 0}], {})
    assert len(nights.live("accounts", "user_sourced_id")) == 1
