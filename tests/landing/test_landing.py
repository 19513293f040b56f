"""The landing zone: written once, named by manifests, private."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from rollcall.errors import RollcallError
from rollcall.landing.change_set import ChangeSet
from rollcall.landing.manifests import load, read_rows, save, write_rows
from rollcall.landing.pull import Pull, PullRef
from rollcall.landing.validated import Validated
from rollcall.landing.zone import Landing

ROWS = pa.table({"sourced_id": ["a", "b"], "name": ["x", None]})


@pytest.fixture(params=["{}", "file://{}"], ids=["folder", "file URL"])
def folder(tmp_path, request):
    zone = request.param.format(tmp_path / "zone")
    return PullRef(district="elm", pull_id="p1", run_id="r1").folder(Landing(zone))


def _on_disk(folder, name):
    return Path(folder.url.removeprefix("file://")) / folder.path / name


def test_rows_come_back_as_they_were_in_the_columns_asked_for(folder):
    parts = write_rows(folder, "extract", "orgs", ROWS) + write_rows(folder, "extract", "orgs", ROWS)
    assert read_rows(folder, parts, ROWS.schema).num_rows == 4
    assert read_rows(folder, parts, ROWS.schema, ["name"]).column_names == ["name"]
    assert read_rows(folder, [], ROWS.schema).num_rows == 0
    assert write_rows(folder, "extract", "orgs", ROWS.slice(0, 0)) == []


def test_a_stage_done_again_replaces_what_readers_see_and_overwrites_nothing(folder):
    first = write_rows(folder, "validate", "orgs", ROWS)
    save(folder, Validated(collections=[], rejects=first, findings=[]))
    second = write_rows(folder, "validate", "orgs", ROWS.slice(0, 1))
    save(folder, Validated(collections=[], rejects=second, findings=[]))
    assert load(folder, Validated).rejects == second
    assert read_rows(folder, first, ROWS.schema).equals(ROWS)


def test_files_and_folders_are_private_and_appear_whole(folder, tmp_path):
    before = os.umask(0)  # the most open there is
    try:
        parts = write_rows(folder, "extract", "orgs", ROWS)
        save(folder, Validated(collections=[], rejects=parts, findings=[]))
        inode = _on_disk(folder, "validate/manifest.json").stat().st_ino
        save(folder, Validated(collections=[], rejects=[], findings=[]))
    finally:
        os.umask(before)
    found = [tmp_path / "zone", *(tmp_path / "zone").rglob("*")]
    assert {path.stat().st_mode & 0o777 for path in found if path.is_dir()} == {0o700}
    assert {path.stat().st_mode & 0o777 for path in found if path.is_file()} == {0o600}
    # another file took the place of the first: nobody saw it half written
    assert _on_disk(folder, "validate/manifest.json").stat().st_ino != inode
    assert {path.name for path in found if path.is_file()} == {Path(parts[0].name).name, "manifest.json"}


def test_a_stage_that_has_not_run_is_named(folder):
    with pytest.raises(RollcallError, match="has nothing from the stage map"):
        load(folder, ChangeSet)


@pytest.mark.parametrize("damage", ["changed", "gone"])
def test_a_damaged_file_is_never_read(folder, damage):
    parts = write_rows(folder, "extract", "orgs", ROWS)
    file = _on_disk(folder, parts[0].name)
    file.write_bytes(b"") if damage == "changed" else file.unlink()
    with pytest.raises(RollcallError) as caught:
        read_rows(folder, parts, ROWS.schema)
    assert caught.value.code == "landing_damaged"


def test_any_storage_that_fsspec_knows_will_do():
    folder = Landing("memory://zone").pull("elm", "p1")
    parts = write_rows(folder, "extract", "orgs", ROWS)
    pull = Pull(
        district="elm",
        pull_id="p1",
        run_id="r1",
        as_of=datetime(2026, 11, 21, tzinfo=UTC),
        mode="full",
        version="1.2",
        base_url="https://sis.example/",
        collections=[],
        rejects=parts,
    )
    save(folder, pull)
    assert load(folder, Pull) == pull
    assert read_rows(folder, parts, ROWS.schema).equals(ROWS)
