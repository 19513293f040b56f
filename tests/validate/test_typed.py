"""Text to types: what providers send as dates, instants and booleans."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pyarrow as pa
import pytest

from rollcall.landing.pull import landed_schema
from rollcall.model.tables import TABLES
from rollcall.validate.types import to_types

USERS = TABLES["users"]


def _read(column: str, text: str | None) -> tuple[object, bool]:
    """The typed value of an enrollment's column, and whether it counts as readable."""
    landed = pa.Table.from_pylist([{"sourced_id": "e1", column: text}], landed_schema(TABLES["enrollments"]))
    made = to_types(landed, TABLES["enrollments"])
    return made.rows.column(column)[0].as_py(), made.parseable(column)[0].as_py()


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-08-21", date(2026, 8, 21)),
        ("2024-02-29", date(2024, 2, 29)),
        ("0001-01-01", date(1, 1, 1)),
        ("9999-12-31", date(9999, 12, 31)),
        ("2026-08-21T00:00:00.000Z", date(2026, 8, 21)),
        ("2026-08-21 00:00", date(2026, 8, 21)),
    ],
)
def test_dates(text: str, day: date) -> None:
    assert _read("begin_date", text) == (day, True)


@pytest.mark.parametrize(
    "text", ["2026-02-29", "2026-13-01", "2026-8-1", "20260821", "08/21/2026", "0000-01-01", "2026-08-21x", "today"]
)
def test_what_is_no_date(text: str) -> None:
    assert _read("begin_date", text) == (None, False)


_TEN = datetime(2026, 8, 21, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-08-21T10:00:00Z", _TEN),
        ("2026-08-21T10:00:00.000Z", _TEN),
        ("2026-08-21t10:00:00.5z", _TEN.replace(microsecond=500_000)),
        ("2026-08-21T10:00:00.123456789Z", _TEN.replace(microsecond=123_456)),
        ("2026-08-21T10:00:00.1234567891234Z", _TEN.replace(microsecond=123_456)),
        ("2026-08-21T10:00:00", _TEN),
        ("2026-08-21 10:00:00", _TEN),
        ("2026-08-21T10:00Z", _TEN),
        ("2026-08-21T05:00:00-05:00", _TEN),
        ("2026-08-21T05:00:00.000-0500", _TEN),
        ("2026-08-21T15:30:00+05:30", _TEN),
        ("2026-08-21", _TEN.replace(hour=0)),
        ("2400-08-21T10:00:00Z", _TEN.replace(year=2400)),
    ],
)
def test_instants(text: str, instant: datetime) -> None:
    assert _read("date_last_modified", text) == (instant, True)


@pytest.mark.parametrize(
    "text",
    ["2026-02-30T10:00:00Z", "2026-08-21T25:00:00Z", "2026", "1755770400", "0001-01-01T00:00:00Z", "Fri Aug 21 2026"],
)
def test_what_is_no_instant(text: str) -> None:
    assert _read("date_last_modified", text) == (None, False)


@pytest.mark.parametrize(
    ("text", "answer"),
    [("true", True), ("True", True), ("1", True), ("false", False), (" FALSE ", False), ("0", False)],
)
def test_booleans(text: str, answer: bool) -> None:
    assert _read("is_primary", text) == (answer, True)


def test_what_is_no_boolean() -> None:
    assert _read("is_primary", "yes and no") == (None, False)


@pytest.mark.parametrize("column", ["begin_date", "date_last_modified", "is_primary", "role", "metadata"])
@pytest.mark.parametrize("text", [None, "", "  "])
def test_nothing_is_null_and_no_fault(column: str, text: str | None) -> None:
    kinds = {one.name: one.kind for one in TABLES["enrollments"].columns}
    landed = pa.Table.from_pylist([{"sourced_id": "e1", column: text}], landed_schema(TABLES["enrollments"]))
    made = to_types(landed, TABLES["enrollments"])
    assert made.rows.column(column)[0].as_py() is None
    if kinds[column] not in ("text", "json"):
        assert made.parseable(column)[0].as_py()


def test_identifiers_are_opaque() -> None:
    assert _read_text("sourced_id", " 007/é@x ") == " 007/é@x "
    assert _read_text("sourced_id", "x" * 255) == "x" * 255
    assert _read_text("sourced_id", "x" * 256) is None
    assert _read_text("sourced_id", "a\x1fb") is None
    assert _read_text("user_sourced_id", "x" * 256) == "x" * 256  # its record is refused, for just that


def _read_text(column: str, text: str) -> object:
    landed = pa.Table.from_pylist([{"sourced_id": "e1", column: text}], landed_schema(TABLES["enrollments"]))
    return to_types(landed, TABLES["enrollments"]).rows.column(column)[0].as_py()


@pytest.mark.parametrize("column", ["email", "username", "identifier"])
@pytest.mark.parametrize(
    "text",
    [
        "NULL",
        "null",
        " Null ",
        "(null)",
        "<NULL>",
        "[none]",
        "N/A",
        "n/a",
        "#N/A",
        "N.A.",
        "none",
        "nil",
        "undefined",
        "\\N",
        "<NA>",
        "-",
        "--",
        "—",
        "not available",
        "No Email",
    ],
)
def test_a_text_that_says_there_is_no_value_is_none(column: str, text: str) -> None:
    landed = pa.Table.from_pylist([{"sourced_id": "u1", column: text, "given_name": text}], landed_schema(USERS))
    rows = to_types(landed, USERS).rows
    assert rows[column].to_pylist() == [None]
    assert rows["given_name"].to_pylist() == [text]  # a person's name may be Null


@pytest.mark.parametrize(
    ("column", "text", "value"),
    [
        ("email", "na", None),
        ("email", "unknown", None),
        ("username", "na", "na"),
        ("username", "nan", "nan"),
        ("username", "jnull", "jnull"),
        ("username", "nonesuch", "nonesuch"),
        ("email", "null@elm.example", "null@elm.example"),
        ("email", "n/a@elm.example", "n/a@elm.example"),
        ("identifier", "0", "0"),
    ],
)
def test_what_may_be_a_value_stays(column: str, text: str, value: str | None) -> None:
    landed = pa.Table.from_pylist([{"sourced_id": "u1", column: text}], landed_schema(USERS))
    assert to_types(landed, USERS).rows[column].to_pylist() == [value]
