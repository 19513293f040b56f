"""Drafts of holds: the rows each lists, while the rules are applied one after another."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from rollcall.landing.change_set import HoldKind

#: A held row: its table and key, its change and the cause, its main school, and what else a decision depends on.
ROW = ("table_name", "row_key", "change", "reason", "row_school", "about")


@dataclass
class HoldDraft:
    """One hold's rows.

    :param explanations: the texts of the rules that made it, before causes are weighed.
    :param is_real: held even if its rows are only missing for the first time.
    :param count: the number of rows, if it does not list each.
    """

    collection: str
    kind: HoldKind
    school: str
    rows: pd.DataFrame
    explanations: list[str] = field(default_factory=list)
    is_real: bool = False
    count: int | None = None

    @property
    def is_announced(self) -> bool:
        """Whether nothing is lost yet: only a second complete pull would remove the rows."""
        return self.kind == "removals" and not self.is_real and bool((self.rows["change"] == "missing").all())

    def of(self, table: str) -> pd.DataFrame:
        return self.rows[self.rows["table_name"] == table]


@dataclass
class HoldDrafts:
    """Every hold of a night, one per collection, kind and school."""

    by_hold: dict[tuple[str, HoldKind, str], HoldDraft] = field(default_factory=dict)

    def add(
        self,
        collection: str,
        kind: HoldKind,
        rows: pd.DataFrame,
        *,
        school: str = "",
        explanation: str = "",
        is_real: bool = False,
        count: int | None = None,
    ) -> None:
        """Add rows to a hold.

        :param rows: the columns of `ROW`; the school may be empty.
        """
        if rows.empty:
            return
        rows = rows.reindex(columns=list(ROW))
        draft = self.by_hold.get((collection, kind, school))
        if draft is None:
            draft = self.by_hold[collection, kind, school] = HoldDraft(collection, kind, school, rows, count=count)
        else:
            draft.rows = pd.concat([draft.rows, rows]).drop_duplicates(["table_name", "row_key"], ignore_index=True)
        if explanation and explanation not in draft.explanations:
            draft.explanations.append(explanation)
        draft.is_real = draft.is_real or is_real

    def keys(self, kind: HoldKind, table: str) -> set[str]:
        """Keys of a table's rows that holds of this kind list so far."""
        return {key for draft in self.by_hold.values() if draft.kind == kind for key in draft.of(table)["row_key"]}


def as_rows(table: str, rows: pd.DataFrame, row_school: pd.Series | None = None) -> pd.DataFrame:
    """Change rows (`key`, `change`, `reason`) as rows of a hold."""
    made = rows.rename(columns={"key": "row_key"}).assign(table_name=table)
    return made if row_school is None else made.assign(row_school=row_school)
