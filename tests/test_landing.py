"""The landing zone: written once, named by manifests, private."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from include.contracts import ChangeSet, Pull, PullRef, Validated, load, read_rows, save, write_rows
from include.errors import RollcallError
from include.landing import Landing

ROWS = pa.table({"sourced_id": ["a", "b"], "name": ["x", None]})


@pytest.fixture
def folder(tmp_path):
    return PullRef(district="elm", pull_id="p1", run_id="r1").folder(Landing(str(tmp_path / "zone")))


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


def test_files_and_folder_are_private(folder, tmp_path):
    parts = write_rows(folder, "extract", "orgs", ROWS)
    assert (tmp_path / "zone").stat().st_mode & 0o777 == 0o700
    file = Path(folder.url) / folder.path / parts[0].name
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_stage_that_has_not_run_is_named(folder):
    with pytest.raises(RollcallError, match="has nothing from the stage map"):
        load(folder, ChangeSet)


@pytest.mark.parametrize("damage", ["changed", "gone"])
def test_a_damaged_file_is_never_read(folder, damage):
    parts = write_rows(folder, "extract", "orgs", ROWS)
    file = Path(folder.url) / folder.path / parts[0].name
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
