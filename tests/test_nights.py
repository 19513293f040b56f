"""A year of hours: when nights begin, by when rosters are due, and which roster is late, where clocks are changed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

import pendulum
import pytest
from msgspec.structs import replace

from rollcall.settings import District, Nights, Schedule, night_of
from rollcall.settings.nights import Night, _clock_changes, starts_on_for_tonight

HOUR = timedelta(hours=1)
ZONES = ("America/Chicago", "Europe/Oslo", "Australia/Lord_Howe")
WEEKDAYS = "15 2 * * 1-5"

#: Begins that exist always, and those that once a year do not exist or exist twice.
CLOCKS = (
    ("15 2 * * *", "06:00"),
    (WEEKDAYS, "06:00"),
    ("30 23 * * *", "05:30"),
    ("30 1 * * *", "02:15"),
    ("30 0 * * *", "01:45"),
    ("spread", "05:00"),
    ("15 2 * * *", ""),
    (WEEKDAYS, ""),
)


def _district(zone: str, nightly: str, publish_by: str = "", **more: object) -> District:
    schedule = Schedule(nightly=nightly, timezone=zone, publish_by=publish_by)
    return District(district="elm", name="Elm", version="1.2", usernames="email", schedule=schedule, **more)


def _year() -> Iterator[datetime]:
    first = datetime(2026, 1, 2, tzinfo=UTC)
    return (first + number * HOUR for number in range(365 * 24))


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(("nightly", "publish_by"), CLOCKS)
def test_in_a_year_of_hours_a_roster_is_late_when_the_schedule_says_so(
    zone: str, nightly: str, publish_by: str
) -> None:
    """Every roster is published an hour after its night began, but that of one night in nine; said another way here."""
    district = _district(zone, nightly, publish_by)
    local = ZoneInfo(zone)
    nights = list(islice(Nights(district).after(datetime(2026, 1, 1, tzinfo=UTC)), 380))
    missed = {night.date for night in nights[4::9]}
    published = iter([night for night in nights if night.date not in missed])
    as_of, coming = next(published).begins, next(published)
    late_from = Nights(district).late_from(as_of)
    waiting, due, late_hours = iter(nights), None, 0
    next_due = next(waiting)
    for now in _year():
        if coming and coming.begins + HOUR <= now:
            as_of, coming = coming.begins, next(published, None)
            late_from = Nights(district).late_from(as_of)
        while next_due and _has_passed(next_due, now.astimezone(local), publish_by):
            due, next_due = next_due, next(waiting, None)
        expected = due is not None and due.date > night_of(as_of, zone)
        assert (late_from <= now) == expected, (now.astimezone(local), as_of, due, late_from)
        late_hours += expected
    assert late_hours > len(missed) * 10


def _has_passed(night: Night, clock: datetime, publish_by: str) -> bool:
    """Whether the wall shows a night's deadline, or something later."""
    if clock < night.begins:
        return False
    if not publish_by:
        return clock.astimezone(UTC) >= night.begins + timedelta(hours=6)
    by, begun = time.fromisoformat(publish_by), night.begins.astimezone(clock.tzinfo)
    day = begun.date() if by > begun.time() else begun.date() + timedelta(days=1)
    return clock.replace(tzinfo=None) >= datetime.combine(day, by)


@pytest.mark.parametrize("zone", [*ZONES, "America/Phoenix"])
@pytest.mark.parametrize("nightly", ["15 2 * * *", "30 1 * * *", WEEKDAYS, "0 3 * * 0"])
def test_nights_begin_when_airflows_timetable_lets_them_begin(zone: str, nightly: str) -> None:
    from airflow.timetables.interval import CronDataIntervalTimetable

    first = datetime(2026, 1, 2, 12, tzinfo=UTC)
    timetable = CronDataIntervalTimetable(nightly, zone)
    expected, at = [], pendulum.instance(first)
    while at.year < 2027:
        at = timetable._get_next(at)
        expected.append(at)
    nights = islice(Nights(_district(zone, nightly, starts_on=date(2025, 1, 1))).after(first), len(expected))
    assert [night.begins for night in nights] == expected


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(("nightly", "publish_by"), [pair for pair in CLOCKS if pair[1]])
def test_of_the_alerts_of_a_night_exactly_one_tells_and_not_before_its_deadline(
    zone: str, nightly: str, publish_by: str
) -> None:
    schedule = Nights(_district(zone, nightly, publish_by))
    allowed = schedule.times_to_publish()
    for night in takewhile(lambda one: one.begins.year < 2027, schedule.after(datetime(2026, 1, 1, tzinfo=UTC))):
        telling = [one for one in allowed if schedule.is_alert_of(night.begins + one, one)]
        assert len(telling) == 1
        assert timedelta() <= night.begins + telling[0] - night.due <= timedelta(minutes=1)


