"""No cell of any CSV is a formula to a spreadsheet, and every value can be had back."""

from __future__ import annotations

import csv
import io

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollcall.diff import render
from rollcall.diff.diff import Diff
from rollcall.diff.lines import COLUMNS
from rollcall.district_edits import worksheet
from rollcall.district_edits.sites import School, Schools
from rollcall.files.spreadsheet import to_csv, unescape_cell
from rollcall.history.tables import encode
from rollcall.settings import District, Sites
from tests.conftest import examples

SIGNS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
BEFORE = ("", " ", "   ", "\t", "\r", "\n", "\r\n ", "\xa0", "\u3000", "\u200b", "\ufeff", "\x01")
DANGEROUS = [f"{before}{sign}1+1" for sign in SIGNS for before in BEFORE] + ["\tAda", "\rAda", "\nAda"]
HARMLESS = ["Ada", "José", "O'Neil", "'t Hooft", "'", "''", "x=1", "a@elm.example", "a;=1", 'a"=1', "", "3-4"]


def cells(content: bytes, column: str) -> list[str]:
    return [row[column] for row in csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))]


@pytest.mark.parametrize("value", DANGEROUS)
def test_a_formula_becomes_text(value):
    assert cells(to_csv(pa.table({"name": [value]})), "name") == [f"'{value}"]


def test_everything_else_is_as_it_is():
    rows = pa.table({"name": HARMLESS, "students": pa.array([-1] * len(HARMLESS))})
    assert cells(to_csv(rows), "name") == HARMLESS
    assert set(cells(to_csv(rows), "students")) == {"-1"}
    # a spreadsheet that splits at semicolons finds the whole cell in quotes
    assert b'"a;=1"' in to_csv(rows)


@examples(100)
@given(st.lists(st.text(st.sampled_from("'=+-@＝ \t\r\nab\u200b\ufeff\";"), max_size=6), max_size=20))
def test_what_is_written_is_had_back(values):
    assert [
        unescape_cell(cell) for cell in cells(to_csv(pa.table({"a": pa.array(values, pa.string())})), "a")
    ] == values


def test_every_writer_of_csv_goes_that_way(tmp_path):
    value = "\t＝HYPERLINK(0)"
    lines = pd.DataFrame({name: [value, None] for name in COLUMNS}, dtype="object")
    text = render.as_csv(Diff("", {}, lines), None)
    for name in COLUMNS:
        assert cells(text, name) == [f"'{value}", ""]
    assert cells(encode(pa.table({"username": [value]}), "csv"), "username") == [f"'{value}"]

    district = District(
        district="elm", name="Elm", version="1.2", usernames="email", sites=Sites(targets={"=N": "@North"})
    )
    ids = [" -a ", "'=b", "'c", "=d"]
    schools = [School(key, value, value, value, 1, 2, "mapped", "=N", "@North", note=value) for key in ids]
    path = tmp_path / "elm.csv"
    worksheet.save(found := Schools(district, schools, {"=N": "@North"}, waiting=0), path)
    assert {cell[0] for name in ("identifier", "name", "site", "note") for cell in cells(path.read_bytes(), name)} == {
        "'"
    }
    assert worksheet.read(found, path) == dict.fromkeys(ids, "=N")
