"""150 schools decided about in a spreadsheet."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from rollcall.district_edits import worksheet
from rollcall.district_edits.sites import School, Schools
from rollcall.errors import ActionRequired
from rollcall.settings import District, Sites

TARGETS = {"N": "North", "S": "South", "0012": "Twelve"}


def _schools(*schools: School) -> Schools:
    sites = Sites(targets=TARGETS)
    district = District(district="elm", name="Elm", version="1.2", usernames="email", sites=sites)
    return Schools(district, list(schools), TARGETS, waiting=0)


ELM = _schools(
    School("a", "1", "=Peña, East", "school", 10, 2, "undecided", suggestion="N", note="name 90% similar"),
    School("-b", "2", "Twelve", "school", 20, 3, "mapped", "0012", "Twelve"),
    School("c", "3", "Gone", "school", 0, 0, "exclude", life="gone"),
)
DECIDED = {"a": "undecided", "-b": "0012", "c": "exclude"}


def test_what_is_written_is_read_again(tmp_path):
    path = tmp_path / "elm.csv"
    worksheet.save(ELM, path)
    assert worksheet.read(ELM, path) == DECIDED


def test_a_spreadsheet_finds_utf_8_and_no_formula(tmp_path):
    path = tmp_path / "elm.csv"
    worksheet.save(ELM, path)
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["name"], row["site"]) for row in rows] == [
        ("'=Peña, East", ""),
        ("Twelve", "0012"),
        ("Gone", "exclude"),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_what_spreadsheets_save_is_read(tmp_path, encoding):
    path = tmp_path / "elm.csv"
    text = "Site;NAME;sourced_id\r\nnorth;Peña;a\r\n;;\r\nexclude;x;c\r\n"
    path.write_bytes(text.encode(encoding))
    assert worksheet.read(ELM, path) == {"a": "N", "c": "exclude"}


def test_every_wrong_line_is_named_and_nothing_is_taken(tmp_path: Path):
    path = tmp_path / "elm.csv"
    path.write_text("sourced_id,site\na,Nort\nnobody,N\nc,S\nc,N\n-b\n", encoding="utf-8")
    with pytest.raises(ActionRequired) as caught:
        worksheet.read(ELM, path)
    assert caught.value.code == "worksheet"
    for shown in (
        "line 2: There is no site 'Nort' (did you mean 'North'?)",
        "line 3: no school has the sourcedId 'nobody'",
        "line 5: the school 'c' is listed twice",
    ):
        assert shown in caught.value.message
    assert "line 4" not in caught.value.message
    assert "line 6" not in caught.value.message


def test_a_missing_column_is_named(tmp_path):
    path = tmp_path / "elm.csv"
    path.write_text("sourced_id,sites\na,N\n", encoding="utf-8")
    with pytest.raises(ActionRequired, match="missing column site"):
        worksheet.read(ELM, path)
