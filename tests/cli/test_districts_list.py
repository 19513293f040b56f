"""`rollcall districts list`: every district file in one line, with and without a warehouse."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from rollcall.cli.main import rollcall

FILES = {
    "elm": "schedule: {timezone: UTC}\n",
    "oak": 'enabled: false\nconnection: shared\nsites: {targets: {A: "North", B: "South"}, map: {}}\n',
    "fir": "usrnames: email\n",
}


@pytest.fixture
def districts(tmp_path, monkeypatch):
    for name, more in FILES.items():
        text = f'district: {name}\nname: {name.title()} Schools\nversion: "1.2"\nusernames: email\n{more}'
        (tmp_path / f"{name}.yaml").write_text(text)
    monkeypatch.setenv("ROLLCALL_DISTRICTS", str(tmp_path))


def _listed(*arguments: str) -> dict[str, dict[str, object]]:
    result = CliRunner().invoke(rollcall, ["districts", "list", "--json", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return {line["district"]: line for line in json.loads(result.stdout)}


def test_without_a_warehouse_the_files_are_listed(districts):
    listed = _listed()
    assert list(listed) == ["elm", "fir", "oak"]
    assert [(line["state"], line["sites"], line["connection_id"]) for line in listed.values()] == [
        ("active", None, "oneroster_elm"),
        ("broken", None, ""),
        ("disabled", 2, "shared"),
    ]
    assert (bool(listed["elm"]["next_night"]), listed["oak"]["next_night"]) == (True, None)
    assert "usrnames" in str(listed["fir"]["problem"])


def test_an_unreachable_warehouse_is_a_note(districts):
    unreachable = ("--warehouse", "postgresql://rollcall@127.0.0.1:1/warehouse")
    result = CliRunner().invoke(rollcall, ["districts", "list", *unreachable])
    assert (result.exit_code, "Elm Schools" in result.stdout) == (0, True)
    assert "does not answer" in result.stderr


def test_published_rosters_and_pauses_come_from_the_warehouse(districts, nights, roster):
    nights.publish(roster("ada"))
    url = nights.engine.url.render_as_string(hide_password=False)
    listed = _listed("--warehouse", url)
    assert (listed["elm"]["state"], listed["elm"]["published"], listed["oak"]["published"]) == (
        "active",
        "2026-11-02",
        None,
    )
