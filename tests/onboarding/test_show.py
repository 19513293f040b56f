"""`rollcall districts show`: every setting as it counts, and where it comes from."""

from __future__ import annotations

import json

import pytest
import yaml

from rollcall.settings import load_district


@pytest.fixture
def elm(folder):
    (folder / "_defaults.yaml").write_text("owner: rostering\nschedule: {nightly: spread, timezone: America/Denver}\n")
    (folder / "elm.yaml").write_text(
        'district: elm\nname: "Elm: #1"\nversion: "1.1"\nusernames: email\nschedule: {full_on: monday}\n'
        'sites:\n  targets: {E: East}\n  map: {"68": E, "69": undecided}\nroles: {guardian: exclude}\n'
        "rollover: {from: 2027-07-01, to: 2027-08-01}\n"
    )
    return folder / "elm.yaml"


def test_each_setting_says_where_it_comes_from(elm, run):
    lines = run("districts", "show", "elm").stdout.splitlines()
    assert "owner: rostering  # _defaults.yaml" in lines
    assert "  timezone: America/Denver  # _defaults.yaml" in lines
    assert "  full_on: monday" in lines
    assert "  overlap_hours: 24  # built in" in lines
    assert 'connection: ""  # built in, oneroster_elm' in lines
    [nightly] = [line for line in lines if "nightly" in line]
    assert nightly.startswith("  nightly: spread  # _defaults.yaml, ")
    assert nightly.endswith(load_district(elm).schedule.cron("elm"))


def test_misspelled_roles_and_grades_are_remarked_on(elm, run):
    elm.write_text(elm.read_text() + 'filters: {grades: ["9", "10", "ext:Z"], roles: [student]}\n')
    elm.write_text(elm.read_text().replace("guardian: exclude", "techer: staff"))  # codespell:ignore
    lines = run("districts", "show", "elm").stdout.splitlines()
    assert any("techer: staff" in line and "(did you mean 'teacher'?)" in line for line in lines)  # codespell:ignore
    [grades] = [line for line in lines if "grades:" in line]
    assert "OneRoster has no grade '9' (did you mean '09'?)" in grades
    assert "'10' (" not in grades


def test_what_is_shown_describes_the_same_district(elm, run, tmp_path):
    text = run("districts", "show", "elm").stdout
    copy = tmp_path / "elsewhere" / "elm.yaml"
    copy.parent.mkdir()
    copy.write_text(text)
    assert load_district(copy) == load_district(elm)


def test_json_has_the_same_with_the_sources(elm, run):
    shown = json.loads(run("districts", "show", str(elm), "--json").stdout)
    assert shown["settings"]["sites"]["map"] == {"68": "E", "69": "undecided"}
    assert shown["sources"]["sites.map.68"] == "file"
    assert shown["sources"]["owner"] == "_defaults.yaml"
    assert shown["sources"]["retention.landing_days"] == "built in"
    assert shown["connection_id"] == "oneroster_elm"
    assert set(yaml.safe_load(run("districts", "show", "elm").stdout)) == set(shown["settings"])
