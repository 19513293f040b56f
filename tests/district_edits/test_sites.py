"""`rollcall sites`: which school is which site, shown before it is decided."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from typing import Any

import pytest

from rollcall.errors import ActionRequired
from tests.district_edits.conftest import ELM, ORGS, roster

SITES = """\
sites:   # agreed in October
  targets: {L: Lincoln Elementary School, M: Middle, "103": Grant}
"""


def _schools(command: Any) -> dict[str, dict[str, Any]]:
    shown = json.loads(command("sites", "list", "elm", "--json").stdout)
    return {school["sourced_id"]: school for school in shown["schools"]}


def _moves(command: Any, verb: str, *arguments: str) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(command("sites", verb, "elm", *arguments, "--json").stdout)
    return shown


def test_without_sites_every_school_is_its_own(elm, command):
    elm.publish()
    schools = _schools(command)
    assert {key: school["state"] for key, school in schools.items()} == {
        "north": "own_site",
        "south": "own_site",
        "annex": "own_site",
        "office": "no_school",
    }
    with pytest.raises(ActionRequired) as caught:
        command("sites", "exclude", "elm", "north")
    assert caught.value.code == "no_sites"
    assert elm.text == ELM


def test_undecided_schools_come_first_with_their_people_and_a_suggestion(elm, command):
    elm.says(SITES)
    elm.publish()
    rows = [
        tuple(school[name] for name in ("sourced_id", "students", "staff", "state", "suggestion", "note"))
        for school in _schools(command).values()
    ]
    assert rows == [
        ("annex", 1, 1, "undecided", "103", "same identifier"),
        ("north", 2, 1, "undecided", "L", "same name"),
        ("south", 1, 1, "undecided", "", ""),
        ("office", 0, 1, "no_school", "", ""),
    ]
    shown = command("sites", "list", "elm").stdout
    assert "3 schools undecided, 6 people wait" in shown
    assert elm.accounts() == {}


def test_a_decision_says_whom_it_moves_and_changes_its_own_lines_only(elm, command):
    elm.says(SITES)
    elm.publish()
    shown = _moves(command, "set", "north", "L")
    assert shown["written"] is False
    assert shown["moves"] == {
        "people": 3,
        "gain": 3,
        "lose": 0,
        "move": 0,
        "rename": 0,
        "ways": [{"from": "", "to": "Lincoln Elementary School", "people": 3}],
        "published": True,
    }
    assert elm.text == ELM + SITES
    said = command("sites", "set", "elm", "Lincoln elem", "Lincoln Elementary School", "--yes").stdout
    assert "3 people: 3 get an account." in said
    assert "rollcall sync elm --remap" in said
    assert elm.text == ELM + SITES + "  map:\n    north: L  # Lincoln Elem\n"
    elm.publish()
    assert elm.accounts() == {"ada": ["L"], "ben": ["L"], "eve": ["L"]}
    again = command("sites", "set", "elm", "101", "L", "--yes")
    assert "Nothing to write" in again.stdout


def test_moving_leaving_out_and_taking_back_count_each_person_once(elm, command):
    elm.says(SITES + "  map: {north: L, south: M, annex: L, office: M}\n")
    elm.publish()
    before = {"ada": ["L"], "ben": ["L"], "cid": ["M"], "dot": ["L"], "eve": ["L"], "fay": ["M"], "gus": ["M"]}
    assert elm.accounts() == before
    shared = _moves(command, "set", "annex", "M")["moves"]
    assert {key: shared[key] for key in ("gain", "lose", "move")} == {"gain": 0, "lose": 0, "move": 2}
    assert {(way["from"], way["to"], way["people"]) for way in shared["ways"]} == {
        ("Lincoln Elementary School", "Middle", 1),
        ("Lincoln Elementary School", "Lincoln Elementary School, Middle", 1),
    }
    # eve has another mapped school and stays
    left_out = _moves(command, "exclude", "103", "--yes")["moves"]
    assert (left_out["lose"], left_out["people"]) == (1, 1)
    assert "{north: L, south: M, annex: exclude, office: M}" in elm.text
    taken_back = _moves(command, "undecide", "office", "--yes")["moves"]
    assert (taken_back["lose"], taken_back["people"]) == (1, 1)
    assert "office: undecided}" in elm.text
    elm.publish()
    assert elm.accounts() == {key: sites for key, sites in before.items() if key not in ("dot", "gus")}


def test_suggestions_are_applied_together(elm, command):
    elm.says(SITES)
    elm.publish()
    shown = command("sites", "suggest", "elm").stdout
    assert "Grant Elementary (annex) → 103 (Grant): same identifier" in shown
    assert "2 suggested, 0 ambiguous, 1 without a match" in shown
    assert elm.text == ELM + SITES
    assert _moves(command, "suggest", "--apply", "--yes")["moves"]["gain"] == 4
    assert elm.text.endswith('  map:\n    annex: "103"  # Grant Elementary\n    north: L  # Lincoln Elem\n')


def test_what_cannot_be_found_names_the_nearest(elm, command):
    elm.says(SITES)
    elm.publish()
    for (verb, *arguments), code, shown in (
        (("set", "nrth", "L"), "school_unknown", "did you mean 'north'"),
        (("set", "north", "Lincon Elementary School"), "site_unknown", "did you mean 'Lincoln Elementary School'"),
        (("exclude", "Lincoln"), "school_unknown", "did you mean"),
    ):
        with pytest.raises(ActionRequired) as caught:
            command("sites", verb, "elm", *arguments, "--yes")
        assert caught.value.code == code
        assert shown in caught.value.message
    assert elm.text == ELM + SITES


def test_a_name_that_two_schools_have_is_not_guessed(elm, command):
    elm.says(SITES)
    elm.publish(roster([*ORGS, ("twin", "Grant Elementary", "school", "199")]))
    with pytest.raises(ActionRequired) as caught:
        command("sites", "set", "elm", "Grant Elementary", "L")
    assert caught.value.code == "school_ambiguous"
    assert "annex" in caught.value.message
    assert "twin" in caught.value.message


def test_a_mapped_school_that_is_gone_keeps_its_line_and_says_so(elm, command):
    elm.says(SITES + "  map: {north: L, south: M, annex: L, typo: M}\n")
    elm.publish()
    rows = roster([org for org in ORGS if org[0] != "annex"])
    rows["user_roles"] = [role for role in rows["user_roles"] if role["org_sourced_id"] != "annex"]
    lives = []
    for _ in range(2):
        elm.publish(rows)
        listed = _schools(command)
        lives.append(listed["annex"]["state_text"])
    assert listed["typo"]["state_text"] == "M (Middle), gone from the SIS"
    assert lives == [
        "L (Lincoln Elementary School), missing in the SIS",
        "L (Lincoln Elementary School), gone from the SIS, held",
    ]
    assert "2 mapped schools gone from the SIS" in command("sites", "list", "elm").stdout


def test_before_the_first_pull_the_next_command_is_named(elm, command):
    with pytest.raises(ActionRequired) as caught:
        command("sites", "list", "elm")
    assert caught.value.code == "nothing_pulled"
    assert "rollcall sync elm --dry-run" in caught.value.remedy


def test_somebody_at_a_terminal_is_asked(elm):
    elm.says(SITES)
    elm.publish()
    ours, theirs = pty.openpty()
    asked = subprocess.Popen(
        [sys.executable, "-m", "rollcall.cli.main", "sites", "set", "elm", "north", "L"],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.write(ours, b"y\n")
    said, question = asked.communicate(timeout=60)
    os.close(ours)
    os.close(theirs)
    assert "Write elm.yaml? [y/N]" in question
    assert "3 people: 3 get an account." in said
    assert "    north: L" in elm.text
    assert asked.returncode == 0


def test_a_file_that_cannot_be_written_shows_what_to_write(elm, command):
    elm.says(SITES)
    elm.publish()
    elm.path.with_name(".elm.yaml.new").mkdir()  # whatever stands in the way of writing
    with pytest.raises(ActionRequired) as caught:
        command("sites", "set", "elm", "north", "L", "--yes")
    assert caught.value.code == "district_file_readonly"
    assert elm.text == ELM + SITES
