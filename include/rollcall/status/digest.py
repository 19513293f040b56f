"""The morning digest and the urgent alerts, as plain text for email, chat, and webhooks.

The first line of each message is the published roster.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from rollcall.display.dates import format_date
from rollcall.display.printable import printable
from rollcall.explain.formatting import pluralize
from rollcall.landing.zone import Landing, default_landing
from rollcall.onboarding.draft_end import delete_expired
from rollcall.retention.sweep import sweep_after_night
from rollcall.settings import District, Nights, find_district, load_districts
from rollcall.status.status import STATES, DistrictStatus, statuses
from rollcall.warehouse.session import ConnectionFields, connect, require_reachable, url_of

#: The DAG that turns holds into required actions.
HOLDS_DAG = "roster_holds"

_HOLDS_DAG_COMMANDS = {True: f"airflow dags unpause {HOLDS_DAG}", None: "airflow dags list-import-errors"}


def totals(districts: Sequence[DistrictStatus]) -> str:
    """One line: the number of districts in each state."""
    if not districts:
        return "No districts."
    counts = Counter(status.state for status in districts)
    listed = ", ".join(f"{counts[state]} {state}" for state in reversed(STATES) if counts[state])
    return f"{pluralize(len(districts), 'district')}: {listed}."


def digest(districts: Sequence[DistrictStatus]) -> str:
    """The published rosters, the totals, then the districts that need action, worst first."""
    lines = [_published_rosters(districts), totals(districts)]
    for status in districts:
        if status.action_required:
            since = f", since {status.since_label}" if status.since else ""
            lines += ["", f"{printable(status.name)} ({status.district}): {status.state}{since}"]
            lines += [f"  {printable(status.message)}", f"  {status.roster}."]
            lines += [f"  Next: {status.command}"] if status.command else []
    if not any(status.action_required for status in districts):
        lines += ["", "No action needed."]
    return "\n".join(lines)


def alert(status: DistrictStatus) -> str:
    """An urgent message about one district: its published roster is too old, or tonight's is late."""
    lines = [
        f"{status.roster}. {printable(status.name)} ({status.district}): {status.state}.",
        printable(status.message),
    ]
    return "\n".join([*lines, f"Next: {status.command}"] if status.command else lines)


def _published_rosters(districts: Sequence[DistrictStatus]) -> str:
    enabled = [status for status in districts if status.state != "disabled"]
    nights = [status.night for status in enabled if status.night is not None]
    if not nights:
        return "Published roster: none yet."
    newest = max(nights)
    older = [night for night in nights if night < newest]
    unpublished = [status for status in enabled if status.published_as_of is None]
    parts = [f"Published roster: {format_date(newest)} ({pluralize(len(nights) - len(older), 'district')})"]
    if older:
        parts.append(f"older: {pluralize(len(older), 'district')} (oldest: {format_date(min(older))})")
    if unpublished:
        parts.append(f"none yet: {pluralize(len(unpublished), 'district')}")
    return f"{'; '.join(parts)}."


def morning_digest(warehouse: ConnectionFields, notes: Sequence[str] = ()) -> tuple[str, str]:
    """Subject and text of the morning digest.

    :param notes: sentences about problems outside the districts.
    """
    with _warehouse(warehouse) as engine, engine.connect() as connection:
        districts = statuses(connection, *load_districts())
    return f"Rollcall: {totals(districts)}", "\n".join([digest(districts), *notes])


def holds_dag_notes(is_paused: bool | None) -> list[str]:
    """A note if the DAG that asks for hold decisions does not run.

    :param is_paused: None if Airflow does not have the DAG.
    """
    if is_paused is False:
        return []
    state = "is paused" if is_paused else "is missing"
    command = _HOLDS_DAG_COMMANDS[is_paused]
    return [f"The DAG {HOLDS_DAG} {state} in Airflow, so Airflow does not ask for hold decisions. Next: {command}"]


def apply_retention(warehouse: ConnectionFields, now: datetime | None = None) -> list[str]:
    """Apply every district's retention, even if its nights fail; one sentence per district.

    Drafts older than a day are deleted first, with their credentials.
    """
    landing = Landing(default_landing())
    with _warehouse(warehouse) as engine:
        now = now or datetime.now(UTC)
        delete_expired(engine, landing, now)
        return [
            f"{district.name}: {sweep_after_night(engine, district, landing, now)}" for district in load_districts()[0]
        ]


def urgent_alert(
    warehouse: ConnectionFields, district: str, *, allowed: timedelta | None = None, now: datetime | None = None
) -> tuple[str, str] | None:
    """Subject and text of an alert; None if it can wait for the morning.

    It cannot wait if the district's `publish_by` has passed without tonight's roster, or if its nights fail and the
    published roster is older than the last two nights.

    :param allowed: the time from the start of the night to this deadline alert. A schedule has one alert per length of
        a night; only the alert for tonight's length sends a message.
    """
    settings, now = find_district(district), now or datetime.now(UTC)
    nights = Nights(settings)
    if allowed is not None and not nights.is_alert_of(now, allowed):
        return None
    with _warehouse(warehouse) as engine, engine.connect() as connection:
        (status,) = statuses(connection, [settings], now=now)
    if status.state == "late" or (status.state == "failed" and _is_urgent(status, settings, now)):
        return f"Rollcall: {printable(status.name)}: {status.state}", alert(status)
    return None


@contextmanager
def _warehouse(warehouse: ConnectionFields) -> Iterator[sa.Engine]:
    engine = connect(url_of(warehouse))
    try:
        require_reachable(engine)
        yield engine
    finally:
        engine.dispose()


def _is_urgent(status: DistrictStatus, settings: District, now: datetime) -> bool:
    """Whether a failed night leaves the published roster past its deadline or two nights behind."""
    as_of, nights = status.published_as_of, Nights(settings)
    if as_of is None or nights.missed_two(as_of, now):
        return True
    return bool(settings.schedule.publish_by) and nights.late_from(as_of) <= now
