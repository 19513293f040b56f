"""What has to be withheld along with what a hold names, so that the roster after tonight holds together.

Withholding everything gives yesterday's roster, which holds together; so wherever two rows contradict each other the
answer is to withhold one more, and the search ends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from rollcall.changes.comparison import OWNER_REMOVED, TableChanges
from rollcall.changes.coverage import coverage
from rollcall.changes.published import PublishedRows, read_rows_by_key
from rollcall.landing.change_set import change_schema
from rollcall.landing.mapping import LEFT_OUT_SCHEMA, MappingResult
from rollcall.model.keys import row_keys
from rollcall.model.tables import Table

# Accounts that a hold leaves as they are, and what follows: nobody else gets a name that somebody keeps.

Flags = npt.NDArray[np.bool_]


@dataclass
class _Names:
    """Who keeps which username, in step with the rows of the change set.

    :param published: live accounts: their keys, users and username keys.
    """

    keys: pa.ChunkedArray
    users: pa.ChunkedArray
    wanted: pa.ChunkedArray
    is_arrival: Flags
    published: pa.Table

    def kept(self, away: Flags) -> pa.Table:
        """The published accounts that stay because their row is withheld."""
        return self.published.filter(pc.is_in(self.published["key"], value_set=self.keys.filter(pa.array(away))))

    def clashing(self, away: Flags) -> Flags:
        """Rows that would take a name somebody else keeps, or give one person two names."""
        kept = self.kept(away)
        holder = kept["user"].take(pc.index_in(self.wanted, value_set=kept["name"]))
        is_taken = pc.fill_null(pc.not_equal(holder, self.users), False)
        own = kept["name"].take(pc.index_in(self.users, value_set=kept["user"]))
        has_two = pc.fill_null(pc.not_equal(own, self.wanted), False)
        return np.asarray(pc.or_(is_taken, has_two)) & self.is_arrival


def withhold_accounts(
    changes: TableChanges, mapped: MappingResult, published: pa.Table, keys: pa.Array | pa.ChunkedArray
) -> tuple[TableChanges, MappingResult]:
    """The changes of `accounts` without those rows, and what is left of the mapping.

    :param published: the accounts readers have: `user_sourced_id`, `site_id`, `username_key`.
    :param keys: the accounts to leave as they are.
    """
    rows = changes.rows
    names = _Names(
        keys=row_keys(changes.table, rows),
        users=rows["user_sourced_id"],
        wanted=rows["username_key"],
        is_arrival=np.asarray(pc.is_in(rows["_change"], value_set=pa.array(["added", "changed", "returned"]))),
        published=pa.table(
            {
                "key": row_keys(changes.table, published),
                "user": published["user_sourced_id"],
                "name": published["username_key"],
            }
        ),
    )
    away = np.array(pc.is_in(names.keys, value_set=keys))
    change = rows["_change"]
    is_new = np.asarray(pc.is_in(change, value_set=pa.array(["added", "returned"])))
    is_removed = np.asarray(pc.equal(change, "removed"))
    while (clashing := (names.clashing(away) | _left_by(names.users, is_new & away, is_removed)) & ~away).any():
        away |= clashing
    return changes.without(pa.array(away)), _without(mapped, changes, names, away)


def _left_by(users: pa.ChunkedArray, waits: Flags, is_removed: Flags) -> Flags:
    """Accounts that people would leave for one that is withheld: they keep them as long as they wait for the other."""
    return np.asarray(pc.is_in(users, value_set=users.filter(pa.array(waits)))) & is_removed


def _without(mapped: MappingResult, changes: TableChanges, names: _Names, away: Flags) -> MappingResult:
    """Who keeps an account is not left out; who may not have one yet is, because of whoever keeps the name."""
    kept = names.kept(away)
    is_added = np.asarray(pc.is_in(changes.rows["_change"], value_set=pa.array(["added", "returned"]))) & away
    waiting = pa.array(is_added)
    accounts = mapped.accounts.filter(
        pc.invert(pc.is_in(row_keys(changes.table, mapped.accounts), value_set=names.keys.filter(waiting)))
    )
    have = pa.chunked_array([*accounts["user_sourced_id"].chunks, *kept["user"].chunks], pa.string())
    users = names.users.filter(waiting)
    holders = kept["user"].take(pc.index_in(names.wanted.filter(waiting), value_set=kept["name"]))
    refused = pa.table({"user": users, "holder": holders}).group_by("user").aggregate([("holder", "min")])
    refused = refused.filter(pc.invert(pc.is_in(refused["user"], value_set=have)))
    reasons = pa.array(["username_collision"] * refused.num_rows, pa.string())
    more = pa.table([refused["user"], reasons, refused["holder_min"]], schema=LEFT_OUT_SCHEMA)
    left_out = mapped.left_out.filter(pc.invert(pc.is_in(mapped.left_out["user_sourced_id"], value_set=have)))
    left_out = pa.concat_tables([left_out, more]).sort_by("user_sourced_id")
    return replace(mapped, left_out=left_out, coverage=coverage(mapped.coverage["people"], left_out))


#: Reads key and owner columns of the published rows of a table that have these keys.
PublishedOwners = Callable[[Table, pa.ChunkedArray], pa.Table]

_NOTHING = ("missing", "found")  # readers lose and win nothing by them


@dataclass
class _Rows:
    """A table's changes while it is being decided which of them are withheld.

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


