"""What the guard judges: the proposed changes and the published roster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from rollcall.changes.published_lookups import PublishedLookups
from rollcall.landing.change_set import TableCounts
from rollcall.landing.pull import LandedCollection
from rollcall.landing.validated import ValidatedCollection
from rollcall.model.tables import TABLES

#: The column with a change row's key as one text, in addition to `change_schema`.
KEY = "_key"

_LEAVES = ("missing", "removed")


@dataclass(frozen=True)
class Evidence:
    """Everything a night's judgment is based on.

    :param night: the local date it is for.
    :param changes: per table its rows in `change_schema`, and `_key`.
    :param received: per table the keys accepted tonight.
    :param counts: per table; `published` counts the published rows.
    :param living: rows of living holds, in `OPEN_HOLD_ROWS_SCHEMA`.
    :param landed: what was pulled, with the proof of its completeness.
    :param rules_changed: whether the district's rules changed since the last publication.
    """

    night: date
    collections: list[ValidatedCollection]
    changes: Mapping[str, pa.Table]
    received: Mapping[str, pa.ChunkedArray]
    counts: Mapping[str, TableCounts]
    roster: PublishedLookups
    living: pa.Table
    landed: Sequence[LandedCollection] = ()
    rules_changed: bool = False

    def rows(
        self, table: str, *changes: str, columns: tuple[str, ...] = (), with_approved: bool = False
    ) -> pd.DataFrame:
        """Change rows of these kinds that are not approved: `key`, `change`, `reason`, and other columns.

        :param with_approved: also those that are approved.
        """
        wanted = {KEY: "key", "_change": "change", "_reason": "reason", **{name: name for name in columns}}
        if table not in self.changes:
            return pd.DataFrame({name: pd.Series(dtype="object") for name in wanted.values()})
        rows = self.changes[table]
        approved = frozenset() if with_approved else self.approved.get(table, frozenset())
        is_agreed = pc.is_in(rows[KEY], value_set=pa.array(sorted(approved), pa.string()))
        is_wanted = pc.and_(pc.is_in(rows["_change"], value_set=pa.array(changes)), pc.invert(is_agreed))
        return rows.select(list(wanted)).rename_columns(list(wanted.values())).filter(is_wanted).to_pandas()

    def has(self, table: str, *changes: str) -> bool:
        """Whether any row changes like this."""
        return table in self.changes and bool(
            pc.any(pc.is_in(self.changes[table]["_change"], value_set=pa.array(changes))).as_py()
        )

    def departing(self, table: str) -> pd.DataFrame:
        """Rows that leave tonight or are missed for the first time, with the records they belong to."""
        return self.rows(table, *_LEAVES, columns=tuple(TABLES[table].owners))

    def going(self, table: str, *, with_approved: bool = False) -> pd.DataFrame:
        """Departing rows that go by themselves, not along with the person or class they belong to."""
        rows = self.rows(table, *_LEAVES, columns=tuple(TABLES[table].owners), with_approved=with_approved)
        if rows.empty:
            return rows
        for column, owner in TABLES[table].owners.items():
            along = rows[column].isin(self.leaving(owner, "removed"))
            missed_along = (rows["change"] == "missing") & rows[column].isin(self.leaving(owner))
            rows = rows[~(along | missed_along)]
        return rows

    def leaving(self, table: str, *changes: str) -> frozenset[str]:
        """Keys of all records that leave or are missed, approved or not."""
        if table not in self.changes:
            return frozenset()
        rows = self.changes[table]
        return frozenset(rows.filter(pc.is_in(rows["_change"], pa.array(changes or _LEAVES)))[KEY].to_pylist())

    def is_received(self, rows: pd.DataFrame) -> pd.Series:
        """Whether each row (`table_name`, `row_key`) was accepted tonight."""
        made = pd.Series(False, index=rows.index)
        for table, keys in rows.groupby("table_name")["row_key"]:
            if table in self.received:
                found = pc.is_in(pa.array(keys, pa.string()), value_set=self.received[str(table)])
                made[keys.index] = found.to_numpy(zero_copy_only=False)
        return made

    def published(self, table: str) -> int:
        return self.counts[table].published if table in self.counts else 0

    @cached_property
    def complete(self) -> frozenset[str]:
        """Collections that were read in full tonight."""
        return frozenset(one.collection for one in self.collections if one.proves_absence)

    @cached_property
    def living_rows(self) -> pd.DataFrame:
        """`living` as pandas."""
        return self.living.to_pandas()

    @cached_property
    def waiting(self) -> pd.DataFrame:
        """Held rows that are not approved. Announced rows are not included: they are judged again."""
        living = self.living_rows
        return living[~living["is_approved"].astype(bool) & (living["change"] != "missing")]

    @cached_property
    def approved(self) -> dict[str, frozenset[str]]:
        """Keys of approved rows per table. Approved usernames are in `rollcall.guard.usernames`."""
        living = self.living_rows
        approved = living[living["is_approved"].astype(bool) & (living["kind"] != "usernames")]
        return {str(table): frozenset(keys) for table, keys in approved.groupby("table_name")["row_key"]}
