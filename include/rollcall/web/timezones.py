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
def timezone_names() -> frozenset[str]:
    """Every valid IANA name. Reading them from the disk takes milliseconds."""
    return frozenset(available_timezones())


def timezone_groups(current: str) -> list[tuple[str, dict[str, str]]]:
    """Groups of zones: the group's label, and per IANA name what a person reads.

    :param current: the chosen zone. It has its own group if the others do not have it, such as `US/Central`: a list
        without a chosen entry would be sent with its first one.
    """
    groups = _usual_groups()
    if current not in timezone_names() or any(current in zones for _, zones in groups):
        return groups
    return [("Now", {current: current}), *groups]


@cache
def _usual_groups() -> list[tuple[str, dict[str, str]]]:
    regions = ("Africa", "America", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")
    others = (name for name in sorted(timezone_names()) if name.partition("/")[0] in regions and name not in _US)
    return [("United States", _US), ("Other", {"UTC": "UTC", **{name: name.replace("_", " ") for name in others}})]
