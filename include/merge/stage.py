"""The stage merge: tonight's accepted records laid over the published roster yield the change set.

Nothing else decides what changes. It reads one snapshot of the warehouse and writes nothing there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from include.contracts import (
    REJECT_SCHEMA,
    Finding,
    Mapped,
    People,
    Pull,
    TableCounts,
    Validated,
    ValidatedCollection,
    accepted_schema,
    change_schema,
    read_rows,
)
from include.errors import RollcallError
from include.expectations.judge import Judge
from include.landing import PullFolder
from include.merge.compare import (
    ABSENT_TWICE,
    OWNER_REMOVED,
    TableChanges,
    arrivals,
    counted,
    departures,
    leaving,
    with_changed_fields,
)
from include.merge.digest import row_keys
from include.merge.published import (
    DistrictState,
    PublishedRows,
    district_state,
    read_live_rows,
    read_published,
    read_rows_by_key,
)
from include.merge.references import resolve
from include.merge.returning import returning
from include.tables import COLLECTIONS, TABLES, Table, tables_of

_NONE = pa.chunked_array([], pa.string())

#: Tables whose rows mapping needs as they will be.
_FOR_MAPPING = ("orgs", "users", "user_roles")


@dataclass
class Merged:
    """The change set in the making, in memory, within one task."""

    connection: sa.Connection
    district: str
    state: DistrictState
    judge: Judge = field(default_factory=Judge)
    tables: dict[str, TableChanges] = field(default_factory=dict)
    rejects: list[pa.Table] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    accepted: dict[str, pa.Table] = field(default_factory=dict)

    def after(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """A table's live rows as they will be: accepted tonight, and those that stay without having been received."""
        table = TABLES[name]
        wanted = list(columns or table.names)
        if name not in self.tables or name not in self.accepted:
            return read_live_rows(self.connection, self.district, table, wanted)
        kept = _split_key(table, self.tables[name].kept)
        stays = read_rows_by_key(self.connection, self.district, table, kept, wanted)
        return pa.concat_tables([self.accepted[name].select(wanted), stays])

    def keys_after(self) -> dict[str, pa.ChunkedArray]:
        """Per table settled so far, the keys that will be live."""
        return {name: _joined(changes.received, changes.kept) for name, changes in self.tables.items()}

    def people(self) -> People:
        """What mapping works on."""
        return People(
            orgs=self.after("orgs", ["sourced_id", "name", "type"]),
            users=self.after("users"),
            user_roles=self.after("user_roles"),
            accounts=read_live_rows(self.connection, self.district, TABLES["accounts"], TABLES["accounts"].names),
        )

    def extend(self, mapped: Mapped) -> None:
        """Add what mapping decided: accounts are a table like others, only that what mapping does not yield goes."""
        table = TABLES["accounts"]
        published = read_published(self.connection, self.district, table)
        arrived = self._explained(table, arrivals(table, mapped.accounts, published))
        because = mapped.left_out.select(["user_sourced_id", "reason"]).rename_columns(["owner", "because"])
        keys = row_keys(table, mapped.accounts)
        rows = pa.concat_tables([arrived, leaving(table, published, keys, because)])
        counts = counted(rows, accepted=mapped.accounts.num_rows, received=mapped.accounts.num_rows, rejected=0)
        self.tables["accounts"] = _changes(table, rows, counts, published, keys)
        self.findings.extend(mapped.findings)

    def withhold(self, collection: str) -> None:
        """Leave a collection's absent rows as they are published, and what their removal would have taken along."""
        own = self.tables[collection]
        absent = pc.or_(pc.equal(own.rows["_change"], "missing"), _is(own.rows["_because"], ABSENT_TWICE))
        self.tables[collection] = own.without(absent)
        for name, changes in self.tables.items():
            if collection in changes.table.owners.values():
                taken_along = _is(changes.rows["_because"], OWNER_REMOVED[collection])
                owner = next(column for column, table in changes.table.owners.items() if table == collection)
                still_removed = pc.is_in(changes.rows[owner], value_set=self.tables[collection].removed)
                self.tables[name] = changes.without(pc.and_(taken_along, pc.invert(still_removed)))

    def _explained(self, table: Table, rows: pa.Table) -> pa.Table:
        """Arrivals, the changed ones with the names of the columns that differ."""
        is_changed = pc.equal(rows["_change"], "changed")
        changed = rows.filter(is_changed)
        if not changed.num_rows:
            return rows
        before = read_rows_by_key(self.connection, self.district, table, changed)
        return pa.concat_tables([rows.filter(pc.invert(is_changed)), with_changed_fields(table, changed, before)])


def merge(connection: sa.Connection, folder: PullFolder, pull: Pull, validated: Validated) -> Merged:
    """Lay tonight over the published roster.

    :param connection: in a transaction whose snapshot does not move (repeatable read).
    :raises RollcallError: `pull_is_older` when readers already have a newer roster than this pull.
    """
    state = district_state(connection, pull.district)
    refuse_older(state, pull)
    merged = Merged(connection, pull.district, state)
    collections = {collection.collection: collection for collection in validated.collections}
    refused = read_rows(folder, validated.rejects, REJECT_SCHEMA, ["collection", "sourced_id"])
    for name in COLLECTIONS:
        for table in tables_of(name):
            if name in collections:
                _merge_table(merged, folder, pull, collections[name], table, refused)
            else:
                _follow_owners(merged, pull, table)
    return merged


