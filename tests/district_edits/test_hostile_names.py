"""A name that a provider sent with control characters is text in a district's file, which stays readable."""

from __future__ import annotations

import pytest

from rollcall.district_edits.file import with_setting, written
from rollcall.settings import load_district, yaml_text
from tests.district_edits.conftest import ORGS, roster

HOSTILE = "Grant\x1b[31m\x00\x7f\x80\x85\x9b\u2028\u202e\ufeff\ufffe\uffff\U000e0067 😀 School"


@pytest.mark.parametrize("sign", [*map(chr, range(0xA1)), *HOSTILE], ids=lambda sign: f"{ord(sign):04X}")
def test_yaml_reads_every_character_back_unchanged(sign):
    for text in (sign, f"a{sign}b"):
        assert yaml_text.load(f"{{{written(text)}: {written([text])}}}") == {text: [text]}
        assert yaml_text.load(with_setting("", ["a", text], text, remark=text)) == {"a": {text: text}}


def test_a_school_with_a_hostile_name_can_be_decided(elm, command):
    elm.says("sites: {targets: {G: Grant}, map: {}}\n")
    orgs = [(key, HOSTILE.replace("\x00", "") if key == "annex" else name, *rest) for key, name, *rest in ORGS]
    elm.publish(roster(orgs))
    command("sites", "set", "elm", "annex", "G", "--yes")
    assert load_district(elm.path).sites.map == {"annex": "G"}
    command("sites", "exclude", "elm", "annex", "--yes")
    assert load_district(elm.path).sites.map == {"annex": "exclude"}


def test_the_remark_of_a_new_line_has_the_name_as_text(elm, command):
    elm.says("sites:\n  targets: {G: Grant}\n  map:\n    north: undecided\n")
    orgs = [(key, HOSTILE.replace("\x00", "") if key == "annex" else name, *rest) for key, name, *rest in ORGS]
    elm.publish(roster(orgs))
    command("sites", "set", "elm", "annex", "G", "--yes")
    assert "    annex: G  # Grant␛[31m␡�" in elm.text
    assert load_district(elm.path).sites.map == {"north": "undecided", "annex": "G"}
