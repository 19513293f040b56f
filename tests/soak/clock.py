"""Clocks that can be set: the warehouse's, that of the machine that works, and the provider's.

The warehouse's is a function `clock_timestamp` in a schema that the soak's sessions search before PostgreSQL's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from rollcall.warehouse import session

SCHEMA = "soak_clock"

_CREATE = f"""
    CREATE SCHEMA {SCHEMA};
    CREATE TABLE {SCHEMA}.clock (shift interval NOT NULL, stopped_at timestamptz);
    INSERT INTO {SCHEMA}.clock VALUES ('0', NULL);
    CREATE FUNCTION {SCHEMA}.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
        AS 'SELECT coalesce(stopped_at, pg_catalog.clock_timestamp() + shift) FROM {SCHEMA}.clock'"""


def use_in_this_process() -> None:
    """Let the sessions of this process read the clock that can be set."""
    session.SETTINGS["search_path"] = f"{SCHEMA}, pg_catalog, public"


def create(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(_CREATE)


def set_warehouse(engine: sa.Engine, now: datetime, *, is_stopped: bool = False) -> None:
    """:param is_stopped: the clock stays at this instant."""
    statement = f"UPDATE {SCHEMA}.clock SET shift = :now - pg_catalog.clock_timestamp(), stopped_at = :stopped_at"
    with engine.begin() as connection:
        connection.execute(sa.text(statement), {"now": now, "stopped_at": now if is_stopped else None})


def nights_of_change(zone: ZoneInfo, since: datetime) -> Iterator[datetime]:
    """Noon of each day whose next night has 23 or 25 hours."""
    noon = since.astimezone(zone).replace(hour=12, minute=0, second=0, microsecond=0)
    while True:
        after = noon + timedelta(days=1)  # wall clock
        if noon.utcoffset() != after.utcoffset():
            yield noon.astimezone(UTC)
        noon = after
