"""Withhold changes of accounts that a hold names, and the changes that depend on them.

A withheld account stays as published and keeps its username, so no other person may get that username tonight.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rollcall.accounts.positions import Flags
from rollcall.accounts.report import coverage
from rollcall.changes.comparison import TableChanges
from rollcall.changes.published import ColumnFilter, read_live_rows
from rollcall.changes.roster_changes import RosterChanges, without_keys
from rollcall.landing.mapping import LEFT_OUT_SCHEMA, MappingResult
from rollcall.model.keys import row_keys, split_keys


def withhold_accounts(
    changes: RosterChanges, mapped: MappingResult, keys: pa.Array | pa.ChunkedArray
) -> tuple[RosterChanges, MappingResult]:
    """The changes without these accounts, and the mapping that remains.

    :param keys: the accounts that stay as published.
    """
    if not len(keys):
        return changes, mapped
    accounts, columns = changes.tables["accounts"], ["user_sourced_id", "site_id", "username_key"]
    column_filter = ColumnFilter("user_sourced_id", accounts.rows["user_sourced_id"])
    published = read_live_rows(changes.connection, changes.district, accounts.table, columns, column_filter)
    usernames = _Usernames.of(accounts, published)
    withheld = _extend(accounts, usernames, np.array(pc.is_in(usernames.keys, value_set=keys)))
    remaining = {**changes.tables, "accounts": accounts.without(pa.array(withheld))}
    return replace(changes, tables=remaining), _update_left_out(mapped, accounts, usernames, withheld)


def with_published_accounts(changes: RosterChanges, accounts: pa.Table, keys: pa.ChunkedArray) -> pa.Table:
    """Accounts of a mapping, where the accounts with these keys are replaced by the published ones."""
    if not len(keys):
        return accounts
    table = changes.tables["accounts"].table
    column_filter = ColumnFilter("user_sourced_id", split_keys(table, keys)["user_sourced_id"])
    published = read_live_rows(changes.connection, changes.district, table, accounts.column_names, column_filter)
    published = published.filter(pc.is_in(row_keys(table, published), value_set=keys))
    return pa.concat_tables([without_keys(table, accounts, keys), published])


@dataclass
class _Usernames:
    """Who wants and who keeps a username; the arrays are parallel to the rows of the changes.

    :param wanted: username keys after tonight.
    :param published: `key`, `user` and `username_key` of live accounts.
    """

    keys: pa.ChunkedArray
    users: pa.ChunkedArray
    wanted: pa.ChunkedArray
    is_arrival: Flags
    published: pa.Table

    @classmethod
    def of(cls, accounts: TableChanges, published: pa.Table) -> _Usernames:
        rows = accounts.rows
        return cls(
            keys=row_keys(accounts.table, rows),
            users=rows["user_sourced_id"],
            wanted=rows["username_key"],
            is_arrival=_has_change(rows, "added", "changed", "returned"),
            published=pa.table(
                {
                    "key": row_keys(accounts.table, published),
                    "user": published["user_sourced_id"],
                    "username_key": published["username_key"],
                }
            ),
        )

    def kept(self, withheld: Flags) -> pa.Table:
        """The published accounts that stay because their change is withheld."""
        return self.published.filter(pc.is_in(self.published["key"], value_set=self.keys.filter(pa.array(withheld))))

    def conflicts(self, withheld: Flags) -> Flags:
        """Rows that would take a username another person keeps, or give one person two usernames."""
        kept = self.kept(withheld)
        holder = kept["user"].take(pc.index_in(self.wanted, value_set=kept["username_key"]))
        is_taken = pc.fill_null(pc.not_equal(holder, self.users), False)
        current = kept["username_key"].take(pc.index_in(self.users, value_set=kept["user"]))
        has_two = pc.fill_null(pc.not_equal(current, self.wanted), False)
        return np.asarray(pc.or_(is_taken, has_two)) & self.is_arrival


def _extend(accounts: TableChanges, usernames: _Usernames, withheld: Flags) -> Flags:
    """Withhold more rows until no row conflicts with a withheld one."""
    is_new = _has_change(accounts.rows, "added", "returned")
    is_removed = _has_change(accounts.rows, "removed")
    while True:
        # a person keeps the account they would leave for a withheld one
        movers = usernames.users.filter(pa.array(is_new & withheld))
        is_left = np.asarray(pc.is_in(usernames.users, value_set=movers)) & is_removed
        more = (usernames.conflicts(withheld) | is_left) & ~withheld
        if not more.any():
            return withheld
        withheld = withheld | more


def _update_left_out(
    mapped: MappingResult, changes: TableChanges, usernames: _Usernames, withheld: Flags
) -> MappingResult:
    """Update the left-out people: a person who keeps an account is not left out. A person whose new account is withheld
    is left out, because of the person who keeps the username.
    """
    kept = usernames.kept(withheld)
    is_blocked = pa.array(_has_change(changes.rows, "added", "returned") & withheld)
    accounts = without_keys(changes.table, mapped.accounts, usernames.keys.filter(is_blocked))
    have_account = pa.chunked_array([*accounts["user_sourced_id"].chunks, *kept["user"].chunks], pa.string())
    holders = kept["user"].take(pc.index_in(usernames.wanted.filter(is_blocked), value_set=kept["username_key"]))
    blocked = pa.table({"user": usernames.users.filter(is_blocked), "holder": holders})
    blocked = blocked.group_by("user").aggregate([("holder", "min")])
    blocked = blocked.filter(pc.invert(pc.is_in(blocked["user"], value_set=have_account)))
    reasons = pa.array(["username_collision"] * blocked.num_rows, pa.string())
    more = pa.table([blocked["user"], reasons, blocked["holder_min"]], schema=LEFT_OUT_SCHEMA)
    left_out = mapped.left_out.filter(pc.invert(pc.is_in(mapped.left_out["user_sourced_id"], value_set=have_account)))
    left_out = pa.concat_tables([left_out, more]).sort_by("user_sourced_id")
    return replace(mapped, left_out=left_out, coverage=coverage(mapped.coverage["people"], left_out))


def _has_change(rows: pa.Table, *changes: str) -> Flags:
    return np.asarray(pc.is_in(rows["_change"], value_set=pa.array(changes)))
