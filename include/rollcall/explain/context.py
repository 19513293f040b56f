"""How a district stands: which roster readers have, when the next pull comes, and what keeps it from coming."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import pandas as pd
import sqlalchemy as sa
from msgspec import json

from rollcall.accounts.roles import map_orgs_to_sites
from rollcall.accounts.usernames import derive_usernames, field_values
from rollcall.explain.people import Row
from rollcall.explain.words import date_words, joined, moment
from rollcall.model.tables import TABLES
from rollcall.model.username_text import visible
from rollcall.settings import District, Nights, night_of, rules_digest
from rollcall.warehouse.models import districts, pulls, runs, state


@dataclass(frozen=True)
class DistrictContext:
    """A district now.

    :param settings: its file; its sites are plain targets.
    :param published: the row of `state`; None before the first publication.
    :param pull: mode and proofs of the pull readers have.
    :param failed: the newest sync, where it failed.
    :param is_campus: whether its provider is Infinite Campus, whose screens an answer names.
    :param now: when it was asked.
    """

    settings: District
    published: dict[str, Any] | None
    pull: dict[str, Any] | None
    failed: dict[str, Any] | None
    is_campus: bool
    now: datetime

    @property
    def timezone(self) -> str:
        return self.settings.schedule.timezone

    @property
    def night(self) -> date:
        """The night whose roster readers have; tonight before the first publication."""
        return night_of(self.published["current_as_of"] if self.published else self.now, self.timezone)

    @property
    def paused(self) -> str:
        """Why publication is paused; empty while it is not."""
        return str(self.published["paused"]) if self.published else ""

    @property
    def next_pull(self) -> datetime:
        """When the district's next night begins, as its schedule says."""
        return next(Nights(self.settings).after(self.now)).begins

    def next_words(self) -> str:
        """The next pull, or why there is none."""
        if not self.settings.enabled:
            return "once the district is switched on again"
        if self.paused:
            return "once publication is resumed"
        return moment(self.next_pull, self.timezone)

    def last_words(self) -> str:
        """When the pull began that readers have."""
        return moment(self.published["current_as_of"], self.timezone) if self.published else "never"

    def notes(self) -> list[str]:
        """What a reader of any answer has to know about the district."""
        told = []
        if self.published and self.pull:
            told.append(f"Readers have the {self.pull['mode']} pull of {self.last_words()}.")
        if not self.settings.enabled:
            told.append(f"The district is switched off (enabled: false in {self.settings.district}.yaml).")
        if self.paused:
            told.append(f"Publication is paused: {self.paused}")
        if self.failed:
            told.append(f"The newest run failed in {self.failed['failed_stage']}: {self.failed['error_message']}")
        if self.published and self.published["rules_digest"] != rules_digest(self.settings):
            told.append("The district's file has changed since; what it says now counts from the next publication on.")
        return told


def district_context(connection: sa.Connection, settings: District, now: datetime) -> DistrictContext:
    """Look up how the district stands.

    :param settings: with plain targets (`rollcall.warehouse.site_targets.resolve_site_targets`).
    """
    key = settings.district
    now_published = _one(connection, sa.select(state).where(state.c.district_id == key))
    pull = None
    if now_published is not None:
        where = (pulls.c.district_id == key, pulls.c.pull_id == now_published["current_pull_id"])
        pull = _one(connection, sa.select(pulls).where(*where))
    newest = sa.select(runs).where(runs.c.district_id == key, runs.c.kind == "sync", runs.c.status != "running")
    last = _one(connection, newest.order_by(runs.c.started_at.desc()).limit(1))
    base_url = connection.execute(sa.select(districts.c.base_url).where(districts.c.district_id == key)).scalar()
    return DistrictContext(
        settings=settings,
        published=now_published,
        pull=pull,
        failed=last if last is not None and last["status"] == "failed" else None,
        is_campus="/campus/" in (base_url or ""),
        now=now,
    )


def _one(connection: sa.Connection, query: sa.Select[Any]) -> dict[str, Any] | None:
    row = connection.execute(query).mappings().one_or_none()
    return dict(row) if row is not None else None


# What the district's file makes of a person's roles and schools, in words.

_WHY_NOT = {
    "left_out": "it is deliberately left out",
    "undecided": "nobody has mapped it to a site yet",
    "no_school": "it is no school",
}


