"""Holds in the warehouse. A hold stays active until a person decides or its reason is gone (rule 4).

This module has the steps of a run, all in the publishing transaction. Decisions of people are in `rollcall.holds`. Each
run expires unused approvals, so a hold never becomes a removal by waiting.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from rollcall.landing.change_set import (
    HELD_ROWS_SCHEMA,
    OPEN_HOLD_ROWS_SCHEMA,
    RESOLVED_HOLD_ROWS_SCHEMA,
    ChangeSet,
    Hold,
)
from rollcall.model.keys import join_key
from rollcall.warehouse.bulk import copy_out, load_temp_keys
from rollcall.warehouse.ops_models import holds, run_holds
from rollcall.warehouse.schemas import OPS
from rollcall.warehouse.session import temp_table, upsert

#: Rows that a publication wrote and holds may name: the table, the key, and the change.
APPLIED_SCHEMA = pa.schema([(name, pa.string()) for name in ("table_name", "row_key", "change")])


@dataclass(frozen=True)
class HoldEvents:
    """What a publication knows about holds.

    :param held_rows: the rows that tonight's holds name, in `HELD_ROWS_SCHEMA`.
    :param came_back: rows of living holds whose reason is gone, in `RESOLVED_HOLD_ROWS_SCHEMA`.
    :param applied: what was written of the rows living holds named, in `APPLIED_SCHEMA`.
    :param complete: collections of which everything was seen: what the guard does not name there any more is over.
    """

    held_rows: pa.Table = field(default_factory=HELD_ROWS_SCHEMA.empty_table)
    came_back: pa.Table = field(default_factory=RESOLVED_HOLD_ROWS_SCHEMA.empty_table)
    applied: pa.Table = field(default_factory=APPLIED_SCHEMA.empty_table)
    complete: Collection[str] = ()


def active_hold_rows(connection: sa.Connection, district: str, now: datetime | None = None) -> pa.Table:
    """Every row that a living hold of the district names, in `OPEN_HOLD_ROWS_SCHEMA`.

    Rejected holds stay active and keep withholding. A row is approved only until the approval expires.

    :param now: None for the warehouse's clock.
    """
    query = f"""
        SELECT h.hold_id, h.collection, h.kind, h.school, r.table_name, r.row_key, r.change, r.reason, r.about,
            r.is_approved AND h.status = 'approved' AND h.expires_at > coalesce(CAST(%(now)s AS timestamptz), now())
        FROM {OPS}.holds h JOIN {OPS}.hold_rows r USING (hold_id)
        WHERE h.district_id = %(district)s AND h.closed_at IS NULL
        ORDER BY h.hold_id, r.table_name, r.row_key"""
    return copy_out(connection, query, {"district": district, "now": now}, OPEN_HOLD_ROWS_SCHEMA)


def decisions_digest(living: pa.Table) -> str:
    """A digest of the held rows and the approvals.

    :param living: in `OPEN_HOLD_ROWS_SCHEMA`.
    """
    made = hashlib.blake2b(digest_size=16)
    for row in living.select(["hold_id", "table_name", "row_key", "about", "reason", "is_approved"]).to_pylist():
        made.update(repr(tuple(row.values())).encode())
    return made.hexdigest()


def active_hold_keys(connection: sa.Connection, district: str) -> dict[str, pa.Array]:
    """Keys of the rows in active holds, per table."""
    rows = active_hold_rows(connection, district)
    grouped = rows.group_by("table_name").aggregate([("row_key", "list")])
    return {row["table_name"]: pa.array(row["row_key_list"], pa.string()) for row in grouped.to_pylist()}


def filter_undecided(connection: sa.Connection, district: str, found: list[Hold]) -> list[Hold]:
    """The holds without a decision. A rejected hold keeps withholding but is decided."""
    query = sa.select(holds.c.collection, holds.c.kind, holds.c.school).where(
        holds.c.district_id == district, holds.c.closed_at.is_(None), holds.c.status == "rejected"
    )
    rejected = {tuple(row) for row in connection.execute(query)}
    return [hold for hold in found if (hold.collection, hold.kind, hold.school) not in rejected]


def record_dry_run(connection: sa.Connection, changes: ChangeSet, now: datetime | None = None) -> None:
    """Record the holds of a dry run as closed, for its summary only."""
    own = sa.and_(holds.c.district_id == changes.district, holds.c.opened_run_id == changes.run_id)
    connection.execute(sa.delete(run_holds).filter_by(district_id=changes.district, run_id=changes.run_id))
    connection.execute(sa.delete(holds).where(own, holds.c.closed_reason == "dry_run"))
    now = now or datetime.now(UTC)
    closed = {"status": "closed", "closed_at": now, "closed_reason": "dry_run"}
    for hold in changes.holds:
        opening = _opening(changes, hold, now) | closed
        connection.execute(sa.insert(holds).values(opening))
        _link_to_run(connection, changes, opening["hold_id"], hold)


def lock_active_holds(connection: sa.Connection, district: str) -> None:
    """Lock the active holds against decisions until the transaction ends."""
    living = (holds.c.district_id == district, holds.c.closed_at.is_(None))
    connection.execute(sa.select(holds.c.hold_id).where(*living).with_for_update())


def record_holds(
    connection: sa.Connection, changes: ChangeSet, events: HoldEvents, now: datetime | None = None
) -> None:
    """Update every active hold of the district in the publishing transaction.

    A hold of tonight opens or continues with tonight's numbers and rows. Returned and published rows leave their
    hold. A hold without rows closes. An unused approval expires.
    """
    now = now or datetime.now(UTC)
    params = {"district": changes.district, "run_id": changes.run_id, "now": now}
    lock_active_holds(connection, changes.district)
    connection.execute(sa.delete(run_holds).filter_by(district_id=changes.district, run_id=changes.run_id))
    load_temp_keys(connection, "hold_back", events.came_back)
    load_temp_keys(connection, "hold_applied", events.applied)
    load_temp_keys(connection, "hold_found", events.held_rows)
    connection.exec_driver_sql(temp_table("hold_left", "hold_id text, why text"))
    for statement in (_LEAVE_BACK, _LEAVE_APPLIED):
        connection.execute(sa.text(statement), params)
    found = [
        _open_or_continue(connection, changes, hold, now, complete=_is_whole(hold.collection, events))
        for hold in changes.holds
    ]
    judged = [*events.complete, "accounts"]
    for statement in (_CLOSE, _FORGET_CLOSED, _RECOUNT, _REOPEN_USED, _EXPIRE_ROWS, _EXPIRE):
        connection.execute(sa.text(statement), {**params, "found": found, "judged": judged})
    connection.exec_driver_sql("DROP TABLE hold_back, hold_applied, hold_found, hold_left")


def _is_whole(collection: str, events: HoldEvents) -> bool:
    # a run that meets living holds maps everybody, so what it says about accounts is all there is to say
    return collection == "accounts" or collection in events.complete


def _open_or_continue(
    connection: sa.Connection, changes: ChangeSet, hold: Hold, now: datetime, *, complete: bool
) -> str:
    """Open or continue a hold. Returns its ID."""
    opening = _opening(changes, hold, now)
    seen = {name: opening[name] for name in ("last_seen_at", "last_run_id", "rows", "published")}
    seen |= {name: opening[name] for name in ("looks_like", "looks_not_like")}
    statement = upsert(holds).values(opening)
    statement = statement.on_conflict_do_update(
        index_elements=[holds.c.district_id, holds.c.collection, holds.c.kind, holds.c.school],
        index_where=holds.c.closed_at.is_(None),
        set_=seen,
    )
    hold_id: str = connection.execute(statement.returning(holds.c.hold_id)).scalar_one()
    params = {
        "hold": hold_id,
        "district": changes.district,
        "collection": hold.collection,
        "kind": hold.kind,
        "school": hold.school,
        "now": opening["question_at"],
        "is_real": not hold.is_announced,
    }
    connection.execute(sa.text(_ASK_AGAIN), params)
    if complete:
        connection.execute(sa.text(_FORGET), params)
    connection.execute(sa.text(_NAME), params)
    _link_to_run(connection, changes, hold_id, hold)
    return hold_id


def _opening(changes: ChangeSet, hold: Hold, now: datetime) -> dict[str, Any]:
    """A new hold's row. The ID has the collection and the kind. Its tail makes it unique."""
    tail = hashlib.blake2b(join_key([hold.school, changes.run_id]).encode(), digest_size=4).hexdigest()
    return {
        "hold_id": f"{changes.district}-{hold.collection}-{hold.kind}-{tail}",
        "district_id": changes.district,
        "collection": hold.collection,
        "kind": hold.kind,
        "school": hold.school,
        "status": "announced" if hold.is_announced else "open",
        "opened_at": changes.as_of,
        "opened_run_id": changes.run_id,
        "last_seen_at": changes.as_of,
        "last_run_id": changes.run_id,
        "rows": hold.rows,
        "published": hold.published,
        "looks_like": hold.looks_like,
        "looks_not_like": hold.looks_not_like,
        "question_at": now,
    }


