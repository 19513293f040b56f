"""Records that share a sourcedId: which one is used, and what is kept of the others.

- The newest by `dateLastModified` is used; a record without one is the oldest. Among equally new records an active one
  is used before a tombstone, because keeping a record is the smaller harm.
- Some providers send equally new records, one per school of a student. Their lists are merged. So are their roles,
  agents, and terms, because landed parts refer to their record by sourcedId only. A copy that differs in anything else
  is disputed: a rule rejects it, so a person can see both.

The choice does not depend on the order of the records, which can differ every night.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from rollcall.landing.pull import landed_schema
from rollcall.model.tables import Table
from rollcall.validate.types import TypedTable, to_types, with_status

#: Identifies a role of a person.
_ROLE_KEY = ["user_sourced_id", "role", "org_sourced_id", "begin_date"]


def deduplicate_roles(roles: TypedTable) -> tuple[TypedTable, dict[str, pa.Array]]:
    """The roles without exact duplicates, and per role whether it lasts longest among those with the same key.

    Some student information systems keep a short entry for the days of registration and a second one that continues.
    The longest is used, and an open end is the longest; otherwise a student would lose the account when the short one
    ends. Among equally long entries the primary one is used, then the first.
    """
    keys = roles.rows.select(_ROLE_KEY).to_pandas()
    repeated = keys.duplicated(keep=False).to_numpy()
    if not repeated.any():
        return roles, {"lasts_longest": pa.repeat(True, len(keys))}
    at = np.flatnonzero(repeated)
    entries = roles.rows.take(pa.array(at)).to_pandas()
    again = np.zeros(len(keys), dtype=bool)
    again[at[entries.duplicated().to_numpy()]] = True
    end = pd.to_datetime(entries["end_date"])
    ranked = entries[_ROLE_KEY].assign(at=at, is_open=end.isna(), end=end, is_primary=entries["role_type"] == "primary")
    ranked = ranked.sort_values(["is_open", "end", "is_primary", "at"], ascending=[False, False, False, True])
    longest = np.ones(len(keys), dtype=bool)
    longest[ranked.loc[ranked.duplicated(_ROLE_KEY).to_numpy(), "at"]] = False
    return roles.take(np.flatnonzero(~again)), {"lasts_longest": pa.array(longest[~again])}


def with_role_key(roles: pa.Table) -> pa.Table:
    """The roles with `role_key`, `<role>|<org>|<begin date>`. Org and begin date may be null, so no primary key can use
    them.

    Campus 1.1 sends no org for a student who left. The role is kept, so the missing school becomes the reason for
    having no account. A bar within the role is written as `%7C`, so no two roles share a key.
    """
    begin = pc.fill_null(roles.column("begin_date").cast(pa.string()), "")
    org = pc.fill_null(roles.column("org_sourced_id"), "")
    role = roles.column("role")
    if pc.any(pc.match_substring_regex(role, "[|%]")).as_py():
        role = pc.replace_substring(pc.replace_substring(role, "%", "%25"), "|", "%7C")
    return roles.append_column("role_key", pc.binary_join_element_wise(role, org, begin, "|"))


#: The columns that decide which record of a sourcedId is used.
NEWEST_BY = ["sourced_id", "date_last_modified", "status"]

#: Lists whose items correspond by position.
_PAIRED = ("subjects", "subject_codes")

_Row = dict[str, Any]


@dataclass(frozen=True)
class Copies:
    """The outcome for each record of a collection.

    :param is_newest: False if another record with the same sourcedId is newer.
    :param is_undisputed: False for a copy that differs from the equally new record that is used.
    :param is_single: False for a record that others were merged into.
    :param is_redundant: True for a copy whose content is completely in the record that is used.
    :param merged: the records that others were merged into, after merging, in `landed_schema`, at these positions.
    """

    is_newest: np.ndarray
    is_undisputed: np.ndarray
    is_single: np.ndarray
    is_redundant: np.ndarray
    positions: np.ndarray
    merged: pa.Table

    def facts(self, start: int, stop: int) -> dict[str, pa.Array]:
        """The facts for rules, about the records from `start` to `stop` that are not redundant."""
        kept = ~self.is_redundant[start:stop]
        columns = {"is_newest": self.is_newest, "is_undisputed": self.is_undisputed, "is_single": self.is_single}
        return {name: pa.array(column[start:stop][kept]) for name, column in columns.items()}

    def apply(self, records: pa.Table, start: int) -> pa.Table:
        """These records, which begin at position `start`, after merging."""
        stop = start + records.num_rows
        local = np.flatnonzero((self.positions >= start) & (self.positions < stop))
        if not len(local) and not self.is_redundant[start:stop].any():
            return records
        order = np.arange(records.num_rows)
        order[self.positions[local] - start] = records.num_rows + np.arange(len(local))
        return pa.concat_tables([records, self.merged.take(pa.array(local))]).take(
            pa.array(order[~self.is_redundant[start:stop]])
        )


def find_copies(newness: pa.Table, table: Table, read: Callable[[pa.Array], pa.Table]) -> Copies:
    """Find the records of a collection that share a sourcedId.

    :param newness: the columns `NEWEST_BY` of all records, as landed.
    :param read: reads the whole records with these sourcedIds, in the same order.
    """
    ids = newness.column("sourced_id")
    none = np.zeros(newness.num_rows, dtype=bool)
    present = ids.drop_null()
    if pc.count_distinct(present).as_py() == len(present):  # nearly always
        return Copies(~none, ~none, ~none, none, np.empty(0, np.int64), landed_schema(table).empty_table())
    texts = ids.to_pandas()
    positions = np.flatnonzero((texts.duplicated(keep=False) & texts.notna()).to_numpy())
    copies = Copies(~none, ~none, ~none, none.copy(), positions, landed_schema(table).empty_table())
    repeated = read(pa.array(texts.iloc[positions].unique(), pa.string()))
    return _resolve(copies, repeated, table)


def _resolve(copies: Copies, repeated: pa.Table, table: Table) -> Copies:
    typed_rows = with_status(to_types(repeated.select(NEWEST_BY), table)).rows
    frame = repeated.to_pandas().astype(object)
    frame = frame.where(frame.notna(), None)
    is_repeat = frame.duplicated().to_numpy()
    copies.is_redundant[copies.positions[is_repeat]] = True
    changed = typed_rows.column("date_last_modified").to_pandas()
    active = pc.equal(typed_rows.column("status"), "active").to_pandas()
    merged: dict[int, _Row] = {}
    different = pd.Series(np.flatnonzero(~is_repeat))
    for _, rows in different.groupby(frame["sourced_id"].to_numpy()[~is_repeat]):
        places = list(rows)
        if len(places) == 1:
            continue
        newest = max(((not pd.isna(changed[at]), changed[at], active[at]) for at in places), key=_order)
        equal = [at for at in places if _order((not pd.isna(changed[at]), changed[at], active[at])) == _order(newest)]
        copies.is_newest[copies.positions[[at for at in places if at not in equal]]] = False
        if len(equal) > 1:
            _merge(copies, table, frame, equal, merged, bool(newest[2]))
    return Copies(
        copies.is_newest,
        copies.is_undisputed,
        copies.is_single,
        copies.is_redundant,
        copies.positions[list(merged)],
        pa.Table.from_pylist(list(merged.values()), schema=repeated.schema),
    )


def _order(newness: tuple[bool, Any, bool]) -> tuple[bool, int, bool]:
    has_time, changed, active = newness
    return has_time, changed.value if has_time else 0, active


def _merge(
    copies: Copies, table: Table, frame: pd.DataFrame, equal: Sequence[int], merged: dict[int, _Row], is_active: bool
) -> None:
    """Merge equally new records; other differences between tombstones do not matter."""
    rows: dict[int, _Row] = {at: dict(zip(frame.columns, frame.iloc[at], strict=True)) for at in equal}
    first = max(equal, key=lambda at: _rank(rows[at]))
    lists = [name for name in table.of_kind("json") if name != "metadata"]
    other_columns = [name for name in table.names if name not in (*NEWEST_BY, *lists)]
    others = sorted((at for at in equal if at != first), key=lambda at: _rank(rows[at]), reverse=True)
    for at in others:
        is_disputed = is_active and any(rows[at][name] != rows[first][name] for name in other_columns)
        (copies.is_undisputed if is_disputed else copies.is_single)[copies.positions[at if is_disputed else first]] = (
            False
        )
        copies.is_redundant[copies.positions[at]] = not is_disputed
    ordered = [rows[first], *(rows[at] for at in others)]
    merged[first] = {**rows[first], **_merge_lists(lists, ordered)}


def _rank(row: _Row) -> tuple[Any, ...]:
    """Sorts by longest duration, then most values, then by content, so the choice is the same every night."""
    end = row["end_date"] or "~" if "end_date" in row else ""
    return end, sum(value is not None for value in row.values()), [value or "" for value in row.values()]


def _merge_lists(names: Sequence[str], rows: Sequence[_Row]) -> dict[str, str | None]:
    """Each list with the items of all records, each item once, in order."""
    items_by_name = {name: _items([(item,) for row in rows for item in _list(row[name])]) for name in names}
    merged = {name: [item for (item,) in items] for name, items in items_by_name.items()}
    if all(name in names for name in _PAIRED):
        pairs = _items(
            [pair for row in rows for pair in zip_longest(*(_list(row[name]) for name in _PAIRED), fillvalue="")]
        )
        for place, name in enumerate(_PAIRED):
            items = [pair[place] for pair in pairs]
            merged[name] = items if any(items) else []
    return {name: msgspec.json.encode(items).decode() if items else None for name, items in merged.items()}


def _list(text: str | None) -> list[Any]:
    return msgspec.json.decode(text) if text else []


def _items(items: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return list({msgspec.json.encode(item, order="sorted"): item for item in items}.values())
