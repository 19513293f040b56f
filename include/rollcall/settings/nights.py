"""The nights of a district's schedule: when each begins, when its roster is due, and what is late.

Everything here depends only on the schedule and an instant. A cron expression means the district's local time. On days
with a clock change, a night begins when Airflow's timetable begins it: a time that does not exist is an hour later, and
of a time that exists twice the second one counts. A deadline has passed as soon as the local clock shows it or a later
time, after the night began.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import msgspec

from rollcall.settings.schedule import EVENING, night_of

if TYPE_CHECKING:
    from rollcall.settings.district import District

#: The longest run: Airflow ends a district's run after this time. Without `publish_by`, a night has this long.
LONGEST_RUN = timedelta(hours=6)

_A_MINUTE = timedelta(minutes=1)
_A_DAY = timedelta(days=1)
_TWO_DAYS = timedelta(days=2)
_LONG_AGO = timedelta(days=800)


@dataclass(frozen=True)
class Night:
    """One night of a schedule.

    :param date: the local date of the morning it publishes for.
    :param begins: when its run starts. Its roster must be published by `due`. Both are in UTC.
    """

    date: date
    begins: datetime
    due: datetime


class Nights:
    """The nights of one district."""

    def __init__(self, district: District) -> None:
        schedule = district.schedule
        self._cron = schedule.cron(district.district)
        self._timezone = schedule.timezone
        self._zone = ZoneInfo(schedule.timezone)
        self._by = time.fromisoformat(schedule.publish_by) if schedule.publish_by else None
        self._starts_on = district.starts_on

    def after(self, moment: datetime) -> Iterator[Night]:
        """The nights that begin after an instant. A date with several starts has several nights."""
        clock = self._on_the_clock(moment)
        clock -= max(self._instants(clock)) - moment  # an hour that comes twice: its nights begin the second time
        clock = max(clock, self._first)
        for begins in self._begins(clock):
            if (night := self._night(begins)).begins > moment:
                yield night

    def next_night(self, now: datetime) -> Night:
        """The next night that Airflow runs: the one that `explain`, `districts show`, and `districts add` promise."""
        return next(self.after(now))

    def first_night(self) -> Night:
        return self._night(next(self._begins(self._first)))

    def start_date(self) -> datetime:
        """The DAG's `start_date`.

        Airflow's timetable runs at the end of an interval, and the first interval begins at the first tick of the cron
        from `start_date` on. So this is just before the tick that precedes the first night.
        """
        return (self._first - _A_MINUTE).replace(tzinfo=self._zone)

    def later_than(self, date: date) -> Iterator[Night]:
        """The nights of later dates, each date once."""
        evening = datetime.combine(date, EVENING) - _A_MINUTE
        newest = date
        for begins in self._begins(max(evening, self._first)):
            night = self._night(begins)
            if night.date > newest:
                newest = night.date
                yield night

    def late_from(self, as_of: datetime) -> datetime:
        """The instant at which a roster is late: when the roster of the next night is due."""
        return next(self.later_than(night_of(as_of, self._timezone))).due

    def missed_two(self, as_of: datetime, now: datetime) -> bool:
        """Whether two nights have begun since the night of a roster."""
        later = self.later_than(night_of(as_of, self._timezone))
        next(later)
        return next(later).begins <= now

    def time_to_publish(self, moment: datetime) -> timedelta | None:
        """The time from the start of the newest night that has begun to its deadline. None without `publish_by`."""
        if self._by is None:
            return None
        begins = self._croniter(self._on_the_clock(moment) + _A_MINUTE).get_prev(datetime)
        return self._time_of(self._night(begins))

    def times_to_publish(self) -> list[timedelta]:
        """All possible values of :meth:`time_to_publish`, the shortest first. A night with a clock change is longer or
        shorter than the others. Empty without `publish_by`, or if the cron expression has no single time.
        """
        return self._times

    @cached_property
    def _times(self) -> list[timedelta]:
        minute, hour, *_ = self._cron.split()
        if self._by is None or not (minute.isdigit() and hour.isdigit()):
            return []
        begins = datetime(2026, 1, 15, int(hour), int(minute))
        times = {_next(self._by, begins) - begins}
        for change in _clock_changes(self._timezone):
            for begins in self._begins(self._on_the_clock(change - _TWO_DAYS)):
                if (night := self._night(begins)).begins > change + _TWO_DAYS:
                    break
                times.add(self._time_of(night))
        return sorted(times)

    def is_alert_of(self, moment: datetime, allowed: timedelta) -> bool:
        """Whether this is the length of the newest night, of all lengths that a night can have."""
        exact = self.time_to_publish(moment)
        if exact is None:
            return False
        return allowed == min((one for one in self.times_to_publish() if one >= exact), default=None)

    def _night(self, begins: datetime) -> Night:
        """The night that begins at a local time."""
        starts = max(self._instants(begins))
        if self._by is None:
            due = starts + LONGEST_RUN
        else:
            deadline = _next(self._by, begins)
            due = self._shown(deadline)
            due = due if due > starts else max(self._instants(deadline))
        return Night(night_of(starts, self._timezone), starts, due)

    def _time_of(self, night: Night) -> timedelta:
        return max(night.due - night.begins, _A_MINUTE)

    def _shown(self, reading: datetime) -> datetime:
        """The first instant at which the local clock shows a time, or a later one of that day."""
        shown = min(self._instants(reading))
        while self._on_the_clock(shown) < reading:
            shown += _A_MINUTE
        return shown

    def _instants(self, reading: datetime) -> list[datetime]:
        """The two instants that a local time can mean. Nearly always they are equal."""
        return [reading.replace(tzinfo=self._zone, fold=fold).astimezone(UTC) for fold in (0, 1)]

    def _on_the_clock(self, moment: datetime) -> datetime:
        return moment.astimezone(self._zone).replace(tzinfo=None, fold=0)

    @cached_property
    def _first(self) -> datetime:
        """The tick of the cron before the first night, which is the first one later than `starts_on`."""
        evening = datetime.combine(self._starts_on, EVENING)
        minute, hour, *days = self._cron.split()
        if minute.isdigit() and hour.isdigit() and days == ["*", "*", "*"]:  # most districts; without croniter
            same_day = datetime.combine(self._starts_on, time(int(hour), int(minute)))
            return same_day - _A_DAY if same_day >= evening else same_day
        cron = self._croniter(evening - _A_MINUTE)
        cron.get_next(datetime)
        before: datetime = cron.get_prev(datetime)
        return before

    def _begins(self, clock: datetime) -> Iterator[datetime]:
        """The local times after this one at which nights begin."""
        cron = self._croniter(clock)
        while True:
            yield cron.get_next(datetime)

    def _croniter(self, clock: datetime):  # type: ignore[no-untyped-def]  # it has no types
        from croniter import croniter  # not needed to parse most DAGs

        return croniter(self._cron, clock)


def starts_on_for_tonight(district: District, now: datetime) -> date:
    """The `starts_on` of a district added now: the next night is its first, and nothing runs before it."""
    zone = ZoneInfo(district.schedule.timezone)
    always = msgspec.structs.replace(district, starts_on=now.astimezone(zone).date() - _LONG_AGO)
    starts_on = Nights(always).next_night(now).date - _A_DAY
    added = Nights(msgspec.structs.replace(district, starts_on=starts_on))
    # a cron with several times a night: one of them may have passed this evening
    return starts_on + _A_DAY if added.first_night().begins <= now else starts_on


def _next(shown: time, clock: datetime) -> datetime:
    """The next local date and time with this time of day."""
    by = datetime.combine(clock, shown)
    return by if by > clock else by + timedelta(days=1)


@lru_cache
def _clock_changes(timezone: str) -> list[datetime]:
    """A zone's clock changes within two fixed years, to the hour."""
    zone = ZoneInfo(timezone)

    def offset(moment: datetime) -> timedelta | None:
        return moment.astimezone(zone).utcoffset()

    months = [datetime(2026 + number // 12, number % 12 + 1, 1, tzinfo=UTC) for number in range(25)]
    changes = []
    for first, last in pairwise(months):
        before = offset(first)
        if before == offset(last):
            continue
        while last - first > timedelta(hours=1):
            middle = first + (last - first) / 2
            first, last = (middle, last) if offset(middle) == before else (first, middle)
        changes.append(last)
    return changes