@pytest.mark.parametrize(
    ("zone", "nightly", "publish_by", "hours"),
    [
        ("America/Chicago", "15 0 * * *", "06:00", [4.75, 5.75, 6.75]),
        ("America/Chicago", WEEKDAYS, "06:00", [3.75]),  # clocks are changed on Sundays
        ("America/Phoenix", "15 0 * * *", "06:00", [5.75]),
        ("Australia/Lord_Howe", "15 0 * * *", "06:00", [5.25, 5.75, 6.25]),
        ("UTC", "30 23 * * *", "05:30", [6]),
        ("UTC", "15 2 * * *", "", []),
        ("UTC", "*/20 2 * * *", "06:00", []),
    ],
)
def test_a_deadline_counts_from_the_begin_of_the_night(
    zone: str, nightly: str, publish_by: str, hours: list[float]
) -> None:
    allowed = Nights(_district(zone, nightly, publish_by)).times_to_publish()
    assert [one / HOUR for one in allowed] == hours


@pytest.mark.parametrize(
    ("as_of", "late_from"),
    [
        ("2026-11-27T09:00Z", "2026-11-30T12:00Z"),  # of Friday: until Monday at six
        ("2026-11-29T01:00Z", "2026-11-30T12:00Z"),  # by hand on Saturday evening, for Sunday
        ("2026-11-30T01:00Z", "2026-12-01T12:00Z"),  # by hand on Sunday evening, for Monday: newer than today
        ("2026-11-30T20:00Z", "2026-12-01T12:00Z"),  # by hand at noon
    ],
)
def test_a_district_whose_cron_rests_at_weekends_is_not_late_then(as_of: str, late_from: str) -> None:
    nights = Nights(_district("America/Chicago", WEEKDAYS, "06:00"))
    assert nights.late_from(datetime.fromisoformat(as_of)) == datetime.fromisoformat(late_from)


def test_before_its_first_night_a_district_is_not_late() -> None:
    """The first interval of Airflow's timetable begins on the first day; its run, when that interval ends."""
    nights = Nights(_district("UTC", "15 2 * * *", "06:00", starts_on=date(2026, 12, 1)))
    assert nights.late_from(datetime(2026, 11, 20, 12, tzinfo=UTC)) == datetime(2026, 12, 2, 6, tzinfo=UTC)


@pytest.mark.parametrize("zone", ZONES)
def test_evenings_count_for_the_next_morning_at_every_hour_of_a_year(zone: str) -> None:
    for now in _year():
        clock = now.astimezone(ZoneInfo(zone))
        assert night_of(now, zone) == clock.date() + timedelta(days=clock.hour >= 18)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(
    ("off_peak", "peak"), [("22:00-05:00", range(5, 22)), ("02:00-04:00", (*range(2), *range(4, 24)))]
)
def test_off_peak_is_what_the_districts_clock_shows_at_every_hour_of_a_year(
    zone: str, off_peak: str, peak: range
) -> None:
    schedule = Schedule(timezone=zone, off_peak=off_peak)
    for now in _year():
        assert schedule.is_off_peak(now) == (now.astimezone(ZoneInfo(zone)).hour not in peak)


@pytest.mark.parametrize("nightly", ["15 25 * * *", "0 0 30 2 *", "a b c d e"])
def test_a_cron_that_never_comes_is_an_error_of_the_file(nightly: str) -> None:
    with pytest.raises(ValueError, match="cron expression"):
        Schedule(nightly=nightly)


EVERY_SIX_HOURS = "0 */6 * * *"
NEW_CLOCKS = ("15 2 * * *", "30 1 * * *", "10 23 * * *", "59 17 * * *", WEEKDAYS, "0 3 * * 0", EVERY_SIX_HOURS)


