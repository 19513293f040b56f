"""Whether a district that is being added is already there, under another ID or name."""

from __future__ import annotations

import sqlalchemy as sa

from rollcall.check.raw_connection import RawConnection
from rollcall.check.steps import CheckReport
from rollcall.credentials.lookup import connections_of_client
from rollcall.errors import ActionRequired, redact_errors
from rollcall.settings import District, load_districts
from rollcall.warehouse.profiles import districts_of_org


def require_new_client(district: District, raw: RawConnection) -> None:
    """Refuse a Base URL and ID that another district's connection has. Sends no request.

    :raises ActionRequired: `district_duplicate`.
    """
    taken = set(connections_of_client(raw))
    if not taken - {district.connection_id}:
        return
    other = next((one for one in _others(district) if one.connection_id in taken), None)
    if other is not None:
        raise _duplicate(other, f"the same Base URL and {raw.labels[0]}")


def require_new_org(district: District, checked: CheckReport, engine: sa.Engine | None) -> None:
    """Refuse an org and Base URL that another district's connection had in its last check.

    :raises ActionRequired: `district_duplicate`.
    """
    org, profile = checked.district_org, checked.profile
    if engine is None or org is None or profile is None:
        return
    with redact_errors("check", district=district.district), engine.connect() as connection:
        taken = set(districts_of_org(connection, org.sourced_id, profile.base_url))
    if not taken - {district.district}:
        return
    other = next((one for one in _others(district) if one.district in taken), None)
    if other is not None:
        raise _duplicate(other, f"the same Base URL, and it belongs to the same org, {org}")


def name_warning(district: District) -> str:
    """A warning if another district has the same name; empty otherwise."""
    same = [
        one.district for one in _others(district) if one.name.strip().casefold() == district.name.strip().casefold()
    ]
    if not same:
        return ""
    return f"{', '.join(same)} has the same name, {district.name!r}. To tell them apart, change `name` in one file."


def _others(district: District) -> list[District]:
    return [one for one in load_districts()[0] if one.district != district.district]


def _duplicate(other: District, what: str) -> ActionRequired:
    return ActionRequired(
        "district_duplicate",
        f"{other.name} ({other.district}) already has this connection: {what}. Nothing was written.",
        remedy=f"To give {other.district} new credentials: rollcall districts add {other.district} --replace mail.txt",
        district=other.district,
    )
