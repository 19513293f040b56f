"""Six questions of a school secretary. Answers are checked by code and values; docs/answers.md has the texts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from rollcall.changes.comparison import TOMBSTONE
from rollcall.explain.answers import ANSWERS
from rollcall.explain.answers.template import NO_ACTION, SCHOOL
from rollcall.explain.changes import REMOVAL_REASONS
from rollcall.explain.timeline import Answer
from rollcall.settings import Sites, Usernames, UsernameSource
from tests.explain.conftest import role, user

ADA = {
    "name": "Ada Planted-Okonkwo",
    "sites": "Elm School",
    "username": "ada@elm.example",
    "field": "the email address",
}
RENAME = {"date": "November 3, 2026", "old_school": "Elm School", "school": "Elm Academy"}


def _assert_answer(answer: Answer, code: str, **values: Any) -> None:
    assert answer.code == code
    assert answer.text == ANSWERS[code].text.format(**values)


def _assert_reply(answer: Answer, **values: Any) -> None:
    reply = ANSWERS[answer.code].reply.format(**values)
    assert answer.reply.startswith(f"{reply}\n")


def test_a_school_was_renamed_and_no_one_moved(elm, roster, ask):
    elm.settings(sites=Sites(targets={"ES": "Elm Campus"}, map={"school": "ES"}))
    rows = roster("ada")
    elm.publish(rows)
    rows["orgs"][0]["name"] = "Elm Academy"
    elm.publish(rows)
    answer = ask("ada@elm.example").answer
    site_kept = 'The site name is still "Elm Campus".'
    _assert_answer(answer, "school_renamed", **{**ADA, "sites": "Elm Campus"}, **RENAME, site_kept=site_kept)
    _assert_reply(answer, **ADA, **RENAME)
    _assert_answer(ask("Elm School").answer, "school_name_changed", **RENAME, people="1 person", site_kept=site_kept)


def test_twins_share_an_email(elm, roster, ask):
    rows = roster("ada", "zoe")
    user(rows, "zoe")["email"] = "Ada@elm.example "
    elm.publish(rows)
    answer = ask("zoe").answer
    zoe = {**ADA, "name": "Zoe Planted-Okonkwo"}
    _assert_answer(
        answer,
        "username_collision",
        **zoe,
        other="Ada Planted-Okonkwo (ada, Elm School)",
        other_state="Neither had it before, so neither gets it.",
    )
    assert answer.owner == SCHOOL
    assert [place for place, _ in answer.where] == ["SIS", "Rollcall"]
    assert answer.where[1][1].startswith("people: zoe: username: in elm.yaml")
    _assert_reply(answer, **zoe, next_pull="November 21, 2026 at 2:15 AM UTC")


def test_a_twin_who_had_the_username_keeps_it(elm, roster, ask):
    elm.publish(roster("ada"))
    rows = roster("ada", "zoe")
    user(rows, "zoe")["email"] = "ada@elm.example"
    elm.publish(rows)
    assert "Ada Planted-Okonkwo already has this username and keeps it." in ask("zoe").answer.text
    assert ask("ada").answer.code == "has_account"


def test_a_teacher_is_also_a_parent(elm, roster, ask):
    rows = roster(teacher=True)
    rows["user_roles"].append(role("teacher", "guardian", role_type="secondary"))
    elm.publish(rows)
    answer = ask("teacher").answer
    _assert_answer(
        answer,
        "several_roles",
        **{**ADA, "name": "Teacher Planted-Okonkwo", "username": "teacher@elm.example"},
        role="staff",
        counting="teacher at Elm School",
        not_counting="guardian at Elm School",
    )
    assert answer.owner == NO_ACTION
    assert answer.where == [("Rollcall", "roles: in elm.yaml maps each role")]


def test_a_teacher_is_a_parent_under_a_second_record(elm, roster, ask):
    rows = roster(teacher=True)
    parent = {**user(rows, "teacher"), "sourced_id": "g-7", "identifier": None}
    rows["users"].append(parent)
    rows["user_roles"].append(role("g-7", "guardian"))
    elm.publish(rows)
    _assert_answer(
        ask("g-7").answer,
        "second_record",
        name="Teacher Planted-Okonkwo",
        roles="guardian",
        other="Teacher Planted-Okonkwo (teacher, Elm School)",
        basis="the same name and email",
        other_state="Before OneRoster 1.2, some systems send one record per role.",
    )
    by_name = ask("Teacher Planted")
    assert (by_name.sourced_id, by_name.answer.code) == ("teacher", "has_account")


def test_a_username_ends_with_a_space(elm, roster, ask):
    rows = roster("ada")
    user(rows, "ada")["email"] = "ada@elm.example "
    elm.publish(rows)
    _assert_answer(ask("ada@elm.example").answer, "space_removed", **ADA, sent="ada@elm.example ")
    untransformed = [UsernameSource(field="email")]
    elm.settings(usernames=Usernames(student=untransformed, staff=untransformed))
    elm.publish(roster("ben") | {"users": [{**user(roster("ben"), "ben"), "email": "ben@elm\u200b.example "}]})
    assert ask("ben").answer.code == "space_removed"
    assert "ben@elm.example" in elm.live("accounts", "username")


def test_two_records_with_one_number_conflict(elm, roster, ask):
    rows = roster("ada", "ben")
    user(rows, "ben").update({"identifier": "id-ada", "given_name": "Ada"})
    elm.publish(rows)
    _assert_answer(
        ask("ben").answer,
        "possible_duplicate",
        **{**ADA, "username": "ben@elm.example"},
        other="Ada Planted-Okonkwo (ada, Elm School)",
        key="number",
        conflict="email address",
    )


def test_two_records_of_a_student_were_merged(elm, roster, ask):
    rows = roster("ada", "ben")
    rows["users"].append({**user(rows, "ada"), "sourced_id": "old-ada", "email": "ada.old@elm.example"})
    rows["user_roles"].append(role("old-ada", "student"))
    elm.publish(rows)
    rows = roster("ada", "ben")
    rows["users"].append({"sourced_id": "old-ada", "status": "tobedeleted"})
    elm.publish(rows)
    merge = {"date": "November 3, 2026", "reason": REMOVAL_REASONS[TOMBSTONE], "basis": "the same name and number"}
    _assert_answer(
        ask("old-ada").answer,
        "merged_into",
        **ADA,
        **merge,
        other="Ada Planted-Okonkwo (ada, Elm School)",
        other_state="That record has the account.",
    )
    by_name = ask("Ada Planted")
    assert by_name.sourced_id == "ada"
    _assert_answer(by_name.answer, "merged_from", **ADA, **merge, other="Ada Planted-Okonkwo (old-ada, Elm School)")
    assert "old-ada" not in by_name.answer.reply


def test_an_enrollment_of_this_morning_is_not_published_yet(elm, roster, ask):
    rows = roster("ada")
    elm.publish(rows)
    next_pull = "November 21, 2026 at 2:15 AM UTC"
    first = "November 2, 2026 at 8:00 AM UTC"
    _assert_answer(ask("ada").answer, "has_account", **ADA, classes="1 class", last_pull=first, next_pull=next_pull)
    elm.publish(rows | {"enrollments": []}, unproven=("enrollments",))
    rows = roster("ada", "ben")
    elm.publish(rows | {"enrollments": rows["enrollments"][:1]})
    third = "November 4, 2026 at 8:00 AM UTC"
    ben = {**ADA, "name": "Ben Planted-Okonkwo", "username": "ben@elm.example"}
    _assert_answer(ask("ben").answer, "no_class_yet", **ben, last_pull=third, next_pull=next_pull)
    never = ask("Cleo Newcomer").answer
    assert never.code == "never_received"
    assert never.causes == [
        cause.format(last_pull=third, next_pull=next_pull) for cause in ANSWERS["never_received"].causes
    ]
    _assert_reply(never, name="Cleo Newcomer")


def test_the_next_pull_is_the_next_night_of_the_schedule(elm, roster, ask):
    elm.publish(roster("ada"))
    schedule = {"timezone": "America/Chicago", "nightly": "30 1 * * 1-5"}
    elm.settings(schedule=type(elm.district.schedule)(**schedule))
    # November 20, 2026 is a Friday; the next working night is Monday's
    assert "November 23, 2026 at 1:30 AM CST" in ask("ada").answer.text
    elm.settings(starts_on=datetime(2027, 1, 4, tzinfo=UTC).date())
    # as in Airflow, the first night ends the first interval, which begins on January 4
    assert "January 5, 2027 at 1:30 AM CST" in ask("ada").answer.text
