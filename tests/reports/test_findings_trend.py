"""A finding has its counts in earlier runs."""

from __future__ import annotations

import io

import pytest

from rollcall.reports.report import print_summary, run_summary


@pytest.fixture
def trends(nights):
    def read(run):
        with nights.engine.connect() as connection:
            findings = run_summary(connection, "elm", run, nights.landing)["findings"]
        return {(finding["rule"], finding["count"]): finding["last"] for finding in findings}

    return read


@pytest.fixture
def orphans(roster):
    """A roster with the given number of enrollments at an unknown school."""

    def make(count):
        rows = roster(*(f"child{number}" for number in range(9)))
        for enrollment in rows["enrollments"][:count]:
            enrollment["school_sourced_id"] = "outside"
        return rows

    return make


def test_earlier_counts_are_newest_first_and_empty_on_the_first_night(nights, trends, orphans):
    for count in (1, 0, 4, 5, 6):
        nights.publish(orphans(count))
    assert trends("run1") == {("orphan_school", 1): []}
    assert trends("run3") == {("orphan_school", 4): [0, 1]}
    assert trends("run5") == {("orphan_school", 6): [5, 4, 0]}


def test_deltas_are_compared_with_deltas(nights, trends, orphans):
    nights.publish(orphans(9))
    for count in (2, 3):
        nights.publish({**orphans(9), "enrollments": orphans(9)["enrollments"][:count]}, delta=True)
    nights.publish(orphans(8))
    assert trends("run3") == {("orphan_school", 3): [2]}
    assert trends("run4") == {("orphan_school", 8): [9]}


def test_the_summary_shows_the_trend_with_the_count(nights, orphans):
    for count in (3, 4, 2, 5):
        nights.publish(orphans(count))
    text = io.StringIO()
    print_summary(nights.engine, "elm", "run4", nights.landing, text)
    assert "5 (last: 2, 4, 3)" in text.getvalue()
