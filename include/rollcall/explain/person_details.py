"""Everything the warehouse knows about one person, read by keys and indexes in one snapshot."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from rollcall.explain.directory import fold
from rollcall.explain.formatting import full_name
from rollcall.explain.search import Row, fetch_rows, other_records
from rollcall.model.keys import key_prefix
from rollcall.warehouse.models import staging
from rollcall.warehouse.ops_models import hold_rows, holds, left_out, rejects, runs

#: The most rejected records that a name may match.
_MAX_REJECTS = 100

#: Tables whose key begins with the user's sourcedId.
_BY_USER = ("users", "user_roles", "user_agents", "demographics", "accounts")


@dataclass(frozen=True)
class PersonDetails:
    """One person of a district.

    :param user: the row of `users` with its lineage.
    :param roles: rows of `user_roles` with the org's `org_name` and `org_type`.
    :param accounts: rows of `accounts`.
    :param enrollments: rows of `enrollments` with the class's `class_title`.
    :param left_out: reason and detail, if there is no account.
    :param rejects: rejected records that still count, with the run's `night`.
    :param held: rows withheld by open holds, with the hold.
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

    def live(self, rows: list[Row]) -> list[Row]:
        return [row for row in rows if row["_removed_at"] is None]


def read_person_details(connection: sa.Connection, district: str, user: Row) -> PersonDetails:
    """Read everything else about a user."""
    key = user["sourced_id"]
    enrollments = _rows_with_reference(
        connection, "enrollments", district, key, "classes", "class_sourced_id", {"title": "class_title"}
    )
    where = (left_out.c.district_id == district, left_out.c.user_sourced_id == key)
    left_out_rows = fetch_rows(connection, sa.select(left_out).where(*where))
    return PersonDetails(
        user=user,
        roles=_rows_with_reference(
            connection, "user_roles", district, key, "orgs", "org_sourced_id", {"name": "org_name", "type": "org_type"}
        ),
        accounts=_user_rows(connection, "accounts", district, key),
        enrollments=enrollments,
        left_out=left_out_rows[0] if left_out_rows else None,
        rejects=_rejects(connection, district, user),
        held=read_held_rows(connection, district, key, [row["sourced_id"] for row in enrollments]),
        others=other_records(connection, district, user),
    )


def _user_rows(connection: sa.Connection, table: str, district: str, user: str) -> list[Row]:
    source = staging[table]
    where = (source.c.district_id == district, source.c.user_sourced_id == user)
    return fetch_rows(connection, sa.select(source).where(*where).order_by(*list(source.primary_key)[1:]))


def _rows_with_reference(
    connection: sa.Connection, table: str, district: str, user: str, other: str, reference: str, names: dict[str, str]
) -> list[Row]:
    """A user's rows of a table with columns of the record they refer to."""
    source, target = staging[table], staging[other]
    on_reference = (target.c.district_id == source.c.district_id) & (target.c.sourced_id == source.c[reference])
    query = (
        sa.select(source, *(target.c[column].label(label) for column, label in names.items()))
        .select_from(source.outerjoin(target, on_reference))
        .where(source.c.district_id == district, source.c.user_sourced_id == user)
        .order_by(*list(source.primary_key)[1:])
    )
    return fetch_rows(connection, query)


def _rejects(connection: sa.Connection, district: str, user: Row) -> list[Row]:
    """Rejected since the person's record last changed, and since the last full pull."""
    query = (
        sa.select(rejects, runs.c.night, runs.c.as_of)
        .join(runs, (runs.c.district_id == rejects.c.district_id) & (runs.c.run_id == rejects.c.run_id))
        .where(
            rejects.c.district_id == district,
            rejects.c.run_id.in_(runs_since_full_pull(connection, district)),
            _concerns_user(user["sourced_id"]),
            runs.c.as_of >= user["_changed_at"],
        )
        .order_by(rejects.c.collection != "users", runs.c.as_of.desc(), rejects.c.reject_id)
    )
    return fetch_rows(connection, query)


def _concerns_user(user: str) -> sa.ColumnElement[bool]:
    """Whether a rejected record is the person's own or refers to the person."""
    own = sa.and_(rejects.c.collection.in_(["users", "demographics"]), rejects.c.sourced_id == user)
    return sa.or_(own, rejects.c.record["user_sourced_id"].astext == user)


def runs_since_full_pull(connection: sa.Connection, district: str) -> list[str]:
    """The publications whose rejects still count, newest first: back to the last full pull."""
    published = (runs.c.district_id == district, runs.c.status == "published")
    newest = sa.select(runs.c.run_id, runs.c.mode).where(*published).order_by(runs.c.generation.desc()).limit(30)
    counting = []
    for run_id, mode in connection.execute(newest):
        counting.append(run_id)
        if mode == "full":
            break
    return counting


def unpublished_rejects(connection: sa.Connection, district: str, who: str) -> list[Row]:
    """Rejects about an unpublished person: the person's own record by ID or name, or enrollments by ID."""
    counting = runs_since_full_pull(connection, district)
    named = rejects.c.reject_id.in_(_rejects_with_name(connection, district, counting, who))
    query = (
        sa.select(rejects, runs.c.night, runs.c.as_of)
        .join(runs, (runs.c.district_id == rejects.c.district_id) & (runs.c.run_id == rejects.c.run_id))
        .where(
            rejects.c.district_id == district,
            rejects.c.run_id.in_(counting),
            sa.or_(_concerns_user(who.strip()), named),
        )
        .order_by(rejects.c.collection != "users", runs.c.as_of.desc(), rejects.c.reject_id)
    )
    return fetch_rows(connection, query)


def _rejects_with_name(connection: sa.Connection, district: str, run_ids: list[str], who: str) -> list[int]:
    """The rejected people with every word in their name or email, compared like the names of the roster."""
    record, words = rejects.c.record, fold(who).split()
    names = sa.func.concat_ws(
        " ", *(record[name].astext for name in ("given_name", "givenName", "family_name", "familyName", "email"))
    )
    query = sa.select(rejects.c.reject_id, names.label("names")).where(
        rejects.c.district_id == district, rejects.c.run_id.in_(run_ids), rejects.c.collection == "users"
    )
    found = [row.reject_id for row in connection.execute(query) if all(word in fold(row.names) for word in words)]
    return found[:_MAX_REJECTS] if words else []


def read_held_rows(connection: sa.Connection, district: str, user: str, enrollments: list[str]) -> list[Row]:
    """A person's rows withheld by open holds. An announced hold (a first absence) withholds nothing."""
    is_open = (holds.c.district_id == district, holds.c.closed_at.is_(None), holds.c.status != "announced")
    ids = list(connection.execute(sa.select(holds.c.hold_id).where(*is_open)).scalars())
    key = hold_rows.c.row_key
    concerns_person = sa.or_(
        sa.and_(
            hold_rows.c.table_name.in_(_BY_USER),
            sa.or_(key == user, key.startswith(key_prefix(user), autoescape=True)),
        ),
        sa.and_(hold_rows.c.table_name == "enrollments", key.in_(enrollments)),
    )
    order = sa.func.array_position(sa.literal([*_BY_USER, "enrollments"]), hold_rows.c.table_name)
    query = (
        sa.select(hold_rows.c.table_name, hold_rows.c.change, holds)
        .join(holds, holds.c.hold_id == hold_rows.c.hold_id)
        .where(hold_rows.c.hold_id.in_(ids), hold_rows.c.is_approved.is_(False), concerns_person)
        .order_by(order, holds.c.opened_at)
    )
    return fetch_rows(connection, query) if ids else []
