"""When a district's night runs, and how many requests its provider gets at once."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from rollcall.settings.base import Problem, Settings, nearest, nearest_of


def _is_cron(text: str) -> bool:
    """Whether a cron expression is valid and has a next time."""
    from croniter import CroniterError, croniter  # most districts have `spread`

    try:
        croniter(text, datetime(2026, 1, 1)).get_next()
    except CroniterError:
        return False
    return True


_CLOCK = r"([01]\d|2[0-3]):[0-5]\d"

#: What people call the zones of the United States.
_ZONE_NAMES = {
    "America/New_York": ("eastern", "eastern time", "et", "est", "edt", "est5edt"),
    "America/Chicago": ("central", "central time", "ct", "cst", "cdt", "cst6cdt"),
    "America/Denver": ("mountain", "mountain time", "mt", "mst", "mdt", "mst7mdt"),
    "America/Los_Angeles": ("pacific", "pacific time", "pt", "pst", "pdt", "pst8pdt"),
    "America/Anchorage": ("alaska", "alaska time", "akst", "akdt"),
    "Pacific/Honolulu": ("hawaii", "hawaii time", "hst"),
}


def _nearest_zone(name: str) -> str:
    """` (did you mean 'America/Chicago'?)` for a zone, a city or what people call a zone; empty if none is near."""
    known = {alias: zone for zone, aliases in _ZONE_NAMES.items() for alias in aliases}
    zones = {zone: zone for zone in available_timezones() if not zone.startswith(("posix/", "right/", "Etc/"))}
    cities = {zone.rpartition("/")[2]: zone for zone in sorted(zones, reverse=True) if zone.startswith("America/")}
    text = " ".join(name.casefold().replace("standard", "").replace("daylight", "").split())
    found = known.get(text) or (cities | zones).get(nearest_of(name, [*cities, *zones], cutoff=0.7))
    return f" (did you mean '{found}'?)" if found else ""


class Schedule(Settings, frozen=True):
    """When a district's night runs.

    :param nightly: a cron expression in `timezone`, or `spread`: a steady minute within `off_peak`, from the name.
    :param off_peak: `HH:MM-HH:MM`, may pass midnight; the district's own hours for heavy requests.
    :param full_on: the day whose night pulls everything. Other nights pull what was modified since.
    :param overlap_hours: how far before the last pull a delta begins, for records with late modification dates.
    :param publish_by: `HH:MM`, local. If the night's roster is not published by then, an alert is sent at once.
    """

    nightly: str = "spread"
    timezone: str = "America/Chicago"
    off_peak: str = "22:00-05:00"
    full_on: Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] = "sunday"
    overlap_hours: int = 24
    publish_by: str = ""

    def problems(self) -> Iterator[Problem]:
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            text = f"is not a time zone: '{self.timezone}'{_nearest_zone(self.timezone)}"
            yield Problem(("timezone",), text, "Write an IANA name such as America/Chicago.")
        if not re.fullmatch(rf"{_CLOCK}-{_CLOCK}", self.off_peak):
            yield Problem(("off_peak",), f"must be hours such as 22:00-05:00, not '{self.off_peak}'")
        if self.publish_by and not re.fullmatch(_CLOCK, self.publish_by):
            yield Problem(("publish_by",), f"must be a time such as \"06:00\", not '{self.publish_by}'")
        if not 0 <= self.overlap_hours <= 24 * 30:
            yield Problem(("overlap_hours",), "must be between 0 and 720")
        if self.nightly != "spread":
            yield from self._cron_problems()

    def _cron_problems(self) -> Iterator[Problem]:
        remedy = 'Write spread, or a cron expression of five fields such as "15 2 * * *".'
        if not re.fullmatch(r"\S+( \S+){4}", self.nightly):
            hint = nearest(self.nightly, ["spread"])
            yield Problem(("nightly",), f"is not a cron expression of five fields: '{self.nightly}'{hint}", remedy)
        elif not _is_cron(self.nightly):
            yield Problem(("nightly",), f"is not a cron expression with a next time: '{self.nightly}'", remedy)

    def window(self) -> tuple[time, time]:
        """Start and end of off-peak, local time."""
        start, end = (time.fromisoformat(part) for part in self.off_peak.split("-"))
        return start, end

    def is_off_peak(self, moment: datetime) -> bool:
        """Whether an instant (aware) is in the district's off-peak hours."""
        start, end = self.window()
        local = moment.astimezone(ZoneInfo(self.timezone)).time()
        return start <= local < end if start < end else local >= start or local < end

    def cron(self, district: str) -> str:
        """The cron expression; `spread` gives each district a steady time, at least an hour before off-peak ends."""
        if self.nightly != "spread":
            return self.nightly
        start, end = self.window()
        first = start.hour * 60 + start.minute
        length = max((end.hour * 60 + end.minute - first) % 1440 - 60, 1)
        spread = int.from_bytes(hashlib.sha256(district.encode()).digest()[:4], "big") % length
        minute = (first + spread) % 1440
        return f"{minute % 60} {minute // 60} * * *"


#: The largest values of the bounds. A page of 512 MB needs two gigabytes of memory.
_LARGEST_BOUNDS = {
    "max_page_mb": 512,
    "max_page_seconds": 7200,
    "max_pages": 1_000_000,
    "max_rows": 100_000_000,
    "max_hours": 48,
}


class ExtractSettings(Settings, frozen=True):
    """How many requests a provider gets (Infinite Campus allows five at once, and asks for one in peak hours), and the
    bounds on what it may send.

    :param max_page_mb: megabytes of one response, after decompression.
    :param max_page_seconds: seconds for one response.
    :param max_pages: pages of one collection.
    :param max_rows: rows of all collections of a pull.
    :param max_hours: hours for a pull.
    """

    page_size: int = 5000
    concurrency: int = 5
    peak_concurrency: int = 1
    max_page_mb: int = 32
    max_page_seconds: int = 600
    max_pages: int = 20_000
    max_rows: int = 5_000_000
    max_hours: int = 12

    def problems(self) -> Iterator[Problem]:
        for name, largest in _LARGEST_BOUNDS.items():
            if not 1 <= getattr(self, name) <= largest:
                yield Problem((name,), f"must be between 1 and {largest:,}")
        if not 1 <= self.page_size <= 50_000:
            yield Problem(("page_size",), "must be between 1 and 50,000")
        if not 1 <= self.concurrency <= 5:
            yield Problem(("concurrency",), "must be between 1 and 5 (rule 7)")
        elif not 1 <= self.peak_concurrency <= self.concurrency:
            text = f"must be between 1 and concurrency, {self.concurrency}"
            yield Problem(("peak_concurrency",), text, reads=("concurrency",))


#: From this local hour on, a run counts for the next morning.
EVENING = time(18)


def night_of(moment: datetime, timezone: str) -> date:
    """The night an instant belongs to: the local date of the morning a run publishes for (evenings count forward)."""
    return (moment.astimezone(ZoneInfo(timezone)) + timedelta(hours=6)).date()


def morning_schedule() -> tuple[str, str]:
    """When the digest of all districts is sent: a cron expression, `ROLLCALL_MORNING`, and its zone."""
    cron = os.environ.get("ROLLCALL_MORNING", "30 6 * * *")
    return cron, os.environ.get("ROLLCALL_TIMEZONE", Schedule().timezone)
