"""A change set as lines: what the next publish does to each person, and because of what."""

from __future__ import annotations

from typing import Any

import pandas as pd
import sqlalchemy as sa

from rollcall.diff.lines import (
    CHANGED,
    MAPPING,
    MISSING,
    NEW,
    REASONS,
    RETURNED,
    ROLE,
    SENTENCES,
    SHOWN,
    Lines,
    account_words,
    class_words,
    frame,
    list_words,
    people_frame,
)
from rollcall.diff.newest import Newest, at_school
from rollcall.explain.formatting import field_label
from rollcall.history.published import rows_at
from rollcall.landing.change_set import HELD_ROWS_SCHEMA, ChangeSet, change_schema
from rollcall.landing.manifests import read_rows
from rollcall.model.keys import first_parts
from rollcall.model.tables import TABLES

#: Changes of a user that are not told: stamps, and what is told by the roles.
_SILENT = frozenset({"metadata", "status", "user_master_identifier", "user_profiles"})

#: Changes of an account that are its own; the others are copied from the user.
_OF_ACCOUNT = ("username", "username_field", "site_name", "role", "is_primary_site")


class ChangeSetLines:
    """Reads a change set and the roster it was worked out on."""

    def __init__(self, connection: sa.Connection, newest: Newest) -> None:
        self._connection = connection
        self._newest = newest
        self._changes: ChangeSet = newest.changes
        self._users = self._changed("users")
        self._roles = self._changed("user_roles")
        self._orgs = self._both("orgs", ["sourced_id", "name"])
        self._people = self._both("users", list(SHOWN))

    def lines(self, school: str = "") -> pd.DataFrame:
        """Every line, or those of one school's people."""
        made = Lines()
        self._of_users(made)
        self._of_roles(made)
        self._of_accounts(made)
        self._of_enrollments(made)
        self._held(made)
        told = made.told(people_frame(self._people, self._orgs))
        if not school:
            return told
        roles = pd.concat([self._before("user_roles", ["user_sourced_id", "org_sourced_id"]), self._roles])
        return told[told["sourced_id"].isin(at_school(roles, self._people, self._orgs, school))]

    # -- reading

    def _changed(self, table: str) -> pd.DataFrame:
        parts = self._changes.parts.get(table, [])
        return frame(read_rows(self._newest.folder, parts, change_schema(TABLES[table])))

    def _before(self, table: str, columns: list[str]) -> pd.DataFrame:
        generation = self._changes.generation
        return frame(rows_at(self._connection, self._changes.district, TABLES[table], generation, columns))

    def _both(self, table: str, columns: list[str]) -> pd.DataFrame:
        """A table's rows by their sourcedId as they will be, those that go as they were."""
        changed = self._changed(table)
        told = changed.loc[changed["_change"].isin(["added", "changed", "returned", "found"]), columns]
        return pd.concat([told, self._before(table, columns)]).drop_duplicates("sourced_id").reset_index(drop=True)

    def _who(self, *changes: str) -> pd.Series:
        return self._users.loc[self._users["_change"].isin(changes), "sourced_id"]

    # -- lines

    def _of_users(self, made: Lines) -> None:
        made.add(self._who("added"), "person added", reason=NEW)
        made.add(self._who("returned"), "person back", reason=RETURNED)
        removed = self._users[self._users["_change"] == "removed"]
        made.add_caused(removed["sourced_id"], "person removed", removed["_because"])
        absent = "not in this full pull; removed if a second one misses them too"
        made.add(self._who("missing"), "person missing", reason=MISSING, because=absent)
        changed = self._users[self._users["_change"] == "changed"]
        self._fields(made, "users", "sourced_id", changed, [n for n in TABLES["users"].names if n not in _SILENT])

    def _fields(self, made: Lines, table: str, user: str, changed: pd.DataFrame, columns: list[str]) -> None:
        """One line per column that differs; a loop over columns, not people."""
        if changed.empty:
            return
        key = list(TABLES[table].key)
        named = changed["_changed_fields"].fillna("").str.split(",")
        flat = named.explode()
        wanted = [column for column in columns if (flat == column).any()]
        before = self._before(table, list(dict.fromkeys([*key, *wanted])))
        both = changed[key].merge(before, on=key, how="left").set_axis(changed.index)
        for column in wanted:
            rows = flat.index[flat == column]
            if column == "primary_org_sourced_id":
                names = self._orgs.set_index("sourced_id")["name"]
                then, now = both.loc[rows, column].map(names), changed.loc[rows, column].map(names)
            else:
                then, now = (_shown(values, column) for values in (both.loc[rows, column], changed.loc[rows, column]))
            made.add(
                changed.loc[rows, user],
                _what(table, column),
                before=then,
                after=now,
                reason=self._reason_of_change(changed.loc[rows, user]) if table == "accounts" else CHANGED,
            )

    def _reason_of_change(self, users: pd.Series) -> pd.Series:
        """An account changes with its person, with their roles, or because our own rules changed."""
        reasons = pd.Series(MAPPING, index=users.index)
        reasons = reasons.mask(users.isin(self._roles["user_sourced_id"]), ROLE)
        return reasons.mask(users.isin(self._who("changed")), CHANGED)

    def _of_roles(self, made: Lines) -> None:
        whole = self._who("added", "returned", "removed")
        rows = self._roles[~self._roles["user_sourced_id"].isin(whole)]
        names = self._orgs.set_index("sourced_id")["name"]
        is_gone = rows["_change"] == "removed"
        arrived, gone = rows[~is_gone & rows["_change"].isin(["added", "changed", "returned"])], rows[is_gone]
        now = arrived["role"].fillna("") + " at " + arrived["org_sourced_id"].map(names).fillna("no school")
        made.add(arrived["user_sourced_id"], "role", after=now, reason=CHANGED)
        if gone.empty:
            return
        before = self._before("user_roles", ["user_sourced_id", "role_key", "role", "org_sourced_id"])
        gone = gone[["user_sourced_id", "role_key", "_because"]].merge(before, on=["user_sourced_id", "role_key"])
        then = gone["role"].fillna("") + " at " + gone["org_sourced_id"].map(names).fillna("no school")
        made.add_caused(gone["user_sourced_id"], "role", gone["_because"], before=then)

    def _of_accounts(self, made: Lines) -> None:
        rows = self._changed("accounts")
        arrived = rows[rows["_change"].isin(["added", "returned"])]
        gone = rows.loc[rows["_change"] == "removed", ["user_sourced_id", "site_id", "_because"]]
        if not gone.empty:
            before = self._before("accounts", ["user_sourced_id", "site_id", "site_name", "username"])
            gone = gone.merge(before, on=["user_sourced_id", "site_id"], how="left")
            gone = gone.assign(words=account_words(gone))
        moves = self._moved(made, arrived, gone)
        arrived = arrived[~arrived["user_sourced_id"].isin(moves)]
        made.add(
            arrived["user_sourced_id"],
            "account added",
            after=account_words(arrived),
            reason=self._reason_of_arrival(arrived["user_sourced_id"]),
        )
        if not gone.empty:
            gone = gone[~gone["user_sourced_id"].isin(moves)]
            # with a person who goes, the person's own cause
            causes = self._users.set_index("sourced_id")["_because"].dropna()
            cause = gone["user_sourced_id"].map(causes).fillna(gone["_because"])
            made.add_caused(gone["user_sourced_id"], "account removed", cause, before=gone["words"])
        changed = rows[rows["_change"] == "changed"]
        self._fields(made, "accounts", "user_sourced_id", changed, list(_OF_ACCOUNT))

    def _moved(self, made: Lines, arrived: pd.DataFrame, gone: pd.DataFrame) -> set[Any]:
        """People who lose one account and get one elsewhere."""
        if arrived.empty or gone.empty:
            return set()
        one_each = [rows[~rows["user_sourced_id"].duplicated(keep=False)] for rows in (arrived, gone)]
        both = one_each[0].merge(one_each[1][["user_sourced_id", "words"]], on="user_sourced_id")
        users = both["user_sourced_id"]
        reason = self._reason_of_change(users)
        made.add(users, "account moved", before=both["words"], after=account_words(both), reason=reason)
        return set(users)

    def _reason_of_arrival(self, users: pd.Series) -> pd.Series:
        reasons = self._reason_of_change(users)
        reasons = reasons.mask(users.isin(self._who("returned")), RETURNED)
        return reasons.mask(users.isin(self._who("added")), NEW)

    def _of_enrollments(self, made: Lines) -> None:
        rows = self._changed("enrollments")
        rows = rows[~rows["user_sourced_id"].isin(self._who("removed"))]
        kinds = {"added": "added", "returned": "added", "removed": "removed", "changed": "changed"}
        rows = rows.assign(kind=rows["_change"].map(kinds)).dropna(subset=["kind"])
        if rows.empty:
            return
        owner = rows["user_sourced_id"]
        counts = pd.DataFrame({kind: (rows["kind"] == kind).groupby(owner).sum() for kind in set(kinds.values())})
        cause = rows["_because"].map(REASONS).fillna(CHANGED)
        first = rows.assign(cause=cause).drop_duplicates(["user_sourced_id", "cause"]).sort_values("cause")
        reasons = first.groupby("user_sourced_id")["cause"].agg(", ".join)
        users = counts.index.to_series()
        made.add(users, "classes", after=class_words(counts), reason=reasons.reindex(users.index))

    def _held(self, made: Lines) -> None:
        """What living holds keep from being published, of people and accounts."""
        rows = frame(read_rows(self._newest.folder, self._changes.held_rows, HELD_ROWS_SCHEMA))
        rows = rows[rows["table_name"].isin(["users", "accounts"])]
        if rows.empty:
            return
        users = first_parts(rows["row_key"])
        what = "held: " + rows["table_name"].map({"users": "person ", "accounts": "account "}) + rows["change"]
        sentence = rows["because"].map(SENTENCES).fillna(rows["because"])
        made.add(users, what, reason=rows["because"].map(REASONS).fillna("changed"), because=sentence)


def _shown(values: pd.Series, column: str) -> pd.Series:
    return list_words(values) if column == "grades" else values


def _what(table: str, column: str) -> str:
    words = "username" if (table, column) == ("accounts", "username") else field_label(column).removeprefix("the ")
    return f"{words} (provider's)" if (table, column) == ("users", "username") else words
