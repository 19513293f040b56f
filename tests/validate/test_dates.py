"""Dates that are sent as instants: which day each one is, for every date of every collection."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pyarrow as pa
import pytest

from rollcall.expectations.severities import ruleset_digest
from rollcall.landing.pull import landed_schema
from rollcall.model.tables import TABLES
from rollcall.settings import Schedule
from rollcall.validate.types import to_types
from rollcall.validate.validation import validate
from tests.validate.conftest import Outcome, district

_DAYS = [(table.name, column) for table in TABLES.values() for column in table.of_kind("date")]


def _read(table: str, column: str, texts: list[str], zone: str) -> list[date | None]:
    landed = pa.Table.from_pylist([{column: text} for text in texts], landed_schema(TABLES[table]))
    made: list[date | None] = to_types(landed, TABLES[table], zone).rows.column(column).to_pylist()
    return made


@pytest.mark.parametrize(
    ("text", "zone", "day"),
    [
        # a local midnight, written in UTC
        ("2026-08-16T22:00:00Z", "Europe/Oslo", "2026-08-17"),
        ("2026-08-16T22:00:00.000Z", "Europe/Oslo", "2026-08-17"),
        ("2026-08-16t22:00z", "Europe/Oslo", "2026-08-17"),
        ("2026-08-16T22:00:00.123456789Z", "Europe/Oslo", "2026-08-17"),
        ("2026-08-16T22:00:00+00:00", "Europe/Oslo", "2026-08-17"),
        ("2026-08-16T22:00:00+0000", "Europe/Oslo", "2026-08-17"),
        ("2026-08-16 22:00:00 UTC", "Europe/Oslo", "2026-08-17"),
        ("2026-01-14T23:00:00Z", "Europe/Oslo", "2026-01-15"),
        ("2026-08-16T14:00:00Z", "Pacific/Auckland", "2026-08-17"),
        ("2026-08-17T05:00:00Z", "America/Chicago", "2026-08-17"),
        ("2026-12-01T06:00:00Z", "America/Chicago", "2026-12-01"),
        # the last second of a local day
        ("2026-08-17T21:59:59Z", "Europe/Oslo", "2026-08-17"),
        ("2026-08-18T04:59:59Z", "America/Chicago", "2026-08-17"),
        ("2026-08-16T22:00:00-05:00", "America/Chicago", "2026-08-16"),
        # midnight as it is written is a plain date, wherever the district is
        *(("2026-08-17T00:00:00Z", zone, "2026-08-17") for zone in ("America/Chicago", "Europe/Oslo", "Asia/Tokyo")),
        ("2026-08-17T00:00:00.000+00:00", "America/Los_Angeles", "2026-08-17"),
        ("2026-08-17T00:00:00+02:00", "Europe/Oslo", "2026-08-17"),
        ("2026-12-01T00:00:00-05:00", "America/Chicago", "2026-12-01"),  # an offset of summer, in winter
        ("2026-08-17T00:00Z", "America/Chicago", "2026-08-17"),
        # a wall clock's reading is of its day
        ("2026-08-17T22:00:00", "Europe/Oslo", "2026-08-17"),
        ("2026-08-17 03:00", "America/Chicago", "2026-08-17"),
        (" 2026-08-17 ", "America/Chicago", "2026-08-17"),
        # years that mean never
        ("9999-12-31T23:59:59Z", "Europe/Oslo", "9999-12-31"),
        ("0001-01-01T00:00:00Z", "America/Chicago", "0001-01-01"),
        ("0001-01-01T05:00:00Z", "America/Chicago", "0001-01-01"),
        # long ago: the zone's own clock of then
        ("1936-02-29T23:00:00Z", "Europe/Oslo", "1936-03-01"),
    ],
)
def test_which_day_an_instant_is(text: str, zone: str, day: str) -> None:
    assert _read("demographics", "birth_date", [text], zone) == [date.fromisoformat(day)]


@pytest.mark.parametrize(
    "text", ["2026-02-30T22:00:00Z", "2026-08-16T25:00:00Z", "2026-08-16T22:00:00 CEST", "0000-01-01T10:00:00Z"]
)
def test_what_is_no_day(text: str) -> None:
    assert _read("enrollments", "end_date", [text], "Europe/Oslo") == [None]


@pytest.mark.parametrize("zone", ["America/Chicago", "Europe/Oslo", "Australia/Lord_Howe", "Pacific/Kiritimati"])
def test_every_day_of_years_comes_back_from_its_local_midnight_and_its_last_second(zone: str) -> None:
    days = [date(2024, 1, 1) + timedelta(days=number) for number in range(3 * 365)]
    for at in (time(), time(23, 59, 59)):
        instants = [datetime.combine(day, at, ZoneInfo(zone)).astimezone(UTC) for day in days]
        assert _read("enrollments", "begin_date", [f"{one:%Y-%m-%dT%H:%M:%SZ}" for one in instants], zone) == days


def test_there_are_dates_in_all_the_collections_one_thinks_of() -> None:
    assert {table for table, _ in _DAYS} == {"academic_sessions", "user_roles", "enrollments", "demographics"}


@pytest.mark.parametrize(("table", "column"), _DAYS)
def test_every_date_of_every_collection_is_read_in_the_districts_zone(
    landed: Callable[..., Any], good: Callable[..., Any], table: str, column: str
) -> None:
    collection = TABLES[table].collection or table
    parts = {"user_roles": [good("user_roles")]} if collection == "users" else {}
    records = {collection: [good(collection)], **parts}
    records[table][0][column] = "2026-08-16T22:00:00Z"
    landing, ref = landed(collection, records.pop(collection), **records)
    days = {}
    for zone in ("Europe/Oslo", "America/Chicago"):
        here = msgspec.structs.replace(district(), schedule=Schedule(timezone=zone))
        (row,) = Outcome(validate(landing, ref, here), landing, ref).rows(table)
        days[zone] = row[column]
        if table == "user_roles" and column == "begin_date":
            assert row["role_key"] == f"student|o1|{row[column]}"
    assert days == {"Europe/Oslo": date(2026, 8, 17), "America/Chicago": date(2026, 8, 16)}


def test_another_time_zone_has_kept_pulls_judged_again() -> None:
    here, there = (
        msgspec.structs.replace(district(), schedule=Schedule(timezone=zone)) for zone in ("UTC", "Asia/Tokyo")
    )
    assert ruleset_digest(here) != ruleset_digest(there)
