"""Which districts need a person this morning, worst first, and what to do about each.

The warehouse's view `roster_ops.district_status` says what happened; the districts' files say which districts there
should be. Nothing here names a person of the roster.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from rollcall.errors import ActionRequired
from rollcall.settings import District, Nights
from rollcall.warehouse.schemas import OPS

#: Every state a district can be in, the worst first.
STATES = ("failed", "late", "broken", "never", "paused", "held", "running", "disabled", "published")

#: States in which a person has something to do.
NEED_A_PERSON = frozenset({"failed", "late", "broken", "never", "paused", "held"})

#: What helps, by the code of the error a run ended with; everything else is about the connection.
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
    "permission_refused": "rollcall check {district} --letter",
    "scope_refused": "rollcall check {district} --letter",
    "blocked_by_firewall": "rollcall check {district} --letter",
    "no_people": "rollcall check {district} --letter",
    "no_orgs": "rollcall check {district} --letter",
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
    """One district this morning.

    :param since: the first time of the same failure, or since when it has been in this state.
    :param nights: on how many nights the same failure came.
    :param readers_have: the instant of the roster readers have; None for none.
    :param night: the night that roster is of.
    :param command: what to do next.
    """

    district: str
    name: str
    state: str
    what: str
    command: str
    since: datetime | None = None
    nights: int = 0
    readers_have: datetime | None = None
    night: date | None = None
    run_id: str = ""

    @property
    def action_required(self) -> bool:
        return self.state in NEED_A_PERSON

    @property
    def roster(self) -> str:
        """Which roster readers have now, in words."""
        if self.readers_have is None:
            return "Readers have no roster yet"
        return f"Readers have the roster of {self.night:%A, %Y-%m-%d}"

    def plain(self) -> dict[str, Any]:
        return {**asdict(self), "roster": self.roster}


def statuses(
    connection: sa.Connection,
    districts: Iterable[District],
    broken: Sequence[ActionRequired] = (),
    now: datetime | None = None,
) -> list[DistrictStatus]:
    """Every district, the worst first.

    :param districts: those whose files could be read.
    :param broken: what is wrong with the files that could not.
    :param now: the instant of the question.
    """
    now = now or datetime.now(UTC)
    known = {row["district_id"]: row for row in connection.execute(_VIEW).mappings()}
    described = {district.district: district for district in districts}
    told = [_broken(error) for error in broken]
    for name, district in described.items():
        told.append(_told(known[name], district, now) if name in known else _new(district))
    ranks = {state: rank for rank, state in enumerate(STATES)}
    return sorted(told, key=lambda one: (ranks[one.state], -one.nights, one.district))


_VIEW = sa.text(f"SELECT * FROM {OPS}.district_status ORDER BY district_id")  # noqa: S608 - a schema's name


def _told(row: Any, district: District, now: datetime) -> DistrictStatus:
    late_from = Nights(district).late_from(row["readers_have"]) if row["readers_have"] else None
    state = _state(row, district, late_from, now)
    since = {"late": late_from, "held": row["held_since"], "published": row["published_at"]}
    return DistrictStatus(
        district=district.district,
        name=district.name,
        state=state,
        what=_what(state, row, late_from, district),
        command=_command(state, row, district),
        since=since.get(state, row["since"]),
        nights=row["nights"] or 0,
        readers_have=row["readers_have"],
        night=row["night_readers_have"],
        run_id=row["run_id"] or "",
    )


def _state(row: Any, district: District, late_from: datetime | None, now: datetime) -> str:
    """The district's file knows its schedule as it is now; the view, as it was at the last publication."""
    if not district.enabled:
        return "disabled"
    state: str = row["state"]
    if state == "disabled" and late_from is None:  # switched on again since the last run
        return "never"
    if state not in ("disabled", "late", "held", "running", "published"):
        return state
    if late_from is not None and late_from <= now:
        return "late"
    if row["holds"]:
        return "held"
    return "running" if row["run_status"] == "running" else "published"


def _what(state: str, row: Any, late_from: datetime | None, district: District) -> str:
    match state:
        case "failed":
            again = f" The same on {row['nights']} nights." if (row["nights"] or 0) > 1 else ""
            return f"{row['error_message']}{again}"
        case "late":
            return f"A roster was expected by {_by(late_from, district)}{_unfinished(row)}."
        case "held":
            return f"{_counted(row['holds'], 'decision waits', 'decisions wait')}, about {row['held_rows']:,} rows."
        case "paused":
            return f"Publication is paused: {row['paused']}"
        case "never":
            return "It has never been published."
        case "running":
            return f"A run is under way{_unfinished(row)}."
        case "disabled":
            return "Switched off in its file; what is published stays."
    return "Published."


def _by(late_from: datetime | None, district: District) -> str:
    if late_from is None:
        return "tonight"
    return f"{late_from.astimezone(ZoneInfo(district.schedule.timezone)):%H:%M on %A, %Y-%m-%d}"


def _unfinished(row: Any) -> str:
    """What a run that does not finish waits for."""
    if row["run_status"] != "running":
        return ""
    waits = f", waiting for {row['waits_for']}" if row["waits_for"] else ""
    return f"; a run has been under way since {row['started_at']:%H:%M} UTC{waits}"


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
    """What to do next after a run that ended with an error of this code."""
    return _COMMANDS.get(code, "rollcall check {district}").format(district=district)


def _new(district: District) -> DistrictStatus:
    name = district.district
    if not district.enabled:
        return DistrictStatus(name, district.name, "disabled", "Switched off in its file; never published.", "")
    return DistrictStatus(name, district.name, "never", "It has never been run.", f"rollcall sync {name} --dry-run")


def _broken(error: ActionRequired) -> DistrictStatus:
    name = error.district
    return DistrictStatus(name, name, "broken", str(error), f"rollcall districts show {name}")


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
