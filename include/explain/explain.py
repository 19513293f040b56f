"""Why somebody is here or not: found, read and answered in one snapshot of the warehouse, without writing anything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import sqlalchemy as sa

from include.errors import stage_edge
from include.explain.changes import changes_of
from include.explain.decide import Decider
from include.explain.explanation import Explanation, Several, answered
from include.explain.people import MOST_LISTED, Row, find_people, other_records, places_of
from include.explain.person import read_person
from include.explain.schools import about_school, find_school
from include.explain.standing import Standing, standing
from include.explain.unknown import about_nobody
from include.explain.walk import walk
from include.explain.words import day, full_name, joined
from include.settings import District
from include.warehouse.connect import reached
from include.warehouse.migrate import require_version
from include.warehouse.site_targets import with_targets

#: So many records may be the same person's; more are several people who share a name.
_RECORDS_OF_ONE = 4


@contextmanager
def reading(engine: sa.Engine, district: str) -> Iterator[sa.Connection]:
    """One unmoving view of the warehouse, in which nothing can be written but temporary tables."""
    reached(engine)
    with (
        stage_edge("reading", district=district),
        engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection,
    ):
        require_version(connection)
        yield connection
        connection.rollback()


def explain(engine: sa.Engine, district: District, who: str, now: datetime | None = None) -> Explanation | Several:
    """Explain one person, or list those who fit.

    :param who: sourcedId, username, e-mail, number, part of a name, or a school.
    :param now: when it is asked, for the next pull; the present by default.
    """
    with reading(engine, district.district) as connection:
        stands = standing(connection, with_targets(connection, district), now or datetime.now(UTC))
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
            answer=answered(code, stands, values),
            notes=stands.notes(),
            steps=walk(connection, stands, person),
            changes=changes,
        )


def _without_person(connection: sa.Connection, stands: Standing, who: str) -> Explanation:
    school = find_school(connection, stands.settings.district, who)
    if school is not None:
        code, values = about_school(connection, stands, school)
        return Explanation(values["school"], school["sourced_id"], answered(code, stands, values), stands.notes())
    code, values = about_nobody(connection, stands, who)
    return Explanation(who.strip(), None, answered(code, stands, values), stands.notes())


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


def _several(connection: sa.Connection, stands: Standing, who: str, found: list[Row]) -> Several:
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
    return Several(who.strip(), matches, more=len(found) > MOST_LISTED)
