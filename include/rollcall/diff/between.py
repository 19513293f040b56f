"""What did change between what readers saw on two nights, as lines."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd
import sqlalchemy as sa

from rollcall.diff.lines import (
    CHANGED,
    MAPPING,
    NEW,
    RETURNED,
    ROLE,
    SHOWN,
    Lines,
    account_words,
    class_words,
    frame,
    list_words,
    people_frame,
    same_columns,
)
from rollcall.diff.newest import at_school
from rollcall.explain.formatting import field_label
from rollcall.history.published import rows_at
from rollcall.model.keys import join_series
from rollcall.model.tables import TABLES

_USERS = (*SHOWN, "email", "identifier", "username", "is_enabled", "_removed_at", "_removed_reason")
_ROLES = ("user_sourced_id", "role_key", "role", "org_sourced_id")
_ACCOUNTS = ("user_sourced_id", "site_id", "site_name", "username", "_removed_at", "_removed_reason")

#: The columns of a person of which it is told that they changed.
_TOLD = ("given_name", "family_name", "preferred_first_name", "preferred_last_name", "grades", "email", "identifier")


class Between:
    """Two generations of a district held against each other.

    :param first: the generation readers had before, `second` the one they had after.
    """

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
            frame(rows_at(self._connection, self._district, TABLES[table], generation, wanted, where_live=where_live))
            for generation in self._generations
        )

    def lines(self, school: str = "") -> pd.DataFrame:
        """Every line, or those of one school's people."""
        made = Lines()
        self._of_users(made)
        self._of_accounts(made)
        self._of_enrollments(made)
        people = pd.concat(self._users[::-1]).drop_duplicates("sourced_id").reset_index(drop=True)
        told = made.told(people_frame(people, self._orgs))
        if not school:
            return told
        return told[told["sourced_id"].isin(at_school(pd.concat(self._roles), people, self._orgs, school))]

    def _of_users(self, made: Lines) -> None:
        before, after = self._users
        was, now = before[before["_removed_at"].isna()], after[after["_removed_at"].isna()]
        came = now.loc[~now["sourced_id"].isin(was["sourced_id"]), "sourced_id"]
        is_known = came.isin(before["sourced_id"])
        made.add(came[~is_known], "person added", reason=NEW)
        made.add(came[is_known], "person back", reason=RETURNED)
        gone = was.loc[~was["sourced_id"].isin(now["sourced_id"]), "sourced_id"]
        made.add_caused(gone, "person removed", gone.map(after.set_index("sourced_id")["_removed_reason"]))
        both = was.merge(now, on="sourced_id", suffixes=("_before", "_after"))
        for column in _TOLD:
            then, later = both[f"{column}_before"], both[f"{column}_after"]
            differs = ~same_columns(then, later)
            if column == "grades":
                then, later = list_words(then), list_words(later)
            words = field_label(column).removeprefix("the ")
            users = both.loc[differs, "sourced_id"]
            made.add(users, words, before=then[differs], after=later[differs], reason=CHANGED)

    def _of_accounts(self, made: Lines) -> None:
        before, after = self._both("accounts", _ACCOUNTS)
        key = ["user_sourced_id", "site_id"]
        was, now = before[before["_removed_at"].isna()], after[after["_removed_at"].isna()]
        both = was.merge(now, on=key, suffixes=("", "_now"))
        renamed = both[~same_columns(both["username"], both["username_now"])]
        users = renamed["user_sourced_id"]
        reason = self._reason(users)
        made.add(users, "username", before=renamed["username"], after=renamed["username_now"], reason=reason)
        came, gone = _without(now, was, key), _without(was, now, key)
        moved = came[~came["user_sourced_id"].duplicated(keep=False)].merge(
            gone[~gone["user_sourced_id"].duplicated(keep=False)], on="user_sourced_id", suffixes=("", "_before")
        )
        left = account_words(moved[["username_before", "site_name_before", "site_id_before"]].set_axis(
            ["username", "site_name", "site_id"], axis=1
        ))  # fmt: skip
        users = moved["user_sourced_id"]
        made.add(users, "account moved", before=left, after=account_words(moved), reason=self._reason(users))
        came = came[~came["user_sourced_id"].isin(moved["user_sourced_id"])]
        reason = self._reason(came["user_sourced_id"])
        made.add(came["user_sourced_id"], "account added", after=account_words(came), reason=reason)
        gone = gone[~gone["user_sourced_id"].isin(moved["user_sourced_id"])]
        causes = gone[key].merge(after[[*key, "_removed_reason"]], on=key, how="left").set_axis(gone.index)
        of_person = gone["user_sourced_id"].map(self._users[1].set_index("sourced_id")["_removed_reason"])
        cause = of_person.fillna(causes["_removed_reason"])
        made.add_caused(gone["user_sourced_id"], "account removed", cause, before=account_words(gone))

    def _reason(self, users: pd.Series) -> pd.Series:
        """An account changes with its person, with their roles, or because our own rules changed."""
        before, after = self._users
        was, now = before[before["_removed_at"].isna()], after[after["_removed_at"].isna()]
        both = was.merge(now, on="sourced_id", suffixes=("_before", "_after"))
        same = pd.Series(True, index=both.index)
        for column in ("email", "identifier", "username"):
            same &= same_columns(both[f"{column}_before"], both[f"{column}_after"])
        keys = [join_series(rows["user_sourced_id"], rows["role_key"]) for rows in self._roles]
        other_roles = pd.concat(
            [
                self._roles[0].loc[~keys[0].isin(keys[1]), "user_sourced_id"],
                self._roles[1].loc[~keys[1].isin(keys[0]), "user_sourced_id"],
            ]
        )
        reasons = pd.Series(MAPPING, index=users.index)
        reasons = reasons.mask(users.isin(other_roles), ROLE)
        reasons = reasons.mask(users.isin(both.loc[~same, "sourced_id"]), CHANGED)
        reasons = reasons.mask(users.isin(before["sourced_id"]) & ~users.isin(was["sourced_id"]), RETURNED)
        return reasons.mask(~users.isin(before["sourced_id"]), NEW)

    def _of_enrollments(self, made: Lines) -> None:
        was, now = self._both("enrollments", ("sourced_id", "user_sourced_id"), where_live=True)
        live = self._users[1].loc[self._users[1]["_removed_at"].isna(), "sourced_id"]
        counts = pd.DataFrame(
            {
                "added": _without(now, was, ["sourced_id"])["user_sourced_id"].value_counts(),
                "removed": _without(was, now, ["sourced_id"])["user_sourced_id"].value_counts(),
            }
        )
        counts = counts[counts.index.isin(live)].fillna(0).assign(changed=0)
        if not counts.empty:
            made.add(counts.index.to_series(), "classes", after=class_words(counts), reason=CHANGED)


def _without(rows: pd.DataFrame, others: pd.DataFrame, key: list[str]) -> pd.DataFrame:
    """The rows whose key is not among the others'."""
    known = pd.MultiIndex.from_frame(others[key])
    return rows[~pd.MultiIndex.from_frame(rows[key]).isin(known)]
