"""Changes by person: of a change set before it is published, and between two published nights."""

from __future__ import annotations

import csv
import io
import json
from datetime import date
from typing import Any

import pytest

from rollcall.diff import render
from rollcall.diff.diff import Diff, between_nights, next_publish
from rollcall.diff.lines import REASONS
from rollcall.display.printable import as_json
from rollcall.errors import ActionRequired
from rollcall.landing.mapping import LEFT_OUT_REASONS
from rollcall.pipeline import run
from rollcall.settings import Filters
from tests.conftest import Nights

Rows = dict[str, list[dict[str, Any]]]

BRANCH = {"sourced_id": "branch", "name": "Elm Branch", "type": "school"}


def _lines(diff: Diff) -> list[tuple[Any, ...]]:
    columns = ["sourced_id", "change", "before", "after", "reason"]
    return [tuple(row) for row in diff.lines[columns].itertuples(index=False)]


def _dry_run(nights: Nights, rows: Rows, **how: Any) -> None:
    ref = nights.prepare(rows, **how)
    run.map_night(nights.engine, nights.district, ref, nights.landing)
    run.finish_dry_run(nights.engine, nights.district, ref, nights.landing)


def _user(rows: Rows, name: str) -> dict[str, Any]:
    return next(row for row in rows["users"] if row["sourced_id"] == name)


def _role(rows: Rows, name: str) -> dict[str, Any]:
    return next(row for row in rows["user_roles"] if row["user_sourced_id"] == name)


@pytest.fixture
def before(nights: Nights, roster: Any) -> Rows:
    """Six students at two schools, published."""
    rows: Rows = roster("ada", "ben", "cleo", "dora", "eve", "finn")
    rows["orgs"].append(BRANCH)
    for row in rows["users"]:
        row["grades"] = '["05"]'
    nights.publish(rows)
    return rows


@pytest.fixture
def after(before: Rows, roster: Any) -> Rows:
    """The night after: new, removed, moved and renamed students, a changed class and a changed grade."""
    rows: Rows = roster("ada", "cleo", "dora", "eve", "finn", "gus")
    rows["orgs"].append(BRANCH)
    for row in rows["users"]:
        row["grades"] = '["05"]'
    rows["users"].append({"sourced_id": "ben", "status": "tobedeleted"})
    _user(rows, "cleo")["email"] = "cleo.new@elm.example"
    _role(rows, "dora").update(org_sourced_id="branch", role_key="student|branch|")
    _user(rows, "finn")["grades"] = '["12"]'
    rows["enrollments"] = [row for row in rows["enrollments"] if row["user_sourced_id"] != "ada"]
    return rows


EXPECTED = [
    ("ada", "classes", None, "1 fewer", "SIS tombstone"),
    ("ben", "person removed", None, None, "SIS tombstone"),
    ("ben", "account removed", "ben@elm.example at Elm School", None, "SIS tombstone"),
    ("cleo", "username", "cleo@elm.example", "cleo.new@elm.example", "changed in the SIS"),
    ("cleo", "email address", "cleo@elm.example", "cleo.new@elm.example", "changed in the SIS"),
    ("dora", "account moved", "dora@elm.example at Elm School", "dora@elm.example at Elm Branch", "role"),
    ("dora", "role", "student at Elm School", None, "changed in the SIS"),
    ("dora", "role", None, "student at Elm Branch", "changed in the SIS"),
    ("finn", "account removed", "finn@elm.example at Elm School", None, "filter"),
    ("finn", "grade", "05", "12", "changed in the SIS"),
    ("gus", "person added", None, None, "new in the SIS"),
    ("gus", "account added", None, "gus@elm.example at Elm School", "new in the SIS"),
    ("gus", "classes", None, "1 more", "new in the SIS"),
]


@pytest.fixture
def tomorrow(nights: Nights, after: Rows) -> Rows:
    """The same with a grade filter and the tombstone of an enrollment."""
    nights.settings(filters=Filters(grades=["05"]))
    after["enrollments"].append({"sourced_id": "e-ada", "status": "tobedeleted"})
    return after


def test_a_dry_run_shows_the_changes_by_person_before_the_publication(nights, tomorrow):
    _dry_run(nights, tomorrow)
    diff = next_publish(nights.engine, nights.district, nights.landing)
    assert sorted(_lines(diff), key=str) == sorted(EXPECTED, key=str)
    assert diff.heading == (
        "Elm: full pull of November 3, 2026 at 8:00 AM UTC. Not published: the roster does not have these changes yet."
    )
    assert {"change": "account removed", "reason": "filter", "people": 1} in diff.totals()
    assert sum(row["people"] for row in diff.totals()) == 12
    names = list(dict.fromkeys(diff.lines["name"]))
    assert names == sorted(names)
    assert nights.live("accounts", "username") == [
        f"{name}@elm.example" for name in ("ada", "ben", "cleo", "dora", "eve", "finn")
    ]


