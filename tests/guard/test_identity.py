"""The same people under other ids, other people under the same id, names that change hands."""

from __future__ import annotations

from datetime import date

import pytest

from rollcall.settings import Guards, Sites
from rollcall.settings.sections import Floor


def _told(done):
    return [(hold.collection, hold.kind, hold.school, hold.rows, hold.published) for hold in done.holds]


def _renumbered(rows, people, legacy=False):
    """The same rows, these people under new ids."""
    new = {key: f"new-{key}" for key in people}
    made = {}
    for table, every in rows.items():
        made[table] = [dict(row) for row in every]
        for row in made[table]:
            for column in ("sourced_id", "user_sourced_id"):
                if row.get(column) in new:
                    if legacy and table == "users":
                        row["metadata"] = f'{{"ic": {{"legacysourceId": "{row[column][1:]}"}}}}'
                        row.update(given_name="Other", family_name="Other", email=None, identifier=None)
                    row[column] = new[row[column]]
    return made


def test_people_who_come_under_new_ids_are_held_with_the_link_and_the_old_ones_stay(nights, town, approve, held):
    elm = town(40)
    nights.publish(elm.rows)
    rows = _renumbered(elm.rows, [f"s{i}" for i in range(12)])
    first = nights.publish(rows)
    assert _told(first) == [("users", "identities", "", 24, 40)]
    assert first.holds[0].looks_like.startswith("12 of 40 people return with another sourcedId")
    assert (first.exit_code, first.counts["users"].added, first.counts["users"].missing) == (3, 0, 12)
    assert len(nights.live("accounts", "username")) == 40
    assert not [key for key in nights.live("enrollments", "user_sourced_id") if key.startswith("new-")]
    link = "SELECT count(*) FROM roster_ops.hold_rows WHERE reason = 's3 -> new-s3' AND row_key IN ('s3', 'new-s3')"
    assert nights.scalar(link) == 2
    assert "received again" in nights.scalar("SELECT full_required FROM roster_ops.state")

    delta = elm.tombstones() | {
        name: [row for row in rows[name] if "new-s0" in row.values()] for name in ("users", "user_roles")
    }
    assert nights.publish(delta, delta=True).counts["users"].added == 0
    second = nights.publish(rows)
    assert (second.counts["users"].removed, second.counts["users"].added) == (0, 0)
    assert held() == [("users", "identities", "", "open", 24)]

    approve()
    done = nights.publish(rows)
    assert (done.holds, done.counts["users"].added, done.counts["users"].removed) == ([], 12, 12)
    assert held() == []
    assert len(nights.live("accounts", "username")) == 40


def test_the_old_id_in_the_new_record_links_them_when_nothing_else_does(nights, town):
    elm = town(40)
    nights.publish(elm.rows)
    done = nights.publish(_renumbered(elm.rows, [f"s{i}" for i in range(12)], legacy=True))
    assert _told(done) == [("users", "identities", "", 24, 40)]


def test_a_person_turned_into_another_stays_as_they_were_with_all_that_is_theirs(nights, town, approve):
    elm = town(12)
    nights.publish(elm.rows)
    rows = town(12).rows
    rows["users"][3].update(given_name="Sam", family_name="Else", email="else@town.example")
    rows["enrollments"].append({**rows["enrollments"][3], "sourced_id": "e-else", "class_sourced_id": "north-2026-5"})
    rows["users"][4].update(family_name="Married", email="married@town.example")
    done = nights.publish(rows)
    assert _told(done) == [("users", "identities", "", 1, 12)]
    assert done.holds[0].looks_like.startswith("1 record became another person")
    assert "Sam" not in nights.live("users", "given_name")
    assert "e-else" not in nights.live("enrollments", "sourced_id")
    assert {"s3@town.example", "married@town.example"} <= set(nights.live("accounts", "username"))
    reason = nights.scalar("SELECT reason FROM roster_ops.hold_rows WHERE row_key = 's3'")
    assert reason == "changed together: given name, family name, email"
    approve()
    done = nights.publish(rows)
    assert (done.holds, done.counts["users"].changed, done.counts["enrollments"].added) == ([], 1, 1)
    assert "else@town.example" in nights.live("accounts", "username")


