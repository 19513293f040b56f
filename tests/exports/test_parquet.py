"""The live tables as Parquet: one snapshot, named by a manifest, only on request."""

from __future__ import annotations

import hashlib
import json
import threading

import pyarrow.parquet as pq
import pytest

from rollcall.errors import ActionRequired
from rollcall.exports import parquet
from rollcall.exports.parquet import export_if_configured


@pytest.mark.parametrize("kind", ["{}", "file://{}"], ids=["folder", "file URL"])
def test_a_generation_is_written_whole_and_current_names_the_newest(nights, roster, tmp_path, monkeypatch, kind):
    place = tmp_path / "export"
    monkeypatch.setenv("ROLLCALL_EXPORT", kind.format(place))
    nights.publish(roster("ada", "ben"))
    nights.publish(roster("ada", "ben", "cyd"))
    root = place / "district=elm"
    assert json.loads((root / "current.json").read_text()) == {"generation": 2}
    for generation, people in ((1, 2), (2, 3)):
        folder = root / f"generation={generation}"
        manifest = json.loads((folder / "manifest.json").read_text())
        rows = {file["table"]: file["rows"] for file in manifest["files"]}
        assert rows["users"] == rows["accounts"] == rows["enrollments"] == people
        assert "demographics" not in rows
        for file in manifest["files"]:
            content = (folder / file["file"]).read_bytes()
            assert hashlib.sha256(content).hexdigest() == file["sha256"]
            assert pq.read_table(folder / file["file"], partitioning=None).num_rows == file["rows"]
    found = [place, *place.rglob("*")]
    assert {path.stat().st_mode & 0o777 for path in found if path.is_dir()} == {0o700}
    assert {path.stat().st_mode & 0o777 for path in found if path.is_file()} == {0o600}


def test_an_export_that_ends_late_does_not_take_current_back(nights, roster, tmp_path, monkeypatch):
    nights.publish(roster("ada"))
    at_current, go_on = threading.Event(), threading.Event()
    real = parquet._move_current

    def slow(*args):
        if threading.current_thread() is late:
            at_current.set()
            assert go_on.wait(30)
        real(*args)

    monkeypatch.setattr(parquet, "_move_current", slow)
    late = threading.Thread(target=parquet.export, args=(nights.engine, "elm", str(tmp_path)))
    late.start()
    assert at_current.wait(30)
    nights.publish(roster("ada", "ben"))
    parquet.export(nights.engine, "elm", str(tmp_path))
    go_on.set()
    late.join()
    current = tmp_path / "district=elm" / "current.json"
    assert json.loads(current.read_text()) == {"generation": 2}
    inode = current.stat().st_ino
    assert parquet.export(nights.engine, "elm", str(tmp_path)).endswith("generation=2")
    assert current.stat().st_ino == inode  # again changes nothing


def test_a_warehouse_behind_its_exports_is_said_and_current_stays(nights, roster, tmp_path):
    nights.publish(roster("ada"))
    parquet.export(nights.engine, "elm", str(tmp_path))
    current = tmp_path / "district=elm" / "current.json"
    current.write_text('{"generation": 9}')
    with pytest.raises(ActionRequired) as caught:
        parquet.export(nights.engine, "elm", str(tmp_path))
    assert caught.value.code == "export_is_newer"
    assert json.loads(current.read_text()) == {"generation": 9}


def test_nothing_is_written_without_a_request(nights, roster, tmp_path, monkeypatch):
    monkeypatch.delenv("ROLLCALL_EXPORT", raising=False)
    nights.publish(roster("ada"))
    assert export_if_configured(nights.engine, "elm") is None
