"""Compare one table with its published rows: which rows arrive, which depart, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from rollcall.changes.published import PublishedRows
from rollcall.landing.change_set import TableCounts, change_schema
from rollcall.model.digests import row_digests
from rollcall.model.keys import row_keys
from rollcall.model.tables import Table

#: The causes of a removal (rule 3), as they stand in `_removed_reason`.
TOMBSTONE = "the provider marked it as to be deleted"
ABSENT_TWICE = "absent from two complete full pulls"
NOT_IN_RECORD = "no longer in the record it belongs to"
OWNER_REMOVED = {"users": "its person was removed", "classes": "its class was removed"}
#: The rules that count rows removed with their owner.
REMOVED_WITH = {"user_removed": OWNER_REMOVED["users"], "class_removed": OWNER_REMOVED["classes"]}
MOVED_AWAY = "its person has no role at this site any more"

#: The changes that a table counts separately.
_COUNTED = ("added", "changed", "returned", "missing", "removed")


@dataclass(frozen=True)
class TableChanges:
    """The changes of one table.

    :param rows: in `change_schema`: arrivals with all columns, departures with their key only; or only keys.
    :param received: keys accepted tonight.
    :param kept: keys of live rows that were not received and stay, among the rows that were read.
    :param removed: keys of the rows removed tonight.
    :param is_whole: whether all published rows were read, or only those that a delta concerns.
    :param pending: in `change_schema`, received rows whose owner is removed tonight. `_change` is their change if
        the owner stays after all (null for none), `_reason` the reason of their removal.
    """

    table: Table
    rows: pa.Table
    counts: TableCounts
    received: pa.ChunkedArray
    kept: pa.ChunkedArray
    removed: pa.ChunkedArray
    is_whole: bool = True
    pending: pa.Table | None = None

    def keys(self) -> pa.ChunkedArray:
        """The key of each changed row as one text."""
        return row_keys(self.table, self.rows)

    def keys_only(self) -> TableChanges:
        """The same with only keys, owners, changes, and reasons of the rows."""
        details = ("_change", "_reason", "_changed_fields")
        rows = self.rows.select([*dict.fromkeys((*self.table.key, *self.table.owners)), *details])
        return replace(self, rows=rows, pending=None)

    def without(self, withheld: pa.ChunkedArray | pa.Array) -> TableChanges:
        """The same without the rows of a mask: they stay as published and count as held."""
        away = self.rows.filter(withheld)
        rows = self.rows.filter(pc.invert(withheld))
        keys = row_keys(self.table, away)
        change = away["_change"]
        tally = _tally(away)
        counts = msgspec.structs.replace(
            self.counts,
            held=self.counts.held + away.num_rows,
            **{name: getattr(self.counts, name) - tally.get(name, 0) for name in _COUNTED},
        )
        has_arrived = pc.is_in(change, value_set=pa.array(["added", "returned", "changed"]))
        stays = keys.filter(pc.is_in(change, value_set=pa.array(["changed", "removed"])))
        return replace(
            self,
            rows=rows,
            counts=counts,
            received=self.received.filter(pc.invert(pc.is_in(self.received, value_set=keys.filter(has_arrived)))),
            kept=pa.chunked_array([*self.kept.chunks, *_chunks(stays)], pa.string()),
            removed=row_keys(self.table, rows.filter(pc.equal(rows["_change"], "removed"))),
        )

    def with_released(self, rows: pa.Table) -> TableChanges:
        """The same with pending rows, received like all others because their owners stay.

        :param rows: of `pending`.
        """
        if self.pending is None or not rows.num_rows:
            return self
        keys = row_keys(self.table, rows)
        is_theirs = pc.is_in(self.keys(), value_set=keys)
        nothing = pa.nulls(rows.num_rows, pa.string())
        staying = rows.set_column(rows.column_names.index("_reason"), "_reason", nothing)
        staying = staying.filter(pc.is_valid(staying["_change"]))
        less, more = _tally(self.rows.filter(is_theirs)), _tally(staying)
        made = pa.concat_tables([self.rows.filter(pc.invert(is_theirs)), staying])
        arrived = sum(more.get(name, 0) for name in ("added", "changed", "returned"))
        counts = msgspec.structs.replace(
            self.counts,
            unchanged=self.counts.unchanged + rows.num_rows - arrived,
            **{name: getattr(self.counts, name) - less.get(name, 0) + more.get(name, 0) for name in _COUNTED},
        )
        waiting = self.pending.filter(pc.invert(pc.is_in(row_keys(self.table, self.pending), value_set=keys)))
        return replace(
            self,
            rows=made,
            counts=counts,
            received=pa.chunked_array([*self.received.chunks, *_chunks(keys)], pa.string()),
            kept=self.kept.filter(pc.invert(pc.is_in(self.kept, value_set=keys))),
            removed=row_keys(self.table, made.filter(pc.equal(made["_change"], "removed"))),
            pending=waiting,
        )


def _tally(rows: pa.Table) -> dict[str, int]:
    return {entry["values"]: entry["counts"] for entry in pc.value_counts(rows["_change"]).to_pylist()}


def _chunks(array: pa.Array | pa.ChunkedArray) -> list[pa.Array]:
    return array.chunks if isinstance(array, pa.ChunkedArray) else [array]


def find_arrivals(table: Table, accepted: pa.Table, published: PublishedRows) -> pa.Table:
    """Accepted rows that are new, changed, returned, or found again, in `change_schema`, without unchanged rows."""
    digests = row_digests(table, accepted)
    at = pc.index_in(row_keys(table, accepted), value_set=published.keys)
    known = published.rows.select(["_digest", "_missing_since", "_removed_at"]).take(at)
    change = pc.case_when(
        pc.make_struct(
            pc.is_null(at),
            pc.is_valid(known["_removed_at"]),
            pc.fill_null(pc.not_equal(digests, known["_digest"]), True),
            pc.is_valid(known["_missing_since"]),
        ),
        "added",
        "returned",
        "changed",
        "found",
    )
    rows = accepted.append_column("_digest", digests).append_column("_change", change)
    if rows["_change"].null_count:  # on a first night all rows are new, so none is copied
        rows = rows.filter(pc.is_valid(rows["_change"]))
    for name in ("_reason", "_changed_fields"):
        rows = rows.append_column(name, pa.nulls(rows.num_rows, pa.string()))
    return rows.select(change_schema(table).names)


def find_departures(
    table: Table,
    published: PublishedRows,
    *,
    tombstones: pa.ChunkedArray,
    excused: pa.ChunkedArray,
    whole_owners: pa.ChunkedArray | None,
    removed_owners: Mapping[str, pa.ChunkedArray],
    absence_counts: bool,
    as_of: datetime,
    approved: pa.Table,
) -> pa.Table:
    """Live rows that are removed or missing tonight, with the cause.

    :param published: with `_is_received`.
    :param excused: keys of rejected records: their published version stays and is never counted as missing (rule 2).
    :param whole_owners: for parts of records, the owners received tonight; a part not received with them is removed.
    :param removed_owners: per table, the records removed tonight; the rows they own are removed too.
    :param absence_counts: whether not being received means anything: a proven full pull.
    :param approved: approved removals, `row_key` and `reason`. They need no pull that repeats them. But a row that was
        received or refused tonight stays, and an absent row must still be missing.
    """
    rows = published.live_rows()
    key = rows["_key"]
    no = pa.chunked_array([pa.array([False] * rows.num_rows, pa.bool_())])
    is_received = rows["_is_received"]
    is_tombstone = pc.is_in(key, value_set=tombstones)
    # a row that was accepted anyway (a district may allow it) is not removed with its owner
    owner_gone = {
        owner: pc.and_(pc.is_in(rows[name], value_set=removed_owners[owner]), pc.invert(is_received))
        for name, owner in table.owners.items()
        if owner in removed_owners
    }
    is_part_gone = no
    if whole_owners is not None:
        is_part_gone = pc.and_(pc.is_in(rows[table.key[0]], value_set=whole_owners), pc.invert(is_received))
    is_absent = no
    if absence_counts:
        is_absent = pc.invert(pc.or_(is_received, pc.is_in(key, value_set=excused)))
    seen_missing = pc.fill_null(pc.less(rows["_missing_since"], pa.scalar(as_of, rows["_missing_since"].type)), False)
    is_first_absence = pc.and_(is_absent, pc.is_null(rows["_missing_since"]))
    agreed = approved["reason"].take(pc.index_in(key, value_set=approved["row_key"]))
    was_absent = pc.and_(pc.equal(agreed, ABSENT_TWICE), pc.invert(seen_missing))
    is_there = pc.or_(pc.or_(is_received, pc.is_in(key, value_set=excused)), pc.fill_null(was_absent, False))
    is_agreed = pc.and_(pc.is_valid(agreed), pc.invert(is_there))
    reasons = pc.case_when(
        pc.make_struct(is_tombstone, *owner_gone.values(), is_part_gone, pc.and_(is_absent, seen_missing), is_agreed),
        TOMBSTONE,
        *(OWNER_REMOVED[owner] for owner in owner_gone),
        NOT_IN_RECORD,
        ABSENT_TWICE,
        agreed,
    )
    change = pc.case_when(pc.make_struct(pc.is_valid(reasons), is_first_absence), "removed", "missing")
    return _departure_rows(table, rows, change, reasons)


def find_confirmed_removals(table: Table, published: PublishedRows, tombstones: pa.ChunkedArray) -> pa.Table:
    """Rows removed with their owner that now have a tombstone: they do not return with the owner.

    :param tombstones: keys marked so tonight.
    """
    rows = published.rows.append_column("_key", published.keys)
    went_along = pc.is_in(rows["_removed_reason"], value_set=pa.array(list(OWNER_REMOVED.values())))
    rows = rows.filter(pc.and_(went_along, pc.is_in(rows["_key"], value_set=tombstones)))
    change, reasons = (pa.array([text] * rows.num_rows, pa.string()) for text in ("confirmed", TOMBSTONE))
    return _departure_rows(table, rows, change, reasons)


def find_account_departures(
    table: Table, published: PublishedRows, reasons: pa.Table, alive: pa.ChunkedArray
) -> pa.Table:
    """Published accounts that tonight's mapping does not return: removed at once, each with its cause.

    :param published: with `_is_received`.
    :param reasons: `owner` (the first part of the key) and `reason`. An owner without a row is gone, or has an
        account at another site.
    :param alive: the people who are in the roster after tonight.
    """
    rows = published.live_rows()
    rows = rows.filter(pc.invert(rows["_is_received"]))
    at = pc.index_in(rows[table.key[0]], value_set=reasons["owner"])
    otherwise = pc.if_else(pc.is_in(rows[table.key[0]], value_set=alive), MOVED_AWAY, OWNER_REMOVED["users"])
    causes = pc.coalesce(reasons["reason"].take(at), otherwise)
    return _departure_rows(table, rows, pa.array(["removed"] * rows.num_rows, pa.string()), causes)


def _departure_rows(table: Table, rows: pa.Table, change: pa.Array, reasons: pa.Array) -> pa.Table:
    rows = rows.append_column("_change", change).append_column("_reason", reasons)
    rows = rows.filter(pc.is_valid(rows["_change"]))
    schema = change_schema(table)
    given = {*table.key, *table.owners, "_change", "_reason", "_digest"}
    columns = [rows[field.name] if field.name in given else pa.nulls(rows.num_rows, field.type) for field in schema]
    return pa.table(columns, schema=schema)


def with_changed_fields(table: Table, changed: pa.Table, before: pa.Table) -> pa.Table:
    """Changed rows with the names of the columns that differ from the published row; empty if none differs.

    :param before: the same rows as published, in any order.
    """
    at = pc.index_in(row_keys(table, changed), value_set=row_keys(table, before))
    before = before.take(at)
    names = []
    json_columns = set(table.of_kind("json"))
    for name in table.content:
        now, then = changed[name], before[name]
        if name in json_columns:
            now, then = _canonical_json(now), _canonical_json(then)
        differs = pc.or_(pc.fill_null(pc.not_equal(now, then), False), pc.not_equal(pc.is_null(now), pc.is_null(then)))
        names.append(pc.if_else(differs, name, pa.scalar(None, pa.string())))
    # a row of which all is null would be dropped by the join
    fields = pc.utf8_ltrim(pc.binary_join_element_wise("", *names, ",", null_handling="skip"), ",")
    return changed.set_column(changed.column_names.index("_changed_fields"), "_changed_fields", fields)


def _canonical_json(values: pa.ChunkedArray) -> pa.Array:
    """JSON text in one form, because PostgreSQL changes spaces and order."""
    encoded = pc.dictionary_encode(values).combine_chunks()
    spelled = [
        None if text is None else msgspec.json.encode(msgspec.json.decode(text), order="sorted").decode()
        for text in encoded.dictionary.to_pylist()
    ]
    return pa.array(spelled, pa.string()).take(encoded.indices)


def count_changes(rows: pa.Table, *, accepted: int, received: int, rejected: int) -> TableCounts:
    """The counts of one table's changes. A row that is found again stayed published and counts as unchanged."""
    tally = _tally(rows)
    arrived = sum(tally.get(name, 0) for name in ("added", "changed", "returned"))
    return TableCounts(
        received=received,
        rejected=rejected,
        unchanged=accepted - arrived,
        **{name: tally.get(name, 0) for name in _COUNTED},
    )
