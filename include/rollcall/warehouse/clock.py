"""The warehouse's clock, by which pulls are ordered: each worker has its own, and one of those may be wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from rollcall.errors import ActionRequired

#: What two clocks may differ by, or a roster be in the future, without a word.
TOLERANCE = timedelta(minutes=10)

#: In a statement: now, also late in a transaction.
NOW = sa.func.clock_timestamp()


def warehouse_now(connection: sa.Connection) -> datetime:
    return connection.execute(sa.select(NOW)).scalar_one()


def clock_offset(connection: sa.Connection) -> timedelta:
    """How far the warehouse's clock is ahead of this machine's; negative: behind."""
    return warehouse_now(connection) - datetime.now(UTC)


def require_not_in_future(now: datetime, current_as_of: datetime | None, district: str) -> None:
    """A published roster is not of the future; if it is, a clock was ahead, and every later pull would seem older.

    :raises ActionRequired: `state_in_future`.
    """
    if current_as_of is not None and current_as_of > now + TOLERANCE:
        raise ActionRequired(
            "state_in_future",
            describe_future_state(current_as_of, now),
            remedy=clock_remedy(district),
            district=district,
        )


def describe_future_state(current_as_of: datetime, now: datetime) -> str:
    return (
        f"The published roster is dated {current_as_of:%Y-%m-%d %H:%M} UTC, and the warehouse's clock says "
        f"{now:%Y-%m-%d %H:%M}: a clock was ahead when it was published, so every later pull would count as older."
    )


def clock_remedy(district: str) -> str:
    return f"Check that the warehouse's clock is right now, then: rollcall resume {district} --clock"
