"""The live tables as Parquet: one snapshot, named by a manifest, only where somebody asked for it."""

from __future__ import annotations

import hashlib
import json

import pyarrow.parquet as pq

from include.export.parquet import export_where_wanted


def test_a_generation_is_written_whole_and_current_names_the_newest(nights, roster, tmp_path, monkeypatch):
    place = tmp_path / "export"
    monkeypatch.setenv("ROLLCALL_EXPORT", str(place))
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


def test_nothing_is_written_unless_somebody_asked_for_it(nights, roster, tmp_path, monkeypatch):
    monkeypatch.delenv("ROLLCALL_EXPORT", raising=False)
    nights.publish(roster("ada"))
    assert export_where_wanted(nights.engine, "elm") is None
