"""`require_class` through whole nights: who is in a class is asked of the roster as it will be."""

from __future__ import annotations

from datetime import date

from rollcall.settings import Filters


def test_an_enrollment_decides_and_its_end_takes_the_account_away(nights, roster):
    nights.settings(filters=Filters(require_class=True))
    rows = roster("ada", "ben")
    of_ada, of_ben = rows["enrollments"]
    nights.publish({**rows, "enrollments": [of_ada]})
    assert nights.live("accounts", "user_sourced_id") == ["ada"]

    nights.publish({**_nothing(rows), "enrollments": [of_ben]}, delta=True)
    assert nights.live("accounts", "user_sourced_id") == ["ada", "ben"]

    nights.publish({**_nothing(rows), "enrollments": [{**of_ada, "status": "tobedeleted"}]}, delta=True)
    assert nights.live("accounts", "user_sourced_id") == ["ben"]
    assert nights.scalar("SELECT reason FROM roster_ops.left_out WHERE user_sourced_id = 'ada'") == "no_class"


def test_a_term_that_begins_gives_the_account_on_its_day_though_the_delta_brings_nothing(nights, roster):
    nights.settings(filters=Filters(require_class=True))
    rows = roster("ada", "ben")
    (year,) = rows["academic_sessions"]
    of_ada, of_ben = rows["enrollments"]
    year["start_date"] = date(2026, 11, 3)  # nights are those of 2, 3, 4 November
    nights.publish({**rows, "enrollments": [of_ada, {**of_ben, "begin_date": date(2026, 11, 4)}]})
    assert nights.live("accounts", "user_sourced_id") == []
    nights.publish(_nothing(rows), delta=True)
    assert nights.live("accounts", "user_sourced_id") == ["ada"]
    nights.publish(_nothing(rows), delta=True)
    assert nights.live("accounts", "user_sourced_id") == ["ada", "ben"]


def test_somebody_who_returns_on_a_delta_is_in_class_again_the_same_night(nights, roster):
    nights.settings(filters=Filters(require_class=True))
    rows = roster("ada", "ben")
    nights.publish(rows)
    ada = rows["users"][0]
    nights.publish({**_nothing(rows), "users": [{**ada, "status": "tobedeleted"}]}, delta=True)
    assert nights.live("accounts", "user_sourced_id") == ["ben"]

    roles = [role for role in rows["user_roles"] if role["user_sourced_id"] == "ada"]
    nights.publish({**_nothing(rows), "users": [ada], "user_roles": roles}, delta=True)
    assert nights.live("accounts", "user_sourced_id") == ["ada", "ben"]


def _nothing(rows):
    """A delta in which nothing was modified; orgs and academic sessions are in full as always."""
    return {name: part if name in ("orgs", "academic_sessions") else [] for name, part in rows.items()}
