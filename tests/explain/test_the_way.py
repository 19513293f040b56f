"""People on their way: refused, held, missing, removed, back, left out, never seen; and what a reply may not say."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from rollcall.errors import RollcallError
from rollcall.explain.explain import explain
from rollcall.explain.render import change_line
from rollcall.explain.timeline import PersonMatches
from rollcall.landing.mapping import LEFT_OUT_REASONS
from rollcall.settings import Filters, PersonDecision, Sites, Usernames, UsernameSource
from rollcall.warehouse import ledger
from rollcall.warehouse.models import hold_rows, holds, left_out, state
from tests.explain.conftest import MORNING, user


def _code(told: Any) -> str:
    return str(told.answer.code)


def _happened(told: Any) -> list[tuple[str, str]]:
    """What happened to the person alone, by the day."""
    return [(f"{change.at:%d}", change_line(change)) for change in told.changes if change.about == "person"]


def test_somebody_misses_leaves_and_comes_back(elm, roster, asked):
    elm.publish(roster("ada", "ben", "cleo", "dora"))
    rows = roster("ada", "ben")
    user(rows, "ada")["family_name"] = "Newname"
    rows["users"][1] = {"sourced_id": "ben", "status": "tobedeleted"}
    elm.publish(rows)
    assert asked("cleo").answer.said == (
        "Cleo Planted-Okonkwo was not in the full pull of November 3, 2026, and nothing says why. One absence proves "
        "nothing: all of Cleo Planted-Okonkwo stays as it was; after a second full pull without Cleo Planted-Okonkwo "
        "it is removed."
    )
    assert (_code(asked("ben")), _code(asked("cleo"))) == ("removed_by_provider", "missing")
    assert (
        "was removed on November 3, 2026: the provider marked the record as to be deleted." in asked("ben").answer.said
    )
    rows = roster("ada", "ben", "dora")
    user(rows, "ada")["family_name"] = "Newname"
    elm.publish(rows)
    assert (_code(asked("cleo")), _code(asked("dora"))) == ("removed_after_absence", "has_account")
    assert _happened(asked("cleo")) == [
        ("04", "the person was removed (absent from two complete full pulls)"),
        ("03", "the person did not come (not in the full pull of that night)"),
        ("02", "the person came for the first time"),
    ]
    assert _happened(asked("dora"))[0] == ("04", "the person was there again")
    back = asked("ben")
    assert back.answer.said.endswith(
        "Ben Planted-Okonkwo had left the roster and came back on November 4, 2026; the account is the one from before."
    )
    assert _happened(back) == [
        ("04", "the person came back"),
        ("03", "the person was removed (the provider marked it as to be deleted)"),
        ("02", "the person came for the first time"),
    ]
    ada = asked("Newname")
    assert [(f"{change.at:%d}", change_line(change)) for change in ada.changes] == [
        ("03", 'the last name: "Planted-Okonkwo" → "Newname"'),
        ("02", "the person came for the first time"),
        ("02", "the role student at Elm School came for the first time"),
        ("02", "the account at Elm School came for the first time"),
        ("02", "enrolled in Maths 1"),
    ]
    assert [(step.stage, step.outcome) for step in ada.steps] == [
        ("received", "ok"),
        ("validated", "ok"),
        ("mapped", "ok"),
        ("published", "ok"),
    ]
    assert [step.outcome for step in asked("cleo").steps] == ["stop", "ok", "stop", "stop"]


def test_somebody_is_refused_or_never_comes(elm, roster, asked):
    assert _code(asked("ada")) == "never_synced"
    rows = roster("ada")
    rows["enrollments"].append({**rows["enrollments"][0], "sourced_id": "e-ghost", "user_sourced_id": "ghost"})
    elm.publish(rows)
    assert asked("ghost").answer.said == (
        "1 enrollment came that name ghost, but no person of that id: probably without a user account in the student "
        "information system, or outside the connection's school scope."
    )
    elm.publish(roster() | {"users": [], "user_roles": []}, rejected={"users": ["ada", "new"]}, delta=True)
    assert asked("ada").answer.said == (
        "What the provider sends for Ada Planted-Okonkwo was refused in the night of November 3, 2026: Test (rule "
        "test, field the record). The last good version stays in use."
    )
    assert _code(asked("new")) == "rejected_new"
    # a later delta says nothing about a record it does not bring; a full pull that takes it settles it
    elm.publish(roster() | {"users": [], "user_roles": [], "enrollments": []}, delta=True)
    assert _code(asked("ada")) == "rejected"
    elm.publish(roster("ada"))
    assert _code(asked("ada")) == "has_account"
    with elm.engine.begin() as connection:
        ledger.start_run(connection, "elm", "bad", MORNING.date())
        ledger.fail_run(connection, "elm", "bad", "extract", RollcallError("x", "The Token URL refuses."))
    assert _code(asked("Cleo Newcomer")) == "pull_failed"
    assert "The newest run failed in extract: The Token URL refuses." in asked("ada").notes
    with elm.engine.begin() as connection:
        connection.execute(sa.update(state).values(paused="rolled back on Monday"))
    assert "is paused: rolled back on Monday." in asked("Cleo Newcomer").answer.said
    elm.settings(enabled=False)
    assert _code(asked("Cleo Newcomer")) == "district_disabled"
    assert _code(asked("ada")) == "has_account"


def test_whom_an_unproven_pull_may_have_missed_is_not_put_down_to_the_school(elm, roster, asked):
    elm.publish(roster("ada", "ben"), unproven=("users",))
    assert _code(asked("ada")) == "held_first"
    elm.publish(roster("ada", "ben"))
    rows = roster("ada", "ben")
    rows["enrollments"].append({**rows["enrollments"][0], "sourced_id": "e-cid", "user_sourced_id": "cid"})
    elm.publish(rows, unproven=("users",))
    told = asked("cid").answer
    assert (told.code, "5 of 9" in told.said) == ("enrolled_and_not_received", True)
    elm.publish(rows)
    assert _code(asked("cid")) == "enrolled_but_absent"


def test_a_hold_is_named_with_its_command(elm, roster, asked):
    elm.publish(roster("ada"))
    hold = {
        "hold_id": "elm-7",
        "district_id": "elm",
        "collection": "users",
        "school": "",
        "status": "open",
        "opened_at": MORNING,
        "question_at": MORNING,
        "opened_run_id": "run1",
        "last_seen_at": MORNING,
        "last_run_id": "run1",
        "rows": 1,
        "published": 1,
        "looks_like": "unexplained",
    }
    row = {"hold_id": "elm-7", "district_id": "elm", "change": "removed"}
    with elm.engine.begin() as connection:
        connection.execute(sa.insert(holds).values(**hold, kind="removals"))
        connection.execute(sa.insert(hold_rows).values(**row, table_name="users", row_key="ada"))
        connection.execute(sa.insert(hold_rows).values(**row, table_name="users", row_key="new-ada"))
    told = asked("ada").answer
    assert (told.code, told.where[-1]) == ("held_removals", ("Rollcall", "rollcall holds show elm-7"))
    assert _code(asked("new-ada")) == "held_new"
    for kind in ("updates", "usernames", "identities"):
        with elm.engine.begin() as connection:
            connection.execute(sa.update(holds).values(kind=kind))
        assert _code(asked("ada")) == f"held_{kind}"
    with elm.engine.begin() as connection:
        connection.execute(sa.update(holds).values(status="announced"))
    assert _code(asked("ada")) == "has_account"


@pytest.fixture
def everybody(elm, roster):
    """A night with people who are left out for many reasons; ids and names are like nothing in a sentence."""
    names = ["fine", "empty", "form", "ended", "open", "closed", "odd", "parent", "nowhere", "roleless", "grade"]
    names += ["soon", "orgless"]
    names += ["told", "double", "twina", "twinb"]
    rows = roster(*names)
    for row in rows["users"]:
        row |= {"sourced_id": f"q7{row['sourced_id']}", "given_name": f"Gx{row['sourced_id']}", "grades": '["05"]'}
        row |= {"family_name": f"Fx{row['sourced_id'][2:]}", "email": f"zz{row['sourced_id']}@elm.example"}
        row["identifier"] = f"88{row['sourced_id']}"
    for row in (*rows["user_roles"], *rows["enrollments"]):
        row["user_sourced_id"] = f"q7{row['user_sourced_id']}"
    roles = {row["user_sourced_id"]: row for row in rows["user_roles"]}
    user(rows, "q7empty")["email"] = None
    user(rows, "q7form")["email"] = "no address"
    roles["q7ended"]["end_date"] = MORNING.date().replace(day=1)
    roles["q7soon"]["begin_date"] = MORNING.date() + timedelta(days=9)
    roles["q7orgless"]["org_sourced_id"] = None
    rows["orgs"] += [
        {"sourced_id": "o-open", "name": "Open School", "type": "school"},
        {"sourced_id": "o-closed", "name": "Closed School", "type": "school"},
        {"sourced_id": "o-office", "name": "Elm Office", "type": "department"},
    ]
    roles["q7open"]["org_sourced_id"] = "o-open"
    roles["q7closed"]["org_sourced_id"] = "o-closed"
    roles["q7nowhere"]["org_sourced_id"] = "o-office"
    roles["q7odd"]["role"] = "ext:astronaut"
    roles["q7parent"]["role"] = "guardian"
    rows["user_roles"].remove(roles["q7roleless"])
    user(rows, "q7grade")["grades"] = '["12"]'
    fine = user(rows, "q7fine")
    shared = {name: fine[name] for name in ("identifier", "given_name", "family_name", "email")}
    user(rows, "q7double").update(shared)
    user(rows, "q7twinb")["email"] = user(rows, "q7twina")["email"]
    sources = [UsernameSource(field="email", transform=["trim", "lower"], pattern=r"[^ @]+@elm\.example")]
    elm.settings(
        sites=Sites(targets=["Elm Campus"], map={"school": "Elm Campus", "o-closed": "leave_out"}),
        filters=Filters(grades=["05"]),
        people={"q7told": PersonDecision(because="The family of Gxfine asked.", leave_out=True)},
        usernames=Usernames(student=sources, staff=sources),
    )
    elm.publish(rows)
    return rows


def test_everybody_left_out_hears_why_and_no_reply_names_an_id_or_anybody_else(elm, everybody, asked):
    told = {row["sourced_id"]: asked(row["sourced_id"]) for row in everybody["users"]}
    assert {key.removeprefix("q7"): _code(answer) for key, answer in told.items()} == {
        "fine": "same_person",
        "empty": "no_username",
        "form": "username_pattern",
        "ended": "role_ended",
        "open": "school_undecided",
        "closed": "school_left_out",
        "odd": "role_undecided",
        "parent": "role_left_out",
        "nowhere": "no_school",
        "orgless": "no_school",
        "soon": "role_not_begun",
        "roleless": "no_role",
        "grade": "filtered_grade",
        "told": "decided",
        "double": "has_account",
        "twina": "username_collision",
        "twinb": "username_collision",
    }
    said = {key.removeprefix("q7"): answer.answer.said for key, answer in told.items()}
    assert said["ended"].endswith("the role at Elm School ended; the date the school gave is November 1, 2026.")
    assert said["soon"].endswith(
        "the role at Elm School begins on November 29, 2026, and the account comes by itself by then."
    )
    assert said["open"].endswith("nobody has decided yet to which site Open School belongs.")
    assert said["form"].endswith(
        'what the provider sent in the e-mail address is "no address", and the username made from it does not have the '
        "required form, or has a blank, a control character or a letter without an ASCII form in it."
    )
    assert said["empty"].endswith("the username is made from the e-mail address, and nothing is entered there.")
    for row in everybody["users"]:
        reply = told[row["sourced_id"]].answer.reply
        own = {row["given_name"], row["family_name"]}
        for other in everybody["users"]:
            planted = {other["sourced_id"], other["email"], other["identifier"]}
            planted |= {other["given_name"], other["family_name"]} - own
            assert [value for value in planted if value and value in reply] == []


def test_every_reason_there_is_can_be_said(elm, everybody, asked):
    for reason in LEFT_OUT_REASONS:
        with elm.engine.begin() as connection:
            where = left_out.c.user_sourced_id == "q7open"
            connection.execute(sa.update(left_out).where(where).values(reason=reason, detail="o-open"))
        assert _code(asked("q7open")) == reason


def test_people_are_found_by_what_is_at_hand(elm, everybody, asked):
    for who in ("q7empty", "gxempty", "Fxempty gxEmpty", "88q7empty"):
        assert asked(who).sourced_id == "q7empty"
    for who in ("ZZq7open@elm.example ", "fxopen"):
        assert asked(who).sourced_id == "q7open"
    several = explain(elm.engine, elm.district, "gxtwin", MORNING)
    assert isinstance(several, PersonMatches)
    assert several.matches == [
        {"name": "Gxtwina Fxtwina", "school": "Elm School", "grade": "05", "state": "", "sourced_id": "q7twina"},
        {"name": "Gxtwinb Fxtwinb", "school": "Elm School", "grade": "05", "state": "", "sourced_id": "q7twinb"},
    ]
    assert asked("Open School").answer.said == (
        'The school "Open School" gives no account: nobody has mapped it to a site yet. 1 person with a role there '
        "came."
    )
    assert _code(asked("school")) == "school_has_site"
    # a sign with a meaning in SQL is a letter here
    assert _code(asked("%")) == "never_came"
