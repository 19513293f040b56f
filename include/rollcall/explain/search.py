"""Finds people by ID, username, email, number or part of a name, their other records, and schools.

IDs and usernames use an index. Every other search reads the district's names once (`directory`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import sqlalchemy as sa

from rollcall.explain.directory import MAX_NEAR, Directory, fold
from rollcall.explain.formatting import casefolded, join_words
from rollcall.model.username_text import username_key
from rollcall.warehouse.models import history, published, staging

Row = dict[str, Any]

#: How similar a school's name must be, in percent, to be offered.
_SIMILAR_SCHOOL = 80

#: The most people listed when several match.
MAX_MATCHES = 25


def fetch_rows(connection: sa.Connection, query: sa.Select[Any]) -> list[Row]:
    return [dict(row) for row in connection.execute(query).mappings()]


def find_people(connection: sa.Connection, district: str, directory: Directory, who: str) -> list[Row]:
    """The users that match, including removed ones.

    The first search with a result wins: ID; username, email or number; every word in the name; an earlier username,
    email or number.

    :returns: rows of `users` with their lineage, live ones first; at most one more than `MAX_MATCHES`.
    """
    users = staging["users"]
    wanted = casefolded(who)
    if not wanted:
        return []
    with_username = connection.execute(_with_username(district, username_key(wanted))).scalars()
    searches: tuple[Callable[[], Iterable[str]], ...] = (
        lambda: [who.strip()],
        lambda: [*with_username, *directory.with_value(who)],
        lambda: directory.with_name(who),
        lambda: connection.execute(_with_earlier_value(district, wanted)).scalars(),
    )
    for search in searches:
        ids = list(dict.fromkeys(search()))[: MAX_MATCHES + 1]
        where = (users.c.district_id == district, users.c.sourced_id.in_(ids))
        if found := fetch_rows(connection, sa.select(users).where(*where)):
            return sorted(found, key=lambda row: (row["_removed_at"] is not None, ids.index(row["sourced_id"])))
    return []


def near_people(connection: sa.Connection, district: str, directory: Directory, who: str) -> list[tuple[Row, int]]:
    """The users that are probably meant if none matches, the most similar first, with the similarity in percent."""
    users, accounts = staging["users"], staging["accounts"]
    usernames = sa.select(accounts.c.user_sourced_id, accounts.c.username)
    has_username = (accounts.c.district_id == district, accounts.c.username.is_not(None))
    pairs = ((row.user_sourced_id, row.username) for row in connection.execute(usernames.where(*has_username)))
    near = directory.near(who, pairs)
    where = (users.c.district_id == district, users.c.sourced_id.in_([each.sourced_id for each in near]))
    rows = {row["sourced_id"]: row for row in fetch_rows(connection, sa.select(users).where(*where))}
    return [(rows[each.sourced_id], each.similarity) for each in near if each.sourced_id in rows]


def _equal(users: sa.Table, wanted: str) -> list[sa.ColumnElement[bool]]:
    columns = (users.c.email, users.c.username, users.c.identifier)
    return [sa.func.lower(sa.func.btrim(column)) == wanted for column in columns]


def _with_username(district: str, wanted: str) -> sa.Select[Any]:
    accounts = staging["accounts"]
    where = (accounts.c.district_id == district, accounts.c.username_key == wanted)
    return sa.select(accounts.c.user_sourced_id).where(*where)


def _with_earlier_value(district: str, wanted: str) -> sa.CompoundSelect[Any]:
    users, accounts = history["users"], published["accounts"]
    earlier_users = sa.select(users.c.sourced_id).where(users.c.district_id == district, sa.or_(*_equal(users, wanted)))
    where = (accounts.c.district_id == district, accounts.c.username_key == username_key(wanted))
    return earlier_users.union(sa.select(accounts.c.user_sourced_id).where(*where))


def roles_of(connection: sa.Connection, district: str, ids: list[str]) -> dict[str, list[str]]:
    """Role names by person: those they have, or had when they were removed."""
    return _of_roles(connection, district, ids, staging["user_roles"].c.role, "no role")


def schools_of(connection: sa.Connection, district: str, ids: list[str]) -> dict[str, list[str]]:
    """School names by person: where they have a role, or had one when they were removed."""
    return _of_roles(connection, district, ids, staging["orgs"].c.name, "a school without a name")


def _of_roles(
    connection: sa.Connection, district: str, ids: list[str], column: sa.Column[Any], otherwise: str
) -> dict[str, list[str]]:
    """The different values of a column by person, in order.

    :param column: of the person's roles, or of the orgs at which they have them.
    :param otherwise: for no value.
    """
    roles, orgs, users = staging["user_roles"], staging["orgs"], staging["users"]
    on_user = (users.c.district_id == roles.c.district_id) & (users.c.sourced_id == roles.c.user_sourced_id)
    on_org = (orgs.c.district_id == roles.c.district_id) & (orgs.c.sourced_id == roles.c.org_sourced_id)
    removed_together = roles.c._removed_at.is_not_distinct_from(users.c._removed_at)
    joined = roles.join(users, on_user)
    query = (
        sa.select(roles.c.user_sourced_id, column)
        .distinct()
        .select_from(joined.join(orgs, on_org) if column.table is orgs else joined)
        .where(roles.c.district_id == district, roles.c.user_sourced_id.in_(ids), removed_together)
        .order_by(column)
    )
    found: dict[str, list[str]] = {}
    for user, value in connection.execute(query):
        found.setdefault(user, []).append(value or otherwise)
    return found


def other_records(connection: sa.Connection, district: str, user: Row) -> list[Row]:
    """Other records of the same person: the same name and the same number, email or birth date.

    A name alone is not enough. A number alone is not enough either: staff and students may both count from one.

    :returns: rows of `users` with `basis`, the matching fields in words; live ones first.
    """
    users, demographics = staging["users"], staging["demographics"]
    birth_dates = sa.select(demographics.c.birth_date).where(demographics.c.district_id == district).correlate(users)
    other_birth_date = birth_dates.where(demographics.c.sourced_id == users.c.sourced_id).scalar_subquery()
    own_birth_date = connection.execute(birth_dates.where(demographics.c.sourced_id == user["sourced_id"])).scalar()
    matches = {
        "number": _same(users.c.identifier, user["identifier"]),
        "email": _same(users.c.email, user["email"]),
        "birth date": other_birth_date == own_birth_date if own_birth_date is not None else sa.false(),
    }
    query = (
        sa.select(users, *(sa.func.coalesce(same, False).label(f"same {what}") for what, same in matches.items()))
        .where(users.c.district_id == district, users.c.sourced_id != user["sourced_id"])
        .where(sa.or_(*matches.values()))
        .order_by(users.c._removed_at.is_not(None), users.c.sourced_id)
    )
    found = [row for row in fetch_rows(connection, query) if _has_same_name(row, user)]
    for row in found:
        common = [what for what in matches if row.pop(f"same {what}")]
        row["basis"] = f"the same {join_words(['name', *common])}"
    return found


def _has_same_name(one: Row, other: Row) -> bool:
    """Whether both names are given and equal. Compared here, because `lower` depends on the database's locale."""
    names = ("given_name", "family_name")
    return all(casefolded(one[name]) and casefolded(one[name]) == casefolded(other[name]) for name in names)


