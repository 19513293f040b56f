"""Who is meant: people by id, username, e-mail, number or part of a name, and other records of the same person.

An id or a username is looked up by an index; for everything else the district's users are read through once.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from rollcall.explain.words import without_case
from rollcall.model.username_text import username_key
from rollcall.warehouse.models import history, published, staging

Row = dict[str, Any]

_NAMES = ("given_name", "middle_name", "family_name", "preferred_first_name", "preferred_last_name")

#: So many people are listed when a part of a name fits many.
MOST_LISTED = 25


def rows(connection: sa.Connection, query: sa.Select[Any]) -> list[Row]:
    return [dict(row) for row in connection.execute(query).mappings()]


def find_people(connection: sa.Connection, district: str, who: str) -> list[Row]:
    """The users that fit, removed ones included: those an id, a username, an e-mail or a number names, else those whose
    names hold every word of it, else those who had such a username, e-mail or number before.

    :returns: rows of `users` with their lineage, live ones first; at most one more than `MOST_LISTED`.
    """
    users = staging["users"]
    wanted = without_case(who)
    if not wanted:
        return []
    names = sa.func.concat_ws(" ", *(users.c[name] for name in _NAMES))
    tries = (
        users.c.sourced_id == who.strip(),
        sa.or_(users.c.sourced_id.in_(_with_username(district, username_key(wanted))), *_equal(users, wanted)),
        sa.and_(*(names.icontains(word, autoescape=True) for word in who.split())),
        users.c.sourced_id.in_(_had_before(district, wanted)),
    )
    order = (users.c._removed_at.is_not(None), users.c.family_name, users.c.given_name, users.c.sourced_id)
    for fits in tries:
        query = sa.select(users).where(users.c.district_id == district, fits).order_by(*order).limit(MOST_LISTED + 1)
        if found := rows(connection, query):
            return found
    return []


def _equal(users: sa.Table, wanted: str) -> list[sa.ColumnElement[bool]]:
    columns = (users.c.email, users.c.username, users.c.identifier)
    return [sa.func.lower(sa.func.btrim(column)) == wanted for column in columns]


def _with_username(district: str, wanted: str) -> sa.Select[Any]:
    accounts = staging["accounts"]
    fits = (accounts.c.district_id == district, accounts.c.username_key == wanted)
    return sa.select(accounts.c.user_sourced_id).where(*fits)


def _had_before(district: str, wanted: str) -> sa.CompoundSelect[Any]:
    users, accounts = history["users"], published["accounts"]
    named = sa.select(users.c.sourced_id).where(users.c.district_id == district, sa.or_(*_equal(users, wanted)))
    fits = (accounts.c.district_id == district, accounts.c.username_key == username_key(wanted))
    return named.union(sa.select(accounts.c.user_sourced_id).where(*fits))


def places_of(connection: sa.Connection, district: str, ids: list[str]) -> dict[str, list[str]]:
    """For each of these people the names of the schools they have a role at, or had when they were removed."""
    roles, orgs, users = staging["user_roles"], staging["orgs"], staging["users"]
    is_theirs = (users.c.district_id == roles.c.district_id) & (users.c.sourced_id == roles.c.user_sourced_id)
    is_there = (orgs.c.district_id == roles.c.district_id) & (orgs.c.sourced_id == roles.c.org_sourced_id)
    same_life = roles.c._removed_at.is_not_distinct_from(users.c._removed_at)
    query = (
        sa.select(roles.c.user_sourced_id, orgs.c.name)
        .distinct()
        .select_from(roles.join(users, is_theirs).join(orgs, is_there))
        .where(roles.c.district_id == district, roles.c.user_sourced_id.in_(ids), same_life)
        .order_by(orgs.c.name)
    )
    found: dict[str, list[str]] = {}
    for user, name in connection.execute(query):
        found.setdefault(user, []).append(name or "a school without a name")
    return found


def other_records(connection: sa.Connection, district: str, user: Row) -> list[Row]:
    """Other records of the same person: the same name with the same number, e-mail or birth date.

    A name alone makes nobody the same, and neither does a number alone: staff and students may count from one.

    :returns: rows of `users` with `basis`, what they have in common in words; live ones first.
    """
    users, born = staging["users"], staging["demographics"]
    birth_dates = sa.select(born.c.birth_date).where(born.c.district_id == district).correlate(users)
    theirs = birth_dates.where(born.c.sourced_id == users.c.sourced_id).scalar_subquery()
    mine = connection.execute(birth_dates.where(born.c.sourced_id == user["sourced_id"])).scalar()
    alike = {
        "number": _same(users.c.identifier, user["identifier"]),
        "e-mail": _same(users.c.email, user["email"]),
        "birth date": theirs == mine if mine is not None else sa.false(),
    }
    names = [_same(users.c[name], user[name]) for name in ("given_name", "family_name")]
    query = (
        sa.select(users, *(sa.func.coalesce(same, False).label(f"same {what}") for what, same in alike.items()))
        .where(users.c.district_id == district, users.c.sourced_id != user["sourced_id"], *names)
        .where(sa.or_(*alike.values()))
        .order_by(users.c._removed_at.is_not(None), users.c.sourced_id)
    )
    found = rows(connection, query)
    for row in found:
        common = [what for what in alike if row.pop(f"same {what}")]
        row["basis"] = f"the same name and {' and '.join(common)}"
    return found


def _same(column: sa.Column[Any], value: str | None) -> sa.ColumnElement[bool]:
    if not without_case(value):
        return sa.false()
    return sa.func.lower(sa.func.btrim(column)) == sa.func.lower(sa.func.btrim(value))
