"""Records that still come although the person or class they belong to is gone: they go along, and that is no mistake.

Providers send enrollments of a leaver for weeks. Where the owner went on an earlier night they are simply not taken.
Where the owner is to go tonight it is not known yet: the guard may hold that removal, and then they are as good as any
other record. Until then they wait, see `TableChanges.pending`.
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
    """Received rows of a table by what becomes of their owners.

    :param settled: whose owners stay, or are not known: those are judged.
    :param pending: whose owners are to go tonight.
    :param causes: of each waiting row the cause, as in `OWNER_REMOVED`.
    :param gone: keys and causes (`sourced_id`, `because`) of rows whose owner is gone already.
    """

    settled: pa.Table
    pending: pa.Table
    causes: pa.ChunkedArray
    gone: pa.Table


def split_by_owner(
    rows: pa.Table, table: Table, targets: Targets, tonight: Mapping[str, pa.ChunkedArray]
) -> RowsByOwner:
    """Part received rows by what becomes of their owners.

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
    if not pc.any(has_cause).as_py():  # nearly always, and then nothing is copied
        none = rows.slice(0, 0)
        return RowsByOwner(rows, none, _NONE, pa.table({"sourced_id": _NONE, "because": _NONE}))
    waits = pc.and_(has_cause, waits)
    goes = pc.and_(has_cause, pc.invert(waits))
    return RowsByOwner(
        settled=rows.filter(pc.invert(has_cause)),
        pending=rows.filter(waits),
        causes=cause.filter(waits),
        gone=pa.table({"sourced_id": rows["sourced_id"].filter(goes), "because": cause.filter(goes)}),
    )


def with_pending_removals_live(targets: Targets, tonight: Mapping[str, pa.ChunkedArray]) -> Targets:
    """The same targets as they are if nobody goes tonight."""
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
    """What comes back with its owners, in `change_schema`: their person or class was removed, and returns tonight.

    :param received: keys that came tonight, accepted or marked as to be deleted: they need no help.
    :param settled: the tables worked out so far.
    :param alive: per table of owners the keys that will be live, also of one that was not pulled tonight; every owner
        must be among them.
    """
    owners = {column: owner for column, owner in table.owners.items() if owner in settled}
    rows = published.rows.append_column("_key", published.keys)
    taken_along = [
        pc.and_(
            pc.fill_null(pc.equal(rows["_removed_reason"], OWNER_REMOVED[owner]), False),
            pc.is_in(rows[column], value_set=returned_keys(settled[owner])),
        )
        for column, owner in owners.items()
    ]
    owned = [pc.is_in(rows[column], value_set=alive[owner]) for column, owner in table.owners.items() if owner in alive]
    if not taken_along:
        return change_schema(table).empty_table()
    comes_back = reduce(pc.and_, [reduce(pc.or_, taken_along), *owned])
    chosen = rows.filter(pc.and_(comes_back, pc.invert(pc.is_in(rows["_key"], value_set=received))))
    whole = read_rows_by_key(connection, district, table, chosen)
    digests = chosen["_digest"].take(pc.index_in(row_keys(table, whole), value_set=chosen["_key"]))
    said = {"_digest": digests, "_change": pa.array(["returned"] * whole.num_rows, pa.string())}
    said |= {name: pa.nulls(whole.num_rows, pa.string()) for name in ("_because", "_changed_fields")}
    columns = [*whole.columns, *said.values()]
    return pa.table(columns, names=[*whole.column_names, *said]).cast(change_schema(table))


def returned_keys(changes: TableChanges) -> pa.ChunkedArray:
    """The keys of a table's rows that come back tonight."""
    rows = changes.rows.filter(pc.equal(changes.rows["_change"], "returned"))
    return row_keys(changes.table, rows)
