"""What a morning tells, worked out from the warehouse; sending it is Airflow's business."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from include.landing import Landing, default_landing
from include.morning.digest import alert, digest, totals
from include.morning.status import DistrictStatus, statuses
from include.retention.sweep import sweep_after_night
from include.settings import Schedule, find_district, load_districts
from include.warehouse.connect import ConnectionFields, connect, reached, url_of

#: Readers are affected by a failing night once theirs is the roster of two nights ago, or none at all.
_TOO_OLD = timedelta(hours=48)


def morning(warehouse: ConnectionFields) -> tuple[str, str]:
    """Subject and text of the morning's digest."""
    with _warehouse(warehouse) as engine, engine.connect() as connection:
        told = statuses(connection, *load_districts())
    return f"Rollcall: {totals(told)}", digest(told)


def tidy(warehouse: ConnectionFields) -> list[str]:
    """Apply every district's retention, also of those whose nights do not reach their end; a sentence about each."""
    landing = Landing(default_landing())
    with _warehouse(warehouse) as engine:
        return [f"{one.name}: {sweep_after_night(engine, one, landing)}" for one in load_districts()[0]]


def urgent(warehouse: ConnectionFields, district: str) -> tuple[str, str] | None:
    """Subject and text of a single alert; None while it can wait for the morning.

    It cannot wait when the district's `publish_by` has passed without tonight's roster, or when its nights fail and
    readers have none of the last two nights.
    """
    settings, now = find_district(district), datetime.now(UTC)
    with _warehouse(warehouse) as engine, engine.connect() as connection:
        (one,) = statuses(connection, [settings])
    if one.state == "late" or (
        one.state == "failed" and (_readers_are_affected(one, now) or _is_overdue(one, settings.schedule, now))
    ):
        return f"Rollcall: {one.name} is {one.state}", alert(one)
    return None


@contextmanager
def _warehouse(warehouse: ConnectionFields) -> Iterator[sa.Engine]:
    engine = connect(url_of(warehouse))
    try:
        reached(engine)
        yield engine
    finally:
        engine.dispose()


def _readers_are_affected(one: DistrictStatus, now: datetime) -> bool:
    return one.readers_have is None or now - one.readers_have > _TOO_OLD


def _is_overdue(one: DistrictStatus, schedule: Schedule, now: datetime) -> bool:
    """Whether `publish_by` has passed without tonight's roster; a run that failed before is no less late."""
    local = now.astimezone(ZoneInfo(schedule.timezone))
    by = schedule.publish_by
    return bool(by) and local.time() >= time.fromisoformat(by) and one.night != local.date()