def _same(column: sa.Column[Any], value: str | None) -> sa.ColumnElement[bool]:
    if not casefolded(value):
        return sa.false()
    return sa.func.lower(sa.func.btrim(column)) == sa.func.lower(sa.func.btrim(value))


def find_school(connection: sa.Connection, district: str, who: str) -> Row | None:
    """The one org that matches an ID, a name, an earlier name or part of a name; None for none or several."""
    orgs = _orgs(connection, district)
    wanted, words = fold(who), fold(who).split()
    earlier = history["orgs"]
    names = sa.select(earlier.c.sourced_id, earlier.c.name).where(earlier.c.district_id == district)
    had_name = {row.sourced_id for row in connection.execute(names) if wanted and fold(row.name or "") == wanted}
    searches: tuple[Callable[[Row], bool], ...] = (
        lambda org: org["sourced_id"] == who.strip(),
        lambda org: bool(wanted) and fold(org["name"] or "") == wanted,
        lambda org: org["sourced_id"] in had_name,
        lambda org: bool(words) and all(word in fold(org["name"] or "") for word in words),
    )
    for matches in searches:
        found = [org for org in orgs if matches(org)]
        if found:
            return found[0] if len(found) == 1 else None
    return None


def near_schools(connection: sa.Connection, district: str, who: str) -> list[tuple[Row, int]]:
    """The orgs whose name or ID is nearly what was searched, with the similarity in percent."""
    from rapidfuzz import fuzz

    scored = [
        (org, round(max(fuzz.ratio(fold(who), fold(text or "")) for text in (org["name"], org["sourced_id"]))))
        for org in _orgs(connection, district)
    ]
    near = [(org, score) for org, score in scored if score >= _SIMILAR_SCHOOL]
    return sorted(near, key=lambda pair: -pair[1])[:MAX_NEAR]


def _orgs(connection: sa.Connection, district: str) -> list[Row]:
    orgs = staging["orgs"]
    query = sa.select(orgs).where(orgs.c.district_id == district).order_by(orgs.c._removed_at.is_not(None))
    return fetch_rows(connection, query.order_by(orgs.c.sourced_id))
