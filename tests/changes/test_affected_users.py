"""A delta maps only the users it affects, with the result of mapping everyone."""

from __future__ import annotations

from datetime import date, timedelta

import msgspec
import pytest
import sqlalchemy as sa

from rollcall.settings import District, Filters
from tests.accounts.cases import rows_of
from tests.whole.test_any_sequence import NO_GUARD

BYSTANDERS = {f"b{number:02}": "student@north" for number in range(40)}


@pytest.fixture
def elm(nights):
    """Publishes a first night with many bystanders, then tells deltas; `settings` are the district's."""

    def publish(persons, **settings):
        plain = {"district": "elm", "name": "Elm", "version": "1.2", "usernames": "email", **settings}
        nights.district = msgspec.structs.replace(msgspec.convert(plain, District), guards=NO_GUARD)
        nights.publish(rows_of({**BYSTANDERS, **persons}))
        return lambda **tonight: nights.publish(rows_of(tonight), delta=True)

    return publish


def _left_out(nights):
    return nights.scalar("SELECT string_agg(user_sourced_id || ' ' || reason, ', ') FROM roster_ops.left_out")


def _names(nights, *who):
    accounts = dict(nights.live("accounts", "user_sourced_id", "username"))
    return [accounts.get(one) for one in who]


def test_nobody_is_mapped_whom_tonight_does_not_concern(elm, nights):
    tonight = elm({"ada": "student@north"})
    done = tonight(ada={"roles": "student@north", "family_name": "Married"})
    assert (done.counts["accounts"].received, done.counts["accounts"].changed) == (1, 1)
    assert (done.counts["accounts"].published, done.accounts) == (41, 41)
    assert nights.scalar("SELECT coverage->>'people' FROM roster_ops.runs ORDER BY as_of DESC LIMIT 1") == "41"
    assert tonight().counts["accounts"].received == 0


def test_who_waits_for_a_username_gets_it_when_its_holder_leaves(elm, nights):
    tonight = elm({"ada": "student@north"})
    tonight(ben={"roles": "student@south", "email": "ADA@elm.example"})
    assert (_names(nights, "ada", "ben"), _left_out(nights)) == (["ada@elm.example", None], "ben username_collision")
    done = tonight(ada={"roles": "", "status": "tobedeleted"})
    assert (_names(nights, "ada", "ben"), _left_out(nights)) == ([None, "ada@elm.example"], None)
    assert done.counts["accounts"].received == 1


def test_nobody_takes_a_username_from_somebody_who_is_not_in_the_delta(elm, nights):
    tonight = elm({"ada": "student@north", "ben": "student@south"})
    done = tonight(ben={"roles": "student@south", "email": "Ada@elm.example"})
    assert (_names(nights, "ada", "ben"), _left_out(nights)) == (["ada@elm.example", None], "ben username_collision")
    assert done.counts["accounts"].received == 1  # ada, who was looked at too


@pytest.mark.parametrize("spelled", ["7", " 7\u00a0"])
def test_a_second_record_of_a_person_is_one_though_the_first_is_not_in_the_delta(elm, nights, spelled):
    person = {"given_name": "Ada", "identifier": "7"}
    tonight = elm({"ada": {"roles": "teacher@north", **person}})
    tonight(zoe={"roles": "teacher@north", **person, "identifier": spelled, "email": None})
    assert (_names(nights, "ada", "zoe"), _left_out(nights)) == (["ada@elm.example", None], "zoe same_person")


def test_who_was_a_second_record_is_a_person_when_the_first_gets_another_identifier(elm, nights):
    person = {"given_name": "Ada", "identifier": "7"}
    zoe = {"roles": "teacher@north", **person, "email": None}
    tonight = elm({"ada": {"roles": "teacher@north", **person}, "zoe": zoe})
    assert _left_out(nights) == "zoe same_person"
    tonight(ada={"roles": "teacher@north", "given_name": "Ada", "identifier": "8"})
    assert (_names(nights, "ada", "zoe"), _left_out(nights)) == (["ada@elm.example", None], "zoe no_username")


