"""What is as it was is no update, whatever happened to the digests: another version of our code, a library or a column.

A quiet night writes no row again, holds nothing and leaves history alone.
"""

from __future__ import annotations

import dataclasses
from datetime import date, timedelta

import pyarrow as pa
import pytest
import sqlalchemy as sa

from rollcall.landing.validated import accepted_schema
from rollcall.model import digests
from rollcall.model.digests import VERSION, row_digests
from rollcall.model.tables import TABLES, Column
from rollcall.pipeline import run
from rollcall.warehouse import models
from rollcall.warehouse.history import Interval, write_published
from rollcall.warehouse.models import LINEAGE

PEOPLE = [f"student{number}" for number in range(40)]
_KEPT = ("_generation", *LINEAGE)
_SPAN = ("_valid_from", "_valid_to", "_run_id", "_closed_run_id")


def _roster(roster):
    rows = roster(*PEOPLE)
    rows["users"][0]["metadata"] = '{"a": 1, "b": [2, "ö"]}'
    rows["enrollments"][0] |= {"begin_date": date(2026, 8, 20), "is_primary": True}
    return rows


def _lineage(nights):
    """Of every table when its rows were written, and what history says when they were so."""
    kept = {}
    with nights.engine.connect() as connection:
        for name, table in TABLES.items():
            for source, columns in ((models.staging, _KEPT), (models.history, _SPAN)):
                wanted = [source[name].c[column] for column in (*table.key, *columns)]
                kept[name, columns] = sorted(map(repr, connection.execute(sa.select(*wanted))))
        kept["published"] = [
            connection.execute(sa.select(sa.func.count()).select_from(one)).scalar_one()
            for one in models.published.values()
        ]
    return kept


def _require_quiet(nights, done, before):
    for name, count in done.counts.items():
        assert (name, count.added, count.changed, count.returned, count.missing, count.removed, count.held) == (
            name, 0, 0, 0, 0, 0, 0,
        )  # fmt: skip
    assert done.holds == []
    assert nights.scalar("SELECT rows_written FROM roster_ops.runs ORDER BY started_at DESC LIMIT 1") == 0
    assert _lineage(nights) == before


def _other_digests(nights):
    """As if another version of our code had written everything."""
    with nights.engine.begin() as connection:
        for one in (models.staging, models.history, models.published):
            for table in one.values():
                connection.execute(sa.update(table).values(_digest=table.c._digest + 1))


@pytest.mark.parametrize("delta", [False, True], ids=["full", "delta"])
def test_digests_of_another_version_make_a_quiet_night(nights, roster, delta):
    nights.publish(_roster(roster))
    before = _lineage(nights)
    _other_digests(nights)
    _require_quiet(nights, nights.publish(_roster(roster), delta=delta), before)
    # renewed in staging and in history, so that the next night compares no field again
    ref = nights.prepare(_roster(roster))
    again = run.map_night(nights.engine, nights.district, ref, nights.landing).digests
    mapped_nobody = {"accounts"} if delta else set()
    assert set(again) == mapped_nobody
    for one in (models.staging, models.history):
        for name, table in one.items():
            if not delta or name in ("orgs", "users", "enrollments"):
                assert nights.scalar(f"SELECT count(*) FROM {table} WHERE _digest >> 56 <> {VERSION}") == 0
        assert nights.scalar(f"SELECT count(*) FROM {one['users']}") == len(PEOPLE)


def test_another_version_of_our_own_encoding_makes_a_quiet_night(nights, roster, monkeypatch):
    nights.publish(_roster(roster))
    before = _lineage(nights)
    monkeypatch.setattr(digests, "VERSION", VERSION + 1)
    _require_quiet(nights, nights.publish(_roster(roster)), before)


