"""Dates and times as people write them. Every command, email, hold, and report uses these.

A night is a date: `November 29, 2026`. An instant always has its zone: `November 29, 2026 at 2:15 AM CST`.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo


def format_date(value: date) -> str:
    """`November 3, 2026`."""
    return f"{value:%B} {value.day}, {value.year}"


def format_day(instant: datetime, timezone: str) -> str:
    """`November 3, 2026`: the date of an instant in the district's time zone."""
    return format_date(instant.astimezone(ZoneInfo(timezone)).date())


def format_time(instant: datetime, timezone: str) -> str:
    """`2:15 AM CST`, in the district's time zone."""
    local = instant.astimezone(ZoneInfo(timezone))
    return f"{local.hour % 12 or 12}:{local:%M %p} {_zone(local)}"


def format_instant(instant: datetime | None, timezone: str = "UTC") -> str:
    """`November 3, 2026 at 2:15 AM CST`, in the district's time zone."""
    if instant is None:
        return "an unknown date"
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    return f"{format_day(instant, timezone)} at {format_time(instant, timezone)}"


def _zone(local: datetime) -> str:
    """`CST`; a zone without letters is `UTC-03`."""
    name = f"{local:%Z}"
    return name if name[:1].isalpha() else f"UTC{name}"
