"""Time zones to choose from: those of the United States first."""

from __future__ import annotations

from functools import cache
from zoneinfo import available_timezones

_US = {
    "America/New_York": "Eastern (New York)",
    "America/Chicago": "Central (Chicago)",
    "America/Denver": "Mountain (Denver)",
    "America/Phoenix": "Mountain, no daylight saving (Phoenix)",
    "America/Los_Angeles": "Pacific (Los Angeles)",
    "America/Anchorage": "Alaska (Anchorage)",
    "Pacific/Honolulu": "Hawaii (Honolulu)",
    "America/Puerto_Rico": "Atlantic (Puerto Rico)",
    "Pacific/Guam": "Chamorro (Guam)",
}


@cache
def timezone_groups() -> list[tuple[str, dict[str, str]]]:
    """Groups of zones: the group's label, and per IANA name what a person reads."""
    regions = ("Africa", "America", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")
    others = (name for name in sorted(available_timezones()) if name.partition("/")[0] in regions and name not in _US)
    return [("United States", _US), ("Other", {"UTC": "UTC", **{name: name.replace("_", " ") for name in others}})]
