"""A district so small that two people who go at once are held by the guard, and its holds in exact rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow.compute as pc
import pytest
import sqlalchemy as sa

from rollcall.landing.change_set import Published
from rollcall.pipeline import run
from rollcall.settings.sections import Floor, Guards
from rollcall.warehouse import holds
from tests.conftest import Nights


class Holding:
    """Nights of the district, and what is held."""

    def __init__(self, nights: Nights) -> None:
        self.nights = nights
        self.engine = nights.engine
        nights.settings(guards=Guards(floor=Floor(people=1)))

    def publish(self, rows: dict[str, list[dict[str, Any]]], **how: Any) -> Published:
        return self.nights.publish(rows, **how)

    def dry_run(self, rows: dict[str, list[dict[str, Any]]]) -> Published:
        ref = self.nights.prepare(rows)
        run.map_night(self.engine, self.nights.district, ref, self.nights.landing)
        return run.finish_dry_run(self.engine, self.nights.district, ref, self.nights.landing)

    def one(self) -> sa.Row[Any]:
        """The only hold there is."""
        [hold] = self.all()
        return hold

    def all(self) -> Sequence[sa.Row[Any]]:
        with self.engine.connect() as connection:
            return connection.execute(sa.text("SELECT * FROM roster_ops.holds ORDER BY opened_at, hold_id")).all()

    def named(self, *, approved: bool = False) -> list[str]:
        """Keys of the rows that living holds name."""
        with self.engine.connect() as connection:
            rows = holds.active_hold_rows(connection, "elm")
        return (rows.filter(pc.field("is_approved")) if approved else rows)["row_key"].to_pylist()

    def live(self) -> list[str]:
        """The people readers have."""
        return self.nights.live("users", "sourced_id")

    def age(self, hours: int) -> None:
        """Let an approval grow older."""
        with self.engine.begin() as connection:
            older = f"UPDATE roster_ops.holds SET expires_at = expires_at - interval '{hours} hours'"
            connection.execute(sa.text(older))


@pytest.fixture
def holding(nights: Nights) -> Holding:
    return Holding(nights)


@pytest.fixture
def held(holding: Holding, roster: Any) -> Holding:
    """Three people. Two of them, ben and cid, were absent twice and are held on the third night."""
    holding.publish(roster("ada", "ben", "cid"))
    holding.publish(roster("ada"))
    holding.publish(roster("ada"))
    return holding
