"""Records whose person or class is removed, and rows that return with their owner (rule 3).

Providers send a leaver's enrollments for weeks; that is no error. If the owner was removed on an earlier night, the
record is not taken. If the owner is removed tonight, the record is pending, because the guard may hold that removal and
then the record counts like any other: see `TableChanges.pending`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from rollcall.changes.comparison import OWNER_REMOVED, TableChanges
from rollcall.changes.published import PublishedRows, read_rows_by_key
from rollcall.changes.references import Targets
from rollcall.landing.change_set import change_schema
from rollcall.model.keys import row_keys
from rollcall.model.tables import Table

_NONE = pa.chunked_array([], pa.string())


@dataclass(frozen=True)
class RowsByOwner:
    """Received rows of a table, split by what happens to their owners.

    :param settled: rows whose owners stay or are unknown; these are validated.
    :param pending: whose owners are to go tonight.
    :param causes: of each waiting row the cause, as in `OWNER_REMOVED`.
    :param gone: keys and causes (`sourced_id`, `reason`) of rows whose owner is gone already.
    """

    settled: pa.Table
    pending: pa.Table
    causes: pa.ChunkedArray
    gone: pa.Table


def split_by_owner(
    rows: pa.Table, table: Table, targets: Targets, tonight: Mapping[str, pa.ChunkedArray]
) -> RowsByOwner:
    """Split received rows by what happens to their owners.

    :param tonight: per table the keys that are to be removed tonight.
    """
    cause = pa.chunked_array([pa.nulls(rows.num_rows, pa.string())])
    waits = pa.chunked_array([pa.array([True] * rows.num_rows, pa.bool_())])
    for column, owner in table.owners.items():
        if owner not in targets.live:
            continue
        values = rows[column]
        is_gone = pc.and_(
            pc.is_in(values, value_set=targets.removed.get(owner, _NONE)),
            pc.invert(
                pc.or_(
                    pc.is_in(values, value_set=targets.live[owner]),
                    pc.is_in(values, value_set=targets.refused.get(owner, _NONE)),
                )
            ),
        )
        is_tonight = pc.is_in(values, value_set=tonight.get(owner, _NONE))
        cause = pc.coalesce(cause, pc.if_else(is_gone, OWNER_REMOVED[owner], pa.scalar(None, pa.string())))
        waits = pc.and_(waits, pc.or_(pc.invert(is_gone), is_tonight))
    has_cause = pc.is_valid(cause)
    if not pc.any(has_cause).as_py():  # the usual case, without a copy
        none = rows.slice(0, 0)
        return RowsByOwner(rows, none, _NONE, pa.table({"sourced_id": _NONE, "reason": _NONE}))
    waits = pc.and_(has_cause, waits)
    goes = pc.and_(has_cause, pc.invert(waits))
    return RowsByOwner(
        settled=rows.filter(pc.invert(has_cause)),
        pending=rows.filter(waits),
        causes=cause.filter(waits),
        gone=pa.table({"sourced_id": rows["sourced_id"].filter(goes), "reason": cause.filter(goes)}),
    )


def with_pending_removals_live(targets: Targets, tonight: Mapping[str, pa.ChunkedArray]) -> Targets:
    """The targets if no one is removed tonight."""
    live = {
        name: pa.chunked_array([*keys.chunks, *tonight.get(name, _NONE).chunks], pa.string())
        for name, keys in targets.live.items()
    }
    return Targets(live=live, refused=targets.refused, removed=targets.removed)


def find_returns(
    connection: sa.Connection,
    district: str,
    table: Table,
    published: PublishedRows,
    *,
    received: pa.ChunkedArray,
    settled: Mapping[str, TableChanges],
    alive: Mapping[str, pa.ChunkedArray],
) -> pa.Table:
    """Rows that return with their owners, in `change_schema`: their person or class was removed and returns tonight.

    :param received: keys received tonight, accepted or with a tombstone; these do not return by themselves.
    :param settled: the tables compared so far.
    :param alive: per table of owners, the keys that will be live, even if the table was not pulled. A row returns
        only if all its owners are alive.
    """
    owners = {column: owner for column, owner in table.owners.items() if owner in settled}
    rows = published.rows.append_column("_key", published.keys)
    removed_with_owner = [
        pc.and_(
            pc.fill_null(pc.equal(rows["_removed_reason"], OWNER_REMOVED[owner]), False),
            pc.is_in(rows[column], value_set=returned_keys(settled[owner])),
        )
        for column, owner in owners.items()
    ]
    owned = [pc.is_in(rows[column], value_set=alive[owner]) for column, owner in table.owners.items() if owner in alive]
    if not removed_with_owner:
        return change_schema(table).empty_table()
    does_return = reduce(pc.and_, [reduce(pc.or_, removed_with_owner), *owned])
    chosen = rows.filter(pc.and_(does_return, pc.invert(pc.is_in(rows["_key"], value_set=received))))
    whole = read_rows_by_key(connection, district, table, chosen)
    digests = chosen["_digest"].take(pc.index_in(row_keys(table, whole), value_set=chosen["_key"]))
    details = {"_digest": digests, "_change": pa.array(["returned"] * whole.num_rows, pa.string())}
    details |= {name: pa.nulls(whole.num_rows, pa.string()) for name in ("_reason", "_changed_fields")}
    columns = [*whole.columns, *details.values()]
    return pa.table(columns, names=[*whole.column_names, *details]).cast(change_schema(table))


def returned_keys(changes: TableChanges) -> pa.ChunkedArray:
    """The keys of rows that return tonight."""
    rows = changes.rows.filter(pc.equal(changes.rows["_change"], "returned"))
    return row_keys(changes.table, rows)