def test_a_role_that_ends_takes_the_account_though_the_delta_brings_nothing(elm, nights):
    tonight = elm({"ada": "student@north until 2026-11-04"})  # nights are those of 2, 3, 4 November
    tonight()
    assert _names(nights, "ada") == ["ada@elm.example"]
    tonight()
    assert (_names(nights, "ada"), _left_out(nights)) == ([None], "ada role_ended")


@pytest.mark.parametrize("early", [0, 30])
def test_a_role_begins_on_its_day_though_the_delta_brings_nothing(elm, nights, early):
    begins = date(2026, 11, 4) + timedelta(days=early)  # nights are those of 2, 3, 4 November
    tonight = elm({"ada": f"student@north from {begins}"}, filters={"start_early": f"{early} days"})
    for expected in ([None], ["ada@elm.example"]):
        assert (_names(nights, "ada"), _left_out(nights)) == ([None], "ada role_not_begun")
        done = tonight()
        assert _names(nights, "ada") == expected
    assert (_left_out(nights), done.counts["accounts"].received, done.counts["accounts"].added) == (None, 1, 1)


def test_who_begins_gets_no_username_that_is_taken_meanwhile(elm, nights):
    ben = {"roles": "student@south from 2026-11-03", "email": "ADA@elm.example"}
    tonight = elm({"ada": "student@north", "ben": ben})
    tonight()
    assert (_names(nights, "ada", "ben"), _left_out(nights)) == (["ada@elm.example", None], "ben username_collision")


def test_a_decision_begins_on_its_day_though_the_delta_brings_nothing(elm, nights):
    first = {"exclude": True, "reason": "asked", "from": "2026-11-04"}
    tonight = elm({"ada": "student@north"}, people={"ada": first})
    tonight()
    assert (_names(nights, "ada"), _left_out(nights)) == (["ada@elm.example"], None)
    tonight()
    assert (_names(nights, "ada"), _left_out(nights)) == ([None], "ada decided")


def test_a_decision_ends_on_its_day_though_the_delta_brings_nothing(elm, nights):
    until = {"exclude": True, "reason": "asked", "until": "2026-11-03"}
    tonight = elm({"ada": "student@north"}, people={"ada": until})
    tonight()
    assert (_names(nights, "ada"), _left_out(nights)) == ([None], "ada decided")
    tonight()
    assert (_names(nights, "ada"), _left_out(nights)) == (["ada@elm.example"], None)


@pytest.mark.parametrize(
    ("settings", "persons"),
    [
        ({"sites": {"targets": ["N"], "map": {"north": "N", "south": "undecided", "annex": "N"}}}, "student@south"),
        ({}, "ext:coach@north"),
    ],
)
def test_what_is_undecided_is_counted_over_everyone(elm, nights, settings, persons):
    tonight = elm({"ada": persons, "ben": persons}, **settings)
    counts = (
        "SELECT string_agg(count::text, ' ' ORDER BY run_id) FROM roster_ops.findings WHERE rule LIKE '%undecided:%'"
    )
    assert nights.scalar(counts) == "2"
    tonight(cid=persons)
    assert nights.scalar(counts) == "2 3"


def test_a_school_that_changes_concerns_everybody(elm, nights):
    elm({"ada": "student@south"})
    rows = rows_of({})
    rows["orgs"] = [{**row, "name": row["name"].replace("North School", "New Name")} for row in rows["orgs"]]
    done = nights.publish(rows, delta=True)
    assert done.counts["accounts"].received == 41
    assert nights.scalar("SELECT count(*) FROM roster.accounts WHERE site_name = 'New Name'") == 40


def test_what_a_hold_keeps_back_concerns_everybody(elm, nights):
    tonight = elm({"ada": "student@north", "ben": "student@north"})
    swapped = {"ada": "ben@elm.example", "ben": "ada@elm.example"}
    done = tonight(**{who: {"roles": "student@north", "email": email} for who, email in swapped.items()})
    assert [(hold.kind, hold.rows) for hold in done.holds] == [("usernames", 2)]
    assert tonight().counts["accounts"].received == 42


