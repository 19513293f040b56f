"""`rollcall usernames`: fields side by side, and what a choice would do."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rollcall.accounts.person_matching import match_persons
from rollcall.district_edits import fields
from tests.district_edits.conftest import ELM, roster


def _json(command: Any, verb: str = "compare", *arguments: str) -> Any:
    return json.loads(command("usernames", verb, "elm", *arguments, "--json").stdout)


def test_fields_are_compared_per_role_and_the_best_is_marked(elm, command):
    elm.publish()
    elm.publish(roster(ada="Ben@elm.example", cid=None))
    facts = {(fact["role"], fact["field"]): fact for fact in _json(command)}
    columns = ("people", "filled", "distinct", "collisions", "changed", "is_best")

    def shown(role: str, field: str) -> tuple[Any, ...]:
        return tuple(facts[role, field][name] for name in columns)

    assert shown("student", "email") == (4, 3, 2, 2, 2, False)
    assert shown("student", "username") == (4, 4, 4, 0, 0, True)
    assert shown("student", "sourcedId") == (4, 4, 4, 0, 0, False)
    assert shown("student", "userIds.LDAP") == (4, 3, 3, 0, 0, False)
    assert shown("student", "metadata.ic.number") == (4, 4, 4, 0, 0, False)
    assert shown("staff", "email") == (3, 3, 3, 0, 0, True)
    assert ("staff", "userIds.LDAP") not in facts
    assert facts["student", "email"]["verdict"] == "1 without, 2 share it, 2 changed"
    assert facts["staff", "email"]["verdict"] == "all have a value, no collisions, stable"
    # an example shows neither a whole name nor how long it is
    assert facts["staff", "email"]["example"] == "e••••@elm.example"
    assert "Planted" not in command("usernames", "compare", "elm").output


def test_people_are_matched_once_per_role(elm, command, monkeypatch):
    elm.publish()
    matched = []
    monkeypatch.setattr(fields, "match_persons", lambda *given: matched.append(1) or match_persons(*given))
    command("usernames", "compare", "elm")
    assert len(matched) == 2


def test_before_the_second_pull_nothing_is_called_stable(elm, command):
    elm.publish()
    assert {fact["changed"] for fact in _json(command)} == {None}
    assert "stable" not in command("usernames", "compare", "elm").stdout


def test_a_preview_names_coverage_collisions_and_whose_name_would_change(elm, command):
    elm.publish(roster(ada="same@students.example", ben="same@staff.example", cid=None))
    shown = _json(command, "preview", "email", "--role", "student", "--transform", "lower", "--transform", "local_part")
    assert shown["coverage"] == [
        {"role": "student", "with_username": 1, "no_username": 1, "username_pattern": 0, "username_collision": 2}
    ]
    assert [
        (one["username"], one["without"]["sourced_id"], one["other"]["sourced_id"], one["neither"])
        for one in shown["collisions"]
    ] == [("same", "ada", "ben", True)]
    assert [(one["person"]["sourced_id"], one["old"], one["new"]) for one in shown["renamed"]] == [
        ("dot", "dot@elm.example", "dot")
    ]
    assert (shown["moves"]["lose"], shown["moves"]["rename"]) == (2, 1)
    words = command("usernames", "preview", "elm", "email", "--transform", "local_part").stdout
    assert "same: Ada Planted-Okonkwo, student, Lincoln Elem, grade 05, and Ben Planted-Okonkwo" in words
    assert elm.text == ELM


def test_a_pattern_leaves_out_what_it_refuses(elm, command):
    elm.publish()
    shown = _json(command, "preview", "username", "--pattern", "[a-d].*7")
    assert [(part["role"], part["with_username"], part["username_pattern"]) for part in shown["coverage"]] == [
        ("student", 4, 0),
        ("staff", 0, 2),
    ]


def test_before_a_school_is_mapped_a_preview_takes_each_for_its_own_site(elm, command):
    elm.says("sites: {targets: [Lincoln]}\n")
    elm.publish()
    shown = _json(command, "preview", "username")
    assert shown["as_if_own_sites"] is True
    assert [part["with_username"] for part in shown["coverage"]] == [4, 2]


def test_a_choice_is_written_in_its_place(elm, command):
    elm.publish()
    steps = ("--transform", "lower", "--transform", "domain: elm.example")
    for choice, written in (
        (("username",), "usernames: username\n"),
        (
            ("userIds.LDAP", "--role", "student", *steps),
            "usernames:\n"
            "  student: [{field: userIds.LDAP, transform: [lower, {domain: elm.example}]}]\n"
            "  staff: [{field: email, transform: [trim, lower]}]\n",
        ),
        (
            ("identifier", "--transform", "none", "--pattern", "[a-z-]+"),
            "usernames:\n"
            '  student: [{field: identifier, pattern: "[a-z-]+"}]\n'
            '  staff: [{field: identifier, pattern: "[a-z-]+"}]\n',
        ),
    ):
        elm.path.write_text(ELM, encoding="utf-8")
        assert _json(command, "set", *choice)["written"] is False
        assert elm.text == ELM
        assert _json(command, "set", *choice, "--yes")["written"] is True
        assert elm.text == ELM.replace("usernames: email\n", written)


def test_one_role_of_a_map_is_exchanged_and_the_other_keeps_its_comment(elm, command):
    ours = "usernames:\n  # as the school wants it\n  student: [{field: email}]\n  staff: [{field: username}]  # ours\n"
    elm.says(ours, "usernames: email\n")
    elm.publish()
    command("usernames", "set", "elm", "username", "--role", "student", "--yes")
    assert ours.replace("[{field: email}]", "[{field: username, transform: [trim, lower]}]") in elm.text


@pytest.mark.parametrize("wrong", [["phone"], ["email", "--transform", "lowr"], ["email", "--pattern", "("]])
def test_a_field_or_step_that_does_not_exist_is_a_usage_error(elm, command, wrong):
    assert command("usernames", "preview", "elm", *wrong).exit_code == 2
