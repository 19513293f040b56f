"""Why somebody is here or not: found, read and answered in one snapshot of the warehouse, without writing anything."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa

from rollcall.explain.changes import changes_of, renamed_schools
from rollcall.explain.context import DistrictContext, district_context, site_of
from rollcall.explain.decide import Decider, Decision, about_nobody, site_kept
from rollcall.explain.people import MOST_LISTED, Row, find_people, other_records, places_of, rows
from rollcall.explain.person import read_person
from rollcall.explain.timeline import Explanation, PersonMatches, build_timeline, fill_answer
from rollcall.explain.words import counted, day, full_name, joined
from rollcall.settings import District
from rollcall.warehouse.models import history, staging
from rollcall.warehouse.session import warehouse_snapshot
from rollcall.warehouse.site_targets import resolve_site_targets

# A school that somebody asked about instead of a person: its site, and its name now and before.


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


def about_school(connection: sa.Connection, standing: DistrictContext, school: Row) -> Decision:
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


#: So many records may be the same person's; more are several people who share a name.
_RECORDS_OF_ONE = 4


def explain(
    engine: sa.Engine, district: District, who: str, now: datetime | None = None
) -> Explanation | PersonMatches:
    """Explain one person, or list those who fit.

    :param who: sourcedId, username, e-mail, number, part of a name, or a school.
    :param now: when it is asked, for the next pull; the present by default.
    """
    with warehouse_snapshot(engine, "reading", district=district.district) as connection:
        stands = district_context(connection, resolve_site_targets(connection, district), now or datetime.now(UTC))
        found = find_people(connection, district.district, who)
        if not found:
            return _without_person(connection, stands, who)
        one = found[0] if len(found) == 1 else _same_person(connection, district.district, found)
        if one is None:
            return _several(connection, stands, who, found)
        person = read_person(connection, district.district, one)
        changes = changes_of(connection, district.district, person)
        code, values = Decider(connection, stands, person, changes).decide()
        return Explanation(
            subject=person.name,
            sourced_id=person.sourced_id,
            answer=fill_answer(code, stands, values),
            notes=stands.notes(),
            steps=build_timeline(connection, stands, person),
            changes=changes,
        )


def _without_person(connection: sa.Connection, stands: DistrictContext, who: str) -> Explanation:
    school = find_school(connection, stands.settings.district, who)
    if school is not None:
        code, values = about_school(connection, stands, school)
        return Explanation(values["school"], school["sourced_id"], fill_answer(code, stands, values), stands.notes())
    code, values = about_nobody(connection, stands, who)
    return Explanation(who.strip(), None, fill_answer(code, stands, values), stands.notes())


def _same_person(connection: sa.Connection, district: str, found: list[Row]) -> Row | None:
    """Of several records that are one person's, the one that has the account, else the first; else None."""
    if len(found) > _RECORDS_OF_ONE:
        return None
    first = found[0]
    others = {other["sourced_id"] for other in other_records(connection, district, first)}
    if any(row["sourced_id"] not in others for row in found[1:]):
        return None
    with_account = (row for row in found if read_person(connection, district, row).accounts)
    live = (row for row in with_account if row["_removed_at"] is None)
    return next(live, first)


def _several(connection: sa.Connection, stands: DistrictContext, who: str, found: list[Row]) -> PersonMatches:
    listed = found[:MOST_LISTED]
    schools = places_of(connection, stands.settings.district, [row["sourced_id"] for row in listed])
    matches = [
        {
            "name": full_name(row),
            "school": joined(schools.get(row["sourced_id"], [])),
            "grade": joined(row["grades"] or []),
            "state": f"removed {day(row['_removed_at'], stands.timezone)}" if row["_removed_at"] else "",
            "sourced_id": row["sourced_id"],
        }
        for row in listed
    ]
    return PersonMatches(who.strip(), matches, more=len(found) > MOST_LISTED)