@pytest.mark.parametrize("zone", [*ZONES, "America/New_York", "Pacific/Auckland"])
@pytest.mark.parametrize("nightly", NEW_CLOCKS)
def test_a_district_added_today_runs_first_on_the_promised_night(zone: str, nightly: str, monkeypatch) -> None:
    """At noon, late in the evening, and after midnight, also where clocks change: Airflow's first run is the promised
    one, and it is the next night.
    """
    from airflow.timetables import interval
    from airflow.timetables.base import TimeRestriction

    local = ZoneInfo(zone)
    timetable = interval.CronDataIntervalTimetable(nightly, zone)
    changes = [(change - datetime(2026, 1, 1, tzinfo=UTC)).days for change in _clock_changes(zone)]
    near_changes = {day + around for day in changes for around in range(-3, 3)}
    for number in sorted({*range(0, 366, 13), *near_changes}):
        hour = (12, 22.5, 0.5, 23.5)[number % 4]
        now = datetime(2026, 1, 1, tzinfo=local) + timedelta(days=number, hours=hour)
        district = _district(zone, nightly)
        added = replace(district, starts_on=starts_on_for_tonight(district, now.astimezone(UTC)))
        nights = Nights(added)
        monkeypatch.setattr(interval, "utcnow", lambda now=now: pendulum.instance(now.astimezone(UTC)))
        restriction = TimeRestriction(earliest=pendulum.instance(nights.start_date()), latest=None, catchup=False)
        run = timetable.next_dagrun_info(last_automated_data_interval=None, restriction=restriction)
        assert run is not None
        promised = nights.next_night(now.astimezone(UTC)).begins
        assert run.run_after == promised, (now, added.starts_on)
        assert promised > now
        if nightly != EVERY_SIX_HOURS:
            assert promised == timetable._get_next(pendulum.instance(now.astimezone(UTC))), (now, added.starts_on)


@pytest.mark.parametrize(
    ("nightly", "now", "begins"),
    [
        ("30 1 * * *", "2026-11-01T01:15-05:00", "2026-11-01T01:30-06:00"),
        ("30 1 * * *", "2026-11-01T01:45-05:00", "2026-11-01T01:30-06:00"),
        ("30 1 * * *", "2026-11-01T00:45-05:00", "2026-11-01T01:30-06:00"),
        ("30 2 * * *", "2026-03-08T01:50-06:00", "2026-03-08T03:30-05:00"),
        # each time Airflow reads the DAG, it computes the next run from the local time, and 02:30 has passed
        ("30 2 * * *", "2026-03-08T03:10-05:00", "2026-03-09T02:30-05:00"),
    ],
)
def test_while_clocks_change_the_next_night_is_the_one_that_airflow_runs(nightly, now, begins, monkeypatch) -> None:
    from airflow.timetables import interval
    from airflow.timetables.base import DataInterval, TimeRestriction

    zone = "America/Chicago"
    moment, expected = (datetime.fromisoformat(text).astimezone(UTC) for text in (now, begins))
    nights = Nights(_district(zone, nightly))
    timetable = interval.CronDataIntervalTimetable(nightly, zone)
    ticks = [timetable._get_next(pendulum.instance(moment - timedelta(days=5)))]
    while (tick := timetable._get_next(ticks[-1])) <= moment:
        ticks.append(tick)
    published = DataInterval(*ticks[-2:])
    monkeypatch.setattr(interval, "utcnow", lambda: pendulum.instance(moment))
    restriction = TimeRestriction(earliest=pendulum.instance(nights.start_date()), latest=None, catchup=False)
    run = timetable.next_dagrun_info(last_automated_data_interval=published, restriction=restriction)
    assert run is not None
    assert (run.run_after, nights.next_night(moment).begins) == (expected, expected)


@pytest.mark.parametrize(("nightly", "first"), [("15 2 * * *", "11-22T02:15"), ("10 23 * * *", "11-21T23:10")])
def test_the_first_night_is_the_one_after_starts_on(nightly: str, first: str) -> None:
    nights = Nights(_district("America/Chicago", nightly, starts_on=date(2026, 11, 21)))
    begins = datetime.fromisoformat(f"2026-{first}").replace(tzinfo=ZoneInfo("America/Chicago"))
    assert nights.first_night().begins == begins
    assert nights.first_night().date == date(2026, 11, 22)
