"""The warehouse's clock. It orders pulls, because each worker has its own clock and one may be wrong."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from rollcall.display.dates import format_instant
from rollcall.errors import ActionRequired, RollcallError

#: The accepted difference between two clocks, and the accepted distance of a roster into the future.
TOLERANCE = timedelta(minutes=10)

#: The current time in a statement, also late in a transaction.
NOW = sa.func.clock_timestamp()


def warehouse_now(connection: sa.Connection) -> datetime:
    return connection.execute(sa.select(NOW)).scalar_one()


def require_not_in_future(now: datetime, current_as_of: datetime | None, district: str) -> None:
    """Refuse a published roster from the future: a clock was ahead, and every later pull would count as older.

    :raises ActionRequired: `state_in_future`.
    """
    if current_as_of is not None and current_as_of > now + TOLERANCE:
        raise ActionRequired(
            "state_in_future",
            describe_future_state(current_as_of, now),
            remedy=clock_remedy(district),
            district=district,
        )


def require_not_older(now: datetime, as_of: datetime, current_as_of: datetime | None, district: str) -> None:
    """Refuse a pull that is older than the published roster. The published pull itself is not older.

    :param now: the warehouse's clock.
    :raises RollcallError: `pull_is_older`.
    :raises ActionRequired: `state_in_future` if the pull only seems older, because a clock was ahead.
    """
    if current_as_of is None or as_of >= current_as_of:
        return
    if as_of <= now:
        require_not_in_future(now, current_as_of, district)
    raise RollcallError(
        "pull_is_older",
        f"The published roster of {district} is from {format_instant(current_as_of)}. This pull is older: "
        f"{format_instant(as_of)}.",
        remedy="No action needed. For a newer roster, sync now.",
        district=district,
    )


def describe_future_state(current_as_of: datetime, now: datetime) -> str:
    return (
        f"The published roster is dated {format_instant(current_as_of)}, but the warehouse's clock "
        f"shows {format_instant(now)}. A clock was ahead when it was published. Later pulls would count as older."
    )


def clock_remedy(district: str) -> str:
    return f"Check that the warehouse's clock is correct now. Then: rollcall resume {district} --clock"
