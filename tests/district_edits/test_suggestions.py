"""Which site a school probably is; what could be two things is not suggested, and both are named."""

from __future__ import annotations

import pytest

from rollcall.district_edits.sites import School
from rollcall.district_edits.suggestions import Suggestion, plain_name, suggestions

TARGETS = {
    "T1": "Lincoln Elementary School",
    "T2": "Lincoln Middle School",
    "T3": "P.S. 7",
    "T4": "P.S. 8",
    "T5": "St. John's Academy",
    "T6": "North High School",
    "T7": "South High School",
    "T8": "Roosevelt",
    "0042": "Grant",
}


def _school(key: str, name: str, identifier: str = "", site: str = "") -> School:
    return School(key, identifier, name, "school", 0, 0, "mapped" if site else "undecided", site_id=site)


@pytest.mark.parametrize(
    ("name", "site"),
    [
        ("Lincoln Elem", "T1"),
        ("LINCOLN ES", "T1"),
        ("Lincoln Elementry School", "T1"),  # codespell:ignore
        ("Lincoln MS", "T2"),
        ("Lincoln Middle", "T2"),
        ("PS 7", "T3"),
        ("Saint Johns Acad", "T5"),
        ("South HS", "T7"),
        ("Roosevelt Elementary", "T8"),
        ("Lincoln High", ""),
        ("PS 9", ""),
        ("West High School", ""),
        ("Online Learning", ""),
    ],
)
def test_abbreviations_are_the_same_and_levels_numbers_and_sides_are_not(name, site):
    found = suggestions([_school("a", name)], TARGETS)
    assert (found["a"].site_id if "a" in found else "") == site


def test_equal_identifiers_come_first():
    schools = [_school("a", "Lincoln Elem", "0042"), _school("t2", "Grant")]
    assert suggestions(schools, TARGETS) == {
        "a": Suggestion("0042", "same identifier"),
        "t2": Suggestion("T2", "same identifier"),
    }


def test_a_school_like_two_sites_names_both():
    found = suggestions([_school("a", "Lincoln")], TARGETS)
    assert found == {"a": Suggestion("", "could be T1 (Lincoln Elementary School) or T2 (Lincoln Middle School)")}


def test_two_schools_like_one_site_name_each_other():
    found = suggestions([_school("a", "Roosevelt Elem"), _school("b", "Roosevelt HS")], TARGETS)
    assert found["a"] == Suggestion("", "like T8 (Roosevelt), and so is Roosevelt HS")
    assert found["b"] == Suggestion("", "like T8 (Roosevelt), and so is Roosevelt Elem")


def test_a_site_that_has_its_school_is_not_suggested_by_name():
    found = suggestions([_school("a", "Lincoln Elem"), _school("b", "Lincoln East", site="T1")], TARGETS)
    assert found == {"a": Suggestion("", "like T1 (Lincoln Elementary School), which is Lincoln East")}


def test_names_without_accents_and_empty_words():
    assert plain_name("The Peña  Jr. High School") == "pena junior high"
    assert plain_name("School") == "school"
