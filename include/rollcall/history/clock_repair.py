"""Setting back what a clock that was ahead has left in the future, so that nights go on.

What was published stays. Instants after the warehouse's now become now; what is said to have begun and ended in the
future is deleted from history; watermarks go, so that the next pull is a full one.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import sqlalchemy as sa

from rollcall.settings import District, Nights
from rollcall.warehouse.clock import warehouse_now
from rollcall.warehouse.models import (
    history,
    holds,
    provider_profiles,
    published,
    pulls,
    runs,
    staging,
    state,
    watermarks,
)
from rollcall.warehouse.session import ACQUIRE_LOCK, warehouse_transaction

_WHY = "a clock was ahead when the roster was published"


def reset_future_instants(engine: sa.Engine, district: District) -> dict[str, int]:
    """Set a district's instants back to now where they are later.

    :returns: per table with its schema how many rows were in the future; empty where none was.
    :raises RollcallError: `warehouse_unreachable`.
    """
    key = district.district
    with warehouse_transaction(engine, "resume", district=key) as connection:
        connection.execute(ACQUIRE_LOCK, {"name": f"publish {key}"})
        now = warehouse_now(connection)
        found: dict[str, int] = {}
        for table, statement in _statements(key, now):
            if number := connection.execute(statement).rowcount:
                found[str(table)] = found.get(str(table), 0) + number
        if found:
            # runs that have merged already do so again, over what is so now
            moved = {
                "generation": state.c.generation + 1,
                "full_required": _WHY,
                "late_from": Nights(district).late_from(now),
            }
            connection.execute(sa.update(state).where(state.c.district_id == key).values(**moved))
    return found


def _statements(district: str, now: datetime) -> Iterator[tuple[sa.Table, sa.Update | sa.Delete]]:
    for table in (*staging.values(), *published.values()):
        yield table, _clamped(table, district, now, "_first_seen_at", "_changed_at", "_missing_since", "_removed_at")
    for table in history.values():
        theirs = table.c.district_id == district
        yield table, sa.delete(table).where(theirs, table.c._valid_from > now, table.c._valid_to.is_not(None))
        yield table, _clamped(table, district, now, "_valid_to")
        yield table, _clamped(table, district, now, "_valid_from")
    yield state, _clamped(state, district, now, "current_as_of", "last_full_as_of")
    yield watermarks, sa.delete(watermarks).where(watermarks.c.district_id == district, watermarks.c.watermark > now)
    yield pulls, _clamped(pulls, district, now, "as_of")
    yield runs, _clamped(runs, district, now, "started_at", "finished_at", "as_of", night=runs.c.night)
    yield holds, _clamped(holds, district, now, "opened_at", "last_seen_at", "question_at", "decided_at", "closed_at")
    yield provider_profiles, _clamped(provider_profiles, district, now, "checked_at")


def _clamped(table: sa.Table, district: str, now: datetime, *names: str, night: sa.Column | None = None) -> sa.Update:
    """Instants of a table that are later than now set to now, and of the same rows a night to today."""
    columns = [table.c[name] for name in names]
    values: dict[sa.Column, sa.ColumnElement] = {
        column: sa.case((column > now, now), else_=column) for column in columns
    }
    if night is not None:
        values[night] = sa.func.least(night, sa.cast(now, sa.Date))
    later = sa.or_(*(column > now for column in columns))
    return sa.update(table).where(table.c.district_id == district, later).values(values)