def role_words(role: str | None) -> str:
    """`siteAdministrator` is `site administrator`."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", (role or "no role").removeprefix("ext:"))
    return spaced.lower()


def role_at(role: Row) -> str:
    """`teacher at Elm School`."""
    return f"{role_words(role['role'])} at {role['org_name'] or 'no school'}"


def is_over(row: Row, night: date) -> bool:
    """Whether a role or an enrollment has ended by a night."""
    return row["end_date"] is not None and row["end_date"] <= night


def is_yet_to_begin(row: Row, night: date, days_early: int) -> bool:
    """Whether a role or an enrollment has not begun by a night."""
    return row["begin_date"] is not None and row["begin_date"] > night + timedelta(days=days_early)


def current(standing: DistrictContext, enrollments: list[Row]) -> list[Row]:
    """The live ones that have begun and are not over."""
    night, early = standing.night, standing.settings.filters.days_early
    live = [row for row in enrollments if row["_removed_at"] is None]
    return [row for row in live if not is_over(row, night) and not is_yet_to_begin(row, night, early)]


def site_of(district: District, org: str | None, name: str | None, kind: str | None) -> tuple[str | None, str]:
    """The site an org belongs to, None for none; and what that is in words.

    :param district: with plain targets.
    """
    if org is None or kind is None:
        return None, "it is no school that was shared"
    place = map_orgs_to_sites(district, pd.DataFrame([{"sourced_id": org, "name": name, "type": kind}])).iloc[0]
    if place["place"] != "site":
        return None, _WHY_NOT[place["place"]]
    site = str(place["site_name"]) if isinstance(place["site_name"], str) else str(place["site_id"])
    return site, f"site {site}"


def becomes(district: District, role: Row, night: date) -> str:
    """What one role of a person gives that night: `staff at site Maple High`, or why it gives nothing."""
    target = district.role_target(role["role"] or "")
    if target in ("leave_out", "do_not_land"):
        decided = "the district's file" if role["role"] in district.roles else "the usual meaning of the role"
        return f"no account ({decided})"
    if target == "undecided":
        return "no account: nobody has decided what this role becomes"
    if is_over(role, night):
        return f"no account: it ended; the date the school gave is {date_words(role['end_date'])}"
    if is_yet_to_begin(role, night, district.filters.days_early):
        return f"no account yet: it begins on {date_words(role['begin_date'])}"
    site, words = site_of(district, role["org_sourced_id"], role["org_name"], role["org_type"])
    return f"{target}, {words}" if site else f"no account: {words}"


def at_sites(accounts: list[Row]) -> str:
    """The names of the sites of these accounts, the first one first."""
    ordered = sorted(accounts, key=lambda row: (not row["is_primary_site"], row["site_name"] or row["site_id"]))
    return joined(dict.fromkeys(row["site_name"] or row["site_id"] for row in ordered))


# What a person's username is made from: the field, what the provider sent in it, and what came of it.

_JSON = TABLES["users"].of_kind("json")


@dataclass(frozen=True)
class Made:
    """A username in the making.

    :param field: OneRoster's name of the field that decided, or of the first that would.
    :param sent: what the provider sent in it, blanks included; `username` what the district's rules make of it.
    """

    field: str
    sent: str | None
    username: str | None

    @property
    def was_cleaned(self) -> bool:
        """Whether blanks around it or invisible characters were taken away."""
        return self.sent is not None and len(self.sent) != len(visible(self.sent))


def derive_username(district: District, user: Row, role: str) -> Made:
    """What the rules of the district's file make of the user's fields.

    :param role: `student` or `staff`, which decides the fields.
    """
    frame = pd.DataFrame([{name: _as_text(user[name], name) for name in TABLES["users"].names}])
    sources = district.username_sources("staff" if role == "staff" else "student")
    sent = {source.field: _only(field_values(frame, source.field)) for source in sources}
    result = derive_usernames(frame, sources)
    first_filled = next((field for field, value in sent.items() if value), sources[0].field)
    field = _only(result["username_field"]) or first_filled
    return Made(field, sent[field], _only(result["username"]))


def _as_text(value: Any, name: str) -> str | None:
    if value is None:
        return None
    return json.encode(value).decode() if name in _JSON else str(value)


def _only(values: pd.Series) -> str | None:
    value = values.iloc[0]
    return value if isinstance(value, str) else None