def _link_to_run(connection: sa.Connection, changes: ChangeSet, hold_id: str, hold: Hold) -> None:
    row = {"district_id": changes.district, "run_id": changes.run_id, "hold_id": hold_id, "rows": hold.rows}
    connection.execute(sa.insert(run_holds).values(row))


_LIVING = f"SELECT hold_id FROM {OPS}.holds WHERE district_id = :district AND closed_at IS NULL"

_LEAVE_BACK = f"""
    WITH gone AS (
        DELETE FROM {OPS}.hold_rows r USING hold_back b
        WHERE r.hold_id = b.hold_id AND r.table_name = b.table_name AND r.row_key = b.row_key
            AND r.hold_id IN ({_LIVING})
        RETURNING r.hold_id)
    INSERT INTO hold_left SELECT DISTINCT hold_id, 'came_back' FROM gone"""

# A row that tonight wrote and still withholds (an account that gets a new name but not its new username) stays. A
# withheld removal is over only by the removal, and a first absence ends nothing.
_LEAVE_APPLIED = f"""
    WITH gone AS (
        DELETE FROM {OPS}.hold_rows r USING hold_applied a
        WHERE r.table_name = a.table_name AND r.row_key = a.row_key AND r.hold_id IN ({_LIVING})
            AND (a.change = 'removed') = (r.change IN ('removed', 'missing')) AND a.change <> 'missing'
            AND NOT EXISTS (
                SELECT FROM hold_found f WHERE f.table_name = r.table_name AND f.row_key = r.row_key)
        RETURNING r.hold_id)
    INSERT INTO hold_left SELECT DISTINCT hold_id, 'published' FROM gone"""

