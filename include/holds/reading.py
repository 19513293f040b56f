"""Holds as the warehouse has them now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from include.errors import NeedsPerson
from include.tables import TABLES
from include.warehouse.schemas import OPS, STAGING

#: An approval that was not used in time counts as none from that moment on, whether or not a run has written it down.
_STATUS = "CASE WHEN h.status = 'approved' AND h.expires_at <= now() THEN 'open' ELSE h.status END"

_READ = f"""
    SELECT h.hold_id, h.district_id AS district, coalesce(d.name, h.district_id) AS district_name, h.collection, h.kind,
        h.school, coalesce(o.name, h.school) AS school_name, {_STATUS} AS status, h.opened_at, h.last_seen_at, h.rows,
        h.published, h.looks_like, h.looks_not_like, h.decided_at, h.decided_by, h.because, h.expires_at, h.closed_at,
        h.closed_because, h.question_at,
        (SELECT count(*) FROM {OPS}.hold_rows r WHERE r.hold_id = h.hold_id AND r.is_approved) AS approved_rows,
        (SELECT coalesce(json_object_agg(n.table_name, n.rows), '{{}}') FROM (
            SELECT r.table_name, count(*) AS rows FROM {OPS}.hold_rows r WHERE r.hold_id = h.hold_id GROUP BY 1
        ) n) AS tables,
        (SELECT coalesce(bool_and(r.change = 'missing'), false) FROM {OPS}.hold_rows r
            WHERE r.hold_id = h.hold_id) AS is_first_absence
    FROM {OPS}.holds h
    LEFT JOIN {OPS}.districts d ON d.district_id = h.district_id
    LEFT JOIN {STAGING}.orgs o ON o.district_id = h.district_id AND o.sourced_id = h.school
    WHERE h.closed_because IS DISTINCT FROM 'dry_run'"""

#: What needs a person comes first.
_ORDER = f"""
    ORDER BY array_position(ARRAY['open', 'approved', 'announced', 'rejected'], {_STATUS}), h.opened_at, h.hold_id"""


@dataclass(frozen=True)
class Held:
    """One hold: what it is about, its numbers, and what was decided.

    :param status: announced, open, approved, rejected or closed; an approval that has expired reads as open.
    :param rows: how many it names, per table in `tables`; `approved_rows` of them may flow.
    :param published: how many rows of the collection readers have.
    :param expires_at: when the approval ends; in the past it tells that one ended unused.
    :param question_at: since when the decision asked for has been the same one.
    :param is_first_absence: what it names is missing for the first time: a second complete pull has to miss it too.
    """

    hold_id: str
    district: str
    district_name: str
    collection: str
    kind: str
    school: str
    school_name: str
    status: str
    opened_at: datetime
    last_seen_at: datetime
    rows: int
    published: int
    looks_like: str
    looks_not_like: str
    decided_at: datetime | None
    decided_by: str | None
    because: str | None
    expires_at: datetime | None
    closed_at: datetime | None
    closed_because: str | None
    question_at: datetime
    approved_rows: int
    tables: dict[str, int]
    is_first_absence: bool

    @property
    def names_rows(self) -> bool:
        """Whether it names each row it is about; first rows are held as one."""
        return self.kind != "additions"

    @property
    def main_table(self) -> str:
        """The table the hold is about; what an org takes along lies in others."""
        return "accounts" if self.kind == "usernames" else self.collection


def living(connection: sa.Connection, district: str | None = None) -> list[Held]:
    """The holds that live, those that need a person first."""
    mine = " AND h.district_id = :district" if district else ""
    query = f"{_READ} AND h.closed_at IS NULL{mine}{_ORDER}"
    return [Held(**row) for row in connection.execute(sa.text(query), {"district": district}).mappings()]


def find(connection: sa.Connection, name: str) -> Held:
    """The hold of this id, or the one whose id begins so; a living one before one that is closed.

    :raises NeedsPerson: `no_such_hold`, `ambiguous_hold`.
    """
    query = f"{_READ} AND starts_with(h.hold_id, :name) ORDER BY h.closed_at IS NOT NULL, h.hold_id"
    found = [Held(**row) for row in connection.execute(sa.text(query), {"name": name}).mappings()]
    exact = [held for held in found if held.hold_id == name]
    alive = [held for held in found if held.closed_at is None]
    one = exact or alive or found
    if len(one) == 1:
        return one[0]
    if not one:
        raise NeedsPerson(
            "no_such_hold", f"There is no hold {name!r}.", remedy="`rollcall holds list` shows those there are."
        )
    ids = ", ".join(held.hold_id for held in one[:8])
    raise NeedsPerson("ambiguous_hold", f"{len(one)} holds begin with {name!r}.", remedy=f"Say which: {ids}.")


def schools(connection: sa.Connection, held: Held) -> list[dict[str, Any]]:
    """How many of the hold's rows are at which school, most first: school, its name, rows."""
    query = f"""
        SELECT r.school, coalesce(o.name, nullif(r.school, ''), 'no school') AS name, count(*) AS rows
        FROM {OPS}.hold_rows r
        LEFT JOIN {STAGING}.orgs o ON o.district_id = r.district_id AND o.sourced_id = r.school
        WHERE r.hold_id = :hold AND r.table_name = :main GROUP BY 1, 2 ORDER BY 3 DESC, 2"""
    params = {"hold": held.hold_id, "main": held.main_table}
    return [dict(row) for row in connection.execute(sa.text(query), params).mappings()]


def named_rows(connection: sa.Connection, held: Held) -> list[dict[str, Any]]:
    """Every row the hold names: table, key (its parts as a list), what would happen, because of what, where."""
    query = f"""
        SELECT table_name, string_to_array(row_key, chr(31)) AS key, change, because, school, is_approved
        FROM {OPS}.hold_rows WHERE hold_id = :hold
        ORDER BY table_name <> :main, table_name, row_key"""
    params = {"hold": held.hold_id, "main": held.main_table}
    return [dict(row) for row in connection.execute(sa.text(query), params).mappings()]


def people(connection: sa.Connection, held: Held, limit: int) -> list[str]:
    """The first few people a hold names, as `sourcedId (Given Family)`, for a terminal and nowhere else."""
    if TABLES[held.main_table].key[0] != "user_sourced_id" and held.main_table != "users":
        return []
    query = f"""
        SELECT DISTINCT u.sourced_id || ' (' || concat_ws(' ', u.given_name, u.family_name) || ')' AS who
        FROM {OPS}.hold_rows r JOIN {STAGING}.users u
            ON u.district_id = r.district_id AND u.sourced_id = split_part(r.row_key, chr(31), 1)
        WHERE r.hold_id = :hold AND r.table_name = :main ORDER BY who LIMIT :limit"""
    params = {"hold": held.hold_id, "main": held.main_table, "limit": limit}
    return list(connection.execute(sa.text(query), params).scalars())
