"""What a morning tells, worked out from the warehouse; sending it is Airflow's business."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from include.landing import Landing, default_landing
from include.morning.digest import alert, digest, totals
from include.morning.status import DistrictStatus, statuses
from include.retention.sweep import sweep_after_night
from include.settings import District, Nights, find_district, load_districts
from include.warehouse.connect import ConnectionFields, connect, reached, url_of

#: The DAG that turns holds into required actions.
HOLDS_DAG = "roster_holds"

_HELPS = {True: f"airflow dags unpause {HOLDS_DAG}", None: "airflow dags list-import-errors"}


def morning(warehouse: ConnectionFields, notes: Sequence[str] = ()) -> tuple[str, str]:
    """Subject and text of the morning's digest.

    :param notes: what is wrong with the machine, in sentences.
    """
    with _warehouse(warehouse) as engine, engine.connect() as connection:
        told = statuses(connection, *load_districts())
    return f"Rollcall: {totals(told)}", "\n".join([digest(told), *notes])


def holds_note(is_paused: bool | None) -> list[str]:
    """What to say about the DAG that asks for decisions; nothing where it runs.

    :param is_paused: None where Airflow has no such DAG.
    """
    if is_paused is False:
        return []
    what = "is paused" if is_paused else "is missing"
    return [f"The DAG {HOLDS_DAG} {what} in Airflow: nobody is asked about holds there. Next: {_HELPS[is_paused]}"]


def tidy(warehouse: ConnectionFields) -> list[str]:
    """Apply every district's retention, also of those whose nights do not reach their end; a sentence about each."""
    landing = Landing(default_landing())
    with _warehouse(warehouse) as engine:
        return [f"{one.name}: {sweep_after_night(engine, one, landing)}" for one in load_districts()[0]]


def urgent(
    warehouse: ConnectionFields, district: str, *, allowed: timedelta | None = None, now: datetime | None = None
) -> tuple[str, str] | None:
    """Subject and text of a single alert; None while it can wait for the morning.

    It cannot wait when the district's `publish_by` has passed without tonight's roster, or when its nights fail and
    readers have none of the last two nights.

    :param allowed: asked by the alert that comes so long after a night began. There is one for each length of a night,
        and only that of this night tells.
    """
    settings, now = find_district(district), now or datetime.now(UTC)
    nights = Nights(settings)
    if allowed is not None and not nights.is_alert_of(now, allowed):
        return None
    with _warehouse(warehouse) as engine, engine.connect() as connection:
        (one,) = statuses(connection, [settings], now=now)
    if one.state == "late" or (one.state == "failed" and _cannot_wait(one, settings, now)):
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


def _cannot_wait(one: DistrictStatus, settings: District, now: datetime) -> bool:
    """Whether a night that failed keeps readers from the roster they were promised, or from those of two nights."""
    as_of, nights = one.readers_have, Nights(settings)
    if as_of is None or nights.missed_two(as_of, now):
        return True
    return bool(settings.schedule.publish_by) and nights.late_from(as_of) <= now