def test_what_was_held_last_time_concerns_everybody_though_the_hold_is_over(elm, nights):
    tonight = elm({"ada": "student@north", "ben": "student@north"})
    swapped = {"ada": "ben@elm.example", "ben": "ada@elm.example"}
    tonight(**{who: {"roles": "student@north", "email": email} for who, email in swapped.items()})
    with nights.engine.begin() as connection:
        connection.execute(sa.text("UPDATE roster_ops.holds SET closed_at = now(), status = 'closed'"))
        connection.execute(sa.text("DELETE FROM roster_ops.hold_rows"))
    assert tonight().counts["accounts"].received == 42


def test_an_account_of_somebody_who_stays_says_why_it_is_gone(elm, nights):
    tonight = elm({"ada": "student@north"})
    tonight(ada={"roles": "student@south"})
    said = "SELECT _removed_reason FROM roster_staging.accounts WHERE user_sourced_id = 'ada' AND site_id = 'north'"
    assert nights.scalar(said) == "its person has no role at this site any more"


def test_other_rules_concern_everybody(elm, nights):
    tonight = elm({"ada": "student@north"})
    nights.settings(filters=Filters(roles=["teacher"]))
    tonight()
    assert nights.scalar("SELECT count(*) FROM roster_ops.left_out WHERE reason = 'filtered_role'") == 41


def test_a_username_beyond_ascii_concerns_those_who_spell_it_otherwise(elm, nights):
    """Whether PostgreSQL knows its lower case depends on the database, so accounts have a key of their own."""
    tonight = elm({"ada": "student@north", "eve": {"roles": "student@north", "email": "E\u0301va@elm.example"}})
    done = tonight(ada={"roles": "student@north", "email": "\u00c9VA@elm.example"})
    assert (_names(nights, "ada", "eve"), _left_out(nights)) == (
        [None, "\u00e9va@elm.example"],
        "ada username_collision",
    )
    assert done.counts["accounts"].received == 1


def test_by_email_a_second_record_is_one_though_the_first_is_not_in_the_delta(elm, nights):
    """Also where only Python knows that two addresses are the same."""
    ada = {"roles": "teacher@north", "given_name": "Ada", "identifier": None}
    eve = {"roles": "teacher@north", "given_name": "Eve", "identifier": None}
    tonight = elm(
        {"ada": {**ada, "email": "\u00c9a@elm.example"}, "eve": {**eve, "email": "Eve@elm.example"}}, person_key="email"
    )
    tonight(zoe={**ada, "email": "e\u0301A@elm.example "}, zed={**eve, "email": "eve@elm.example"})
    assert _left_out(nights) == "zed same_person, zoe same_person"


def test_a_birth_date_that_changes_alone_makes_two_persons_of_one(elm, nights):
    """And with them their finding, which a later delta that is about others keeps."""
    person = {"roles": "teacher@north", "given_name": "Ada", "identifier": "7", "email": "ada@elm.example"}
    people = {"ada": person, "zoe": {**person, "email": None, "username": "zoe"}}
    elm(people)
    assert _left_out(nights) == "zoe same_person"

    def born(**people):
        rows = rows_of({}) | {"demographics": [{"sourced_id": who, "birth_date": day} for who, day in people.items()]}
        return nights.publish(rows, delta=True)

    born(ada=date(1980, 1, 2), zoe=date(1981, 1, 2))
    assert _left_out(nights) == "zoe no_username"
    found = "SELECT user_sourced_id || ' ' || detail AS line FROM roster_ops.person_findings"
    lines = f"SELECT string_agg(line, ', ' ORDER BY line) FROM ({found}) AS found"
    assert nights.scalar(lines) == "ada zoe: birth date, zoe ada: birth date"
    nights.publish(rows_of({"b01": {"roles": "student@north", "family_name": "Married"}}), delta=True)
    counts = "SELECT string_agg(count::text, ' ' ORDER BY run_id) FROM roster_ops.findings WHERE rule = '{}'"
    assert nights.scalar(counts.format("person_key_contradicted")) == "2 2"
    born(zoe=date(1980, 1, 2))
    assert _left_out(nights) == "zoe same_person"
    assert nights.scalar(found) is None


def test_where_many_are_in_reach_everybody_is_mapped(elm):
    tonight = elm({"ada": "student@north"})
    some = {who: {"roles": "student@north", "family_name": "Married"} for who in list(BYSTANDERS)[:11]}
    assert tonight(**some).counts["accounts"].received == 41
