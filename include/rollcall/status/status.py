"""The state of each district, worst first, and the next command for each.

The view `roster_ops.district_status` has the facts; the district files decide which districts exist. Nothing here
contains data about people.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa

from rollcall.display.dates import format_date, format_instant
from rollcall.errors import ActionRequired
from rollcall.explain.formatting import pluralize
from rollcall.settings import District, Nights
from rollcall.warehouse.ops_models import state as published
from rollcall.warehouse.schemas import OPS

#: Every state of a district, worst first.
STATES = ("failed", "late", "broken", "never", "paused", "held", "running", "disabled", "published")

#: States that need action by a person.
ACTION_REQUIRED = frozenset({"failed", "late", "broken", "never", "paused", "held"})

#: The next command by the error code of a failed run. Other codes are about the connection.
_COMMANDS = {
    "warehouse_version": "rollcall db upgrade",
    "warehouse_unreachable": "rollcall sync {district}",
    "state_in_future": "rollcall resume {district} --clock",
    "run_interrupted": "rollcall sync {district}",
    "run_killed": "rollcall sync {district}",
    "run_abandoned": "rollcall sync {district}",
    "warehouse_lost": "rollcall sync {district}",
    "warehouse_timeout": "rollcall sync {district}",
    "warehouse_conflict": "rollcall sync {district}",
    "warehouse_connections": "rollcall sync {district}",
    "warehouse_full": "rollcall sync {district}",
    "disk_full": "rollcall sync {district}",
    "disk_not_writable": "rollcall sync {district}",
    "warehouse_read_only": "rollcall sync {district}",
    "warehouse_permission": "rollcall db upgrade",
    "warehouse_encoding": "rollcall db upgrade",
    "warehouse_too_old": "rollcall db upgrade",
    "owner_not_live": "rollcall sync {district} --full",
    "username_shared": "rollcall sync {district} --full",
    "usernames_differ": "rollcall sync {district} --full",
    "left_out_contradicts": "rollcall sync {district} --full",
    "counts_differ": "rollcall sync {district} --full",
    "accounts_differ": "rollcall sync {district} --full",
    "publication_crowded": "rollcall sync {district}",
    "delta_without_base": "rollcall sync {district}",
    "pull_is_older": "rollcall sync {district}",
    "permission_refused": "rollcall check {district} --email",
    "scope_refused": "rollcall check {district} --email",
    "blocked_by_firewall": "rollcall check {district} --email",
    "no_people": "rollcall check {district} --email",
    "no_orgs": "rollcall check {district} --email",
    "site_unknown": "rollcall districts show {district}",
    "sites_query": "rollcall districts show {district}",
    "rule_unknown": "rollcall districts show {district}",
    "rule_fixed": "rollcall districts show {district}",
    "landing_damaged": "rollcall sync {district}",
    "not_landed": "rollcall sync {district}",
    "extract_failed": "rollcall sync {district}",
    "rule_not_judged": "rollcall sync {district}",
    "validate_failed": "rollcall sync {district}",
    "map_roster_failed": "rollcall sync {district}",
    "publish_failed": "rollcall sync {district}",
}


@dataclass(frozen=True)
class DistrictStatus:
    """The state of one district.

    :param message: what happened.
    :param command: what to do next.
    :param since: the first occurrence of the same failure, or the start of this state.
    :param nights: the number of nights with the same failure.
    :param published_as_of: the instant of the published roster; None if there is none.
    :param night: the night of the published roster.
    """

    district: str
    name: str
    state: str
    message: str
    command: str
    timezone: str = "UTC"
    since: datetime | None = None
    nights: int = 0
    published_as_of: datetime | None = None
    night: date | None = None
    run_id: str = ""

    @property
    def action_required(self) -> bool:
        return self.state in ACTION_REQUIRED

    @property
    def roster(self) -> str:
        """The published roster in words."""
        return f"Published roster: {format_date(self.night) if self.night else 'none yet'}"

    @property
    def since_label(self) -> str:
        return format_instant(self.since, self.timezone) if self.since else ""

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "roster": self.roster}


def statuses(
    connection: sa.Connection,
    districts: Iterable[District],
    broken: Sequence[ActionRequired] = (),
    now: datetime | None = None,
) -> list[DistrictStatus]:
    """Every district, worst first.

    :param districts: the districts with valid files.
    :param broken: the errors in the other files.
    :param now: the time of the question.
    """
    now = now or datetime.now(UTC)
    by_id = {district.district: district for district in districts}
    listed = connection.execute(_VIEW, {"ids": list(by_id)}).mappings()
    rows = {row["district_id"]: row for row in listed}
    found = [_broken(error) for error in broken]
    for name, district in by_id.items():
        found.append(_status(rows[name], district, now) if name in rows else _new(district))
    ranks = {state: rank for rank, state in enumerate(STATES)}
    return sorted(found, key=lambda status: (ranks[status.state], -status.nights, status.district))


_VIEW = sa.text(f"SELECT * FROM {OPS}.district_status WHERE district_id = ANY(CAST(:ids AS text[]))")  # noqa: S608


def _status(row: Any, district: District, now: datetime) -> DistrictStatus:
    late_from = Nights(district).late_from(row["published_as_of"]) if row["published_as_of"] else None
    state = _state(row, district, late_from, now)
    since = {"late": late_from, "held": row["held_since"], "published": row["published_at"]}
    return DistrictStatus(
        district=district.district,
        name=district.name,
        state=state,
        message=_message(state, row, late_from, district),
        command=_command(state, row, district),
        timezone=district.schedule.timezone,
        since=since.get(state, row["since"]),
        nights=row["nights"] or 0,
        published_as_of=row["published_as_of"],
        night=row["published_night"],
        run_id=row["run_id"] or "",
    )


def _state(row: Any, district: District, late_from: datetime | None, now: datetime) -> str:
    """The view knows the schedule of the last publication; the district's file has the current one."""
    if not district.enabled:
        return "disabled"
    state: str = row["state"]
    if state == "disabled" and late_from is None:  # enabled again since the last run
        return "never"
    if state not in ("disabled", "late", "held", "running", "published"):
        return state
    if late_from is not None and late_from <= now:
        return "late"
    if row["holds"]:
        return "held"
    return "running" if row["run_status"] == "running" else "published"


