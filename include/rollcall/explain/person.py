"""Everything the warehouse knows about one person, read in one snapshot by keys and indexes."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from rollcall.explain.people import Row, other_records, rows
from rollcall.explain.words import full_name
from rollcall.model.keys import key_prefix
from rollcall.warehouse.models import hold_rows, holds, left_out, rejects, runs, staging

#: Tables whose rows belong to a person by the first part of their key.
_BY_KEY = ("users", "user_roles", "user_agents", "demographics", "accounts")


@dataclass(frozen=True)
class Person:
    """One person of a district.

    :param user: the row of `users` with its lineage.
    :param roles: the rows of `user_roles` with the org's `org_name` and `org_type`; `accounts` those of accounts.
    :param enrollments: the rows of `enrollments` with the class's `class_title`.
    :param left_out: reason and detail, where there is no account.
    :param rejects: what was refused of them and still counts, with the run's `night`.
    :param held: rows of theirs that living holds withhold, with the hold.
    :param others: other records of the same person, live or removed.
    """

    user: Row
    roles: list[Row]
    accounts: list[Row]
    enrollments: list[Row]
    left_out: Row | None
    rejects: list[Row]
    held: list[Row]
    others: list[Row]

    @property
    def sourced_id(self) -> str:
        return str(self.user["sourced_id"])

    @property
    def name(self) -> str:
        return full_name(self.user)

    @property
    def is_live(self) -> bool:
        return self.user["_removed_at"] is None

    def live(self, every: list[Row]) -> list[Row]:
        return [row for row in every if row["_removed_at"] is None]


def read_person(connection: sa.Connection, district: str, user: Row) -> Person:
    """Read the rest about a user that was found."""
    key = user["sourced_id"]
    title = {"title": "class_title"}
    enrollments = _with(connection, "enrollments", district, key, "classes", "class_sourced_id", title)
    where = (left_out.c.district_id == district, left_out.c.user_sourced_id == key)
    without = rows(connection, sa.select(left_out).where(*where))
    return Person(
        user=user,
        roles=_with(
            connection, "user_roles", district, key, "orgs", "org_sourced_id", {"name": "org_name", "type": "org_type"}
        ),
        accounts=_of(connection, "accounts", district, key),
        enrollments=enrollments,
        left_out=without[0] if without else None,
        rejects=_rejects(connection, district, user),
        held=held_rows(connection, district, key, [row["sourced_id"] for row in enrollments]),
        others=other_records(connection, district, user),
    )


def _of(connection: sa.Connection, table: str, district: str, user: str) -> list[Row]:
    source = staging[table]
    where = (source.c.district_id == district, source.c.user_sourced_id == user)
    return rows(connection, sa.select(source).where(*where).order_by(*list(source.primary_key)[1:]))


def _with(
    connection: sa.Connection, table: str, district: str, user: str, other: str, reference: str, names: dict[str, str]
) -> list[Row]:
    """A user's rows of a table with some columns of the record they refer to."""
    source, target = staging[table], staging[other]
    is_its = (target.c.district_id == source.c.district_id) & (target.c.sourced_id == source.c[reference])
    query = (
        sa.select(source, *(target.c[column].label(label) for column, label in names.items()))
        .select_from(source.outerjoin(target, is_its))
        .where(source.c.district_id == district, source.c.user_sourced_id == user)
        .order_by(*list(source.primary_key)[1:])
    )
    return rows(connection, query)


def _rejects(connection: sa.Connection, district: str, user: Row) -> list[Row]:
    """Refused since the person's record was last taken over, in a publication that no full pull has followed."""
    every = rejects_since_full(connection, district)
    query = (
        sa.select(rejects, runs.c.night, runs.c.as_of)
        .join(runs, (runs.c.district_id == rejects.c.district_id) & (runs.c.run_id == rejects.c.run_id))
        .where(
            rejects.c.district_id == district,
            rejects.c.run_id.in_(every),
            _names(user["sourced_id"]),
            runs.c.as_of >= user["_changed_at"],
        )
        .order_by(rejects.c.collection != "users", runs.c.as_of.desc(), rejects.c.reject_id)
    )
    return rows(connection, query)


def _names(user: str) -> sa.ColumnElement[bool]:
    """Whether a refused record is the person's own or names them."""
    own = sa.and_(rejects.c.collection.in_(["users", "demographics"]), rejects.c.sourced_id == user)
    return sa.or_(own, rejects.c.record["user_sourced_id"].astext == user)


def rejects_since_full(connection: sa.Connection, district: str) -> list[str]:
    """The publications whose rejects still count, newest first: back to the last full pull, which judged everybody."""
    published = (runs.c.district_id == district, runs.c.status == "published")
    newest = sa.select(runs.c.run_id, runs.c.mode).where(*published).order_by(runs.c.generation.desc()).limit(30)
    counting = []
    for run_id, mode in connection.execute(newest):
        counting.append(run_id)
        if mode == "full":
            break
    return counting


def rejected_unpublished(connection: sa.Connection, district: str, who: str) -> list[Row]:
    """Rejects that name somebody nobody published: their own record by id or name, or enrollments of theirs by id."""
    record = rejects.c.record
    names = sa.func.concat_ws(
        " ", *(record[name].astext for name in ("given_name", "givenName", "family_name", "familyName", "email"))
    )
    is_named = sa.and_(
        rejects.c.collection == "users",
        *(names.icontains(word, autoescape=True) for word in who.split()),
    )
    query = (
        sa.select(rejects, runs.c.night, runs.c.as_of)
        .join(runs, (runs.c.district_id == rejects.c.district_id) & (runs.c.run_id == rejects.c.run_id))
        .where(
            rejects.c.district_id == district,
            rejects.c.run_id.in_(rejects_since_full(connection, district)),
            sa.or_(_names(who.strip()), is_named),
        )
        .order_by(rejects.c.collection != "users", runs.c.as_of.desc(), rejects.c.reject_id)
    )
    return rows(connection, query)


def held_rows(connection: sa.Connection, district: str, user: str, enrollments: list[str]) -> list[Row]:
    """Rows of a person that living holds withhold; a first absence is only announced and withholds nothing."""
    living = (holds.c.district_id == district, holds.c.closed_at.is_(None), holds.c.status != "announced")
    ids = list(connection.execute(sa.select(holds.c.hold_id).where(*living)).scalars())
    by_key = hold_rows.c.row_key
    theirs = sa.or_(
        sa.and_(
            hold_rows.c.table_name.in_(_BY_KEY),
            sa.or_(by_key == user, by_key.startswith(key_prefix(user), autoescape=True)),
        ),
        sa.and_(hold_rows.c.table_name == "enrollments", by_key.in_(enrollments)),
    )
    order = sa.func.array_position(sa.literal([*_BY_KEY, "enrollments"]), hold_rows.c.table_name)
    query = (
        sa.select(hold_rows.c.table_name, hold_rows.c.change, holds)
        .join(holds, holds.c.hold_id == hold_rows.c.hold_id)
        .where(hold_rows.c.hold_id.in_(ids), hold_rows.c.is_approved.is_(False), theirs)
        .order_by(order, holds.c.opened_at)
    )
    return rows(connection, query) if ids else []
