"""Full or delta: what a night requests from the provider, and why.

Infinite Campus asks for full syncs weekly and differential syncs nightly. A delta is only as good as the provider's
modification dates and tombstones. If there is a reason to doubt them, the next pull is full.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from rollcall.changes.comparison import ABSENT_TWICE, TOMBSTONE
from rollcall.display.dates import format_date, format_day
from rollcall.extract.pull import ALWAYS_FULL, FULL_PULL, Plan
from rollcall.settings import District, night_of
from rollcall.settings.schedule import EVENING
from rollcall.warehouse.clock import warehouse_now
from rollcall.warehouse.models import staging
from rollcall.warehouse.ops_models import districts, state, watermarks
from rollcall.warehouse.profiles import last_profile

#: After this long without a full pull, the next one is full on any day.
LONGEST_WITHOUT_FULL = timedelta(days=7)


def plan_night(connection: sa.Connection, district: District, requested: str, now: datetime) -> Plan:
    """What to pull.

    :param requested: `auto`, `full` or `delta`. If a delta is not possible, the pull is full.
    """
    profile = last_profile(connection, district.district)
    pinned = profile.pinned_org if profile else None
    limit = profile.largest_limit if profile else None
    known = sa.select(districts.c.base_url).where(districts.c.district_id == district.district)
    base_url = connection.execute(known).scalar_one_or_none() or ""
    marks = _watermarks(connection, district)
    reason = "" if requested == "delta" else _reason_for_full(connection, district, requested, now)
    if not marks:
        reason = "the first pull"
    if reason:
        return Plan("full", pinned_org=pinned, base_url=base_url, largest_limit=limit, reason=reason)
    overlap = timedelta(hours=district.schedule.overlap_hours)
    return Plan(
        "delta",
        since={name: mark - overlap for name, mark in marks.items() if name not in ALWAYS_FULL},
        school_years=_school_years(connection, district),
        pinned_org=pinned,
        base_url=base_url,
        largest_limit=limit,
        reason="records modified since the last pull",
    )


def plan_refetch(connection: sa.Connection, district: District, night: date) -> Plan:
    """A pull of what was modified since a night whose pull is not kept.

    A district that was never published is pulled in full, because a delta needs a published roster.
    """
    now = warehouse_now(connection)
    planned = replace(plan_night(connection, district, "delta", now), clock_ahead=now - datetime.now(UTC))
    if planned.mode == "full":
        return replace(planned, kind="refetch")
    evening = datetime.combine(night - timedelta(days=1), EVENING, ZoneInfo(district.schedule.timezone))
    since = evening.astimezone(UTC) - timedelta(hours=district.schedule.overlap_hours)
    requested_since = {name: since for name in district.wanted() if name not in ALWAYS_FULL}
    return replace(
        planned,
        since=requested_since,
        kind="refetch",
        reason=f"records modified since the night of {format_date(night)}",
    )


def plan_without_warehouse() -> Plan:
    """The plan while the warehouse is down. Without watermarks, everything is requested."""
    return Plan("full", reason="the warehouse does not answer, so no watermark is known", clock_ahead=None)


def _reason_for_full(connection: sa.Connection, district: District, requested: str, now: datetime) -> str:
    if requested == "full":
        return FULL_PULL.reason
    columns = (state.c.full_required, state.c.last_full_as_of)
    row = connection.execute(sa.select(*columns).where(state.c.district_id == district.district)).one_or_none()
    if row is None or row.last_full_as_of is None:
        return "no complete full pull yet"
    if row.full_required:
        return str(row.full_required)
    if now - row.last_full_as_of >= LONGEST_WITHOUT_FULL:
        return f"the last complete full pull was on {format_day(row.last_full_as_of, district.schedule.timezone)}"
    zone, day = district.schedule.timezone, district.schedule.full_on
    tonight = night_of(now, zone)
    if f"{tonight:%A}".lower() == day and night_of(row.last_full_as_of, zone) < tonight:
        return f"{day.title()} is the day of the full pull"
    if _never_marks_deletions(connection, district):
        return "this provider never marks deleted records"
    return ""


def _never_marks_deletions(connection: sa.Connection, district: District) -> bool:
    """Whether people were removed, and none of them by a tombstone (Ed-Fi marks every record `active`)."""
    users = staging["users"]

    def has_removed(reason: str) -> bool:
        where = (users.c.district_id == district.district, users.c._removed_reason == reason)
        return connection.execute(sa.select(sa.exists().where(*where))).scalar_one()

    return has_removed(ABSENT_TWICE) and not has_removed(TOMBSTONE)


def _watermarks(connection: sa.Connection, district: District) -> dict[str, datetime]:
    columns = (watermarks.c.collection, watermarks.c.watermark)
    rows = connection.execute(sa.select(*columns).where(watermarks.c.district_id == district.district))
    return {row.collection: row.watermark for row in rows}


def _school_years(connection: sa.Connection, district: District) -> frozenset[str]:
    """The published school years, by sourcedId."""
    sessions = staging["academic_sessions"]
    where = (
        sessions.c.district_id == district.district,
        sessions.c.type == "schoolYear",
        sessions.c._removed_at.is_(None),
        sessions.c._missing_since.is_(None),
    )
    return frozenset(connection.execute(sa.select(sessions.c.sourced_id).where(*where)).scalars())
