"""What has people's names in it is a file of mode 0600 in folders of mode 0700, whatever the umask."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner

from rollcall.cli.main import rollcall
from rollcall.district_edits import worksheet
from rollcall.district_edits.sites import School, Schools
from rollcall.exports.parquet import export_if_configured
from rollcall.files.private import write_private
from rollcall.landing.zone import Landing
from rollcall.settings import District


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def modes(folder: Path) -> set[str]:
    """The modes of everything in a folder, and of the folder."""
    return {oct(path.stat().st_mode & 0o7777) for path in (folder, *folder.rglob("*"))}


def test_an_export_and_a_roster_of_a_past_night(nights, roster, tmp_path, monkeypatch):
    monkeypatch.setenv("ROLLCALL_EXPORT", str(tmp_path / "export"))
    nights.publish(roster("ada"))
    assert export_if_configured(nights.engine, "elm")
    assert modes(tmp_path / "export") == {"0o700", "0o600"}

    district = tmp_path / "elm.yaml"
    district.write_text('district: elm\nname: Elm\nversion: "1.2"\nusernames: email\nschedule: {timezone: UTC}\n')
    out = tmp_path / "made" / "accounts.csv"
    command = ["roster", str(district), "--as-of", "2026-11-02", "--out", str(out)]
    url = nights.engine.url.render_as_string(hide_password=False)
    done = CliRunner().invoke(rollcall, [*command, "--warehouse", url], catch_exceptions=False)
    assert done.exit_code == 0
    assert out.read_text().count("\n") == 2
    assert modes(out.parent) == {"0o700", "0o600"}


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_part_of_the_landing_zone(tmp_path, scheme):
    folder = Landing(f"{scheme}{tmp_path}/above/landing").pull("elm", "p1")
    folder.write_part("extract", "users", pa.table({"given_name": ["Ada"]}))
    folder.write_manifest("extract", {})
    assert modes(tmp_path / "above") == {"0o700", "0o600"}


def test_a_worksheet(tmp_path):
    district = District(district="elm", name="Elm", version="1.2", usernames="email")
    school = School("a", "1", "East", "school", 1, 1, "undecided")
    worksheet.save(Schools(district, [school], {}, waiting=0), tmp_path / "new" / "elm.csv")
    assert modes(tmp_path / "new") == {"0o700", "0o600"}


def test_a_file_that_was_open_to_all_is_closed_and_replaced(tmp_path):
    path = tmp_path / "accounts.csv"
    path.write_text("a longer text than the new one")
    path.chmod(0o666)
    write_private(path, b"Ada")
    assert path.read_bytes() == b"Ada"
    assert oct(path.stat().st_mode & 0o7777) == "0o600"


def test_a_pipe_and_an_object_store_are_written_too(tmp_path):
    reading, writing = os.pipe()
    write_private(f"/dev/fd/{writing}", b"Ada")
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        assert pipe.read() == b"Ada"
    folder = Landing("memory://landing").pull("elm", "p1")
    name, sha256 = folder.write_part("extract", "users", pa.table({"given_name": ["Ada"]}))
    assert folder.read_part(name, sha256, ["given_name"]).to_pylist() == [{"given_name": "Ada"}]
