"""When a district's night runs, and how hard its provider may be asked."""

from __future__ import annotations

import hashlib
import os
import re
from datetime import date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from rollcall.settings.sections import Settings


def _is_cron(text: str) -> bool:
    from croniter import CroniterError, croniter  # most districts have `spread`

    try:
        croniter(text, datetime(2026, 1, 1)).get_next()
    except CroniterError:
        return False
    return True


class Schedule(Settings, frozen=True):
    """When a district's night runs.

    :param nightly: a cron expression in `timezone`, or `spread`: a steady minute inside `off_peak`, from the name.
    :param off_peak: `HH:MM-HH:MM`, may pass midnight; the district's own hours for heavy requests.
    :param full_on: the day whose night pulls everything; the others ask for what was modified since.
    :param overlap_hours: how far before the last pull a delta asks, for records stamped late.
    :param publish_by: `HH:MM`, local: by then readers must have the night's roster, else somebody is told at once.
    """

    nightly: str = "spread"
    timezone: str = "America/Chicago"
    off_peak: str = "22:00-05:00"
    full_on: Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] = "sunday"
    overlap_hours: int = 24
    publish_by: str = ""

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"timezone {self.timezone!r} is not an IANA zone such as America/Chicago") from None
        self.window()
        if self.publish_by and not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", self.publish_by):
            raise ValueError('publish_by must look like "06:00"')
        if not 0 <= self.overlap_hours <= 24 * 30:
            raise ValueError("overlap_hours must be between 0 and 720")
        if self.nightly != "spread" and not re.fullmatch(r"\S+( \S+){4}", self.nightly):
            raise ValueError('nightly must be "spread" or a cron expression of five fields such as "15 2 * * *"')
        if self.nightly != "spread" and not _is_cron(self.nightly):
            raise ValueError(f"nightly {self.nightly!r} is not a cron expression that ever comes")

    def window(self) -> tuple[time, time]:
        """Start and end of off-peak, local time."""
        match = re.fullmatch(r"(\d\d:\d\d)-(\d\d:\d\d)", self.off_peak)
        if match is None:
            raise ValueError('off_peak must look like "22:00-05:00"')
        start, end = (time.fromisoformat(part) for part in match.groups())
        return start, end

    def is_off_peak(self, moment: datetime) -> bool:
        """Whether an instant (aware) lies in the district's off-peak hours."""
        start, end = self.window()
        local = moment.astimezone(ZoneInfo(self.timezone)).time()
        return start <= local < end if start < end else local >= start or local < end

    def cron(self, district: str) -> str:
        """The cron expression; for `spread` always the same for the same district, an hour before off-peak ends."""
        if self.nightly != "spread":
            return self.nightly
        start, end = self.window()
        first = start.hour * 60 + start.minute
        length = max((end.hour * 60 + end.minute - first) % 1440 - 60, 1)
        spread = int.from_bytes(hashlib.sha256(district.encode()).digest()[:4], "big") % length
        minute = (first + spread) % 1440
        return f"{minute % 60} {minute // 60} * * *"


class ExtractSettings(Settings, frozen=True):
    """How hard a district's provider may be asked (Infinite Campus: five requests at once, one in peak hours)."""

    page_size: int = 5000
    concurrency: int = 5
    peak_concurrency: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.page_size <= 50_000:
            raise ValueError("page_size must be between 1 and 50000")
        if not 1 <= self.peak_concurrency <= self.concurrency <= 5:
            raise ValueError("concurrency must be 1 to 5, and peak_concurrency at most as much")


#: From this local hour on an evening counts for the next morning.
EVENING = time(18)


def night_of(moment: datetime, timezone: str) -> date:
    """The night an instant belongs to: the local date of the morning a run publishes for (evenings count forward)."""
    return (moment.astimezone(ZoneInfo(timezone)) + timedelta(hours=6)).date()


def morning_schedule() -> tuple[str, str]:
    """When the digest of all districts is sent: a cron expression, `ROLLCALL_MORNING`, and its zone."""
    cron = os.environ.get("ROLLCALL_MORNING", "30 6 * * *")
    return cron, os.environ.get("ROLLCALL_TIMEZONE", Schedule().timezone)
