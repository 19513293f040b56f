"""Rows that were removed with their owner and return with it, though nobody sends them again (DESIGN, rule 3)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from include.contracts import change_schema
from include.merge.compare import OWNER_REMOVED, TableChanges
from include.merge.digest import row_keys
from include.merge.published import PublishedRows, read_rows_by_key
from include.tables import Table


def returning(
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
            pc.fill_null(pc.equal(rows["_removed_because"], OWNER_REMOVED[owner]), False),
            pc.is_in(rows[column], value_set=returned(settled[owner])),
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


def returned(changes: TableChanges) -> pa.ChunkedArray:
    """The keys of a table's rows that come back tonight."""
    rows = changes.rows.filter(pc.equal(changes.rows["_change"], "returned"))
    return row_keys(changes.table, rows)
