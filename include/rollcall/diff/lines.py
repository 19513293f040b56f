"""The lines of a diff: one thing that changes for one person, in pandas, for everybody at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pandas as pd
import pyarrow as pa

from rollcall.changes.comparison import ABSENT_TWICE, MOVED_AWAY, NOT_IN_RECORD, OWNER_REMOVED, TOMBSTONE
from rollcall.landing.mapping import LEFT_OUT_REASONS

# Why something changes: the short reason to count by, and the sentence.

NEW = "new in the SIS"
CHANGED = "changed in the SIS"
RETURNED = "returned"
MISSING = "missing"
ROLE = "role"
MAPPING = "mapping"

#: What a left-out reason comes down to; a reason that is not here is one of our mapping.
_LEFT_OUT = {
    "decided": "decision",
    "no_role": ROLE,
    "role_left_out": ROLE,
    "role_undecided": ROLE,
    "filtered_role": "filter",
    "role_ended": "term end",
    "role_not_begun": "not begun",
    "filtered_school": "filter",
    "filtered_grade": "filter",
    "no_class": "term end",
    "no_username": "username",
    "username_pattern": "username",
    "username_collision": "username",
    "same_person": "second record",
}

#: The short reason of each cause that merge and mapping write.
REASONS: dict[str, str] = {
    TOMBSTONE: "SIS tombstone",
    ABSENT_TWICE: MISSING,
    NOT_IN_RECORD: CHANGED,
    OWNER_REMOVED["users"]: "person removed",
    OWNER_REMOVED["classes"]: "class removed",
    MOVED_AWAY: ROLE,
    **{reason: _LEFT_OUT.get(reason, MAPPING) for reason in LEFT_OUT_REASONS},
}

#: The sentence of each cause; causes that are sentences already stand for themselves.
SENTENCES: dict[str, str] = dict(LEFT_OUT_REASONS)


#: What a line says. `what` is the thing that changes, `reason` one of a few words, `because` a sentence or nothing.
COLUMNS = ("name", "school", "grade", "what", "before", "after", "reason", "because", "sourced_id")

#: The order of a person's lines.
_ORDER = (
    "person added",
    "person back",
    "person removed",
    "person missing",
    "account added",
    "account moved",
    "account removed",
    "username",
)

_NAMES = ("given_name", "family_name", "preferred_first_name", "preferred_last_name")

#: The columns of `users` a person is shown by.
SHOWN = ("sourced_id", *_NAMES, "grades", "primary_org_sourced_id")


def frame(rows: pa.Table) -> pd.DataFrame:
    """Arrow to pandas; texts keep their kind also where there is no row."""
    return rows.to_pandas(types_mapper=_text)


def _text(kind: pa.DataType) -> Any:
    return pd.StringDtype(na_value=float("nan")) if pa.types.is_string(kind) else None


@dataclass
class Lines:
    """Lines in the making; :meth:`add` takes columns, :meth:`told` gives the table."""

    _parts: list[pd.DataFrame] = field(default_factory=list)

    def add(
        self,
        users: pd.Series,
        what: str | pd.Series,
        *,
        before: Any = None,
        after: Any = None,
        reason: Any = "",
        because: Any = "",
    ) -> None:
        """One line for each of the users, with values for all or one for each."""
        if len(users):
            values = {"what": what, "before": before, "after": after, "reason": reason, "because": because}
            made = pd.DataFrame({"sourced_id": users, **values}, index=users.index)
            self._parts.append(made.astype("object"))

    def add_caused(self, users: pd.Series, what: str, causes: pd.Series, **values: Any) -> None:
        """The same where each line has a cause as merge and mapping write it."""
        reason = causes.map(REASONS).fillna("mapping")
        self.add(users, what, reason=reason, because=causes.map(SENTENCES).fillna(causes), **values)

    def told(self, people: pd.DataFrame) -> pd.DataFrame:
        """All lines, person by person in the order of names.

        :param people: by sourced_id: `name`, `school`, `grade`.
        """
        if not self._parts:
            return pd.DataFrame(columns=list(COLUMNS), dtype="object")
        lines = pd.concat(self._parts, ignore_index=True).join(people, on="sourced_id")
        rank = lines["what"].map({what: place for place, what in enumerate(_ORDER)}).fillna(len(_ORDER))
        lines = lines.assign(rank=rank).sort_values(["name", "sourced_id", "rank", "what"], kind="stable")
        made = lines[list(COLUMNS)].astype("object").reset_index(drop=True)
        return made.where(made.notna(), None)


def people_frame(users: pd.DataFrame, orgs: pd.DataFrame) -> pd.DataFrame:
    """By sourced_id what a person is shown as.

    :param users: the columns `SHOWN`, each sourced_id once.
    :param orgs: `sourced_id`, `name`, each once.
    """
    given = users["preferred_first_name"].fillna(users["given_name"]).fillna("")
    family = users["preferred_last_name"].fillna(users["family_name"]).fillna("")
    schools = orgs.set_index("sourced_id")["name"]
    made = pd.DataFrame(
        {
            "name": (given + " " + family).str.strip(),
            "school": users["primary_org_sourced_id"].map(schools),
            "grade": list_words(users["grades"]),
        }
    )
    return made.set_axis(pd.Index(users["sourced_id"], name="sourced_id"))


def list_words(values: pd.Series) -> pd.Series:
    """JSON lists such as grades as a person writes them; each distinct one is read once."""
    return values.map({text: _list_words(text) for text in values.dropna().unique()})


def _list_words(text: str) -> str:
    made = msgspec.json.decode(text)
    return ", ".join(map(str, made)) if isinstance(made, list) else str(made)


def same_columns(before: pd.Series, after: pd.Series) -> pd.Series:
    """Where two columns say the same; two times nothing is the same."""
    return ((before == after) | (before.isna() & after.isna())).fillna(False).astype(bool)


def account_words(accounts: pd.DataFrame) -> pd.Series:
    """`ada@elm.example at Elm School`."""
    return accounts["username"].fillna("") + " at " + accounts["site_name"].fillna(accounts["site_id"])


def class_words(counts: pd.DataFrame) -> pd.Series:
    """`2 more, 1 fewer` from counts in the columns `added`, `removed`, `changed`."""
    words = {"added": "more", "removed": "fewer", "changed": "changed"}
    parts = [
        (counts[name].astype("int64").astype("str") + f" {said}, ").where(counts[name] > 0, "")
        for name, said in words.items()
    ]
    return pd.Series(_sum(parts), index=counts.index).str.removesuffix(", ")


def _sum(parts: Iterable[pd.Series]) -> pd.Series:
    first, *rest = parts
    for part in rest:
        first = first + part
    return first