@pytest.mark.parametrize("field", ["given_name", "identifier", "email", "birth_date"])
def test_an_agreement_to_one_other_person_is_none_to_a_third(nights, town, approve, held, field):
    """An approval is for the person a record became. If the record becomes a third person, it is held again."""
    nights.publish(town(12).rows)
    rows = town(12).rows
    rows["users"][3].update(given_name="Sam", family_name="Else", identifier="else", email="else@town.example")
    nights.publish(rows)
    approve()
    third = {
        "given_name": "Third",
        "identifier": "third",
        "email": "third@town.example",
        "birth_date": date(2011, 3, 3),
    }
    rows["demographics" if field == "birth_date" else "users"][3][field] = third[field]
    for _ in range(2):
        done = nights.publish(rows)
        assert _told(done) == [("users", "identities", "", 1, 12)]
    assert "Else" not in nights.live("users", "family_name")
    assert [row[3] for row in held()] == ["open"]
    approve()
    assert nights.publish(rows).holds == []
    assert "Else" in nights.live("users", "family_name")


def test_most_of_a_collection_changing_its_content_is_held_and_stays_as_published(nights, town, approve, held):
    elm = town(40)
    nights.publish(elm.rows)
    rows = town(40).rows
    for row in rows["users"][:32]:
        row["family_name"] = "Scrambled"
    done = nights.publish(rows)
    assert _told(done) == [("users", "updates", "", 32, 40)]
    assert (done.counts["users"].changed, done.counts["users"].held) == (0, 32)
    assert "Scrambled" not in nights.live("users", "family_name")
    assert "received again" in nights.scalar("SELECT full_required FROM roster_ops.state")
    assert nights.publish(elm.rows).holds == []
    assert held() == []
    nights.publish(rows)
    approve()
    assert nights.publish(rows).counts["users"].changed == 32


def test_exchanged_usernames_wait_for_a_person_one_by_one(nights, town, approve, held):
    elm = town(12)
    nights.publish(elm.rows)
    rows = town(12).rows
    one, other = rows["users"][0], rows["users"][1]
    one["email"], other["email"] = other["email"], one["email"]
    rows["users"][2]["email"] = "renamed@town.example"
    done = nights.publish(rows)
    assert _told(done) == [("accounts", "usernames", "", 2, 12)]
    schools = "SELECT string_agg(school, ',' ORDER BY school) FROM roster_ops.hold_rows WHERE table_name = 'accounts'"
    assert nights.scalar(schools) == "north,south"  # `Where` of the hold names them
    assert done.holds[0].looks_like.startswith("2 usernames belonged to another person before tonight")
    names = dict(nights.live("accounts", "user_sourced_id", "username"))
    assert (names["s0"], names["s1"], names["s2"]) == ("s0@town.example", "s1@town.example", "renamed@town.example")
    approve()
    assert nights.publish(rows).holds == []
    names = dict(nights.live("accounts", "user_sourced_id", "username"))
    assert (names["s0"], names["s1"]) == ("s1@town.example", "s0@town.example")
    assert held() == []


def test_half_of_an_exchange_that_is_agreed_to_waits_for_the_other_half(nights, town, approve, held):
    """A name is not free before who has it gives it up."""
    nights.publish(town(12).rows)
    rows = town(12).rows
    one, other = rows["users"][0], rows["users"][1]
    one["email"], other["email"] = other["email"], one["email"]
    nights.publish(rows)
    approve(None, "s0\x1fnorth")
    done = nights.publish(rows)
    names = dict(nights.live("accounts", "user_sourced_id", "username"))
    assert (names["s0"], names["s1"], len(names)) == ("s0@town.example", "s1@town.example", 12)
    assert [hold.kind for hold in done.holds] == ["usernames"]
    assert held() == [("accounts", "usernames", "", "approved", 2)]
    approve()
    assert nights.publish(rows).holds == []
    names = dict(nights.live("accounts", "user_sourced_id", "username"))
    assert (names["s0"], names["s1"], len(names)) == ("s1@town.example", "s0@town.example", 12)


