"""Withhold the rows that a hold names, and the rows that depend on them, so that the roster stays consistent.

If everything is withheld, the roster stays as published, which is consistent. So if two rows contradict each other, one
more row is withheld, and the search ends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rollcall.changes.comparison import OWNER_REMOVED, TableChanges
from rollcall.model.keys import row_keys
from rollcall.model.tables import Table

Flags = npt.NDArray[np.bool_]

#: Reads key and owner columns of the published rows of a table that have these keys.
PublishedOwners = Callable[[Table, pa.ChunkedArray], pa.Table]

_NOTHING = ("missing", "found")  # these do not change the published roster


@dataclass
class _Rows:
    """A table's changes during the search for the rows to withhold.

    :param named: withheld because a hold names them.
    :param away: withheld so far.
    """

    table: Table
    rows: pa.Table
    keys: pa.ChunkedArray
    named: Flags
    away: Flags
    is_removed: Flags
    is_arrival: Flags
    is_changed: Flags
    owners_before: dict[str, pa.ChunkedArray]

    def of(self, which: Flags) -> pa.ChunkedArray:
        return self.keys.filter(pa.array(which))


def withhold_rows(
    tables: Mapping[str, TableChanges], named: pa.Table, published_owners: PublishedOwners
) -> dict[str, TableChanges]:
    """The changes without the named rows and the rows that depend on them.

    A withheld removal keeps the dependents too. A withheld person or class withholds all rows that refer to it, and a
    withheld change of a record withholds the changes of its parts. Rows received for an owner who stays are received.

    :param named: `table_name`, `row_key` and `change` of the rows to withhold.
    """
    work = {
        name: _rows(changes, named.filter(pc.equal(named["table_name"], name)), published_owners)
        for name, changes in tables.items()
        if changes.table.collection is not None
    }
    frozen = _frozen(named)
    while any(_spread(rows, work, frozen) for rows in work.values()):
        pass
    made = dict(tables)
    for name, rows in work.items():
        changes = tables[name]
        staying = _released_rows(changes, work)
        away = rows.away & ~_in(rows.keys, row_keys(changes.table, staying))
        if away.any():
            changes = changes.without(pa.array(away))
        made[name] = _corrected_reasons(changes.with_released(staying), work)
    return made


def _released_rows(changes: TableChanges, work: Mapping[str, _Rows]) -> pa.Table:
    """The pending rows whose owners all stay."""
    if changes.pending is None:
        return changes.rows.slice(0, 0)
    stays = np.ones(changes.pending.num_rows, dtype=bool)
    for column, name in changes.table.owners.items():
        if name in work:
            owner = work[name]
            lacks = (owner.is_removed & ~owner.away) | (owner.is_arrival & owner.away)
            stays &= ~_in(changes.pending[column], owner.of(lacks))
    return changes.pending.filter(pa.array(stays))


def _rows(changes: TableChanges, named: pa.Table, published_owners: PublishedOwners) -> _Rows:
    table, rows = changes.table, changes.rows
    keys, change = changes.keys(), rows["_change"]
    is_named = _flags(pc.is_in(keys, value_set=named["row_key"])) & ~_is_one(change, *_NOTHING)
    is_changed = _is_one(change, "changed")
    return _Rows(
        table=table,
        rows=rows,
        keys=keys,
        named=is_named,
        away=np.zeros(rows.num_rows, dtype=bool),
        is_removed=_is_one(change, "removed"),
        is_arrival=_is_one(change, "added", "returned"),
        is_changed=is_changed,
        owners_before=_owners_before(table, keys, is_changed, published_owners),
    )


def _owners_before(
    table: Table, keys: pa.ChunkedArray, is_changed: Flags, published_owners: PublishedOwners
) -> dict[str, pa.ChunkedArray]:
    """Per owner column, the published owner of each changed row; null for other rows."""
    movable = [column for column in table.owners if column not in table.key]
    if not movable or not is_changed.any():
        return {}
    before = published_owners(table, keys.filter(pa.array(is_changed)))
    at = pc.index_in(keys, value_set=row_keys(table, before))
    return {column: before[column].take(at) for column in movable}


def _frozen(named: pa.Table) -> dict[str, pa.ChunkedArray]:
    """Per table, the records that stay as published with all parts."""
    changed = named.filter(pc.equal(named["change"], "changed"))
    return {
        name: changed.filter(pc.equal(changed["table_name"], name))["row_key"]
        for name in changed["table_name"].unique().to_pylist()
    }


def _spread(mine: _Rows, work: Mapping[str, _Rows], frozen: Mapping[str, pa.ChunkedArray]) -> bool:
    """Withhold the rows that depend on withheld rows; returns whether there were more."""
    before = mine.away.copy()
    stays, leaves, lacks = (np.zeros(mine.rows.num_rows, dtype=bool) for _ in range(3))
    for column, name in mine.table.owners.items():
        if name not in work:
            continue
        owner = work[name]
        owned_by = mine.rows[column]
        stays |= _in(owned_by, owner.of(owner.is_removed & owner.away))
        leaves |= _in(owned_by, owner.of(owner.is_removed & ~owner.away))
        lacks |= _in(owned_by, owner.of(owner.is_arrival & owner.away))
        if mine.table.parent == name and name in frozen:
            mine.away |= _in(owned_by, frozen[name]) & ~mine.is_removed
            stays |= _in(owned_by, frozen[name])
    left_behind = _left_behind(mine, work)
    mine.away |= mine.is_removed & (mine.named | stays) & ~leaves
    mine.away |= mine.is_changed & mine.named & ~left_behind
    mine.away |= mine.is_arrival & mine.named
    mine.away |= (mine.is_arrival | mine.is_changed) & lacks
    return bool((mine.away != before).any()) | _keep_owners(mine, work)


def _left_behind(mine: _Rows, work: Mapping[str, _Rows]) -> Flags:
    """Changed rows that cannot stay as published because their previous owner is removed."""
    made = np.zeros(mine.rows.num_rows, dtype=bool)
    for column, values in mine.owners_before.items():
        owner = work.get(mine.table.owners[column])
        if owner is not None:
            made |= _in(values, owner.of(owner.is_removed & ~owner.away))
    return made


def _keep_owners(mine: _Rows, work: Mapping[str, _Rows]) -> bool:
    """Keep the owners of rows that stay as published; returns whether there were more."""
    grew = False
    has_to = pa.array(mine.away & mine.is_changed)
    for column, values in mine.owners_before.items():
        owner = work.get(mine.table.owners[column])
        if owner is not None:
            needed = owner.is_removed & ~owner.away & _in(owner.keys, values.filter(has_to))
            owner.named |= needed
            owner.away |= needed
            grew |= bool(needed.any())
    return grew


def _corrected_reasons(changes: TableChanges, work: Mapping[str, _Rows]) -> TableChanges:
    """Correct the reason of rows that name an owner who stays: the reason becomes the owner who is removed."""
    owners = {column: name for column, name in changes.table.owners.items() if name in work}
    if len(owners) < 2:
        return changes
    rows = changes.rows
    reasons = rows["_reason"]
    gone = {name: work[name].of(work[name].is_removed & ~work[name].away) for name in owners.values()}
    leaves = {OWNER_REMOVED[name]: _in(rows[column], gone[name]) for column, name in owners.items()}
    for reason, does_leave in leaves.items():
        is_wrong = _flags(pc.equal(reasons, reason)) & ~does_leave
        for other, does in leaves.items():
            reasons = pc.if_else(pa.array(is_wrong & does), other, reasons)
    at = rows.column_names.index("_reason")
    return replace(changes, rows=rows.set_column(at, "_reason", reasons))


def _in(values: pa.ChunkedArray, keys: pa.ChunkedArray) -> Flags:
    return _flags(pc.is_in(values, value_set=keys))


def _is_one(values: pa.ChunkedArray, *wanted: str) -> Flags:
    return _flags(pc.is_in(values, value_set=pa.array(wanted)))


def _flags(values: pa.ChunkedArray | pa.Array) -> Flags:
    return np.asarray(pc.fill_null(values, False).to_numpy(zero_copy_only=False), dtype=np.bool_)
