"""Reset timestamps in the future, left by a clock that was ahead, so nights can publish again.

The published roster stays. Timestamps after the warehouse's clock become its current time. History rows that begin and
end in the future are deleted. Future watermarks are deleted, so the next pull is full.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import sqlalchemy as sa

from rollcall.runtime.waits import waiting
from rollcall.settings import District, Nights
from rollcall.warehouse.clock import warehouse_now
from rollcall.warehouse.models import history, published, staging
from rollcall.warehouse.ops_models import holds, provider_profiles, pulls, runs, state, watermarks
from rollcall.warehouse.session import ACQUIRE_LOCK, warehouse_transaction

_WHY = "a clock was ahead when the roster was published"


def reset_future_instants(engine: sa.Engine, district: District) -> dict[str, int]:
    """Reset a district's future timestamps to the current time.

    :returns: rows in the future per table with its schema. Empty if there were none.
    :raises RollcallError: `warehouse_unreachable`.
    """
    key = district.district
    with warehouse_transaction(engine, "resume", district=key) as connection:
        with waiting(f"{key}: waiting for the end of a publication"):
            connection.execute(ACQUIRE_LOCK, {"name": f"publish {key}"})
        now = warehouse_now(connection)
        counts: dict[str, int] = {}
        for table, statement in _statements(key, now):
            if number := connection.execute(statement).rowcount:
                counts[str(table)] = counts.get(str(table), 0) + number
        if counts:
            # runs with a finished change set build it again, on the repaired state
            reset = {
                "generation": state.c.generation + 1,
                "full_required": _WHY,
                "late_from": Nights(district).late_from(now),
            }
            connection.execute(sa.update(state).where(state.c.district_id == key).values(**reset))
    return counts


def _statements(district: str, now: datetime) -> Iterator[tuple[sa.Table, sa.Update | sa.Delete]]:
    for table in (*staging.values(), *published.values()):
        yield table, _clamp(table, district, now, "_first_seen_at", "_changed_at", "_missing_since", "_removed_at")
    for table in history.values():
        of_district = table.c.district_id == district
        yield table, sa.delete(table).where(of_district, table.c._valid_from > now, table.c._valid_to.is_not(None))
        yield table, _clamp(table, district, now, "_valid_to")
        yield table, _clamp(table, district, now, "_valid_from")
    yield state, _clamp(state, district, now, "current_as_of", "last_full_as_of")
    yield watermarks, sa.delete(watermarks).where(watermarks.c.district_id == district, watermarks.c.watermark > now)
    yield pulls, _clamp(pulls, district, now, "as_of")
    yield runs, _clamp(runs, district, now, "started_at", "finished_at", "as_of", night=runs.c.night)
    yield holds, _clamp(holds, district, now, "opened_at", "last_seen_at", "question_at", "decided_at", "closed_at")
    yield provider_profiles, _clamp(provider_profiles, district, now, "checked_at")


def _clamp(table: sa.Table, district: str, now: datetime, *names: str, night: sa.Column | None = None) -> sa.Update:
    """Set future timestamps of a table to now and, in the same rows, a future night to today."""
    columns = [table.c[name] for name in names]
    values: dict[sa.Column, sa.ColumnElement] = {
        column: sa.case((column > now, now), else_=column) for column in columns
    }
    if night is not None:
        values[night] = sa.func.least(night, sa.cast(now, sa.Date))
    is_future = sa.or_(*(column > now for column in columns))
    return sa.update(table).where(table.c.district_id == district, is_future).values(values)
