"""A person's decision about a hold: approve all or part of it, or reject it.

Both take the hold's lock, as a publication does. So a decision covers exactly the rows it was made about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from rollcall.changes.comparison import ABSENT_TWICE
from rollcall.errors import ActionRequired
from rollcall.holds import queries, render
from rollcall.holds.queries import HoldDetails
from rollcall.model.keys import sql_join_key, sql_key_part, sql_key_parts
from rollcall.model.tables import TABLES
from rollcall.warehouse.ops_models import holds
from rollcall.warehouse.schemas import OPS, STAGING


@dataclass(frozen=True)
class Decision:
    """The result of a decision.

    :param held: the hold as it is now.
    :param approved: how many rows may be published; `left` is how many stay withheld.
    :param no_longer: rows that no longer need a decision, as table and key parts: they were received again, or removed
        or published in the meantime.
    """

    held: HoldDetails
    approved: int
    left: int
    no_longer: list[tuple[str, list[str]]]
    next_command: str


def approve(
    connection: sa.Connection,
    hold: str,
    *,
    by: str,
    reason: str,
    excepted: Sequence[str] = (),
    schools: Sequence[str] = (),
    now: datetime | None = None,
) -> Decision:
    """Let the next publication publish rows of a hold. An approval adds to one that has not expired.

    :param excepted: sourcedIds that stay withheld. A person stays withheld with everything that belongs to them.
    :param schools: only rows of these schools, by sourcedId or name.
    :raises ActionRequired: `no_such_hold`, `ambiguous_hold`, `hold_closed`, `not_in_hold`, `nothing_to_approve`.
    """
    now = now or datetime.now(UTC)
    held = _locked(connection, hold)
    at_schools = _school_ids(connection, held, schools)
    no_longer = _drop_settled_rows(connection, held)
    params = {"hold": held.hold_id, "district": held.district, "schools": at_schools, "who": list(excepted)}
    if held.status != "approved":
        connection.execute(sa.text(f"UPDATE {OPS}.hold_rows SET is_approved = false WHERE hold_id = :hold"), params)
    _require_all_listed(connection, held, excepted)
    at = "TRUE" if not at_schools else "r.school = ANY(:schools)"
    chosen = f"UPDATE {OPS}.hold_rows r SET is_approved = true WHERE r.hold_id = :hold AND {at} AND NOT {_EXCEPTED}"
    count = connection.execute(sa.text(chosen), params).rowcount
    remaining = connection.execute(_row_count(held)).scalar_one()
    if not remaining and no_longer:
        _write(connection, held, status="closed", closed_at=now, closed_reason="came_back")
    elif not count:
        raise ActionRequired(
            "nothing_to_approve",
            f"These options approve none of the rows of {held.hold_id}.",
            remedy=f"Show its rows: rollcall holds show {held.command_arguments}",
            district=held.district,
        )
    else:
        until = now + timedelta(hours=render.APPROVAL_HOURS)
        decided = {"decided_at": now, "decided_by": by, "reason": reason, "rows": remaining}
        _write(connection, held, status="approved", expires_at=until, **decided)
    return _decision(connection, held, remaining, no_longer)


def reject(connection: sa.Connection, hold: str, *, by: str, reason: str, now: datetime | None = None) -> Decision:
    """Keep the rows as published. The hold asks again only when more rows are added to it.

    :raises ActionRequired: `no_such_hold`, `ambiguous_hold`, `hold_closed`.
    """
    held = _locked(connection, hold)
    params = {"hold": held.hold_id}
    connection.execute(sa.text(f"UPDATE {OPS}.hold_rows SET is_approved = false WHERE hold_id = :hold"), params)
    _write(
        connection,
        held,
        status="rejected",
        decided_at=now or datetime.now(UTC),
        decided_by=by,
        reason=reason,
        expires_at=None,
    )
    return _decision(connection, held, held.rows, [])


def _locked(connection: sa.Connection, hold: str) -> HoldDetails:
    """The hold, once no other transaction holds its lock."""
    hold_id = queries.find_hold(connection, hold).hold_id
    connection.execute(sa.select(holds.c.hold_id).where(holds.c.hold_id == hold_id).with_for_update())
    held = queries.find_hold(connection, hold_id)
    if held.status == "closed":
        raise ActionRequired(
            "hold_closed",
            f"{held.hold_id} is {render.render_status(held)}.",
            remedy=f"There is nothing left to decide. List the open holds: rollcall holds list {held.district}",
            district=held.district,
        )
    return held


def _decision(
    connection: sa.Connection, before: HoldDetails, remaining: int, no_longer: list[tuple[str, list[str]]]
) -> Decision:
    held = queries.find_hold(connection, before.hold_id)
    command = render.apply_command(before) if held.status == "approved" else ""
    return Decision(held, held.approved_rows, remaining - held.approved_rows, no_longer, command)


def _write(connection: sa.Connection, held: HoldDetails, **values: Any) -> None:
    connection.execute(sa.update(holds).where(holds.c.hold_id == held.hold_id).values(**values))


def _row_count(held: HoldDetails) -> sa.TextClause:
    query = sa.text(f"SELECT count(*) FROM {OPS}.hold_rows WHERE hold_id = :hold")
    return query.bindparams(hold=held.hold_id)


def _school_ids(connection: sa.Connection, held: HoldDetails, names: Sequence[str]) -> list[str]:
    """The sourcedIds of these schools. The hold must have rows at each."""
    known_schools = queries.rows_by_school(connection, held)
    found = []
    for name in names:
        matches = [row["school"] for row in known_schools if name in (row["school"], row["name"])]
        if not matches:
            known = ", ".join(f"{row['name']} ({row['school']})" for row in known_schools[:8])
            raise ActionRequired(
                "not_in_hold",
                f"{held.hold_id} has no rows at the school {name!r}.",
                remedy=f"It has rows at: {known}.",
                district=held.district,
            )
        found += matches
    return found


#: Whether a row is an excepted record, belongs to one, or is the other ID of the same person.
_EXCEPTED = " OR ".join(
    [
        f"{sql_key_part('r.row_key', 1)} = ANY(:who)",
        f"r.reason LIKE '% -> %' AND r.reason IN (SELECT o.reason FROM {OPS}.hold_rows o "
        "WHERE o.hold_id = :hold AND o.row_key = ANY(:who))",
        *(
            f"r.table_name = '{table.name}' AND r.row_key IN (SELECT s.{table.key[0]} FROM {STAGING}.{table.name} s "
            f"WHERE s.district_id = :district AND s.{owner} = ANY(:who))"
            for table in TABLES.values()
            for owner in table.owners
            if owner not in table.key
        ),
    ]
)
_EXCEPTED = f"({_EXCEPTED})"


def _require_all_listed(connection: sa.Connection, held: HoldDetails, excepted: Sequence[str]) -> None:
    query = sa.text(f"SELECT count(*) FROM {OPS}.hold_rows r WHERE r.hold_id = :hold AND {_EXCEPTED}")
    for place, who in enumerate(excepted, 1):
        params = {"hold": held.hold_id, "district": held.district, "who": [who]}
        if not connection.execute(query, params).scalar_one():
            raise ActionRequired(
                "not_in_hold",
                f"Number {place} of the records to leave out is not in {held.hold_id}.",
                remedy=f"Use sourcedIds from: rollcall holds show {held.command_arguments} --json",
                district=held.district,
            )


def _drop_settled_rows(connection: sa.Connection, held: HoldDetails) -> list[tuple[str, list[str]]]:
    """Drop rows that no longer need a decision: removed, received again, or published by now."""
    dropped: list[tuple[str, list[str]]] = []
    for table in TABLES.values():
        key = sql_join_key([f's."{name}"' for name in table.key])
        query = f"""
            WITH newest AS (
                SELECT n.row_key, s.district_id IS NOT NULL AND s._removed_at IS NULL AS is_live, s._missing_since
                FROM {OPS}.hold_rows n LEFT JOIN {STAGING}.{table.name} s
                    ON s.district_id = :district AND {key} = n.row_key
                WHERE n.hold_id = :hold AND n.table_name = :table)
            DELETE FROM {OPS}.hold_rows r USING newest n
            WHERE r.hold_id = :hold AND r.table_name = :table AND r.row_key = n.row_key AND CASE
                WHEN :kind = 'usernames' THEN NOT EXISTS (SELECT FROM {STAGING}.users u WHERE u.district_id = :district
                    AND u.sourced_id = {sql_key_part("r.row_key", 1)} AND u._removed_at IS NULL)
                WHEN r.change IN ('added', 'returned') THEN n.is_live
                WHEN r.reason = :absent OR r.change = 'missing' THEN NOT n.is_live OR n._missing_since IS NULL
                ELSE NOT n.is_live END
            RETURNING {sql_key_parts("r.row_key")}"""
        params = {"hold": held.hold_id, "table": table.name, "district": held.district, "absent": ABSENT_TWICE}
        params["kind"] = held.kind
        dropped += [(table.name, key) for key in connection.execute(sa.text(query), params).scalars()]
    return sorted(dropped)
