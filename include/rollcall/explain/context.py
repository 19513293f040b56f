"""The context of an answer: the published roster, the next pull, and what roles and username fields amount to."""

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
from rollcall.display.dates import format_date, format_instant
from rollcall.explain.formatting import join_words
from rollcall.explain.search import Row
from rollcall.model.tables import TABLES
from rollcall.model.username_text import visible
from rollcall.settings import District, Nights, night_of, rules_digest
from rollcall.warehouse.ops_models import districts, pulls, runs, state


@dataclass(frozen=True)
class DistrictContext:
    """A district at the time of the question.

    :param settings: the district's file; its sites are plain targets.
    :param published: the row of `state`; None before the first publication.
    :param pull: mode and proofs of the published pull.
    :param failed: the latest sync, if it failed.
    :param is_campus: whether the SIS is Infinite Campus, whose screens an answer names.
    :param now: the time of the question.
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
        """The night of the published roster; tonight before the first publication."""
        return night_of(self.published["current_as_of"] if self.published else self.now, self.timezone)

    @property
    def paused(self) -> str:
        """Why publishing is paused; empty if it is not."""
        return str(self.published["paused"]) if self.published else ""

    @property
    def next_pull(self) -> datetime:
        """When the next night of the schedule begins."""
        return Nights(self.settings).next_night(self.now).begins

    def next_pull_label(self) -> str:
        """The next pull, or what has to happen first."""
        if not self.settings.enabled:
            return "after the district is enabled again"
        if self.paused:
            return "after publishing resumes"
        return format_instant(self.next_pull, self.timezone)

    def last_pull_label(self) -> str:
        """When the published pull began."""
        return format_instant(self.published["current_as_of"], self.timezone) if self.published else "never"

    def notes(self) -> list[str]:
        """Facts about the district that matter for every answer."""
        notes = []
        if self.published and self.pull:
            notes.append(f"Published roster: {self.last_pull_label()} ({self.pull['mode']} pull)")
        if not self.settings.enabled:
            notes.append(f"The district is disabled (enabled: false in {self.settings.district}.yaml).")
        if self.paused:
            notes.append(f"Publishing is paused: {self.paused}")
        if self.failed:
            notes.append(f"The latest run failed in {self.failed['failed_stage']}: {self.failed['error_message']}")
        if self.published and self.published["rules_digest"] != rules_digest(self.settings):
            notes.append("The district settings changed after this publication. They take effect with the next one.")
        return notes


def district_context(connection: sa.Connection, settings: District, now: datetime) -> DistrictContext:
    """Read the context of a district.

    :param settings: with plain targets (`rollcall.warehouse.site_targets.resolve_site_targets`).
    """
    key = settings.district
    published = _fetch_row(connection, sa.select(state).where(state.c.district_id == key))
    pull = _published_pull(connection, key, published) if published is not None else None
    syncs = sa.select(runs).where(runs.c.district_id == key, runs.c.kind == "sync", runs.c.status != "running")
    last = _fetch_row(connection, syncs.order_by(runs.c.started_at.desc()).limit(1))
    base_url = connection.execute(sa.select(districts.c.base_url).where(districts.c.district_id == key)).scalar()
    return DistrictContext(
        settings=settings,
        published=published,
        pull=pull,
        failed=last if last is not None and last["status"] == "failed" else None,
        is_campus="/campus/" in (base_url or ""),
        now=now,
    )


def _published_pull(connection: sa.Connection, district: str, published: dict[str, Any]) -> dict[str, Any] | None:
    """The pull that the published roster was received with. A remap publishes it again, with a pull that is empty."""
    received = sa.select(runs.c.pull_id).where(
        runs.c.district_id == district,
        runs.c.status == "published",
        runs.c.kind != "remap",
        runs.c.as_of == published["current_as_of"],
    )
    newest = connection.execute(received.order_by(runs.c.generation.desc()).limit(1)).scalar()
    where = (pulls.c.district_id == district, pulls.c.pull_id == (newest or published["current_pull_id"]))
    return _fetch_row(connection, sa.select(pulls).where(*where))


def _fetch_row(connection: sa.Connection, query: sa.Select[Any]) -> dict[str, Any] | None:
    row = connection.execute(query).mappings().one_or_none()
    return dict(row) if row is not None else None


_NO_SITE = {
    "left_out": "it is excluded in the district settings",
    "undecided": "it is not mapped to a site yet",
    "no_school": "it is not a school",
}


def role_name(role: str | None) -> str:
    """`siteAdministrator` is `site administrator`."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", (role or "no role").removeprefix("ext:"))
    return spaced.lower()


