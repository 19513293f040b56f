"""Timelines: rejected, held, missing, removed, returned, left out, never received; and what a reply may not contain."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from rollcall.changes.comparison import ABSENT_TWICE, TOMBSTONE
from rollcall.errors import RollcallError
from rollcall.explain.answers import ANSWERS
from rollcall.explain.changes import REMOVAL_REASONS
from rollcall.explain.explain import explain
from rollcall.explain.render import change_line
from rollcall.explain.timeline import PersonMatches
from rollcall.landing.mapping import LEFT_OUT_REASONS
from rollcall.settings import Filters, PersonDecision, Sites, Usernames, UsernameSource
from rollcall.warehouse import ledger
from rollcall.warehouse.ops_models import hold_rows, holds, left_out, state
from tests.explain.conftest import MORNING, user


def _code(explanation: Any) -> str:
    return str(explanation.answer.code)


def _text(code: str, **values: Any) -> str:
    return ANSWERS[code].text.format(**values)


def _changes(explanation: Any, *subjects: str) -> list[tuple[str, str]]:
    """Day and line of each change."""
    changes = [change for change in explanation.changes if not subjects or change.subject in subjects]
    return [(f"{change.at:%d}", change_line(change)) for change in changes]


def _kinds(explanation: Any) -> list[tuple[str, str]]:
    """Day and kind of each change of the person alone."""
    return [(f"{change.at:%d}", change.kind) for change in explanation.changes if change.subject == "person"]


def test_a_person_is_missing_removed_and_returns(elm, roster, ask):
    elm.publish(roster("ada", "ben", "cleo", "dora"))
    rows = roster("ada", "ben")
    user(rows, "ada")["family_name"] = "Newname"
    rows["users"][1] = {"sourced_id": "ben", "status": "tobedeleted"}
    elm.publish(rows)
    date = "November 3, 2026"
    assert ask("cleo").answer.text == _text("missing", name="Cleo Planted-Okonkwo", date=date)
    assert ask("ben").answer.text == _text("removed_by_provider", name="Ben Planted-Okonkwo", date=date)
    assert (_code(ask("ben")), _code(ask("cleo"))) == ("removed_by_provider", "missing")
    rows = roster("ada", "ben", "dora")
    user(rows, "ada")["family_name"] = "Newname"
    elm.publish(rows)
    assert (_code(ask("cleo")), _code(ask("dora"))) == ("removed_after_absence", "has_account")
    assert _changes(ask("cleo"), "person") == [
        ("04", f"Person removed ({REMOVAL_REASONS[ABSENT_TWICE]})"),
        ("03", "Person not in the full pull"),
        ("02", "Person first received"),
    ]
    assert _kinds(ask("dora"))[0] == ("04", "received_again")
    returned = ask("ben")
    assert (_code(returned), "November 4, 2026" in returned.answer.text) == ("returned", True)
    assert _kinds(returned) == [("04", "returned"), ("03", "removed"), ("02", "received")]
    assert _changes(returned, "person")[1] == ("03", f"Person removed ({REMOVAL_REASONS[TOMBSTONE]})")
    ada = ask("Newname")
    (title,) = set(elm.live("classes", "title"))
    assert _changes(ada) == [
        ("03", 'Last name: "Planted-Okonkwo" → "Newname"'),
        ("02", "Person first received"),
        ("02", "Role student at Elm School first received"),
        ("02", "Account at Elm School first received"),
        ("02", f"Enrolled in {title}"),
    ]
    assert [(step.stage, step.outcome) for step in ada.steps] == [
        ("received", "ok"),
        ("validated", "ok"),
        ("mapped", "ok"),
        ("published", "ok"),
    ]
    assert [step.outcome for step in ask("cleo").steps] == ["stop", "ok", "stop", "stop"]


def test_a_person_is_rejected_or_never_received(elm, roster, ask):
    assert _code(ask("ada")) == "never_synced"
    rows = roster("ada")
    rows["enrollments"].append({**rows["enrollments"][0], "sourced_id": "e-ghost", "user_sourced_id": "ghost"})
    elm.publish(rows)
    assert ask("ghost").answer.text == _text("enrolled_without_person", count="1 enrollment", who="ghost")
    elm.publish(roster() | {"users": [], "user_roles": []}, rejected={"users": ["ada", "new"]}, delta=True)
    assert ask("ada").answer.text == _text(
        "rejected", name="Ada Planted-Okonkwo", date="November 3, 2026", reason="Test", rule="test", field="the record"
    )
    assert _code(ask("new")) == "rejected_new"
    # a later delta proves nothing about a record it does not contain; a full pull with the record does
    elm.publish(roster() | {"users": [], "user_roles": [], "enrollments": []}, delta=True)
    assert _code(ask("ada")) == "rejected"
    elm.publish(roster("ada"))
    assert _code(ask("ada")) == "has_account"
    with elm.engine.begin() as connection:
        ledger.start_run(connection, "elm", "bad", MORNING.date())
        ledger.fail_run(connection, "elm", "bad", "extract", RollcallError("x", "The Token URL refuses."))
    assert _code(ask("Cleo Newcomer")) == "pull_failed"
    assert "The latest run failed in extract: The Token URL refuses." in ask("ada").notes
    with elm.engine.begin() as connection:
        connection.execute(sa.update(state).values(paused="rolled back on Monday"))
    assert "rolled back on Monday" in ask("Cleo Newcomer").answer.text
    elm.settings(enabled=False)
    assert _code(ask("Cleo Newcomer")) == "district_disabled"
    assert _code(ask("ada")) == "has_account"


def test_a_person_missing_from_an_incomplete_pull_is_not_blamed_on_the_school(elm, roster, ask):
    elm.publish(roster("ada", "ben"), unproven=("users",))
    assert _code(ask("ada")) == "first_publication_held"
    elm.publish(roster("ada", "ben"))
    rows = roster("ada", "ben")
    rows["enrollments"].append({**rows["enrollments"][0], "sourced_id": "e-cid", "user_sourced_id": "cid"})
    elm.publish(rows, unproven=("users",))
    answer = ask("cid").answer
    assert (answer.code, "5 of 9" in answer.text) == ("people_incomplete", True)
    elm.publish(rows)
    assert _code(ask("cid")) == "enrolled_without_person"


def test_a_hold_is_shown_with_its_command(elm, roster, ask):
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
    answer = ask("ada").answer
    assert (answer.code, answer.where[-1]) == ("held_removals", ("Rollcall", "rollcall holds show elm elm-7"))
    assert _code(ask("new-ada")) == "new_record_held"
    for kind in ("updates", "usernames", "identities"):
        with elm.engine.begin() as connection:
            connection.execute(sa.update(holds).values(kind=kind))
        assert _code(ask("ada")) == f"held_{kind}"
    with elm.engine.begin() as connection:
        connection.execute(sa.update(holds).values(status="announced"))
    assert _code(ask("ada")) == "has_account"


@pytest.fixture
def left_out_people(elm, roster):
    """A night with people left out for many reasons. Their IDs and names appear in no answer text."""
    names = ["fine", "empty", "form", "ended", "open", "closed", "odd", "parent", "nowhere", "roleless", "grade"]
    names += ["soon", "orgless"]
    names += ["decided", "double", "twina", "twinb"]
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
        sites=Sites(targets=["Elm Campus"], map={"school": "Elm Campus", "o-closed": "exclude"}),
        filters=Filters(grades=["05"]),
        people={"q7decided": PersonDecision(reason="The family of Gxfine asked us.", exclude=True)},
        usernames=Usernames(student=sources, staff=sources),
    )
    elm.publish(rows)
    return rows


def test_every_left_out_person_gets_the_reason_and_no_reply_names_an_id_or_another_person(elm, left_out_people, ask):
    explanations = {row["sourced_id"]: ask(row["sourced_id"]) for row in left_out_people["users"]}
    assert {key.removeprefix("q7"): _code(explanation) for key, explanation in explanations.items()} == {
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
        "decided": "decided",
        "double": "has_account",
        "twina": "username_collision",
        "twinb": "username_collision",
    }
    texts = {key.removeprefix("q7"): explanation.answer.text for key, explanation in explanations.items()}
    names = {key.removeprefix("q7"): explanation.subject for key, explanation in explanations.items()}
    assert texts["ended"] == _text("role_ended", name=names["ended"], school="Elm School", date="November 1, 2026")
    assert texts["soon"] == _text("role_not_begun", name=names["soon"], school="Elm School", date="November 29, 2026")
    assert texts["open"] == _text("school_undecided", name=names["open"], school="Open School")
    email = "the email address"
    assert texts["form"] == _text("username_pattern", name=names["form"], field=email, sent="no address")
    assert texts["empty"] == _text("no_username", name=names["empty"], field=email)
    for row in left_out_people["users"]:
        reply = explanations[row["sourced_id"]].answer.reply
        own = {row["given_name"], row["family_name"]}
        for other in left_out_people["users"]:
            planted = {other["sourced_id"], other["email"], other["identifier"]}
            planted |= {other["given_name"], other["family_name"]} - own
            assert [value for value in planted if value and value in reply] == []


def test_every_left_out_reason_selects_its_answer(elm, left_out_people, ask):
    for reason in LEFT_OUT_REASONS:
        with elm.engine.begin() as connection:
            where = left_out.c.user_sourced_id == "q7open"
            connection.execute(sa.update(left_out).where(where).values(reason=reason, detail="o-open"))
        assert _code(ask("q7open")) == reason


def test_people_are_found_by_id_name_email_or_number(elm, left_out_people, ask):
    for who in ("q7empty", "gxempty", "Fxempty gxEmpty", "88q7empty"):
        assert ask(who).sourced_id == "q7empty"
    for who in ("ZZq7open@elm.example ", "fxopen"):
        assert ask(who).sourced_id == "q7open"
    matches = explain(elm.engine, elm.district, "gxtwin", MORNING)
    assert isinstance(matches, PersonMatches)
    assert matches.matches == [
        {
            "name": "Gxtwina Fxtwina",
            "role": "student",
            "school": "Elm School",
            "grade": "05",
            "state": "",
            "sourced_id": "q7twina",
        },
        {
            "name": "Gxtwinb Fxtwinb",
            "role": "student",
            "school": "Elm School",
            "grade": "05",
            "state": "",
            "sourced_id": "q7twinb",
        },
    ]
    assert ask("Open School").answer.text == _text(
        "school_without_site", school="Open School", why="it is not mapped to a site yet", people="1 person"
    )
    assert _code(ask("school")) == "school_has_site"
    # a wildcard of SQL is a letter here
    assert _code(ask("%")) == "never_received"