_FOUND = "f.collection = :collection AND f.kind = :kind AND coalesce(f.school, '') = :school"

# An announced hold opens when its removals are real. A hold that is open, approved, or rejected asks again only for
# rows that it did not name: a decision covers the rows it was made for.
_ASK_AGAIN = f"""
    UPDATE {OPS}.holds h SET question_at = :now,
        status = CASE WHEN h.status = 'approved' THEN 'approved' WHEN :is_real THEN 'open' ELSE h.status END
    WHERE h.hold_id = :hold AND (
        (h.status = 'announced' AND :is_real)
        OR h.status <> 'announced' AND EXISTS (
            SELECT FROM hold_found f WHERE {_FOUND} AND NOT EXISTS (
                SELECT FROM {OPS}.hold_rows r
                WHERE r.hold_id = h.hold_id AND r.table_name = f.table_name AND r.row_key = f.row_key)))"""

# What was agreed to, was not done and is still to come waits for something else that is held: one of two who exchange
# their usernames for the other. It stays until it is done, or its approval ends.
_FORGET = f"""
    DELETE FROM {OPS}.hold_rows r WHERE r.hold_id = :hold AND NOT r.is_approved AND NOT EXISTS (
        SELECT FROM hold_found f WHERE {_FOUND} AND f.table_name = r.table_name AND f.row_key = r.row_key)"""