def withhold(
    tables: Mapping[str, TableChanges], named: pa.Table, published_owners: PublishedOwners
) -> dict[str, TableChanges]:
    """The change set without the rows that are named, and without what hangs on them.

    A removal stays away with what it would have taken along, a new person or class with everything that refers to it, a
    changed record with its parts. What was received for an owner whose removal stays away is received after all.

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
        made[name] = _corrected_reasons(changes.with_staying(staying), work)
    return made


def _released_rows(changes: TableChanges, work: Mapping[str, _Rows]) -> pa.Table:
    """Of the received rows that wait for what becomes of their owners, those whose owners all stay."""
    if changes.waiting is None:
        return changes.rows.slice(0, 0)
    stays = np.ones(changes.waiting.num_rows, dtype=bool)
    for column, name in changes.table.owners.items():
        if name in work:
            owner = work[name]
            lacks = (owner.is_removed & ~owner.away) | (owner.is_arrival & owner.away)
            stays &= ~_in(changes.waiting[column], owner.of(lacks))
    return changes.waiting.filter(pa.array(stays))


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
    """Per owner column, the owner each changed row has as published; null for the others."""
    movable = [column for column in table.owners if column not in table.key]
    if not movable or not is_changed.any():
        return {}
    before = published_owners(table, keys.filter(pa.array(is_changed)))
    at = pc.index_in(keys, value_set=row_keys(table, before))
    return {column: before[column].take(at) for column in movable}


def _frozen(named: pa.Table) -> dict[str, pa.ChunkedArray]:
    """Per table, the records that stay as published with all their parts."""
    changed = named.filter(pc.equal(named["change"], "changed"))
    return {
        name: changed.filter(pc.equal(changed["table_name"], name))["row_key"]
        for name in changed["table_name"].unique().to_pylist()
    }


def _spread(mine: _Rows, work: Mapping[str, _Rows], frozen: Mapping[str, pa.ChunkedArray]) -> bool:
    """Withhold what follows from what is withheld by now; whether that was anything new."""
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
    """Changed rows that cannot stay as published, because whom they belonged to leaves."""
    made = np.zeros(mine.rows.num_rows, dtype=bool)
    for column, values in mine.owners_before.items():
        owner = work.get(mine.table.owners[column])
        if owner is not None:
            made |= _in(values, owner.of(owner.is_removed & ~owner.away))
    return made


def _keep_owners(mine: _Rows, work: Mapping[str, _Rows]) -> bool:
    """A row that has to stay as published keeps those it belongs to; whether that was anything new."""
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
    """Rows that go because of the one owner who leaves, where it was put down to another who stays."""
    owners = {column: name for column, name in changes.table.owners.items() if name in work}
    if len(owners) < 2:
        return changes
    rows = changes.rows
    because = rows["_because"]
    gone = {name: work[name].of(work[name].is_removed & ~work[name].away) for name in owners.values()}
    leaves = {OWNER_REMOVED[name]: _in(rows[column], gone[name]) for column, name in owners.items()}
    for said, does_leave in leaves.items():
        is_wrong = _flags(pc.equal(because, said)) & ~does_leave
        for other, does in leaves.items():
            because = pc.if_else(pa.array(is_wrong & does), other, because)
    at = rows.column_names.index("_because")
    return replace(changes, rows=rows.set_column(at, "_because", because))


def _in(values: pa.ChunkedArray, keys: pa.ChunkedArray) -> Flags:
    return _flags(pc.is_in(values, value_set=keys))


def _is_one(values: pa.ChunkedArray, *wanted: str) -> Flags:
    return _flags(pc.is_in(values, value_set=pa.array(wanted)))


def _flags(values: pa.ChunkedArray | pa.Array) -> Flags:
    return np.asarray(pc.fill_null(values, False).to_numpy(zero_copy_only=False), dtype=np.bool_)


# Rows that were removed with their owner and return with it, though nobody sends them again (rule 3).


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
