"""Look up, by index, which other users a change may affect: shared identifiers, usernames, and dates of roles."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from rollcall.landing.mapping import LEFT_OUT_SCHEMA, PERSON_FINDINGS_SCHEMA
from rollcall.model.username_text import username_key
from rollcall.warehouse.bulk import copy_out, load_temp_keys
from rollcall.warehouse.models import EMAIL, IDENTIFIER, UNUSUAL_EMAIL
from rollcall.warehouse.schemas import OPS, STAGING

_USERS = pa.schema([("user_sourced_id", pa.string())])

#: A zone's change moves a night by less than this.
_SOME_DAYS = timedelta(days=2)


def users_sharing_identifiers(
    connection: sa.Connection, district: str, identifiers: pa.ChunkedArray
) -> pa.ChunkedArray:
    """Users with one of these identifiers, ignoring surrounding white space."""
    given = pc.unique(pc.utf8_trim_whitespace(identifiers.drop_null()))
    given = given.filter(pc.greater(pc.utf8_length(given), 0))
    temp = load_temp_keys(connection, "given_identifiers", pa.table({"identifier": given}))
    shared = f"u._removed_at IS NULL AND {IDENTIFIER.format('u.identifier')} = {IDENTIFIER.format('g.identifier')}"
    query = _lookup_query(temp, f"SELECT u.sourced_id FROM {STAGING}.users u", shared)
    return _read_users(connection, district, query)


def users_sharing_emails(connection: sa.Connection, district: str, emails: pa.ChunkedArray) -> pa.ChunkedArray:
    """Users with one of these email addresses, compared like usernames, and all users whose address PostgreSQL cannot
    compare that way.
    """
    given = pa.array({username_key(email) for email in emails.drop_null().unique().to_pylist()} - {""}, pa.string())
    temp = load_temp_keys(connection, "given_emails", pa.table({"email": given}))
    shared = f"u._removed_at IS NULL AND {EMAIL.format('u.email')} = g.email"
    query = _lookup_query(temp, f"SELECT u.sourced_id FROM {STAGING}.users u", shared)
    unusual = f"""
        SELECT sourced_id FROM {STAGING}.users
        WHERE district_id = %(district)s AND _removed_at IS NULL AND {UNUSUAL_EMAIL.format("email")}"""
    return _read_users(connection, district, f"{query} UNION {unusual}")


def read_person_findings(connection: sa.Connection, district: str) -> pa.Table:
    """The published findings about people, in `PERSON_FINDINGS_SCHEMA`."""
    listed = ", ".join(PERSON_FINDINGS_SCHEMA.names)
    query = f"SELECT {listed} FROM {OPS}.person_findings WHERE district_id = %(district)s"
    return copy_out(connection, query, {"district": district}, PERSON_FINDINGS_SCHEMA)


def users_with_usernames(connection: sa.Connection, district: str, keys: Collection[str]) -> pa.ChunkedArray:
    """Users who have one of these usernames, as keys (`rollcall.model.username_text.username_key`)."""
    given = pa.table({"username_key": pa.array(sorted(keys), pa.string())})
    temp = load_temp_keys(connection, "given_usernames", given)
    same = "a.username_key = g.username_key"
    query = _lookup_query(
        temp, f"SELECT a.user_sourced_id FROM {STAGING}.accounts a", f"a._removed_at IS NULL AND {same}"
    )
    return _read_users(connection, district, query)


def users_with_role_dates_between(
    connection: sa.Connection, district: str, since: date, night: date, days_early: int
) -> pa.ChunkedArray:
    """Users with a role that ended or began since the last publication.

    :param days_early: the number of days before its begin date on which a role counts.
    """
    live = f"SELECT user_sourced_id FROM {STAGING}.user_roles WHERE district_id = %(district)s AND _removed_at IS NULL"
    query = f"""
        {live} AND end_date BETWEEN %(since)s AND %(night)s
        UNION {live} AND begin_date BETWEEN %(begin_since)s AND %(begin_night)s"""
    early = timedelta(days=days_early)
    first, last = since - _SOME_DAYS, night + _SOME_DAYS
    return _read_users(
        connection, district, query, since=first, night=last, begin_since=first + early, begin_night=last + early
    )


def users_in_username_collisions(connection: sa.Connection, district: str) -> pa.ChunkedArray:
    """Users who are left out because another person has or wants their username."""
    query = f"""
        SELECT user_sourced_id FROM {OPS}.left_out
        WHERE district_id = %(district)s AND reason = 'username_collision'"""
    return _read_users(connection, district, query)


def read_left_out(connection: sa.Connection, district: str) -> pa.Table:
    """The people without an account, in `LEFT_OUT_SCHEMA`."""
    listed = ", ".join(LEFT_OUT_SCHEMA.names)
    query = f"SELECT {listed} FROM {OPS}.left_out WHERE district_id = %(district)s"
    return copy_out(connection, query, {"district": district}, LEFT_OUT_SCHEMA)


def has_undecided_findings(connection: sa.Connection, district: str, run_id: str | None) -> bool:
    """Whether a run found undecided schools or roles."""
    found = sa.text(f"""
        SELECT EXISTS (SELECT FROM {OPS}.findings WHERE district_id = :district AND run_id = :run_id
            AND (rule LIKE 'school\\_undecided:%' OR rule LIKE 'role\\_undecided:%'))""")
    return bool(connection.execute(found, {"district": district, "run_id": run_id}).scalar_one())


def had_holds_or_rollback(connection: sa.Connection, district: str, run_id: str | None) -> bool:
    """Whether the last publication differs from its mapping: it held something, or was a rollback."""
    held = sa.text(f"""
        SELECT EXISTS (SELECT FROM {OPS}.run_holds WHERE district_id = :district AND run_id = :run_id)
            OR EXISTS (SELECT FROM {OPS}.runs
                WHERE district_id = :district AND run_id = :run_id AND kind = 'rollback')""")
    return bool(connection.execute(held, {"district": district, "run_id": run_id}).scalar_one())


def _lookup_query(given: str, select: str, where: str) -> str:
    """Look up each value by itself: the planner knows too little about an indexed expression to choose this."""
    return f"""
        SELECT found.* FROM {given} g
        CROSS JOIN LATERAL ({select} WHERE district_id = %(district)s AND {where} OFFSET 0) found"""


def _read_users(connection: sa.Connection, district: str, query: str, **params: object) -> pa.ChunkedArray:
    return copy_out(connection, query, {"district": district, **params}, _USERS)["user_sourced_id"]
