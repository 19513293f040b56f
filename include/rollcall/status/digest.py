"""The one message of a morning, and the single alerts that cannot wait for it.

The first line of each says which roster readers have now. Plain text, so that an e-mail, Slack and a webhook take it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from rollcall.landing.zone import Landing, default_landing
from rollcall.retention.sweep import sweep_after_night
from rollcall.settings import District, Nights, find_district, load_districts
from rollcall.status.status import STATES, DistrictStatus, statuses
from rollcall.warehouse.session import ConnectionFields, connect, require_reachable, url_of


def totals(told: Sequence[DistrictStatus]) -> str:
    """One line: how many districts are in which state."""
    counts = Counter(one.state for one in told)
    listed = ", ".join(f"{counts[state]} {state}" for state in reversed(STATES) if counts[state])
    return f"{_districts(len(told))}: {listed}." if told else "There are no districts."


def digest(told: Sequence[DistrictStatus]) -> str:
    """Everything a morning has to say: the totals, then only the districts that need a person, the worst first."""
    lines = [_readers(told), totals(told)]
    for one in told:
        if one.action_required:
            since = f", since {_day(one.since)}" if one.since else ""
            lines += ["", f"{one.name} ({one.district}): {one.state}{since}", f"  {one.what}", f"  {one.roster}."]
            lines += [f"  Next: {one.command}"] if one.command else []
    if not any(one.action_required for one in told):
        lines += ["", "No district needs a person."]
    return "\n".join(lines)


def alert(one: DistrictStatus) -> str:
    """What is told at once about one district whose readers are affected, or whose roster is late."""
    lines = [f"{one.roster}: {one.name} ({one.district}) is {one.state}.", one.what]
    return "\n".join([*lines, f"Next: {one.command}"] if one.command else lines)


def _readers(told: Sequence[DistrictStatus]) -> str:
    dated = [one for one in told if one.night is not None and one.state != "disabled"]
    if not dated:
        return "Readers have no roster yet."
    newest = max(one.night for one in dated if one.night)
    older = [one for one in dated if one.night and one.night < newest]
    without = [one for one in told if one.readers_have is None and one.state != "disabled"]
    line = f"Readers have the roster of {newest:%A, %Y-%m-%d} for {_districts(len(dated) - len(older))}"
    if older:
        oldest = min(one.night for one in older if one.night)
        line += f", an older one for {len(older)} (the oldest of {oldest:%Y-%m-%d})"
    return f"{line}, none yet for {len(without)}." if without else f"{line}."


def _districts(count: int) -> str:
    return f"{count} district{'' if count == 1 else 's'}"


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


# What a morning tells, worked out from the warehouse; sending it is Airflow's business.

#: The DAG that turns holds into required actions.
HOLDS_DAG = "roster_holds"

_HELPS = {True: f"airflow dags unpause {HOLDS_DAG}", None: "airflow dags list-import-errors"}


def morning_digest(warehouse: ConnectionFields, notes: Sequence[str] = ()) -> tuple[str, str]:
    """Subject and text of the morning's digest.

    :param notes: what is wrong with the machine, in sentences.
    """
    with _warehouse(warehouse) as engine, engine.connect() as connection:
        told = statuses(connection, *load_districts())
    return f"Rollcall: {totals(told)}", "\n".join([digest(told), *notes])


def holds_dag_notes(is_paused: bool | None) -> list[str]:
    """What to say about the DAG that asks for decisions; nothing where it runs.

    :param is_paused: None where Airflow has no such DAG.
    """
    if is_paused is False:
        return []
    what = "is paused" if is_paused else "is missing"
    return [f"The DAG {HOLDS_DAG} {what} in Airflow: nobody is asked about holds there. Next: {_HELPS[is_paused]}"]


def apply_retention(warehouse: ConnectionFields) -> list[str]:
    """Apply every district's retention, also of those whose nights do not reach their end; a sentence about each."""
    landing = Landing(default_landing())
    with _warehouse(warehouse) as engine:
        return [f"{one.name}: {sweep_after_night(engine, one, landing)}" for one in load_districts()[0]]


def urgent_alert(
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
        require_reachable(engine)
        yield engine
    finally:
        engine.dispose()


def _cannot_wait(one: DistrictStatus, settings: District, now: datetime) -> bool:
    """Whether a night that failed keeps readers from the roster they were promised, or from those of two nights."""
    as_of, nights = one.readers_have, Nights(settings)
    if as_of is None or nights.missed_two(as_of, now):
        return True
    return bool(settings.schedule.publish_by) and nights.late_from(as_of) <= now
