"""The lines of a diff: one line is one change for one person. Built in pandas, for all people at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pandas as pd
import pyarrow as pa

from rollcall.accounts.usernames import as_text
from rollcall.changes.comparison import ABSENT_TWICE, MOVED_AWAY, NOT_IN_RECORD, OWNER_REMOVED, TOMBSTONE
from rollcall.errors import ActionRequired
from rollcall.explain.changes import REMOVAL_REASONS
from rollcall.landing.mapping import LEFT_OUT_REASONS

#: Short reasons, for the totals.
NEW = "new in the SIS"
CHANGED = "changed in the SIS"
RETURNED = "returned"
MISSING = "missing"
ROLE = "role"
MAPPING = "mapping"

#: The short reason of each left-out reason; the others are `MAPPING`.
_LEFT_OUT = {
    "decided": "decision",
    "no_role": ROLE,
    "role_left_out": ROLE,
    "role_undecided": ROLE,
    "filtered_role": "filter",
    "role_ended": "term ended",
    "role_not_begun": "not started",
    "filtered_school": "filter",
    "filtered_grade": "filter",
    "no_class": "term ended",
    "no_username": "username",
    "username_pattern": "username",
    "username_collision": "username",
    "same_person": "second record",
}

#: The short reason of each cause in a change set.
REASONS: dict[str, str] = {
    TOMBSTONE: "SIS tombstone",
    ABSENT_TWICE: MISSING,
    NOT_IN_RECORD: CHANGED,
    OWNER_REMOVED["users"]: "person removed",
    OWNER_REMOVED["classes"]: "class removed",
    MOVED_AWAY: ROLE,
    **{reason: _LEFT_OUT.get(reason, MAPPING) for reason in LEFT_OUT_REASONS},
}

#: The detail of each cause, in words.
DETAILS: dict[str, str] = REMOVAL_REASONS


#: The columns of a line. `reason` is a short reason for the totals; `detail` is a sentence or empty.
COLUMNS = ("name", "school", "grade", "change", "before", "after", "reason", "detail", "sourced_id")

#: The order of a person's lines. Other changes follow.
_ORDER = (
    "person added",
    "person returned",
    "person removed",
    "person missing",
    "account added",
    "account moved",
    "account removed",
    "username",
)

_NAMES = ("given_name", "family_name", "preferred_first_name", "preferred_last_name")

#: The columns of `users` that identify a person on a line.
PERSON_COLUMNS = ("sourced_id", *_NAMES, "grades", "primary_org_sourced_id")


def to_frame(rows: pa.Table) -> pd.DataFrame:
    """Arrow to pandas. String columns keep their type without rows too."""
    return rows.to_pandas(types_mapper=as_text)


@dataclass
class LineBuilder:
    """Collects lines: :meth:`add` takes columns, :meth:`build` returns the table."""

    _parts: list[pd.DataFrame] = field(default_factory=list)

    def add(
        self,
        users: pd.Series,
        change: str | pd.Series,
        *,
        before: Any = None,
        after: Any = None,
        reason: Any = "",
        detail: Any = "",
    ) -> None:
        """Add one line per user. Each value is one for all, or a column."""
        if len(users):
            values = {"change": change, "before": before, "after": after, "reason": reason, "detail": detail}
            lines = pd.DataFrame({"sourced_id": users, **values}, index=users.index)
            self._parts.append(lines.astype("object"))

    def add_with_cause(self, users: pd.Series, change: str, causes: pd.Series, **values: Any) -> None:
        """Add one line per user with the cause from a change set."""
        reason = causes.map(REASONS).fillna(MAPPING)
        self.add(users, change, reason=reason, detail=causes.map(DETAILS).fillna(causes), **values)

    def build(self, people: pd.DataFrame) -> pd.DataFrame:
        """All lines, ordered by name and person.

        :param people: `name`, `school`, `grade` by sourced_id (:func:`people_frame`).
        """
        if not self._parts:
            return pd.DataFrame(columns=list(COLUMNS), dtype="object")
        lines = pd.concat(self._parts, ignore_index=True).join(people, on="sourced_id")
        rank = lines["change"].map({change: rank for rank, change in enumerate(_ORDER)}).fillna(len(_ORDER))
        lines = lines.assign(rank=rank).sort_values(["name", "sourced_id", "rank", "change"], kind="stable")
        ordered = lines[list(COLUMNS)].astype("object").reset_index(drop=True)
        return ordered.where(ordered.notna(), None)


def people_frame(users: pd.DataFrame, orgs: pd.DataFrame) -> pd.DataFrame:
    """Name, school and grade by sourced_id.

    :param users: `PERSON_COLUMNS`, one row per person.
    :param orgs: `sourced_id`, `name`, one row per org.
    """
    given = users["preferred_first_name"].fillna(users["given_name"]).fillna("")
    family = users["preferred_last_name"].fillna(users["family_name"]).fillna("")
    schools = orgs.set_index("sourced_id")["name"]
    people = pd.DataFrame(
        {
            "name": (given + " " + family).str.strip(),
            "school": users["primary_org_sourced_id"].map(schools),
            "grade": list_labels(users["grades"]),
        }
    )
    return people.set_axis(pd.Index(users["sourced_id"], name="sourced_id"))


def list_labels(values: pd.Series) -> pd.Series:
    """JSON lists such as grades as text. Each distinct list is decoded once."""
    return values.map({text: _list_label(text) for text in values.dropna().unique()})


def _list_label(text: str) -> str:
    value = msgspec.json.decode(text)
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def equal_or_null(before: pd.Series, after: pd.Series) -> pd.Series:
    """Where two columns are equal or both null."""
    return ((before == after) | (before.isna() & after.isna())).fillna(False).astype(bool)


def account_labels(accounts: pd.DataFrame) -> pd.Series:
    """`ada@elm.example at Elm School`."""
    return accounts["username"].fillna("") + " at " + accounts["site_name"].fillna(accounts["site_id"])


def class_count_labels(counts: pd.DataFrame) -> pd.Series:
    """`2 more, 1 fewer` from counts in the columns `added`, `removed`, `changed`."""
    suffixes = {"added": "more", "removed": "fewer", "changed": "changed"}
    parts = [
        (counts[name].astype("int64").astype("str") + f" {suffix}, ").where(counts[name] > 0, "")
        for name, suffix in suffixes.items()
    ]
    return pd.Series(_sum(parts), index=counts.index).str.removesuffix(", ")


def _sum(parts: Iterable[pd.Series]) -> pd.Series:
    first, *rest = parts
    for part in rest:
        first = first + part
    return first


def people_at_school(roles: pd.DataFrame, users: pd.DataFrame, orgs: pd.DataFrame, school: str) -> pd.Index:
    """The people with a role at the school, before or after, or with it as their primary school.

    :param roles: `user_sourced_id`, `org_sourced_id`.
    :param users: `sourced_id`, `primary_org_sourced_id`.
    :param orgs: `sourced_id`, `name`.
    :param school: a sourcedId, a name, or part of a name.
    :raises ActionRequired: `school_unknown` if none or several match.
    """
    names = orgs["name"].fillna("").str.lower()
    wanted = school.strip().lower()
    for condition in (orgs["sourced_id"] == school.strip(), names == wanted, names.str.contains(wanted, regex=False)):
        matches = orgs.loc[condition, "sourced_id"].unique()
        if len(matches) == 1:
            with_role = roles.loc[roles["org_sourced_id"] == matches[0], "user_sourced_id"]
            with_primary = users.loc[users["primary_org_sourced_id"] == matches[0], "sourced_id"]
            return pd.Index(pd.concat([with_role, with_primary]).unique())
        if len(matches) > 1:
            break
    raise ActionRequired(
        "school_unknown",
        f"{'Several schools match' if len(matches) > 1 else 'No school matches'} {school!r}.",
        remedy="Use the sourcedId or the full name from: rollcall sites list DISTRICT",
    )
