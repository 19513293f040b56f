"""Whether something with a begin and an end counts on a night."""

from __future__ import annotations

from datetime import date, timedelta

import pyarrow as pa
import pyarrow.compute as pc


def is_over(end_date: pa.ChunkedArray, night: date) -> pa.ChunkedArray:
    """Ended by that night: OneRoster's end dates are exclusive. Without an end date nothing ends."""
    return pc.fill_null(pc.less_equal(end_date, pa.scalar(night, pa.date32())), False)


def is_yet_to_begin(begin_date: pa.ChunkedArray, night: date, days_early: int) -> pa.ChunkedArray:
    """Not begun by that night. Without a begin date everything has begun.

    :param days_early: so many days before its begin date something counts already.
    """
    return pc.fill_null(pc.greater(begin_date, pa.scalar(night + timedelta(days=days_early), pa.date32())), False)


def is_current(begin_date: pa.ChunkedArray, end_date: pa.ChunkedArray, night: date, days_early: int) -> pa.ChunkedArray:
    """Begun and not over."""
    return pc.invert(pc.or_(is_over(end_date, night), is_yet_to_begin(begin_date, night, days_early)))
