"""Too much goes at once: announced when it is missed, held when it would go, and only that is held."""

from __future__ import annotations

from datetime import date

from rollcall.settings import Rollover


def _told(done):
    return [(hold.collection, hold.kind, hold.school, hold.rows, hold.published) for hold in done.holds]


def test_a_third_of_the_students_is_announced_then_held_while_all_else_flows_and_goes_when_approved(
    nights, town, approve, held
):
    elm = town(90)
    nights.publish(elm.rows)
    gone = [f"s{i}" for i in range(27)]

    first = nights.publish(elm.without(*gone))
    assert _told(first) == [("users", "removals", "", 27, 90)]
    assert (first.holds[0].is_announced, first.exit_code) == (True, 0)
    assert (first.counts["users"].missing, first.counts["users"].held) == (27, 0)
    assert first.holds[0].looks_like == "unexplained; 27 of 90 students"
    assert "one school (they are at 3 of 3 schools)" in first.holds[0].looks_not_like
    assert "an ID migration (0 of 27 return with another sourcedId)" in first.holds[0].looks_not_like
    assert "0 of 24 classes leave and 0 are new, 27 of 90 students leave" in first.holds[0].looks_not_like

    second = nights.publish(elm.without(*gone))
    assert (second.holds[0].is_announced, second.exit_code) == (False, 3)
    counts = second.counts
    assert [counts[name].removed for name in ("users", "user_roles", "enrollments", "demographics", "accounts")] == [
        0
    ] * 5
    assert (counts["users"].held, counts["user_roles"].held, counts["enrollments"].held) == (27, 27, 27)
    assert held() == [("users", "removals", "", "open", 27)]

    tuesday = elm.without(*gone, "s89")
    tuesday["users"][0]["family_name"] = "Corrected"
    third = nights.publish(tuesday)
    assert (third.counts["users"].changed, third.counts["users"].missing, third.counts["users"].held) == (1, 1, 27)
    fourth = nights.publish(tuesday)
    assert fourth.counts["users"].removed == 1
    assert len(nights.live("accounts", "username")) == 89

    approve()
    fifth = nights.publish(tuesday)
    assert (fifth.holds, fifth.counts["users"].removed, fifth.counts["accounts"].removed) == ([], 27, 27)
    assert held() == []
    assert len(nights.live("users", "sourced_id")) == 62
    assert len(nights.live("enrollments", "sourced_id")) == 62


def test_who_comes_back_leaves_the_hold_and_nobody_was_lost(nights, town, held):
    elm = town(60)
    nights.publish(elm.rows)
    for _ in range(2):
        nights.publish(elm.without(*[f"s{i}" for i in range(20)]))
    some = nights.publish(elm.without("s0", "s1"))
    assert _told(some) == [("users", "removals", "", 2, 60)], "what a hold names never goes by waiting"
    assert nights.publish(elm.rows).holds == []
    assert held() == []
    assert len(nights.live("accounts", "username")) == 60
    assert set(nights.live("users", "_missing_since")) == {None}


def test_half_a_roster_marked_as_to_be_deleted_in_a_delta_is_held_at_once(nights, town, approve, held):
    elm = town(40)
    nights.publish(elm.rows)
    gone = [f"s{i}" for i in range(20)]
    done = nights.publish(elm.tombstones(*gone), delta=True)
    assert _told(done) == [("users", "removals", "", 20, 40)]
    assert (done.exit_code, done.counts["users"].held, done.counts["enrollments"].held) == (3, 20, 20)
    assert len(nights.live("enrollments", "sourced_id")) == 40
    assert nights.publish(elm.tombstones(), delta=True).holds == []
    assert held() == [("users", "removals", "", "open", 20)]

    approve()
    quiet = nights.publish(elm.tombstones(), delta=True)
    assert (quiet.counts["users"].removed, quiet.counts["enrollments"].removed) == (20, 20)
    assert held() == []
    reason = nights.scalar("SELECT DISTINCT _removed_reason FROM roster_staging.users WHERE _removed_at IS NOT NULL")
    assert reason == "the provider marked it as to be deleted"


def test_what_is_approved_for_some_stays_held_for_the_others(nights, town, approve):
    elm = town(40)
    nights.publish(elm.rows)
    nights.publish(elm.tombstones(*[f"s{i}" for i in range(20)]), delta=True)
    approve(None, "s3", "s4")
    done = nights.publish(elm.tombstones(), delta=True)
    assert done.counts["users"].removed == 2
    assert len(nights.live("users", "sourced_id")) == 38


def test_a_small_school_does_not_trip_and_one_that_does_has_all_students_held(nights, town):
    elm = town(300, schools=("north", "south"))
    for row in elm.rows["users"][:16:2]:
        row["primary_org_sourced_id"] = "tiny"
    elm.rows["orgs"].append({"sourced_id": "tiny", "name": "Tiny", "type": "school"})
    elm.rows["user_roles"] = [elm._role(row) for row in elm.rows["users"]]
    nights.publish(elm.rows)
    tiny = [f"s{i}" for i in range(0, 16, 2)]
    assert nights.publish(elm.without(*tiny)).holds == []
    # 20 of 300 are no tenth of the district, but of the 150 in the south they are
    south = [f"s{i}" for i in range(101, 141, 2)]
    done = nights.publish(elm.without(*tiny, *south))
    # and with them all students are named who go tonight: what is wrong at one school is seldom wrong there only
    assert _told(done) == [("users", "removals", "", 28, 300)]
    assert "one school (they are at 2 of 3 schools)" in done.holds[0].looks_not_like
    assert done.counts["users"].removed == 0