def test_an_agreement_about_one_name_is_none_about_another(nights, town, approve, held):
    """It named what it is about; that the same account is asked about again, for another name, renews nothing."""
    nights.publish(town(12).rows)
    rows = town(12).rows
    rows["users"][0]["email"], rows["users"][1]["email"] = "s1@town.example", "s1.new@town.example"
    nights.publish(rows)
    approve()
    rows["users"][0]["email"], rows["users"][2]["email"] = "s2@town.example", "s2.new@town.example"
    nights.publish(rows)
    nights.publish(rows)
    assert dict(nights.live("accounts", "user_sourced_id", "username"))["s0"] == "s0@town.example"
    assert [row[3] for row in held()] == ["open"]


def test_a_published_person_keeps_the_field_their_username_came_from_until_somebody_agrees(nights, town, approve):
    elm = town(12)
    nights.publish(elm.rows)
    nights.settings(usernames="identifier")
    done = nights.publish(elm.rows)
    assert _told(done) == [("accounts", "usernames", "", 12, 12)]
    assert "12 usernames come from a different field than before" in done.holds[0].looks_like
    assert "our own change of settings" in done.holds[0].looks_like
    assert set(nights.live("accounts", "username_field")) == {"email"}
    approve()
    nights.publish(elm.rows)
    assert nights.live("accounts", "username") != []
    assert set(nights.live("accounts", "username_field")) == {"identifier"}


def test_changes_of_name_flow_below_the_share_and_are_held_above_it_and_nobody_takes_a_kept_name(nights, town):
    nights.settings(guards=Guards(floor=Floor(people=3)))
    elm = town(20)
    nights.publish(elm.rows)
    rows = town(21).rows
    for i in range(8):
        rows["users"][i]["email"] = f"changed{i}@town.example"
    rows["users"][20]["email"] = "s0@town.example"
    done = nights.publish(rows)
    assert _told(done) == [("accounts", "usernames", "", 8, 20)]
    assert done.holds[0].looks_like.startswith("8 of 20 usernames of students change")
    names = dict(nights.live("accounts", "user_sourced_id", "username"))
    assert names["s0"] == "s0@town.example"
    assert "s20" not in names
    assert nights.scalar("SELECT reason FROM roster_ops.left_out WHERE user_sourced_id = 's20'") == "username_collision"


def test_accounts_lost_by_our_own_mapping_are_held_as_such_and_moves_are_none(nights, town, approve):
    sites = {"N": "North", "S": "South", "W": "West"}
    everywhere = {"north": "N", "south": "S", "west": "W"}
    nights.settings(sites=Sites(targets=sites, map=everywhere))
    elm = town(60)
    nights.publish(elm.rows)
    nights.settings(sites=Sites(targets=sites, map={**everywhere, "south": "N"}))
    moved = nights.publish(elm.rows)
    assert (moved.holds, moved.counts["accounts"].added, moved.counts["accounts"].removed) == ([], 20, 20)
    nights.settings(sites=Sites(targets=sites, map={**everywhere, "south": "N", "west": "exclude"}))
    done = nights.publish(elm.rows)
    assert _told(done) == [("accounts", "removals", "west", 20, 60)]
    assert done.holds[0].looks_like.startswith("our own change of settings")
    assert len(nights.live("accounts", "username")) == 60
    assert nights.scalar("SELECT count(*) FROM roster_ops.left_out") == 0
    approve()
    assert nights.publish(elm.rows).counts["accounts"].removed == 20