# Who agreed to a username agreed to this one and no other, and who agreed to another person to this one.
_NAME = f"""
    INSERT INTO {OPS}.hold_rows AS r (hold_id, district_id, table_name, row_key, change, reason, school, about)
    SELECT DISTINCT ON (f.table_name, f.row_key)
        :hold, :district, f.table_name, f.row_key, f.change, f.reason, coalesce(f.row_school, ''), f.about
    FROM hold_found f WHERE {_FOUND}
    ON CONFLICT (hold_id, table_name, row_key)
    DO UPDATE SET change = excluded.change, reason = excluded.reason, school = excluded.school,
        about = excluded.about, is_approved = r.is_approved AND r.about IS NOT DISTINCT FROM excluded.about
            AND (:kind <> 'usernames' OR r.reason IS NOT DISTINCT FROM excluded.reason)"""

_CLOSE = f"""
    UPDATE {OPS}.holds h SET status = 'closed', closed_at = :now, last_run_id = :run_id,
        closed_reason = coalesce((SELECT max(l.why) FROM hold_left l WHERE l.hold_id = h.hold_id), 'gone')
    WHERE h.district_id = :district AND h.closed_at IS NULL AND NOT h.hold_id = ANY(CAST(:found AS text[])) AND (
        h.collection = ANY(CAST(:judged AS text[]))
            AND NOT EXISTS (SELECT FROM {OPS}.hold_rows r WHERE r.hold_id = h.hold_id AND r.is_approved)
        OR h.hold_id IN (SELECT hold_id FROM hold_left)
            AND NOT EXISTS (SELECT FROM {OPS}.hold_rows r WHERE r.hold_id = h.hold_id))"""

# a closed hold keeps its numbers, but no longer the rows it named
_FORGET_CLOSED = f"""
    DELETE FROM {OPS}.hold_rows r USING {OPS}.holds h
    WHERE r.hold_id = h.hold_id AND h.district_id = :district AND h.closed_at IS NOT NULL"""

_RECOUNT = f"""
    UPDATE {OPS}.holds h SET rows = (SELECT count(*) FROM {OPS}.hold_rows r WHERE r.hold_id = h.hold_id)
    WHERE h.closed_at IS NULL AND h.kind <> 'additions'
        AND (h.hold_id IN (SELECT hold_id FROM hold_left) OR h.hold_id = ANY(CAST(:found AS text[])))"""

# an approval is used up by the publication that applied what it named; the rest is a question of its own
_REOPEN_USED = f"""
    UPDATE {OPS}.holds h SET status = 'open', expires_at = NULL, question_at = :now
    WHERE h.district_id = :district AND h.closed_at IS NULL AND h.status = 'approved'
        AND NOT EXISTS (SELECT FROM {OPS}.hold_rows r WHERE r.hold_id = h.hold_id AND r.is_approved)"""

_EXPIRE_ROWS = f"""
    UPDATE {OPS}.hold_rows r SET is_approved = false FROM {OPS}.holds h
    WHERE r.hold_id = h.hold_id AND r.is_approved AND h.district_id = :district AND h.closed_at IS NULL
        AND h.status = 'approved' AND h.expires_at <= :now"""

# `expires_at` stays: it tells that an approval ended unused
_EXPIRE = f"""
    UPDATE {OPS}.holds SET status = 'open', question_at = :now
    WHERE district_id = :district AND closed_at IS NULL AND status = 'approved' AND expires_at <= :now"""
