"""The lines of a change set: what the next publication changes for each person, and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
import sqlalchemy as sa

from rollcall.diff.lines import (
    CHANGED,
    DETAILS,
    MAPPING,
    MISSING,
    NEW,
    PERSON_COLUMNS,
    REASONS,
    RETURNED,
    ROLE,
    LineBuilder,
    account_labels,
    class_count_labels,
    list_labels,
    people_at_school,
    people_frame,
    to_frame,
)
from rollcall.errors import ActionRequired, RollcallError
from rollcall.explain.formatting import field_label
from rollcall.history.published import rows_at
from rollcall.landing.change_set import HELD_ROWS_SCHEMA, ChangeSet, change_schema
from rollcall.landing.manifests import load, read_rows
from rollcall.landing.pull import RunKind
from rollcall.landing.zone import Landing, PullFolder
from rollcall.model.keys import first_parts
from rollcall.model.tables import TABLES
from rollcall.settings import District
from rollcall.warehouse.ops_models import runs

#: The number of runs searched for a change set that retention has not deleted.
_MAX_RUNS = 20

#: Runs that compute the next roster. A replay is about the past; a rollback computes nothing.
_KINDS: tuple[RunKind, ...] = ("sync", "remap", "refetch")
_FINISHED = ("published", "dry_run", "paused")


@dataclass(frozen=True)
class NewestChangeSet:
    """A change set, its folder, and when it was published.

    :param published_at: None if it was not published.
    :param is_remap: whether it maps the published roster again, without a pull.
    """

    changes: ChangeSet
    folder: PullFolder
    published_at: datetime | None
    is_remap: bool = False


def newest_change_set(connection: sa.Connection, district: District, landing: Landing) -> NewestChangeSet:
    """The newest change set of a district, from the ledger. Dry runs count.

    :raises ActionRequired: `no_change_set` if there is none, or retention deleted it.
    """
    key = district.district
    query = (
        sa.select(runs.c.pull_id, runs.c.kind)
        .where(runs.c.district_id == key, runs.c.pull_id.is_not(None))
        .where(runs.c.status.in_(_FINISHED), runs.c.kind.in_(_KINDS))
        .order_by(runs.c.finished_at.desc())
        .limit(_MAX_RUNS)
    )
    for pull_id, kind in connection.execute(query).all():
        folder = landing.pull(key, pull_id)
        try:
            changes = load(folder, ChangeSet)
        except RollcallError as error:
            if error.code != "not_landed":
                raise
            continue
        return NewestChangeSet(changes, folder, _published_at(connection, key, pull_id), is_remap=kind == "remap")
    raise ActionRequired(
        "no_change_set",
        f"No change set of {district.name} in the landing zone {landing.url}.",
        remedy=f"Run `rollcall sync {key} --dry-run`, or set --landing to the landing zone of the nightly runs.",
        district=key,
    )


def _published_at(connection: sa.Connection, district: str, pull_id: str) -> datetime | None:
    where = (runs.c.district_id == district, runs.c.pull_id == pull_id, runs.c.status == "published")
    at: datetime | None = connection.execute(sa.select(sa.func.max(runs.c.finished_at)).where(*where)).scalar()
    return at


#: User columns without a line: they mean nothing to a person, or repeat the roles.
_IGNORED = frozenset({"metadata", "status", "user_master_identifier", "user_profiles"})

#: The account's own columns. The others are copied from the user.
_ACCOUNT_COLUMNS = ("username", "username_field", "site_name", "role", "is_primary_site")


class ChangeSetLines:
    """Reads a change set and the roster it is based on."""

    def __init__(self, connection: sa.Connection, newest: NewestChangeSet) -> None:
        self._connection = connection
        self._newest = newest
        self._changes: ChangeSet = newest.changes
        self._users = self._changed("users")
        self._roles = self._changed("user_roles")
        self._orgs = self._both("orgs", ["sourced_id", "name"])
        self._people = self._both("users", list(PERSON_COLUMNS))

    def lines(self, school: str = "") -> pd.DataFrame:
        """All lines, or those of the people at one school."""
        builder = LineBuilder()
        self._of_users(builder)
        self._of_roles(builder)
        self._of_accounts(builder)
        self._of_enrollments(builder)
        self._held(builder)
        lines = builder.build(people_frame(self._people, self._orgs))
        if not school:
            return lines
        roles = pd.concat([self._before("user_roles", ["user_sourced_id", "org_sourced_id"]), self._roles])
        return lines[lines["sourced_id"].isin(people_at_school(roles, self._people, self._orgs, school))]

    def _changed(self, table: str) -> pd.DataFrame:
        parts = self._changes.parts.get(table, [])
        return to_frame(read_rows(self._newest.folder, parts, change_schema(TABLES[table])))

    def _before(self, table: str, columns: list[str]) -> pd.DataFrame:
        generation = self._changes.generation
        return to_frame(rows_at(self._connection, self._changes.district, TABLES[table], generation, columns))

    def _both(self, table: str, columns: list[str]) -> pd.DataFrame:
        """A table's rows after the publication; removed rows as they were before."""
        changed = self._changed(table)
        arriving = changed.loc[changed["_change"].isin(["added", "changed", "returned", "found"]), columns]
        return pd.concat([arriving, self._before(table, columns)]).drop_duplicates("sourced_id").reset_index(drop=True)

    def _users_with(self, *changes: str) -> pd.Series:
        return self._users.loc[self._users["_change"].isin(changes), "sourced_id"]

    def _of_users(self, builder: LineBuilder) -> None:
        builder.add(self._users_with("added"), "person added", reason=NEW)
        builder.add(self._users_with("returned"), "person returned", reason=RETURNED)
        removed = self._users[self._users["_change"] == "removed"]
        builder.add_with_cause(removed["sourced_id"], "person removed", removed["_reason"])
        detail = "not in this full pull; removed if the next full pull does not include the person either"
        builder.add(self._users_with("missing"), "person missing", reason=MISSING, detail=detail)
        changed = self._users[self._users["_change"] == "changed"]
        self._fields(builder, "users", "sourced_id", changed, [n for n in TABLES["users"].names if n not in _IGNORED])

    def _fields(self, builder: LineBuilder, table: str, user: str, changed: pd.DataFrame, columns: list[str]) -> None:
        """One line per changed column. The loop is over columns, not people."""
        if changed.empty:
            return
        key = list(TABLES[table].key)
        fields = changed["_changed_fields"].fillna("").str.split(",").explode()
        wanted = [column for column in columns if (fields == column).any()]
        before = self._before(table, list(dict.fromkeys([*key, *wanted])))
        both = changed[key].merge(before, on=key, how="left").set_axis(changed.index)
        for column in wanted:
            rows = fields.index[fields == column]
            if column == "primary_org_sourced_id":
                names = self._orgs.set_index("sourced_id")["name"]
                then, now = both.loc[rows, column].map(names), changed.loc[rows, column].map(names)
            else:
                then, now = (_labels(values, column) for values in (both.loc[rows, column], changed.loc[rows, column]))
            builder.add(
                changed.loc[rows, user],
                _change_label(table, column),
                before=then,
                after=now,
                reason=self._reason_of_change(changed.loc[rows, user]) if table == "accounts" else CHANGED,
            )

    def _reason_of_change(self, users: pd.Series) -> pd.Series:
        """An account changes with its person, with the person's roles, or with the district settings."""
        reasons = pd.Series(MAPPING, index=users.index)
        reasons = reasons.mask(users.isin(self._roles["user_sourced_id"]), ROLE)
        return reasons.mask(users.isin(self._users_with("changed")), CHANGED)

    def _of_roles(self, builder: LineBuilder) -> None:
        whole_people = self._users_with("added", "returned", "removed")
        rows = self._roles[~self._roles["user_sourced_id"].isin(whole_people)]
        names = self._orgs.set_index("sourced_id")["name"]
        is_removed = rows["_change"] == "removed"
        added, removed = rows[~is_removed & rows["_change"].isin(["added", "changed", "returned"])], rows[is_removed]
        now = added["role"].fillna("") + " at " + added["org_sourced_id"].map(names).fillna("no school")
        builder.add(added["user_sourced_id"], "role", after=now, reason=CHANGED)
        if removed.empty:
            return
        before = self._before("user_roles", ["user_sourced_id", "role_key", "role", "org_sourced_id"])
        removed = removed[["user_sourced_id", "role_key", "_reason"]].merge(before, on=["user_sourced_id", "role_key"])
        then = removed["role"].fillna("") + " at " + removed["org_sourced_id"].map(names).fillna("no school")
        builder.add_with_cause(removed["user_sourced_id"], "role", removed["_reason"], before=then)

    def _of_accounts(self, builder: LineBuilder) -> None:
        rows = self._changed("accounts")
        added = rows[rows["_change"].isin(["added", "returned"])]
        removed = rows.loc[rows["_change"] == "removed", ["user_sourced_id", "site_id", "_reason"]]
        if not removed.empty:
            before = self._before("accounts", ["user_sourced_id", "site_id", "site_name", "username"])
            removed = removed.merge(before, on=["user_sourced_id", "site_id"], how="left")
            removed = removed.assign(label=account_labels(removed))
        moves = self._moved(builder, added, removed)
        added = added[~added["user_sourced_id"].isin(moves)]
        builder.add(
            added["user_sourced_id"],
            "account added",
            after=account_labels(added),
            reason=self._reason_of_added(added["user_sourced_id"]),
        )
        if not removed.empty:
            removed = removed[~removed["user_sourced_id"].isin(moves)]
            # the cause of a removed person comes before the account's own
            causes = self._users.set_index("sourced_id")["_reason"].dropna()
            cause = removed["user_sourced_id"].map(causes).fillna(removed["_reason"])
            builder.add_with_cause(removed["user_sourced_id"], "account removed", cause, before=removed["label"])
        changed = rows[rows["_change"] == "changed"]
        self._fields(builder, "accounts", "user_sourced_id", changed, list(_ACCOUNT_COLUMNS))

    def _moved(self, builder: LineBuilder, added: pd.DataFrame, removed: pd.DataFrame) -> set[Any]:
        """Add the lines of people who lose one account and get one at another site; their sourcedIds."""
        if added.empty or removed.empty:
            return set()
        one_each = [rows[~rows["user_sourced_id"].duplicated(keep=False)] for rows in (added, removed)]
        both = one_each[0].merge(one_each[1][["user_sourced_id", "label"]], on="user_sourced_id")
        users = both["user_sourced_id"]
        reason = self._reason_of_change(users)
        builder.add(users, "account moved", before=both["label"], after=account_labels(both), reason=reason)
        return set(users)

    def _reason_of_added(self, users: pd.Series) -> pd.Series:
        return self._with_person(users, self._reason_of_change(users))

    def _with_person(self, users: pd.Series, reasons: pd.Series) -> pd.Series:
        """The reasons; that of the person where the person is added or returned."""
        reasons = reasons.mask(users.isin(self._users_with("returned")), RETURNED)
        return reasons.mask(users.isin(self._users_with("added")), NEW)

    def _of_enrollments(self, builder: LineBuilder) -> None:
        rows = self._changed("enrollments")
        rows = rows[~rows["user_sourced_id"].isin(self._users_with("removed"))]
        kinds = {"added": "added", "returned": "added", "removed": "removed", "changed": "changed"}
        rows = rows.assign(kind=rows["_change"].map(kinds)).dropna(subset=["kind"])
        if rows.empty:
            return
        owner = rows["user_sourced_id"]
        counts = pd.DataFrame({kind: (rows["kind"] == kind).groupby(owner).sum() for kind in set(kinds.values())})
        causes = pd.DataFrame({"user_sourced_id": owner, "cause": rows["_reason"].map(REASONS)}).drop_duplicates()
        without = self._with_person(causes["user_sourced_id"], pd.Series(CHANGED, index=causes.index))
        first = causes.fillna({"cause": without}).drop_duplicates().sort_values("cause")
        has_several = first["user_sourced_id"].duplicated(keep=False)  # few people; joining texts for all takes long
        several = first[has_several].groupby("user_sourced_id")["cause"].agg(", ".join)
        reasons = pd.concat([first[~has_several].set_index("user_sourced_id")["cause"], several])
        users = counts.index.to_series()
        builder.add(users, "classes", after=class_count_labels(counts), reason=reasons.reindex(users.index))

    def _held(self, builder: LineBuilder) -> None:
        """People and accounts withheld by open holds."""
        rows = to_frame(read_rows(self._newest.folder, self._changes.held_rows, HELD_ROWS_SCHEMA))
        rows = rows[rows["table_name"].isin(["users", "accounts"])]
        if rows.empty:
            return
        users = first_parts(rows["row_key"])
        change = "held: " + rows["table_name"].map({"users": "person ", "accounts": "account "}) + rows["change"]
        detail = rows["reason"].map(DETAILS).fillna(rows["reason"])
        builder.add(users, change, reason=rows["reason"].map(REASONS).fillna("changed"), detail=detail)


def _labels(values: pd.Series, column: str) -> pd.Series:
    return list_labels(values) if column == "grades" else values


def _change_label(table: str, column: str) -> str:
    label = "username" if (table, column) == ("accounts", "username") else field_label(column).removeprefix("the ")
    return f"{label} (SIS)" if (table, column) == ("users", "username") else label
