"""A finding is told with how often it was there in the runs before."""

from __future__ import annotations

import io

import pytest

from rollcall.reports.report import print_summary, run_summary


@pytest.fixture
def found(nights):
    def of(run):
        with nights.engine.connect() as connection:
            told = run_summary(connection, "elm", run, nights.landing)["findings"]
        return {(one["rule"], one["count"]): one["last"] for one in told}

    return of


@pytest.fixture
def orphans(roster):
    """A roster in which so many enrollments name a school that is not there."""

    def make(count):
        rows = roster(*(f"child{number}" for number in range(9)))
        for enrollment in rows["enrollments"][:count]:
            enrollment["school_sourced_id"] = "outside"
        return rows

    return make


def test_newest_first_and_nothing_on_the_first_night(nights, found, orphans):
    for count in (1, 0, 4, 5, 6):
        nights.publish(orphans(count))
    assert found("run1") == {("orphan_school", 1): []}
    assert found("run3") == {("orphan_school", 4): [0, 1]}
    assert found("run5") == {("orphan_school", 6): [5, 4, 0]}


def test_deltas_are_held_against_deltas(nights, found, orphans):
    nights.publish(orphans(9))
    for count in (2, 3):
        nights.publish({**orphans(9), "enrollments": orphans(9)["enrollments"][:count]}, delta=True)
    nights.publish(orphans(8))
    assert found("run3") == {("orphan_school", 3): [2]}
    assert found("run4") == {("orphan_school", 8): [9]}


def test_the_summary_shows_it_beside_the_count(nights, orphans):
    for count in (3, 4, 2, 5):
        nights.publish(orphans(count))
    text = io.StringIO()
    print_summary(nights.engine, "elm", "run4", nights.landing, text)
    assert "5 (last: 2, 4, 3)" in text.getvalue()
