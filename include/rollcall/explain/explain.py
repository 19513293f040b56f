"""Why a person is in the roster or not. One snapshot of the warehouse is read; nothing is written."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa

from rollcall.display.dates import format_day
from rollcall.explain.answer_selector import AnswerSelector, select_for_school, select_for_unknown
from rollcall.explain.changes import person_changes
from rollcall.explain.context import DistrictContext, district_context
from rollcall.explain.directory import MAX_NEAR, Directory
from rollcall.explain.formatting import full_name, join_words
from rollcall.explain.person_details import read_person_details
from rollcall.explain.search import (
    MAX_MATCHES,
    Row,
    find_people,
    find_school,
    near_people,
    near_schools,
    other_records,
    roles_of,
    schools_of,
)
from rollcall.explain.timeline import Explanation, PersonMatches, build_timeline, fill_answer
from rollcall.settings import District
from rollcall.warehouse.session import warehouse_snapshot
from rollcall.warehouse.site_targets import resolve_site_targets

#: One person has at most this many records. More matches are several people with one name.
_MAX_RECORDS = 4


def explain(
    engine: sa.Engine, district: District, who: str, now: datetime | None = None
) -> Explanation | PersonMatches:
    """Explain one person or school, or list the people that match.

    :param who: sourcedId, username, email, number, part of a name, or a school.
    :param now: the time of the question, which decides the next pull; the present by default.
    """
    with warehouse_snapshot(engine, "reading", district=district.district) as connection:
        context = district_context(connection, resolve_site_targets(connection, district), now or datetime.now(UTC))
        directory = Directory(connection, district.district)
        matches = find_people(connection, district.district, directory, who)
        if not matches:
            return _explain_without_person(connection, context, directory, who)
        user = matches[0] if len(matches) == 1 else _single_person(connection, district.district, matches)
        if user is None:
            return _person_matches(connection, context, who, matches)
        person = read_person_details(connection, district.district, user)
        changes = person_changes(connection, district.district, person)
        code, values = AnswerSelector(connection, context, person, changes).select()
        return Explanation(
            subject=person.name,
            sourced_id=person.sourced_id,
            answer=fill_answer(code, context, values),
            notes=context.notes(),
            steps=build_timeline(connection, context, person),
            changes=changes,
        )


def _explain_without_person(
    connection: sa.Connection, context: DistrictContext, directory: Directory, who: str
) -> Explanation:
    school = find_school(connection, context.settings.district, who)
    if school is None:
        code, values = select_for_unknown(connection, context, who)
        near = _near(connection, context, directory, who)
        return Explanation(who.strip(), None, fill_answer(code, context, values), context.notes(), near=near)
    code, values = select_for_school(connection, context, school)
    return Explanation(values["school"], school["sourced_id"], fill_answer(code, context, values), context.notes())


def _single_person(connection: sa.Connection, district: str, matches: list[Row]) -> Row | None:
    """If all matches are records of one person: the one with the account, else the first. Otherwise None."""
    if len(matches) > _MAX_RECORDS:
        return None
    first = matches[0]
    others = {other["sourced_id"] for other in other_records(connection, district, first)}
    if any(row["sourced_id"] not in others for row in matches[1:]):
        return None
    with_account = (row for row in matches if read_person_details(connection, district, row).accounts)
    live = (row for row in with_account if row["_removed_at"] is None)
    return next(live, first)


def _person_matches(connection: sa.Connection, context: DistrictContext, who: str, matches: list[Row]) -> PersonMatches:
    people = _described(connection, context, matches[:MAX_MATCHES])
    return PersonMatches(who.strip(), people, more=len(matches) > MAX_MATCHES)


def _near(connection: sa.Connection, context: DistrictContext, directory: Directory, who: str) -> list[dict[str, str]]:
    """People and schools whose name is nearly what was asked, the most similar first."""
    district = context.settings.district
    people = near_people(connection, district, directory, who)
    schools = near_schools(connection, district, who)
    rows = _described(connection, context, [row for row, _ in people])
    rows += [
        {"name": org["name"] or org["sourced_id"], "role": "", "school": f"({org['type'] or 'org'})"}
        | {"grade": "", "state": "", "sourced_id": org["sourced_id"]}
        for org, _ in schools
    ]
    scores = [score for _, score in (*people, *schools)]
    scored = [{**row, "similarity": f"{score}%"} for row, score in zip(rows, scores, strict=True)]
    return sorted(scored, key=lambda row: -int(row["similarity"][:-1]))[:MAX_NEAR]


def _described(connection: sa.Connection, context: DistrictContext, users: list[Row]) -> list[dict[str, str]]:
    """What distinguishes people in a list: name, role, school, grade, state, sourced_id."""
    ids = [row["sourced_id"] for row in users]
    roles = roles_of(connection, context.settings.district, ids)
    schools = schools_of(connection, context.settings.district, ids)
    return [
        {
            "name": full_name(row),
            "role": join_words(roles.get(row["sourced_id"], [])),
            "school": join_words(schools.get(row["sourced_id"], [])),
            "grade": join_words(row["grades"] or []),
            "state": f"removed {format_day(row['_removed_at'], context.timezone)}" if row["_removed_at"] else "",
            "sourced_id": row["sourced_id"],
        }
        for row in users
    ]
