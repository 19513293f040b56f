"""Nights that go the whole way from what extract leaves: landed text, the real validate, merge, map and publish."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest

from rollcall.extract.pull import ALWAYS_FULL
from rollcall.landing import manifests
from rollcall.landing.change_set import Published
from rollcall.landing.manifests import write_rows
from rollcall.landing.pull import LandedCollection, Pull, PullRef, landed_schema
from rollcall.landing.rejects import REJECT_SCHEMA
from rollcall.model.tables import COLLECTIONS, TABLES, tables_of
from rollcall.pipeline import run
from rollcall.warehouse import ledger
from tests.conftest import PROVEN, Nights

Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture
def pulled(nights: Nights) -> Callable[..., Published]:
    """Publishes a pull of the collections whose own table `rows` names.

    `unreadable` names, per collection, the sourcedIds of records that could not be read; None where not even that.
    """

    def publish(
        rows: Rows, *, delta: bool = False, unreadable: dict[str, Sequence[str | None]] | None = None
    ) -> Published:
        nights.count += 1
        ref = PullRef(district="elm", pull_id=f"pull{nights.count}", run_id=f"run{nights.count}")
        folder = ref.folder(nights.landing)
        bad = unreadable or {}
        collections = [
            LandedCollection(
                collection=name,
                parts={
                    table.name: write_rows(folder, "extract", table.name, _landed(table.name, rows))
                    for table in tables_of(name)
                },
                proof=PROVEN,
                since=nights.began if delta and name not in ALWAYS_FULL else None,
                unreadable=len(bad.get(name, ())),
                unidentified=sum(sourced_id is None for sourced_id in bad.get(name, ())),
            )
            for name in COLLECTIONS
            if name in rows
        ]
        rejects = [
            {"collection": name, "sourced_id": key, "rule": "wrong_type", "reason": "Test.", "field": "x"}
            for name, keys in bad.items()
            for key in keys
        ]
        pull = Pull(
            district="elm",
            pull_id=ref.pull_id,
            run_id=ref.run_id,
            as_of=nights.began + timedelta(days=nights.count),
            mode="delta" if delta else "full",
            version="1.2",
            base_url="http://127.0.0.1/",
            collections=collections,
            rejects=write_rows(folder, "extract", "rejects", pa.Table.from_pylist(rejects, REJECT_SCHEMA)),
        )
        manifests.save(folder, pull)
        with nights.engine.begin() as connection:
            ledger.start_run(connection, "elm", ref.run_id, pull.as_of.date())
        run.validate_night(nights.district, ref, nights.landing)
        run.map_night(nights.engine, nights.district, ref, nights.landing)
        return run.publish_night(nights.engine, nights.district, ref, nights.landing)

    return publish


#: Sessions without dates would be refused, which is not what these nights are about.
_DATES = {"academic_sessions": {"start_date": "2026-08-15", "end_date": "2027-06-01"}}


def _landed(table: str, rows: Rows) -> pa.Table:
    whole = [_DATES.get(table, {}) | row for row in rows.get(table, [])]
    text = [{name: None if value is None else str(value) for name, value in row.items()} for row in whole]
    return pa.Table.from_pylist(text, schema=landed_schema(TABLES[table]))
