"""Holds in the making: which rows each names, until every rule has spoken."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from rollcall.landing.change_set import HoldKind

#: What is known of a held row: where it is, what would happen to it and because of what, its nearest school, and what a
#: decision about it is about beside that.
ROW = ("table_name", "row_key", "change", "because", "row_school", "about")


@dataclass
class HoldDraft:
    """One hold's rows.

    :param said: what the rule that made it says, before causes are weighed.
    :param is_real: held even if all that happens is that rows are missed for the first time.
    :param count: how many rows it is about, where it does not name each.
    """

    collection: str
    kind: HoldKind
    school: str
    rows: pd.DataFrame
    said: list[str] = field(default_factory=list)
    is_real: bool = False
    count: int | None = None

    @property
    def is_announced(self) -> bool:
        """Nothing would be lost yet: the second complete pull would remove them."""
        return self.kind == "removals" and not self.is_real and bool((self.rows["change"] == "missing").all())

    def of(self, table: str) -> pd.DataFrame:
        return self.rows[self.rows["table_name"] == table]


@dataclass
class HoldDrafts:
    """Every hold of a night, one per collection, kind and school."""

    made: dict[tuple[str, HoldKind, str], HoldDraft] = field(default_factory=dict)

    def add(
        self,
        collection: str,
        kind: HoldKind,
        rows: pd.DataFrame,
        *,
        school: str = "",
        said: str = "",
        is_real: bool = False,
        count: int | None = None,
    ) -> None:
        """Name more rows in a hold.

        :param rows: the columns of `ROW`; the school may be empty.
        """
        if rows.empty:
            return
        rows = rows.reindex(columns=list(ROW))
        claim = self.made.get((collection, kind, school))
        if claim is None:
            claim = self.made[collection, kind, school] = HoldDraft(collection, kind, school, rows, count=count)
        else:
            claim.rows = pd.concat([claim.rows, rows]).drop_duplicates(["table_name", "row_key"], ignore_index=True)
        if said and said not in claim.said:
            claim.said.append(said)
        claim.is_real = claim.is_real or is_real

    def named(self, kind: HoldKind, table: str) -> set[str]:
        """Keys of a table's rows that holds of this kind name by now."""
        return {key for claim in self.made.values() if claim.kind == kind for key in claim.of(table)["row_key"]}


def as_rows(table: str, rows: pd.DataFrame, row_school: pd.Series | None = None) -> pd.DataFrame:
    """Change rows (`key`, `change`, `because`) as rows of a hold."""
    made = rows.rename(columns={"key": "row_key"}).assign(table_name=table)
    return made if row_school is None else made.assign(row_school=row_school)
