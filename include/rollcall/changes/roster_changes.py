"""The change set in the making: what merge has settled so far, what it will be, and what is taken back out of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from rollcall.changes.comparison import (
    REMOVED_WITH,
    TableChanges,
    count_changes,
    find_account_departures,
    find_arrivals,
    with_changed_fields,
)
from rollcall.changes.published import (
    ColumnFilter,
    DistrictState,
    KeyFilter,
    PublishedRows,
    count_live,
    has_rows,
    read_live_rows,
    read_published,
    read_rows_by_key,
)
from rollcall.changes.references import removed_with_owner_finding
from rollcall.changes.withholding import withhold_rows
from rollcall.expectations.judge import Judge
from rollcall.landing.change_set import TableCounts
from rollcall.landing.manifests import Part
from rollcall.landing.mapping import BIRTH_DATES_SCHEMA, ClassMembership, MappingInput, MappingResult
from rollcall.landing.validated import Finding
from rollcall.model.keys import row_keys, split_keys
from rollcall.model.tables import TABLES, Table

NONE = pa.chunked_array([], pa.string())

#: Collections with too many rows to keep in memory.
_LARGE_COLLECTIONS = ("users", "enrollments", "demographics")

#: Rows whose fields are compared at a time.
_AT_ONCE = 100_000

#: The columns of enrollments that mapping needs where accounts depend on them.
IN_CLASSES = ["sourced_id", "user_sourced_id", "class_sourced_id", "begin_date", "end_date"]


@dataclass
class RosterChanges:
    """What tonight proposes, in memory, within one task. `propose_changes` fills it; each later step returns a new one.

    :param renewed: per table the key and the new digest of rows that are as they were.
    """

    connection: sa.Connection
    district: str
    state: DistrictState
    judge: Judge
    approved: pa.Table
    tables: dict[str, TableChanges] = field(default_factory=dict)
    rejects: list[pa.Table] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    accepted: dict[str, pa.Table] = field(default_factory=dict)
    removed: dict[str, pa.ChunkedArray] = field(default_factory=dict)
    enrolled: pa.ChunkedArray | None = None
    with_enrollments: bool = False
    lacks_targets: bool = False
    pending: dict[str, pa.Table] = field(default_factory=dict)
    removed_with_owner: dict[str, list[pa.ChunkedArray]] = field(default_factory=dict)
    parts: dict[str, list[Part]] = field(default_factory=dict)
    renewed: dict[str, list[pa.Table]] = field(default_factory=dict)

    def after(
        self, name: str, columns: Sequence[str] | None = None, column_filter: ColumnFilter | None = None
    ) -> pa.Table:
        """A table's live rows after tonight: the accepted rows, and the rows that stay without being received.

        :param column_filter: which rows; all by default.
        """
        table = TABLES[name]
        wanted = list(columns or table.names)
        if name not in self.tables:
            return read_live_rows(self.connection, self.district, table, wanted, column_filter)
        changes = self.tables[name]
        if changes.is_whole and column_filter is None:
            kept = split_keys(table, changes.kept)
            stays = read_rows_by_key(self.connection, self.district, table, kept, wanted)
        else:
            columns = list(dict.fromkeys([*wanted, *table.key]))
            live = read_live_rows(self.connection, self.district, table, columns, column_filter)
            stays = without_keys(table, live, concat_keys(changes.received, changes.removed)).select(wanted)
        accepted = self.accepted[name] if column_filter is None else column_filter.apply(self.accepted[name])
        return pa.concat_tables([accepted.select(wanted), stays])

    def before(self, name: str, columns: Sequence[str], column_filter: ColumnFilter) -> pa.Table:
        """The selected live rows as published."""
        return read_live_rows(self.connection, self.district, TABLES[name], columns, column_filter)

    def count_after(self, name: str) -> int:
        """The number of live rows after tonight."""
        if name not in self.tables:
            return count_live(self.connection, self.district, TABLES[name])
        counts = self.tables[name].counts
        return counts.published + counts.added + counts.returned - counts.removed

    def parts_after(self, name: str, column: str, owners: pa.ChunkedArray) -> pa.Table:
        """Key columns of the live rows of a table of parts as they will be; where not the whole table was looked at,
        only of these owners.
        """
        table = TABLES[name]
        changes = self.tables.get(name)
        if changes is None or changes.is_whole:
            return self.after(name, table.key)
        key_filter = KeyFilter(keys=NONE, owners={column: pa.chunked_array([owners.drop_null().unique()])})
        found = read_published(self.connection, self.district, table, key_filter)
        live = found.rows.filter(found.is_live).select(list(table.key))
        stays = without_keys(table, live, concat_keys(changes.received, changes.removed))
        return pa.concat_tables([self.accepted[name].select(list(table.key)), stays])

    def targets(self, name: str, wanted: pa.ChunkedArray) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
        """What references to a table may lead to: the keys that will be live, and those that are gone.

        :param wanted: the keys that are referred to. Where not the whole table was looked at, these are looked for.
        """
        changes = self.tables.get(name)
        gone = self.removed.get(name, NONE)
        if changes is not None and changes.is_whole:
            return concat_keys(changes.received, changes.kept), gone
        key_filter = KeyFilter(keys=pa.chunked_array([wanted.drop_null().unique()]))
        found = read_published(self.connection, self.district, TABLES[name], key_filter)
        if changes is None:
            return found.live_keys(), found.gone_keys()
        stays = difference(found.live_keys(), changes.removed)
        return concat_keys(changes.received, stays), concat_keys(gone, changes.removed, found.gone_keys())

    def is_known(self, name: str) -> bool:
        """Whether anything is known of a table, pulled now or earlier. A district may never share a collection, and
        then references to it cannot be checked.
        """
        return name in self.tables or has_rows(self.connection, self.district, TABLES[name])

    def mapping_input(self, user_columns: Sequence[str], users: pa.ChunkedArray | None = None) -> MappingInput:
        """What mapping works on.

        :param user_columns: the columns of `users` it looks at.
        :param users: the users to map; None for everyone.
        """
        own, theirs = (
            (None, None)
            if users is None
            else (ColumnFilter("sourced_id", users), ColumnFilter("user_sourced_id", users))
        )
        accounts = TABLES["accounts"]
        return MappingInput(
            orgs=self.after("orgs", ["sourced_id", "name", "type"]),
            users=self.after("users", user_columns, own),
            user_roles=self.after("user_roles", column_filter=theirs),
            accounts=read_live_rows(self.connection, self.district, accounts, accounts.names, theirs),
            in_classes=self._in_classes() if self.with_enrollments else None,
            birth_dates=self.after("demographics", BIRTH_DATES_SCHEMA.names, own),
        )

    def _in_classes(self) -> ClassMembership:
        return ClassMembership(
            enrollments=self.after("enrollments", IN_CLASSES).drop_columns(["sourced_id"]),
            class_terms=self.after("class_terms"),
            academic_sessions=self.after("academic_sessions", ["sourced_id", "start_date", "end_date"]),
        )

    def with_accounts(self, mapped: MappingResult, users: pa.ChunkedArray | None = None) -> RosterChanges:
        """With the changes of accounts: an account that the mapping does not return is removed.

        :param users: the users who were mapped; None for all.
        """
        made = replace(
            self, tables=dict(self.tables), renewed={name: list(rows) for name, rows in self.renewed.items()}
        )
        table = TABLES["accounts"]
        keys = row_keys(table, mapped.accounts)
        key_filter = None if users is None else KeyFilter(keys=keys, owners={"user_sourced_id": users})
        published = read_published(self.connection, self.district, table, key_filter).with_received(keys)
        arrived = made.with_changed_fields(table, find_arrivals(table, mapped.accounts, published), published)
        reasons = mapped.left_out.select(["user_sourced_id", "reason"]).rename_columns(["owner", "reason"])
        alive, _ = self.targets("users", published.rows["user_sourced_id"])
        rows = pa.concat_tables([arrived, find_account_departures(table, published, reasons, alive)])
        counts = count_changes(rows, accepted=mapped.accounts.num_rows, received=mapped.accounts.num_rows, rejected=0)
        made.add_table(table, rows, counts, published, keys)
        return made

    def without(self, withheld: pa.Table) -> RosterChanges:
        """Without these rows and what depends on them: both stay as published.

        Records that were not taken because their person or class is removed become findings.

        :param withheld: `table_name`, `row_key` and `change`.
        """
        made = self._without(withheld) if withheld.num_rows else self
        return replace(made, findings=[*made.findings, *made._removed_with_owner()])

    def _without(self, withheld: pa.Table) -> RosterChanges:
        tables = withhold_rows(self.tables, withheld, self._published_owners)
        accepted = {}
        for name, rows in self.accepted.items():
            away = difference(self.tables[name].keys(), tables[name].keys())
            accepted[name] = rows.filter(pc.invert(pc.is_in(row_keys(TABLES[name], rows), value_set=away)))
        for name, rows in self.pending.items():
            now = tables[name].pending
            still = NONE if now is None else now["sourced_id"]
            staying = rows.filter(pc.invert(pc.is_in(rows["sourced_id"], value_set=still)))
            if name in accepted:
                accepted[name] = pa.concat_tables([accepted[name], staying.select(accepted[name].column_names)])
        return replace(self, tables=tables, accepted=accepted)

    def _removed_with_owner(self) -> list[Finding]:
        """Findings about received records that were not taken because their person or class is removed; no error."""
        findings = []
        for name, causes in self.removed_with_owner.items():
            now = self.tables[name].pending if name in self.tables else None
            every = concat_keys(*causes, NONE if now is None else now["_reason"])
            for rule, reason in REMOVED_WITH.items():
                count = pc.sum(pc.equal(every, reason), min_count=0).as_py()
                if count:
                    findings.append(removed_with_owner_finding(self.judge, TABLES[name], rule, count))
        return findings

    def spill_to_landing(
        self, write: Callable[[str, pa.Table], list[Part]], user_columns: Sequence[str]
    ) -> RosterChanges:
        """Write all changes to the landing zone. Of the large tables only keys stay in memory.

        :param write: writes rows of a table to the landing zone.
        :param user_columns: the columns of `users` that mapping needs.
        """
        parts = {name: write(name, changes.rows) for name, changes in self.tables.items()}
        tables = {
            name: changes.keys_only() if changes.table.collection in _LARGE_COLLECTIONS else changes
            for name, changes in self.tables.items()
        }
        accepted = dict(self.accepted)
        if "users" in accepted:
            accepted["users"] = accepted["users"].select(sorted({"sourced_id", *user_columns}))
        return replace(self, tables=tables, accepted=accepted, parts=parts)

    def _published_owners(self, table: Table, keys: pa.ChunkedArray) -> pa.Table:
        wanted = pa.table({table.key[0]: keys})
        return read_rows_by_key(self.connection, self.district, table, wanted, [*table.key, *table.owners])

    def add_table(
        self, table: Table, rows: pa.Table, counts: TableCounts, published: PublishedRows, received: pa.ChunkedArray
    ) -> TableChanges:
        """Keep a table's changes, with what follows from them.

        :param published: with `_is_received`.
        :param received: its keys.
        """
        live = published.rows["_removed_at"].null_count
        if not published.is_whole:
            live = count_live(self.connection, self.district, table)
        made = self.tables[table.name] = _changes(table, rows, counts, published, received, live)
        return made

    def with_changed_fields(self, table: Table, rows: pa.Table, published: PublishedRows) -> pa.Table:
        """Arrivals, the changed ones with the names of the columns that differ. A row with another digest and no such
        column is as it was: it is left out, and its digest is renewed.
        """
        arrivals = []
        for start in range(0, rows.num_rows, _AT_ONCE):  # another version of the digest makes candidates of all rows
            some = rows.slice(start, _AT_ONCE)
            is_changed = pc.equal(some["_change"], "changed")
            changed = some.filter(is_changed)
            if not changed.num_rows:
                arrivals.append(some)
                continue
            before = read_rows_by_key(self.connection, self.district, table, changed)
            changed = with_changed_fields(table, changed, before)
            is_same = pc.equal(changed["_changed_fields"], "")
            same = changed.filter(is_same)
            self.renewed.setdefault(table.name, []).append(same.select([*table.key, "_digest"]))
            arrivals += [some.filter(pc.invert(is_changed)), changed.filter(pc.invert(is_same))]
            arrivals.append(_found(table, same, published))
        return pa.concat_tables(arrivals) if arrivals else rows


def _changes(
    table: Table, rows: pa.Table, counts: TableCounts, published: PublishedRows, received: pa.ChunkedArray, live: int
) -> TableChanges:
    removed = row_keys(table, rows.filter(pc.equal(rows["_change"], "removed")))
    counts = msgspec.structs.replace(counts, published=live)
    live_rows = published.live_rows()
    kept = difference(live_rows["_key"].filter(pc.invert(live_rows["_is_received"])), removed)
    return TableChanges(table, rows, counts, received, kept=kept, removed=removed, is_whole=published.is_whole)


def _found(table: Table, same: pa.Table, published: PublishedRows) -> pa.Table:
    """Of rows that are as they were, those that were missing."""
    at = pc.index_in(row_keys(table, same), value_set=published.keys)
    found = same.filter(pc.is_valid(published.rows["_missing_since"].take(at)))
    change, fields = (pa.array([text] * found.num_rows, pa.string()) for text in ("found", None))
    for name, column in (("_change", change), ("_changed_fields", fields)):
        found = found.set_column(found.column_names.index(name), name, column)
    return found


def concat_keys(*keys: pa.ChunkedArray) -> pa.ChunkedArray:
    """Keys one after another."""
    return pa.chunked_array([chunk for array in keys for chunk in array.chunks], pa.string())


def difference(keys: pa.ChunkedArray, others: pa.ChunkedArray) -> pa.ChunkedArray:
    """The keys that are not among others."""
    return keys.filter(pc.invert(pc.is_in(keys, value_set=others)))


def without_keys(table: Table, rows: pa.Table, keys: pa.ChunkedArray) -> pa.Table:
    return rows.filter(pc.invert(pc.is_in(row_keys(table, rows), value_set=keys)))
