"""Only what was modified: exactly that, and everything where there is reason to."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from rollcall.extract.pull import ALWAYS_FULL, Plan
from rollcall.model.tables import ROSTERING_COLLECTIONS
from rollcall.oneroster.http import Response
from rollcall.oneroster.source import Source

#: Elm's first night passes in the small hours of 23 November, its second a day later.
BEFORE_THE_FIRST = datetime(2026, 11, 22, 12, tzinfo=UTC)
BEFORE_THE_SECOND = BEFORE_THE_FIRST + timedelta(days=1)
OTHERS = [name for name in ROSTERING_COLLECTIONS if name not in ALWAYS_FULL]


def delta(since: datetime, **rest: Any) -> Plan:
    return Plan("delta", since=dict.fromkeys(OTHERS, since), **rest)


def modified(rows: list[dict[str, Any]], since: datetime) -> dict[str, dict[str, Any]]:
    """By sourcedId, with everything they say."""
    return {row["sourced_id"]: row for row in rows if datetime.fromisoformat(row["date_last_modified"]) > since}


@pytest.mark.parametrize("since", [BEFORE_THE_FIRST, BEFORE_THE_SECOND], ids=["two nights", "one night"])
def test_a_delta_is_exactly_what_was_modified_since(elm: Any, since: datetime) -> None:
    elm.sandbox.pass_night("elm", 2)
    everything = elm.pull()
    pulled = elm.pull(plan=delta(since))
    for name in ALWAYS_FULL:
        assert (pulled[name].since, pulled.counts()[name]) == (None, elm.truth()[name])
    for name in OTHERS:
        assert pulled[name].since == since
        expected = modified(everything.rows(name), since)
        assert {row["sourced_id"]: row for row in pulled.rows(name)} == expected
        assert pulled[name].proof.proven
        assert (pulled[name].proof.expected, pulled[name].proof.received) == (len(expected), len(expected))
    assert 0 < len(pulled.rows("users")) < elm.truth()["users"] / 4
    left = elm.sandbox.truth("elm")["last_night"]["left"]["sourced_ids"]
    assert {row["sourced_id"] for row in pulled.rows("users") if row["status"] == "tobedeleted"} >= set(left)
    assert pulled.manifest.mode == "delta"


def test_an_instant_in_any_zone_is_asked_for_in_utc(elm: Any) -> None:
    elm.sandbox.pass_night("elm")
    chicago = BEFORE_THE_FIRST.astimezone(timezone(timedelta(hours=-6)))
    assert elm.pull(plan=delta(chicago)).counts() == elm.pull(plan=delta(BEFORE_THE_FIRST)).counts()


def test_a_quiet_night_costs_a_question_and_a_page_per_collection(elm: Any) -> None:
    with elm.counting() as asked:
        pulled = elm.pull(plan=delta(BEFORE_THE_FIRST))
    assert {name: pulled.counts()[name] for name in OTHERS} == dict.fromkeys(OTHERS, 0)
    assert asked == {
        "/orgs": 3, "/academicSessions": 2,
        **dict.fromkeys(("/courses", "/classes", "/users", "/enrollments", "/demographics"), 2),
    }  # fmt: skip


def test_a_collection_without_a_watermark_is_read_in_full(elm: Any) -> None:
    since = {name: BEFORE_THE_FIRST for name in OTHERS if name != "users"}
    pulled = elm.pull(plan=Plan("delta", since=since))
    assert (pulled["users"].since, pulled.counts()["users"]) == (None, elm.truth()["users"])
    assert (pulled["classes"].since, pulled.counts()["classes"]) == (BEFORE_THE_FIRST, 0)


@pytest.mark.parametrize(
    ("known", "mode"),
    [({"1001"}, "delta"), ({"1000"}, "full"), ({"1000", "1001"}, "full"), (set(), "delta")],
    ids=["same", "another", "one is gone", "none known"],
)
def test_another_school_year_makes_it_a_full_pull(
    known: set[str], mode: str, elm: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "rollcall.extract"):
        pulled = elm.pull(plan=delta(BEFORE_THE_FIRST, school_years=frozenset(known)))
    assert pulled.manifest.mode == mode
    assert {pulled[name].since for name in OTHERS} == {None if mode == "full" else BEFORE_THE_FIRST}
    assert (pulled.counts() == elm.truth()) == (mode == "full")
    assert ("The school year changed" in caplog.text) == (mode == "full")


def test_a_provider_that_ignores_the_filter_is_read_in_full(elm: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "rollcall.extract"), elm.quirks("filter-ignored"), elm.counting() as asked:
        pulled = elm.pull(plan=delta(BEFORE_THE_FIRST))
    assert pulled.counts() == elm.truth()
    assert {one.since for one in pulled.collections.values()} == {None}
    assert pulled.manifest.mode == "delta"  # what was asked for
    assert asked["/enrollments"] == 1 + -(-elm.truth()["enrollments"] // 100) + 1
    assert "users: the provider ignores the filter on dateLastModified. The whole collection is read." in caplog.text


@pytest.mark.parametrize(
    ("quirk", "is_full"),
    [
        ("bare-list,no-totals", True),
        ("bare-list", False),
        ("nothing-left-empty", True),
        ("nothing-left-204", True),
        ("nothing-left-404", True),
        ("nothing-left-empty-total", False),
    ],
)
def test_no_list_where_a_filter_leaves_nothing_is_a_full_pull_unless_a_total_says_nothing(
    elm: Any, quirk: str, is_full: bool, caplog: pytest.LogCaptureFixture
) -> None:
    elm.sandbox.pass_night("elm")
    with caplog.at_level(logging.INFO, "rollcall.extract"), elm.quirks(*quirk.split(",")):
        pulled = elm.pull(plan=delta(BEFORE_THE_FIRST))
        quiet = elm.pull(plan=delta(BEFORE_THE_SECOND))
    changed = elm.sandbox.truth("elm")["last_night"]["changed"]
    assert pulled["users"].proof.proven
    for name in OTHERS:
        there = elm.truth()[name]
        assert pulled.counts()[name] == (there if is_full else changed[name])
        assert quiet.counts()[name] == (there if is_full else 0)
        assert (pulled[name].since is None) == is_full
    assert ("users: the provider returns no list for the filter on dateLastModified" in caplog.text) == is_full


def test_a_filter_that_is_answered_without_a_list_on_the_second_page_is_a_full_pull(
    elm: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Rows that came until then are void: what lies in the manifest is the whole collection, once."""
    elm.sandbox.pass_night("elm", 2)
    read = Source._read

    def broken(self: Source, answer: Response, offset: int, limit: int, **options: Any) -> Any:
        if self._filter is not None and offset:
            answer = Response(200, answer.url, {}, b"")
        return read(self, answer, offset, limit, **options)

    monkeypatch.setattr(Source, "_read", broken)
    with caplog.at_level(logging.INFO, "rollcall.extract"):
        pulled = elm.pull(plan=delta(BEFORE_THE_FIRST), page_size=10, concurrency=1)
    assert "users: The provider returned 200 without a list for a filter on users" in caplog.text
    assert pulled["users"].since is None
    assert pulled.counts()["users"] == pulled["users"].proof.received == elm.truth()["users"]
    assert len({row["sourced_id"] for row in pulled.rows("users")}) == elm.truth()["users"]
