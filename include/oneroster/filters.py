"""OneRoster filters that Rollcall asks with (1.1 and 1.2, section 3.4.4 of the specification)."""

from __future__ import annotations

from datetime import UTC, datetime

#: No record is modified after it. Some databases behind providers know no date past June 2079.
FAR_FUTURE = datetime(2079, 1, 1, tzinfo=UTC)


def modified_since(moment: datetime) -> str:
    """The filter for what was modified after a moment, to the millisecond, in UTC.

    A known client writes ISO's week-numbering year here, and whole days: around New Year it misses a year.

    :raises ValueError: the moment has no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone is none")
    told = moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")
    return f"dateLastModified>'{told}Z'"
