"""What the district's file makes of a person's roles and schools, in words."""

from __future__ import annotations

import re

import pandas as pd

from include.explain.people import Row
from include.explain.words import joined
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


def becomes(district: District, role: Row) -> str:
    """What one role of a person gives: `staff at site Maple High`, or why it gives nothing."""
    target = district.role_target(role["role"] or "")
    if target in ("leave_out", "do_not_land"):
        decided = "the district's file" if role["role"] in district.roles else "the usual meaning of the role"
        return f"no account ({decided})"
    if target == "undecided":
        return "no account: nobody has decided what this role becomes"
    site, words = site_of(district, role["org_sourced_id"], role["org_name"], role["org_type"])
    return f"{target}, {words}" if site else f"no account: {words}"


def at_sites(accounts: list[Row]) -> str:
    """The names of the sites of these accounts, the first one first."""
    ordered = sorted(accounts, key=lambda row: (not row["is_primary_site"], row["site_name"] or row["site_id"]))
    return joined(dict.fromkeys(row["site_name"] or row["site_id"] for row in ordered))
