"""A district's file: its settings, defaults and retired keys."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from rollcall.errors import ActionRequired
from rollcall.settings import (
    Guards,
    Schedule,
    district_files,
    districts_folder,
    find_district,
    json_schema,
    load_district,
    load_districts,
    night_of,
    rules_digest,
    yaml_text,
)
from rollcall.settings.retired import RETIRED

SMALLEST = 'district: maple\nname: Maple Unified School District\nversion: "1.2"\nusernames: email\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ROLLCALL_DISTRICTS", str(tmp_path))
    return tmp_path


def _written(folder: Path, text: str) -> Path:
    path = folder / "maple.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_smallest_file(folder):
    district = load_district(_written(folder, SMALLEST))
    assert (district.connection_id, district.dag_id, district.pool) == (
        "oneroster_maple",
        "roster_maple",
        "default_pool",
    )
    assert district.wanted() == ["orgs", "academic_sessions", "courses", "classes", "users", "enrollments"]
    source = district.username_sources("student")[0]
    assert (source.field, source.transform) == ("email", ["trim", "lower"])


def test_defaults_lie_under_it_maps_merge_and_lists_replace(folder):
    (folder / "_defaults.yaml").write_text(
        "schedule: {timezone: America/Denver, off_peak: '21:00-04:00'}\ncollections: [orgs, users]\n", encoding="utf-8"
    )
    district = load_district(_written(folder, SMALLEST + "schedule: {off_peak: '23:00-05:00'}\ncollections: [orgs]\n"))
    assert (district.schedule.timezone, district.schedule.off_peak) == ("America/Denver", "23:00-05:00")
    assert district.collections == ["orgs"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("politeness: {page_size: 100}\n", "line 5: 'politeness' is retired and is now 'extract'."),
        (
            "extract:\n  concurrency_in_peak: 2\n",
            "line 6: 'extract.concurrency_in_peak' is retired and is now 'peak_concurrency'.",
        ),
        ("guards: {people: 10%}\n", "line 5: 'guards.people' is retired and is now three keys: 'students', 'staff'"),
        ("people:\n  p1: {leave_out: true}\n", "line 6: 'people.p1.leave_out' is retired and is now 'exclude'."),
        (
            "people: {p1: {exclude: true, because: x}}\n",
            "line 5: 'people.p1.because' is retired and is now 'reason'.",
        ),
        (
            "rules: {orphan: {severity: info, because: x}}\n",
            "line 5: 'rules.orphan.because' is retired and is now 'reason'.",
        ),
        ("roles: {guardian: leave_out}\n", "line 5: 'roles.guardian: leave_out' is retired and is now 'exclude'."),
        ("roles: {guardian: do_not_land}\n", "line 5: 'roles.guardian: do_not_land' is retired and is now 'drop'."),
        (
            "sites:\n  query: SELECT 1\n  map:\n    7: leave_out\n",
            "line 8: 'sites.map.7: leave_out' is retired and is now 'exclude'.",
        ),
    ],
)
def test_a_retired_setting_names_the_new_one(folder, text, problem):
    with pytest.raises(ActionRequired) as caught:
        load_district(_written(folder, SMALLEST + text))
    assert problem in str(caught.value)
    assert caught.value.code == "district_file"

    (folder / "_defaults.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ActionRequired, match=r"_defaults\.yaml, line"):
        load_district(_written(folder, SMALLEST))


def test_every_retired_setting_is_tested():
    tested = next(
        mark.args[1] for mark in test_a_retired_setting_names_the_new_one.pytestmark if mark.name == "parametrize"
    )
    assert len(tested) == len(RETIRED)


def test_an_unquoted_version_is_understood(folder):
    assert load_district(_written(folder, SMALLEST.replace('"1.2"', "1.2"))).version == "1.2"


def test_a_broken_file_takes_no_other_district_with_it(folder):
    _written(folder, SMALLEST)
    (folder / "oak.yaml").write_text("district: oak\n", encoding="utf-8")
    districts, errors = load_districts()
    assert [district.district for district in districts] == ["maple"]
    assert [error.district for error in errors] == ["oak"]
    assert load_districts(only="maple") == (districts, [])


def test_a_district_is_found_by_id_or_by_path_and_a_misspelt_one_is_guessed(folder):
    path = _written(folder, SMALLEST)
    assert find_district("maple") == find_district(str(path))
    with pytest.raises(ActionRequired, match="did you mean 'maple'"):
        find_district("mapel")


@pytest.mark.parametrize(
    ("off_peak", "hour", "expected"),
    [("22:00-05:00", 23, True), ("22:00-05:00", 4, True), ("22:00-05:00", 5, False), ("01:00-04:00", 0, False)],
)
def test_off_peak_may_pass_midnight(off_peak, hour, expected):
    schedule = Schedule(timezone="UTC", off_peak=off_peak)
    assert schedule.is_off_peak(datetime(2026, 11, 21, hour, tzinfo=UTC)) is expected


def test_spread_is_steady_inside_off_peak_and_differs_between_districts():
    schedule = Schedule(off_peak="22:00-05:00")
    names = [f"district{n}" for n in range(200)]
    crons = {name: schedule.cron(name) for name in names}
    assert crons == {name: schedule.cron(name) for name in names}
    hours = {int(cron.split()[1]) for cron in crons.values()}
    assert hours == {22, 23, 0, 1, 2, 3}
    assert len(set(crons.values())) > 100


def test_an_evening_run_belongs_to_the_next_morning():
    assert night_of(datetime(2026, 11, 22, 4, 30, tzinfo=UTC), "America/Chicago").isoformat() == "2026-11-22"
    assert night_of(datetime(2026, 11, 22, 8, 15, tzinfo=UTC), "America/Chicago").isoformat() == "2026-11-22"


def test_the_digest_follows_the_rules_and_nothing_else(folder):
    same = load_district(_written(folder, SMALLEST))
    renamed = load_district(_written(folder, SMALLEST.replace("Unified", "United")))
    changed = load_district(_written(folder, SMALLEST.replace("email", "username")))
    assert rules_digest(same) == rules_digest(renamed) != rules_digest(changed)


def test_the_schema_for_editors_is_json_and_the_shipped_districts_are_valid():
    schema = json_schema()
    assert "District" in json.dumps(schema)
    assert {"students", "staff", "others", "accounts"} <= schema["$defs"]["Guards"]["properties"].keys()
    assert [load_district(path).district for path in district_files(districts_folder())] == ["cedar", "maple"]


def test_the_shipped_defaults_spell_every_guard_as_it_is_built_in():
    shipped = yaml_text.load((districts_folder() / "_defaults.yaml").read_text(encoding="utf-8"))["guards"]
    assert shipped == msgspec.to_builtins(Guards())
