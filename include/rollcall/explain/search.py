"""Finds people by ID, username, email, number or part of a name, their other records, and schools.

IDs and usernames use an index. Every other search scans the district's users once.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from rollcall.explain.formatting import casefolded, join_words
from rollcall.model.username_text import username_key
from rollcall.warehouse.models import history, published, staging

Row = dict[str, Any]

_NAMES = ("given_name", "middle_name", "family_name", "preferred_first_name", "preferred_last_name")

#: The most people listed when several match.
MAX_MATCHES = 25


def fetch_rows(connection: sa.Connection, query: sa.Select[Any]) -> list[Row]:
    return [dict(row) for row in connection.execute(query).mappings()]


def find_people(connection: sa.Connection, district: str, who: str) -> list[Row]:
    """The users that match, including removed ones.

    The first search with a result wins: ID; username, email or number; every word in the name; an earlier username,
    email or number.

    :returns: rows of `users` with their lineage, live ones first; at most one more than `MAX_MATCHES`.
    """
    users = staging["users"]
    wanted = casefolded(who)
    if not wanted:
        return []
    names = sa.func.concat_ws(" ", *(users.c[name] for name in _NAMES))
    searches = (
        users.c.sourced_id == who.strip(),
        sa.or_(users.c.sourced_id.in_(_with_username(district, username_key(wanted))), *_equal(users, wanted)),
        sa.and_(*(names.icontains(word, autoescape=True) for word in who.split())),
        users.c.sourced_id.in_(_with_earlier_value(district, wanted)),
    )
    order = (users.c._removed_at.is_not(None), users.c.family_name, users.c.given_name, users.c.sourced_id)
    for condition in searches:
        query = (
            sa.select(users).where(users.c.district_id == district, condition).order_by(*order).limit(MAX_MATCHES + 1)
        )
        if found := fetch_rows(connection, query):
            return found
    return []


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


def schools_of(connection: sa.Connection, district: str, ids: list[str]) -> dict[str, list[str]]:
    """School names by person: where they have a role, or had one when they were removed."""
    roles, orgs, users = staging["user_roles"], staging["orgs"], staging["users"]
    on_user = (users.c.district_id == roles.c.district_id) & (users.c.sourced_id == roles.c.user_sourced_id)
    on_org = (orgs.c.district_id == roles.c.district_id) & (orgs.c.sourced_id == roles.c.org_sourced_id)
    removed_together = roles.c._removed_at.is_not_distinct_from(users.c._removed_at)
    query = (
        sa.select(roles.c.user_sourced_id, orgs.c.name)
        .distinct()
        .select_from(roles.join(users, on_user).join(orgs, on_org))
        .where(roles.c.district_id == district, roles.c.user_sourced_id.in_(ids), removed_together)
        .order_by(orgs.c.name)
    )
    schools: dict[str, list[str]] = {}
    for user, name in connection.execute(query):
        schools.setdefault(user, []).append(name or "a school without a name")
    return schools


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
    names = [_same(users.c[name], user[name]) for name in ("given_name", "family_name")]
    query = (
        sa.select(users, *(sa.func.coalesce(same, False).label(f"same {what}") for what, same in matches.items()))
        .where(users.c.district_id == district, users.c.sourced_id != user["sourced_id"], *names)
        .where(sa.or_(*matches.values()))
        .order_by(users.c._removed_at.is_not(None), users.c.sourced_id)
    )
    found = fetch_rows(connection, query)
    for row in found:
        common = [what for what in matches if row.pop(f"same {what}")]
        row["basis"] = f"the same {join_words(['name', *common])}"
    return found


def _same(column: sa.Column[Any], value: str | None) -> sa.ColumnElement[bool]:
    if not casefolded(value):
        return sa.false()
    return sa.func.lower(sa.func.btrim(column)) == sa.func.lower(sa.func.btrim(value))


def find_school(connection: sa.Connection, district: str, who: str) -> Row | None:
    """The one org that matches an ID, a name, an earlier name or part of a name; None for none or several."""
    orgs, earlier = staging["orgs"], history["orgs"]
    wanted = who.strip()
    had_name = sa.select(earlier.c.sourced_id).where(
        earlier.c.district_id == district, sa.func.lower(earlier.c.name) == wanted.lower()
    )
    searches = (
        orgs.c.sourced_id == wanted,
        sa.func.lower(orgs.c.name) == wanted.lower(),
        orgs.c.sourced_id.in_(had_name),
        sa.and_(*(orgs.c.name.icontains(word, autoescape=True) for word in wanted.split())),
    )
    for condition in searches:
        found = fetch_rows(connection, sa.select(orgs).where(orgs.c.district_id == district, condition).limit(2))
        if found:
            return found[0] if len(found) == 1 else None
    return None