def role_label(role: Row) -> str:
    """`teacher at Elm School`."""
    return f"{role_name(role['role'])} at {role['org_name'] or 'no school'}"


def has_ended(row: Row, night: date) -> bool:
    """Whether a role or an enrollment has ended by a night."""
    return row["end_date"] is not None and row["end_date"] <= night


def has_not_begun(row: Row, night: date, days_early: int) -> bool:
    """Whether a role or an enrollment begins after a night."""
    return row["begin_date"] is not None and row["begin_date"] > night + timedelta(days=days_early)


def current_enrollments(context: DistrictContext, enrollments: list[Row]) -> list[Row]:
    """The live ones that have begun and have not ended."""
    night, early = context.night, context.settings.filters.days_early
    live = [row for row in enrollments if row["_removed_at"] is None]
    return [row for row in live if not has_ended(row, night) and not has_not_begun(row, night, early)]


def site_of_org(district: District, org: str | None, name: str | None, kind: str | None) -> tuple[str | None, str]:
    """The site of an org and its label; None and the reason if it has no site.

    :param district: with plain targets.
    """
    if org is None or kind is None:
        return None, "it is not a school that is shared with us"
    place = map_orgs_to_sites(district, pd.DataFrame([{"sourced_id": org, "name": name, "type": kind}])).iloc[0]
    if place["place"] != "site":
        return None, _NO_SITE[place["place"]]
    site = str(place["site_name"]) if isinstance(place["site_name"], str) else str(place["site_id"])
    return site, f"site {site}"


def role_outcome(district: District, role: Row, night: date) -> str:
    """What one role of a person gives that night: `staff, site Maple High`, or why it gives no account."""
    target = district.role_target(role["role"] or "")
    if target in ("exclude", "drop"):
        source = "district settings" if role["role"] in district.roles else "default for this role"
        return f"no account ({source})"
    if target == "undecided":
        return "no account: this role is not mapped yet"
    if has_ended(role, night):
        return f"no account: it ended (end date in the SIS: {format_date(role['end_date'])})"
    if has_not_begun(role, night, district.filters.days_early):
        return f"no account yet: it begins on {format_date(role['begin_date'])}"
    site, label = site_of_org(district, role["org_sourced_id"], role["org_name"], role["org_type"])
    return f"{target}, {label}" if site else f"no account: {label}"


def site_names(accounts: list[Row]) -> str:
    """The site names of these accounts, the primary site first."""
    ordered = sorted(accounts, key=lambda row: (not row["is_primary_site"], row["site_name"] or row["site_id"]))
    return join_words(dict.fromkeys(row["site_name"] or row["site_id"] for row in ordered))


_JSON = TABLES["users"].of_kind("json")


@dataclass(frozen=True)
class DerivedUsername:
    """A username with its source.

    :param field: OneRoster's name of the source field, or of the first configured one.
    :param sent: the value the SIS sent in it, spaces included.
    :param username: the username that the district's rules derive from it.
    """

    field: str
    sent: str | None
    username: str | None

    @property
    def was_cleaned(self) -> bool:
        """Whether spaces around it or invisible characters were removed."""
        return self.sent is not None and len(self.sent) != len(visible(self.sent))


def derive_username(district: District, user: Row, role: str) -> DerivedUsername:
    """Apply the district's username rules to one user.

    :param role: `student` or `staff`; it selects the sources.
    """
    frame = pd.DataFrame([{name: _as_text(user[name], name) for name in TABLES["users"].names}])
    sources = district.username_sources("staff" if role == "staff" else "student")
    sent = {source.field: _text_of(field_values(frame, source.field)) for source in sources}
    result = derive_usernames(frame, sources)
    first_filled = next((field for field, value in sent.items() if value), next(iter(sent), "username"))
    field = _text_of(result["username_field"]) or first_filled
    return DerivedUsername(field, sent.get(field), _text_of(result["username"]))


def _as_text(value: Any, name: str) -> str | None:
    if value is None:
        return None
    return json.encode(value).decode() if name in _JSON else str(value)


def _text_of(values: pd.Series) -> str | None:
    value = values.iloc[0]
    return value if isinstance(value, str) else None