def refuse_older(state: DistrictState, pull: Pull) -> None:
    """A pull older than the published roster must not overwrite it; the very pull that is published may be repeated."""
    current = state.current_as_of
    if current is None or pull.as_of >= current:
        return
    raise RollcallError(
        "pull_is_older",
        f"Readers of {pull.district} have the roster of {current:%Y-%m-%d %H:%M} UTC; this pull is from "
        f"{pull.as_of:%Y-%m-%d %H:%M} UTC.",
        remedy="Nothing needs to be done. For a newer roster, run a sync now.",
        district=pull.district,
    )


def _merge_table(
    merged: Merged, folder: PullFolder, pull: Pull, collection: ValidatedCollection, table: Table, refused: pa.Table
) -> None:
    everything = read_rows(folder, collection.parts.get(table.name, []), accepted_schema(table))
    is_own = table.parent is None
    is_tombstone = pc.equal(everything["status"], "tobedeleted") if is_own else None
    active = everything.filter(pc.invert(is_tombstone)) if is_own else everything
    tombstones = everything.filter(is_tombstone)["sourced_id"] if is_own else _NONE
    published = read_published(merged.connection, pull.district, table)
    targets = merged.keys_after()
    if is_own:
        targets[table.name] = _joined(active["sourced_id"], published.live_keys())
    verdict = resolve(merged.judge, active, table, targets)
    merged.findings.extend(verdict.findings)
    merged.rejects.append(verdict.rejects)
    active = verdict.accepted
    excused = refused.filter(pc.equal(refused["collection"], collection.collection))["sourced_id"]
    keys = row_keys(table, active)
    arrived = merged._explained(table, arrivals(table, active, published))
    departed = departures(
        table,
        published,
        received=keys,
        tombstones=tombstones,
        excused=_joined(excused, verdict.rejects["sourced_id"]) if is_own else _NONE,
        whole_owners=_accepted_owners(folder, collection, table) if table.parent else None,
        removed_owners={name: done.removed for name, done in merged.tables.items()},
        absence_counts=is_own and collection.proves_absence,
        as_of=pull.as_of,
    )
    # of a collection read in full whatever returns has been received; parts come with their record
    helped = is_own and not collection.proves_absence
    restored = _returning(merged, table, published, keys) if helped else change_schema(table).empty_table()
    rows = pa.concat_tables([arrived, departed, restored])
    counts = counted(
        rows,
        accepted=active.num_rows + restored.num_rows,
        received=collection.received if is_own else everything.num_rows,
        rejected=(collection.rejected if is_own else 0) + verdict.rejects.num_rows,
    )
    merged.tables[table.name] = _changes(table, rows, counts, published, keys)
    if table.name in _FOR_MAPPING:
        merged.accepted[table.name] = active


def _follow_owners(merged: Merged, pull: Pull, table: Table) -> None:
    """A table that was not pulled changes only where the owners of its rows were removed."""
    owners = [merged.tables[owner] for owner in table.owners.values() if owner in merged.tables]
    if not any(len(changes.removed) or changes.counts.returned for changes in owners):
        return
    removed = {changes.table.name: changes.removed for changes in owners}
    published = read_published(merged.connection, pull.district, table)
    departed = departures(
        table,
        published,
        received=_NONE,
        tombstones=_NONE,
        excused=_NONE,
        whole_owners=None,
        removed_owners=removed,
        absence_counts=False,
        as_of=pull.as_of,
    )
    restored = _returning(merged, table, published, _NONE)
    rows = pa.concat_tables([departed, restored])
    if rows.num_rows:
        counts = counted(rows, accepted=restored.num_rows, received=0, rejected=0)
        merged.tables[table.name] = _changes(table, rows, counts, published, _NONE)


def _returning(merged: Merged, table: Table, published: PublishedRows, received: pa.ChunkedArray) -> pa.Table:
    return returning(
        merged.connection,
        merged.district,
        table,
        published,
        received=received,
        settled=merged.tables,
        alive=merged.keys_after(),
    )


def _changes(
    table: Table, rows: pa.Table, counts: TableCounts, published: PublishedRows, received: pa.ChunkedArray
) -> TableChanges:
    leaving_rows = rows.filter(pc.equal(rows["_change"], "removed"))
    removed = row_keys(table, leaving_rows)
    live = published.live_keys()
    gone = pc.or_(pc.is_in(live, value_set=received), pc.is_in(live, value_set=removed))
    counts = msgspec.structs.replace(counts, published=len(live))
    return TableChanges(table, rows, counts, received, kept=live.filter(pc.invert(gone)), removed=removed)


def _joined(*keys: pa.ChunkedArray) -> pa.ChunkedArray:
    return pa.chunked_array([chunk for array in keys for chunk in array.chunks], pa.string())


def _accepted_owners(folder: PullFolder, collection: ValidatedCollection, table: Table) -> pa.ChunkedArray:
    """SourcedIds of the records accepted tonight, whose parts are therefore known in full."""
    parent = TABLES[table.parent or ""]
    rows = read_rows(folder, collection.parts.get(parent.name, []), accepted_schema(parent), ["sourced_id", "status"])
    return rows.filter(pc.not_equal(rows["status"], "tobedeleted"))["sourced_id"]


def _is(values: pa.ChunkedArray, text: str) -> pa.ChunkedArray:
    return pc.fill_null(pc.equal(values, text), False)


def _split_key(table: Table, keys: pa.ChunkedArray) -> pa.Table:
    if len(table.key) == 1:
        return pa.table({table.key[0]: keys})
    split = pc.split_pattern(keys, "\x1f", max_splits=len(table.key) - 1)
    return pa.table({name: pc.list_element(split, index) for index, name in enumerate(table.key)})
