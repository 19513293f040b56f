"""Records that share a sourcedId: which of them counts, and what of the others is kept.

- The newest counts, by `dateLastModified`; without one a record is oldest. Of equally new ones a living record counts
  before a tombstone, since keeping is the smaller harm.
- Of those that are equally new, some providers send one per school a pupil is at. Their lists are united; so are their
  roles, agents and terms, which are laid together anyway, since landed parts know their record by its sourcedId alone.
  A copy that differs in anything else is disputed: it is refused by a rule, so that a person can see both.

Which one counts does not depend on the order in which they came: that would be another one every night.
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
from rollcall.validate.types import Typed, typed, with_status

# A person's roles: which of several entries with the same school, role and begin date counts.
#
# Some student information systems keep a short entry for the days of registration beside the one that goes on. The one
# that lasts longest counts, an open end being the longest: the other way round a pupil would lose an account on the day
# the short one ends.

#: What tells one role of a person from another.
_KEY = ["user_sourced_id", "role", "org_sourced_id", "begin_date"]


def each_once(roles: Typed) -> tuple[Typed, dict[str, pa.Array]]:
    """The roles without entries that are there twice in every respect, and per role whether it lasts longest.

    Of those that last equally long the primary one counts, then the first.
    """
    keys = roles.rows.select(_KEY).to_pandas()
    repeated = keys.duplicated(keep=False).to_numpy()
    if not repeated.any():
        return roles, {"lasts_longest": pa.repeat(True, len(keys))}
    at = np.flatnonzero(repeated)
    entries = roles.rows.take(pa.array(at)).to_pandas()
    again = np.zeros(len(keys), dtype=bool)
    again[at[entries.duplicated().to_numpy()]] = True
    end = pd.to_datetime(entries["end_date"])
    ranked = entries[_KEY].assign(at=at, is_open=end.isna(), end=end, is_primary=entries["role_type"] == "primary")
    ranked = ranked.sort_values(["is_open", "end", "is_primary", "at"], ascending=[False, False, False, True])
    longest = np.ones(len(keys), dtype=bool)
    longest[ranked.loc[ranked.duplicated(_KEY).to_numpy(), "at"]] = False
    return roles.take(np.flatnonzero(~again)), {"lasts_longest": pa.array(longest[~again])}


def with_role_key(roles: pa.Table) -> pa.Table:
    """`<role>|<org>|<begin date>`: org and begin date may be absent, which no primary key takes.

    Campus 1.1 sends no org for a student who left: the role is kept, so that the reason for having no account is the
    missing school. A bar within the role is written `%7C`, so that no two roles have one key.
    """
    begin = pc.fill_null(roles.column("begin_date").cast(pa.string()), "")
    org = pc.fill_null(roles.column("org_sourced_id"), "")
    role = roles.column("role")
    if pc.any(pc.match_substring_regex(role, "[|%]")).as_py():
        role = pc.replace_substring(pc.replace_substring(role, "%", "%25"), "|", "%7C")
    return roles.append_column("role_key", pc.binary_join_element_wise(role, org, begin, "|"))


#: What tells which of the records with one sourcedId counts.
NEWEST_BY = ["sourced_id", "date_last_modified", "status"]

#: Lists that belong together item by item.
_PAIRED = ("subjects", "subject_codes")

_Row = dict[str, Any]


@dataclass(frozen=True)
class Copies:
    """What becomes of each record of a collection.

    :param is_newest: False where another record with the same sourcedId is newer.
    :param is_undisputed: False for a copy that says something else than the equally new one that counts.
    :param is_single: False for a record that others were united with.
    :param is_gone: a copy of which nothing is missing in the record that counts.
    :param united: the records that others were united with, as they are now, in `landed_schema`, at these positions.
    """

    is_newest: np.ndarray
    is_undisputed: np.ndarray
    is_single: np.ndarray
    is_gone: np.ndarray
    positions: np.ndarray
    united: pa.Table

    def facts(self, start: int, stop: int) -> dict[str, pa.Array]:
        """What rules ask, of the records from one position to another that are not gone."""
        stays = ~self.is_gone[start:stop]
        columns = {"is_newest": self.is_newest, "is_undisputed": self.is_undisputed, "is_single": self.is_single}
        return {name: pa.array(column[start:stop][stays]) for name, column in columns.items()}

    def applied(self, records: pa.Table, start: int) -> pa.Table:
        """The records from a position on, as they are now."""
        stop = start + records.num_rows
        here = np.flatnonzero((self.positions >= start) & (self.positions < stop))
        if not len(here) and not self.is_gone[start:stop].any():
            return records
        order = np.arange(records.num_rows)
        order[self.positions[here] - start] = records.num_rows + np.arange(len(here))
        return pa.concat_tables([records, self.united.take(pa.array(here))]).take(
            pa.array(order[~self.is_gone[start:stop]])
        )


def find_copies(named: pa.Table, table: Table, read: Callable[[pa.Array], pa.Table]) -> Copies:
    """Find the records of a collection that share a sourcedId.

    :param named: the columns `NEWEST_BY` of all records, as landed.
    :param read: the whole records with these sourcedIds, in the same order.
    """
    ids = named.column("sourced_id")
    none = np.zeros(named.num_rows, dtype=bool)
    said = ids.drop_null()
    if pc.count_distinct(said).as_py() == len(said):  # nearly always
        return Copies(~none, ~none, ~none, none, np.empty(0, np.int64), landed_schema(table).empty_table())
    texts = ids.to_pandas()
    positions = np.flatnonzero((texts.duplicated(keep=False) & texts.notna()).to_numpy())
    made = Copies(~none, ~none, ~none, none.copy(), positions, landed_schema(table).empty_table())
    repeated = read(pa.array(texts.iloc[positions].unique(), pa.string()))
    return _judged(made, repeated, table)


def _judged(copies: Copies, repeated: pa.Table, table: Table) -> Copies:
    times = with_status(typed(repeated.select(NEWEST_BY), table)).rows
    frame = repeated.to_pandas().astype(object)
    frame = frame.where(frame.notna(), None)
    again = frame.duplicated().to_numpy()
    copies.is_gone[copies.positions[again]] = True
    changed = times.column("date_last_modified").to_pandas()
    active = pc.equal(times.column("status"), "active").to_pandas()
    united: dict[int, _Row] = {}
    different = pd.Series(np.flatnonzero(~again))
    for _, rows in different.groupby(frame["sourced_id"].to_numpy()[~again]):
        places = list(rows)
        if len(places) == 1:
            continue
        newest = max(((not pd.isna(changed[at]), changed[at], active[at]) for at in places), key=_order)
        equal = [at for at in places if _order((not pd.isna(changed[at]), changed[at], active[at])) == _order(newest)]
        copies.is_newest[copies.positions[[at for at in places if at not in equal]]] = False
        if len(equal) > 1:
            _unite(copies, table, frame, equal, united, bool(newest[2]))
    return Copies(
        copies.is_newest,
        copies.is_undisputed,
        copies.is_single,
        copies.is_gone,
        copies.positions[list(united)],
        pa.Table.from_pylist(list(united.values()), schema=repeated.schema),
    )


def _order(newness: tuple[bool, Any, bool]) -> tuple[bool, int, bool]:
    has_time, changed, active = newness
    return has_time, changed.value if has_time else 0, active


def _unite(
    copies: Copies, table: Table, frame: pd.DataFrame, equal: Sequence[int], united: dict[int, _Row], is_active: bool
) -> None:
    """Unite equally new records; of tombstones it does not matter what else they say."""
    rows: dict[int, _Row] = {at: dict(zip(frame.columns, frame.iloc[at], strict=True)) for at in equal}
    first = max(equal, key=lambda at: _rank(rows[at]))
    lists = [name for name in table.of_kind("json") if name != "metadata"]
    alike = [name for name in table.names if name not in (*NEWEST_BY, *lists)]
    others = sorted((at for at in equal if at != first), key=lambda at: _rank(rows[at]), reverse=True)
    for at in others:
        is_disputed = is_active and any(rows[at][name] != rows[first][name] for name in alike)
        (copies.is_undisputed if is_disputed else copies.is_single)[copies.positions[at if is_disputed else first]] = (
            False
        )
        copies.is_gone[copies.positions[at]] = not is_disputed
    together = [rows[first], *(rows[at] for at in others)]
    united[first] = {**rows[first], **_united_lists(lists, together)}


def _rank(row: _Row) -> tuple[Any, ...]:
    """The one that lasts longest, that says most, and then any, but the same one every night."""
    end = row["end_date"] or "~" if "end_date" in row else ""
    return end, sum(value is not None for value in row.values()), [value or "" for value in row.values()]


def _united_lists(names: Sequence[str], rows: Sequence[_Row]) -> dict[str, str | None]:
    """Each list with the items of all, each item once, in the order in which they stand."""
    made = {name: _items([(item,) for row in rows for item in _list(row[name])]) for name in names}
    united = {name: [item for (item,) in items] for name, items in made.items()}
    if all(name in names for name in _PAIRED):
        pairs = _items(
            [pair for row in rows for pair in zip_longest(*(_list(row[name]) for name in _PAIRED), fillvalue="")]
        )
        for place, name in enumerate(_PAIRED):
            items = [pair[place] for pair in pairs]
            united[name] = items if any(items) else []
    return {name: msgspec.json.encode(items).decode() if items else None for name, items in united.items()}


def _list(text: str | None) -> list[Any]:
    return msgspec.json.decode(text) if text else []


def _items(items: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return list({msgspec.json.encode(item, order="sorted"): item for item in items}.values())