def test_the_changes_are_the_same_after_the_publication(nights, tomorrow):
    nights.publish(tomorrow)
    diff = next_publish(nights.engine, nights.district, nights.landing)
    assert diff.heading.startswith("Elm: full pull of November 3, 2026 at 8:00 AM UTC. Published November ")
    assert sorted(_lines(diff), key=str) == sorted(EXPECTED, key=str)
    between = between_nights(nights.engine, nights.district, date(2026, 11, 3), date(2026, 11, 2))
    # a comparison of nights has no lines for roles; the others are the same
    expected = [line for line in EXPECTED if line[1] != "role"]
    expected[0] = (*expected[0][:4], "changed in the SIS")
    assert sorted(_lines(between), key=str) == sorted(expected, key=str)
    assert between_nights(nights.engine, nights.district, date(2026, 11, 3), date(2026, 11, 3)).totals() == []
    with pytest.raises(ActionRequired, match="November 9, 2026") as caught:
        between_nights(nights.engine, nights.district, date(2026, 11, 3), date(2026, 11, 9))
    assert caught.value.remedy == "Nearest published nights: November 2, 2026 and November 3, 2026."


def test_the_lines_of_one_school(nights, tomorrow):
    _dry_run(nights, tomorrow)
    for school in ("branch", "Elm Branch", "bran"):
        diff = next_publish(nights.engine, nights.district, nights.landing, school)
        assert set(diff.lines["sourced_id"]) == {"dora"}
    with pytest.raises(ActionRequired, match="Several schools match 'elm'"):
        next_publish(nights.engine, nights.district, nights.landing, "elm")
    with pytest.raises(ActionRequired, match="No school matches 'oak'"):
        next_publish(nights.engine, nights.district, nights.landing, "oak")


def test_a_missing_person_is_not_removed_and_a_returning_person_returns(nights, roster):
    nights.publish(roster("ada", "ben"))
    _dry_run(nights, roster("ada"))
    diff = next_publish(nights.engine, nights.district, nights.landing)
    assert _lines(diff) == [("ben", "person missing", None, None, "missing")]
    assert diff.lines["detail"][0]
    nights.publish(roster("ada"))
    nights.publish(roster("ada"))
    nights.publish(roster("ada", "ben"))
    back = [
        ("ben", "person returned", None, None, "returned"),
        ("ben", "account added", None, "ben@elm.example at Elm School", "returned"),
        ("ben", "classes", None, "1 more", "returned"),
    ]
    assert _lines(next_publish(nights.engine, nights.district, nights.landing)) == back
    gone = between_nights(nights.engine, nights.district, date(2026, 11, 2), date(2026, 11, 5))
    assert [line[:2] + line[4:] for line in _lines(gone)] == [
        ("ben", "person removed", "missing"),
        ("ben", "account removed", "missing"),
    ]


def test_as_csv_as_json_and_on_a_screen(nights, tomorrow):
    _dry_run(nights, tomorrow)
    diff = next_publish(nights.engine, nights.district, nights.landing)
    table = list(csv.DictReader(io.StringIO(render.as_csv(diff, None).decode())))
    assert len(table) == len(EXPECTED)
    assert (table[0]["name"], table[0]["change"], table[0]["before"]) == ("Ada Planted-Okonkwo", "classes", "")
    plain = json.loads(as_json(render.plain(diff, 2)))
    assert (plain["pull_id"], plain["published_at"], len(plain["lines"])) == ("pull2", None, 2)
    assert sum(row["people"] for row in plain["totals"]) == 12
    screen = io.StringIO()
    render.print_diff(diff, 3, screen)
    assert "… and 10 more lines" in screen.getvalue()


def test_the_first_pull_and_no_pull(nights, roster):
    with pytest.raises(ActionRequired, match="No change set of Elm"):
        next_publish(nights.engine, nights.district, nights.landing)
    _dry_run(nights, roster("ada"))
    diff = next_publish(nights.engine, nights.district, nights.landing)
    assert _lines(diff) == [
        ("ada", "person added", None, None, "new in the SIS"),
        ("ada", "account added", None, "ada@elm.example at Elm School", "new in the SIS"),
        ("ada", "classes", None, "1 more", "new in the SIS"),
    ]


def test_every_cause_has_a_short_reason():
    assert set(LEFT_OUT_REASONS) <= set(REASONS)
    assert {REASONS[name] for name in ("filtered_grade", "role_ended", "school_undecided", "role_left_out")} == {
        "filter",
        "term ended",
        "mapping",
        "role",
    }
