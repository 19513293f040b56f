"""A school that somebody asked about instead of a person: its site, and its name now and before."""

from __future__ import annotations

import sqlalchemy as sa

from include.explain.changes import renamed_schools
from include.explain.decide import Decision, site_kept
from include.explain.people import Row, rows
from include.explain.places import site_of
from include.explain.standing import Standing
from include.explain.words import counted, day
from include.warehouse.models import history, staging


def find_school(connection: sa.Connection, district: str, who: str) -> Row | None:
    """The one org that fits by id, name, part of a name or a name it had; None for none or several."""
    orgs, past = staging["orgs"], history["orgs"]
    wanted = who.strip()
    before = sa.select(past.c.sourced_id).where(
        past.c.district_id == district, sa.func.lower(past.c.name) == wanted.lower()
    )
    tries = (
        orgs.c.sourced_id == wanted,
        sa.func.lower(orgs.c.name) == wanted.lower(),
        orgs.c.sourced_id.in_(before),
        sa.and_(*(orgs.c.name.icontains(word, autoescape=True) for word in wanted.split())),
    )
    for fits in tries:
        found = rows(connection, sa.select(orgs).where(orgs.c.district_id == district, fits).limit(2))
        if found:
            return found[0] if len(found) == 1 else None
    return None


def about_school(connection: sa.Connection, standing: Standing, school: Row) -> Decision:
    """The answer about a school."""
    district, zone = standing.settings, standing.timezone
    name = school["name"] or school["sourced_id"]
    values = {"school": name, "people": _people(connection, district.district, school["sourced_id"])}
    if school["_removed_at"] is not None:
        gone = day(school["_removed_at"], zone)
        return "school_removed", {**values, "date": gone, "because": school["_removed_because"] or "nobody noted why"}
    site, why = site_of(district, school["sourced_id"], school["name"], school["type"])
    renames = renamed_schools(connection, district.district, [school["sourced_id"]])
    if renames and site:
        newest = renames[-1]
        kept = {"old_school": newest.before, "site_kept": site_kept(standing, site), "date": day(newest.at, zone)}
        return "school_was_renamed", {**values, **kept}
    return ("school_has_site", {**values, "sites": site}) if site else ("school_without_site", {**values, "why": why})


def _people(connection: sa.Connection, district: str, org: str) -> str:
    roles = staging["user_roles"]
    where = (roles.c.district_id == district, roles.c.org_sourced_id == org, roles.c._removed_at.is_(None))
    count = connection.execute(sa.select(sa.func.count(roles.c.user_sourced_id.distinct())).where(*where)).scalar_one()
    return counted(count, "person", "people")