def test_where_all_that_goes_is_at_one_school_the_hold_is_that_schools(nights, town):
    elm = town(300, schools=("north", "south"))
    elm.rows["orgs"].append({"sourced_id": "office", "name": "Elm", "type": "district"})  # an org, but no school
    elm.rows["users"][0]["primary_org_sourced_id"] = "office"
    elm.rows["user_roles"] = [elm._role(row) for row in elm.rows["users"]]
    nights.publish(elm.rows)
    done = nights.publish(elm.without(*[f"s{i}" for i in range(101, 141, 2)]))
    assert _told(done) == [("users", "removals", "south", 20, 300)]
    assert "one school (all 20 are at one of 2 schools)" in done.holds[0].looks_like


def test_a_school_that_goes_is_held_with_everything_that_hangs_on_it(nights, town, approve, held):
    elm = town(30)
    nights.publish(elm.rows)
    west = [f"s{i}" for i in range(2, 30, 3)]
    closed = elm.without(*west)
    closed["orgs"] = [row for row in closed["orgs"] if row["sourced_id"] != "west"]
    closed["classes"] = [row for row in closed["classes"] if row["school_sourced_id"] != "west"]
    closed["class_terms"] = [row for row in closed["class_terms"] if "west" not in row["class_sourced_id"]]
    first = nights.publish(closed)
    assert _told(first) == [("orgs", "removals", "west", 19, 3)]
    assert first.holds[0].looks_like == "1 of 3 orgs no longer there"
    assert (first.exit_code, first.counts["orgs"].missing) == (3, 1)
    second = nights.publish(closed)
    assert _told(second) == [("orgs", "removals", "west", 19, 3)]
    assert [second.counts[name].removed for name in ("orgs", "classes", "users", "accounts", "enrollments")] == [0] * 5
    assert nights.publish(elm.tombstones() | {"orgs": closed["orgs"]}, delta=True).exit_code == 3
    approve()
    done = nights.publish(closed)
    assert (done.counts["orgs"].removed, done.counts["classes"].removed, done.counts["users"].removed) == (1, 8, 10)
    assert held() == []


def test_a_role_at_a_school_that_goes_stays_though_its_person_came_without_it(nights, town):
    elm = town(12)
    elm.rows["user_roles"].append(elm._role({"sourced_id": "s0", "primary_org_sourced_id": "west"}))
    nights.publish(elm.rows)
    assert len(nights.live("accounts", "site_id")) == 13
    closed = town(12).rows
    closed["orgs"] = closed["orgs"][:2]
    done = nights.publish(closed)
    assert (done.counts["user_roles"].held, done.counts["accounts"].removed) == (1, 0)
    assert len(nights.live("accounts", "site_id")) == 13


def test_the_turn_of_the_year_is_named_and_flows_where_the_district_expects_it(nights, town):
    nights.publish(town(60).rows)
    new = town(60, year="2027")
    seniors = [f"s{i}" for i in range(3, 60, 4)]
    rows = new.without(*seniors)
    for row in rows["users"]:
        row["grades"] = '["10"]'
    first = nights.publish(rows)
    assert [(hold.collection, hold.kind, hold.is_announced) for hold in first.holds] == [
        ("classes", "removals", True),
        ("users", "removals", True),
    ]
    words = (
        "a year rollover (a new school year began, 24 of 24 classes leave and 24 are new, 15 of 60 students leave, 45 "
        "were promoted, 15 graduated)"
    )
    assert [hold.looks_like for hold in first.holds] == [words, f"{words}; 15 of 60 students"]
    held = nights.publish(rows)
    assert (held.counts["users"].removed, held.counts["classes"].removed) == (0, 0)


def test_inside_the_rollover_window_what_it_accepts_flows(nights, town):
    nights.settings(rollover=Rollover(from_=date(2026, 11, 1), to=date(2026, 11, 30)))
    nights.publish(town(60).rows)
    new = town(60, year="2027")
    rows = new.without(*[f"s{i}" for i in range(3, 60, 4)])
    for row in rows["users"]:
        row["grades"] = '["10"]'
    assert nights.publish(rows).holds == []
    done = nights.publish(rows)
    assert (done.holds, done.counts["users"].removed, done.counts["classes"].removed) == ([], 15, 24)
    # people in other grades than the last are not accepted
    third = nights.publish(new.without(*[f"s{i}" for i in range(3, 60, 4)], *[f"s{i}" for i in range(0, 52, 4)]))
    assert [(hold.collection, hold.rows) for hold in third.holds] == [("users", 13)]
