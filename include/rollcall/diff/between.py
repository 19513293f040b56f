"""The lines of a comparison: what changed between two published nights."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd
import sqlalchemy as sa

from rollcall.diff.lines import (
    CHANGED,
    MAPPING,
    NEW,
    PERSON_COLUMNS,
    RETURNED,
    ROLE,
    LineBuilder,
    account_labels,
    class_count_labels,
    equal_or_null,
    list_labels,
    people_at_school,
    people_frame,
    to_frame,
)
from rollcall.explain.formatting import field_label
from rollcall.history.published import rows_at
from rollcall.model.keys import join_series
from rollcall.model.tables import TABLES

_USERS = (*PERSON_COLUMNS, "email", "identifier", "username", "is_enabled", "_removed_at", "_removed_reason")
_ROLES = ("user_sourced_id", "role_key", "role", "org_sourced_id")
_ACCOUNTS = ("user_sourced_id", "site_id", "site_name", "username", "_removed_at", "_removed_reason")

#: The user columns that are compared.
_COMPARED = (
    "given_name",
    "family_name",
    "preferred_first_name",
    "preferred_last_name",
    "grades",
    "email",
    "identifier",
)


class NightComparison:
    """Compares two published generations of a district."""

    def __init__(self, connection: sa.Connection, district: str, first: int, second: int) -> None:
        self._connection = connection
        self._district = district
        self._generations = (first, second)
        self._users = self._both("users", _USERS)
        self._roles = self._both("user_roles", _ROLES)
        self._orgs = pd.concat(self._both("orgs", ("sourced_id", "name"))[::-1]).drop_duplicates("sourced_id")

    def _both(self, table: str, columns: Iterable[str], *, where_live: bool = False) -> tuple[pd.DataFrame, ...]:
        wanted = list(columns)
        return tuple(
            to_frame(
                rows_at(self._connection, self._district, TABLES[table], generation, wanted, where_live=where_live)
            )
            for generation in self._generations
        )

    def lines(self, school: str = "") -> pd.DataFrame:
        """All lines, or those of the people at one school."""
        builder = LineBuilder()
        self._of_users(builder)
        self._of_accounts(builder)
        self._of_enrollments(builder)
        people = pd.concat(self._users[::-1]).drop_duplicates("sourced_id").reset_index(drop=True)
        lines = builder.build(people_frame(people, self._orgs))
        if not school:
            return lines
        return lines[lines["sourced_id"].isin(people_at_school(pd.concat(self._roles), people, self._orgs, school))]

    def _of_users(self, builder: LineBuilder) -> None:
        before, after = self._users
        was, now = before[before["_removed_at"].isna()], after[after["_removed_at"].isna()]
        added = now.loc[~now["sourced_id"].isin(was["sourced_id"]), "sourced_id"]
        is_known = added.isin(before["sourced_id"])
        builder.add(added[~is_known], "person added", reason=NEW)
        builder.add(added[is_known], "person returned", reason=RETURNED)
        removed = was.loc[~was["sourced_id"].isin(now["sourced_id"]), "sourced_id"]
        builder.add_with_cause(removed, "person removed", removed.map(after.set_index("sourced_id")["_removed_reason"]))
        both = was.merge(now, on="sourced_id", suffixes=("_before", "_after"))
        for column in _COMPARED:
            then, later = both[f"{column}_before"], both[f"{column}_after"]
            differs = ~equal_or_null(then, later)
            if column == "grades":
                then, later = list_labels(then), list_labels(later)
            label = field_label(column).removeprefix("the ")
            users = both.loc[differs, "sourced_id"]
            builder.add(users, label, before=then[differs], after=later[differs], reason=CHANGED)

    def _of_accounts(self, builder: LineBuilder) -> None:
        before, after = self._both("accounts", _ACCOUNTS)
        key = ["user_sourced_id", "site_id"]
        was, now = before[before["_removed_at"].isna()], after[after["_removed_at"].isna()]
        both = was.merge(now, on=key, suffixes=("", "_now"))
        renamed = both[~equal_or_null(both["username"], both["username_now"])]
        users = renamed["user_sourced_id"]
        reason = self._reason(users)
        builder.add(users, "username", before=renamed["username"], after=renamed["username_now"], reason=reason)
        added, removed = _rows_not_in(now, was, key), _rows_not_in(was, now, key)
        moved = added[~added["user_sourced_id"].duplicated(keep=False)].merge(
            removed[~removed["user_sourced_id"].duplicated(keep=False)], on="user_sourced_id", suffixes=("", "_before")
        )
        left = account_labels(moved[["username_before", "site_name_before", "site_id_before"]].set_axis(
            ["username", "site_name", "site_id"], axis=1
        ))  # fmt: skip
        users = moved["user_sourced_id"]
        builder.add(users, "account moved", before=left, after=account_labels(moved), reason=self._reason(users))
        added = added[~added["user_sourced_id"].isin(moved["user_sourced_id"])]
        reason = self._reason(added["user_sourced_id"])
        builder.add(added["user_sourced_id"], "account added", after=account_labels(added), reason=reason)
        removed = removed[~removed["user_sourced_id"].isin(moved["user_sourced_id"])]
        causes = removed[key].merge(after[[*key, "_removed_reason"]], on=key, how="left").set_axis(removed.index)
        of_person = removed["user_sourced_id"].map(self._users[1].set_index("sourced_id")["_removed_reason"])
        cause = of_person.fillna(causes["_removed_reason"])
        builder.add_with_cause(removed["user_sourced_id"], "account removed", cause, before=account_labels(removed))

    def _reason(self, users: pd.Series) -> pd.Series:
        """An account changes with its person, with the person's roles, or with the district settings."""
        before, after = self._users
        was, now = before[before["_removed_at"].isna()], after[after["_removed_at"].isna()]
        both = was.merge(now, on="sourced_id", suffixes=("_before", "_after"))
        same = pd.Series(True, index=both.index)
        for column in ("email", "identifier", "username"):
            same &= equal_or_null(both[f"{column}_before"], both[f"{column}_after"])
        keys = [join_series(rows["user_sourced_id"], rows["role_key"]) for rows in self._roles]
        other_roles = pd.concat(
            [
                self._roles[0].loc[~keys[0].isin(keys[1]), "user_sourced_id"],
                self._roles[1].loc[~keys[1].isin(keys[0]), "user_sourced_id"],
            ]
        )
        reasons = pd.Series(MAPPING, index=users.index)
        reasons = reasons.mask(users.isin(other_roles), ROLE)
        return self._with_person(users, reasons.mask(users.isin(both.loc[~same, "sourced_id"]), CHANGED))

    def _with_person(self, users: pd.Series, reasons: pd.Series) -> pd.Series:
        """The reasons; that of the person where the person is new or returned."""
        before = self._users[0]
        live = before.loc[before["_removed_at"].isna(), "sourced_id"]
        reasons = reasons.mask(users.isin(before["sourced_id"]) & ~users.isin(live), RETURNED)
        return reasons.mask(~users.isin(before["sourced_id"]), NEW)

    def _of_enrollments(self, builder: LineBuilder) -> None:
        was, now = self._both("enrollments", ("sourced_id", "user_sourced_id"), where_live=True)
        live = self._users[1].loc[self._users[1]["_removed_at"].isna(), "sourced_id"]
        counts = pd.DataFrame(
            {
                "added": _rows_not_in(now, was, ["sourced_id"])["user_sourced_id"].value_counts(),
                "removed": _rows_not_in(was, now, ["sourced_id"])["user_sourced_id"].value_counts(),
            }
        )
        counts = counts[counts.index.isin(live)].fillna(0).assign(changed=0)
        if not counts.empty:
            users = counts.index.to_series()
            reason = self._with_person(users, pd.Series(CHANGED, index=users.index))
            builder.add(users, "classes", after=class_count_labels(counts), reason=reason)


def _rows_not_in(rows: pd.DataFrame, others: pd.DataFrame, key: list[str]) -> pd.DataFrame:
    """The rows whose key is not in `others`."""
    known = pd.MultiIndex.from_frame(others[key])
    return rows[~pd.MultiIndex.from_frame(rows[key]).isin(known)]