def follow_schedule(connection: sa.Connection, district: District) -> None:
    """Store from when the published roster is late by a changed schedule. The view has the schedule of the last
    publication, and the list of all districts reads the view alone.
    """
    is_its_own = published.c.district_id == district.district
    as_of = connection.scalar(sa.select(published.c.current_as_of).where(is_its_own))
    if as_of is not None:
        late_from = Nights(district).late_from(as_of)
        connection.execute(sa.update(published).where(is_its_own).values(late_from=late_from))


def _message(state: str, row: Any, late_from: datetime | None, district: District) -> str:
    zone = district.schedule.timezone
    match state:
        case "failed":
            again = f" Same failure on {row['nights']} nights." if (row["nights"] or 0) > 1 else ""
            return f"{row['error_message']}{again}"
        case "late":
            due = format_instant(late_from, zone) if late_from else "tonight"
            return f"The roster was due {due}.{_running(row, zone)}"
        case "held":
            holds = pluralize(row["holds"], "hold")
            return f"{holds} waiting for a decision, {pluralize(row['held_rows'], 'row')}."
        case "paused":
            return f"Publishing is paused: {row['paused']}"
        case "never":
            return "Never published."
        case "running":
            return _running(row, zone).strip()
        case "disabled":
            return "Disabled in the district settings. The published roster stays."
    return "Published."


def _running(row: Any, zone: str) -> str:
    """The run in progress and what it waits for."""
    if row["run_status"] != "running":
        return ""
    waits = f", waiting for {row['waits_for']}" if row["waits_for"] else ""
    return f" Run in progress since {format_instant(row['started_at'], zone)}{waits}."


def _command(state: str, row: Any, district: District) -> str:
    name = district.district
    match state:
        case "failed":
            return command_after(row["error_code"] or "", name)
        case "late" | "never":
            return f"rollcall sync {name}"
        case "held":
            return f"rollcall holds list {name}"
        case "paused":
            return f"rollcall resume {name}"
    return ""


def command_after(code: str, district: str) -> str:
    """The next command after a run that failed with this error code."""
    return _COMMANDS.get(code, "rollcall check {district}").format(district=district)


def _new(district: District) -> DistrictStatus:
    name = district.district
    if not district.enabled:
        message = "Disabled in the district settings. Never published."
        return DistrictStatus(name, district.name, "disabled", message, "")
    return DistrictStatus(name, district.name, "never", "Never run.", f"rollcall sync {name} --dry-run")


def _broken(error: ActionRequired) -> DistrictStatus:
    name = error.district
    return DistrictStatus(name, name, "broken", str(error), f"rollcall districts show {name}")