def test_a_changed_row_among_digests_of_another_version_is_the_only_update(nights, roster):
    nights.publish(_roster(roster))
    _other_digests(nights)
    rows = _roster(roster)
    rows["users"][3]["family_name"] = "Married"
    rows["users"] = rows["users"][:-1]
    done = nights.publish(rows)
    users = done.counts["users"]
    assert (users.changed, users.missing, users.unchanged) == (1, 1, len(PEOPLE) - 2)
    _other_digests(nights)
    back = nights.publish({**rows, "users": [*rows["users"], _roster(roster)["users"][-1]]})
    assert (back.counts["users"].changed, back.counts["users"].unchanged) == (0, len(PEOPLE))
    assert nights.scalar("SELECT count(*) FROM roster_staging.users WHERE _missing_since IS NOT NULL") == 0


def test_json_in_another_order_is_no_change(nights, roster):
    nights.publish(_roster(roster))
    before = _lineage(nights)
    rows = _roster(roster)
    rows["users"][0]["metadata"] = '{"b":[2,"ö"],"a":1}'
    _require_quiet(nights, nights.publish(rows), before)


@pytest.fixture
def nickname(nights, monkeypatch):
    """Adds a column to a table that is published already, as a migration would."""

    def add():
        table = dataclasses.replace(TABLES["users"], columns=(*TABLES["users"].columns, Column("nickname")))
        monkeypatch.setitem(TABLES, "users", table)
        monkeypatch.setattr(models, "metadata", sa.MetaData())
        kinds = (models.staging, models._staging), (models.history, models._history)
        for made, make in (*kinds, (models.published, models._published)):
            monkeypatch.setitem(made, "users", make(table))
        with nights.engine.begin() as connection:
            for made in (models.staging, models.history, models.published):
                connection.exec_driver_sql(f"ALTER TABLE {made['users']} ADD nickname text")

    return add


def test_a_new_column_makes_a_quiet_night(nights, roster, nickname):
    nights.publish(_roster(roster))
    before = _lineage(nights)
    nickname()
    _require_quiet(nights, nights.publish(_roster(roster)), before)


def test_a_new_column_that_is_filled_for_everybody_is_not_held(nights, roster, nickname):
    nights.publish(_roster(roster))
    nickname()
    rows = _roster(roster)
    for user in rows["users"]:
        user["nickname"] = "Nick"
    done = nights.publish(rows)
    assert (done.holds, done.counts["users"].changed, done.counts["users"].held) == ([], len(PEOPLE), 0)
    assert done.counts["accounts"].changed == 0
    # to write over what everybody has is another matter
    for user in rows["users"]:
        user["nickname"] = "Nicky"
    assert nights.publish(rows).counts["users"].held == len(PEOPLE)


def test_history_is_not_written_again_for_a_digest_of_another_version(nights, roster):
    nights.publish(_roster(roster))
    rows = _roster(roster)
    rows["users"][0]["family_name"] = "Married"
    nights.publish(rows)
    before = _lineage(nights)
    with nights.engine.begin() as connection:
        connection.execute(sa.update(models.history["users"]).values(_digest=models.history["users"].c._digest + 1))
        at = nights.began + timedelta(days=2)
        assert write_published(connection, "elm", Interval(at, "run2")) == 0
    assert _lineage(nights) == before


def test_the_encoding_is_fixed():
    """These numbers are in warehouses: other ones need another VERSION."""
    table = TABLES["enrollments"]
    row = {
        "sourced_id": "e-1",
        "status": "active",
        "user_sourced_id": "zoë",
        "class_sourced_id": "c-1",
        "is_primary": True,
        "begin_date": date(2026, 8, 20),
    }
    some = pa.Table.from_pylist([row, {**row, "is_primary": None}], schema=accepted_schema(table))
    (text, without) = digests.encoded(table, some).to_pylist()
    assert text.split("\0") == [
        *("begin_date", "20685", "class_sourced_id", "c-1", "is_primary", "true", "sourced_id", "e-1"),
        *("status", "active", "user_sourced_id", "zoë"),
    ]
    assert without == text.replace("is_primary\0true\0", "")
    assert row_digests(table, some).to_pylist() == [137125308344494349, 81461242250159024]
