"""`rollcall people`: decisions about one person, with why and until when."""

from __future__ import annotations

import json

import pytest

from rollcall.errors import ActionRequired
from tests.district_edits.conftest import ELM, roster


def test_somebody_is_left_out_found_by_username_until_the_decision_is_taken_back(elm, command):
    elm.publish()
    why = ("--reason", "Asked for: by the family", "--until", "2030-06-30")
    shown = json.loads(command("people", "exclude", "elm", "ADA7", *why, "--yes", "--json").stdout)
    assert (shown["moves"]["lose"], shown["moves"]["people"]) == (1, 1)
    decision = 'people:\n  ada: {exclude: true, reason: "Asked for: by the family", until: 2030-06-30}\n'
    assert elm.text == ELM + decision
    elm.publish()
    assert "ada" not in elm.accounts()
    listed = json.loads(command("people", "list", "elm", "--json").stdout)
    assert [(one["sourced_id"], one["exclude"], one["until"], one["is_over"]) for one in listed] == [
        ("ada", True, "2030-06-30", False)
    ]
    assert "Ada Planted-Okonkwo, student, Lincoln Elem, grade 05" in command("people", "list", "elm").stdout
    command("people", "clear", "elm", "ada@elm.example", "--yes")
    assert elm.text == ELM


def test_a_username_by_hand(elm, command):
    elm.publish()
    shown = command("people", "set-username", "elm", "ben@elm.example", "ben.o", "--reason", "Two of one name", "--yes")
    assert "1 person: 1 get another username" in shown.stdout
    assert elm.text == ELM + "people:\n  ben: {username: ben.o, reason: Two of one name}\n"


@pytest.mark.parametrize("name", ["ben\u200b.o", "ben o", "ben.o\ufeff"])
def test_a_username_with_something_invisible_is_not_written(elm, command, name):
    elm.publish()
    with pytest.raises(ActionRequired) as caught:
        command("people", "set-username", "elm", "ben@elm.example", name, "--reason", "Two of one name", "--yes")
    assert caught.value.code == "username_unusable"
    assert elm.text == ELM


def test_who_could_be_several_is_listed_and_nothing_is_written(elm, command):
    elm.publish(roster(ben="ada@elm.example"))
    result = command("people", "exclude", "elm", "ada@elm.example", "--reason", "x", "--yes")
    assert result.exit_code == 1
    assert "ada  Ada Planted-Okonkwo" in result.stderr
    assert "ben  Ben Planted-Okonkwo" in result.stderr
    assert elm.text == ELM


def test_nobody_and_no_reason_and_a_night_long_past(elm, command):
    elm.publish()
    with pytest.raises(ActionRequired) as caught:
        command("people", "clear", "elm", "nobody@elm.example")
    assert caught.value.code == "person_unknown"
    assert "nobody@elm.example" not in str(caught.value)
    with pytest.raises(ActionRequired) as caught:
        command("people", "clear", "elm", "ada")
    assert caught.value.code == "person_not_decided"
    assert command("people", "exclude", "elm", "ada").exit_code == 2
    past = ("--reason", "x", "--until", "2020-01-01")
    assert command("people", "exclude", "elm", "ada", *past).exit_code == 2
    with pytest.raises(ActionRequired, match=r"people\.ada\.reason must not be empty"):
        command("people", "exclude", "elm", "ada", "--reason", " ", "--yes")
    assert elm.text == ELM
