"""Two clocks, ours and the provider's: OAuth 1 signatures carry the time, and servers refuse one that is minutes off.

A virtual machine that slept, or a school's server that nobody looks after, is enough; the `Date` of the refusal tells.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from include.oneroster.transport import Answer

#: Seconds; servers accept about five minutes, some less. An answer may be a while on its way.
TOLERANCE = 120.0


def difference(answer: Answer) -> float | None:
    """Seconds their clock is ahead of ours (negative: behind), by the answer's `Date`; None if it says nothing."""
    try:
        theirs = parsedate_to_datetime(answer.headers.get("Date", ""))
        return (theirs - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):
        return None


def apart(answer: Answer) -> str:
    """The difference in words, such as `20 minutes`; empty if it is none that matters."""
    seconds = difference(answer)
    return "" if seconds is None or abs(seconds) < TOLERANCE else f"{abs(seconds) / 60:.0f} minutes"
