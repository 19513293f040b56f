"""What the district's file makes of a person's roles and schools, in words."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pandas as pd

from include.explain.people import Row
from include.explain.standing import Standing
from include.explain.words import date_words, joined
from include.mapping.sites import places
from include.settings import District

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


def current(standing: Standing, enrollments: list[Row]) -> list[Row]:
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
    place = places(district, pd.DataFrame([{"sourced_id": org, "name": name, "type": kind}])).iloc[0]
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
