"""Accounts that a hold leaves as they are, and what follows: nobody else gets a name that somebody keeps."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from include.contracts import LEFT_OUT_SCHEMA, Mapped
from include.coverage import coverage
from include.merge.compare import TableChanges
from include.merge.digest import row_keys

Flags = npt.NDArray[np.bool_]


@dataclass
class _Names:
    """Who keeps which username, in step with the rows of the change set.

    :param published: live accounts: their keys, users and username keys.
    """

    keys: pa.ChunkedArray
    users: pa.ChunkedArray
    wanted: pa.ChunkedArray
    is_arrival: Flags
    published: pa.Table

    def kept(self, away: Flags) -> pa.Table:
        """The published accounts that stay because their row is withheld."""
        return self.published.filter(pc.is_in(self.published["key"], value_set=self.keys.filter(pa.array(away))))

    def clashing(self, away: Flags) -> Flags:
        """Rows that would take a name somebody else keeps, or give one person two names."""
        kept = self.kept(away)
        holder = kept["user"].take(pc.index_in(self.wanted, value_set=kept["name"]))
        is_taken = pc.fill_null(pc.not_equal(holder, self.users), False)
        own = kept["name"].take(pc.index_in(self.users, value_set=kept["user"]))
        has_two = pc.fill_null(pc.not_equal(own, self.wanted), False)
        return np.asarray(pc.or_(is_taken, has_two)) & self.is_arrival


def hold_accounts(
    changes: TableChanges, mapped: Mapped, published: pa.Table, keys: pa.Array | pa.ChunkedArray
) -> tuple[TableChanges, Mapped]:
    """The changes of `accounts` without those rows, and what is left of the mapping.

    :param published: the accounts readers have: `user_sourced_id`, `site_id`, `username_key`.
    :param keys: the accounts to leave as they are.
    """
    rows = changes.rows
    names = _Names(
        keys=row_keys(changes.table, rows),
        users=rows["user_sourced_id"],
        wanted=rows["username_key"],
        is_arrival=np.asarray(pc.is_in(rows["_change"], value_set=pa.array(["added", "changed", "returned"]))),
        published=pa.table(
            {
                "key": row_keys(changes.table, published),
                "user": published["user_sourced_id"],
                "name": published["username_key"],
            }
        ),
    )
    away = np.array(pc.is_in(names.keys, value_set=keys))
    change = rows["_change"]
    is_new = np.asarray(pc.is_in(change, value_set=pa.array(["added", "returned"])))
    is_removed = np.asarray(pc.equal(change, "removed"))
    while (clashing := (names.clashing(away) | _left_by(names.users, is_new & away, is_removed)) & ~away).any():
        away |= clashing
    return changes.without(pa.array(away)), _without(mapped, changes, names, away)


def _left_by(users: pa.ChunkedArray, waits: Flags, is_removed: Flags) -> Flags:
    """Accounts that people would leave for one that is withheld: they keep them as long as they wait for the other."""
    return np.asarray(pc.is_in(users, value_set=users.filter(pa.array(waits)))) & is_removed


def _without(mapped: Mapped, changes: TableChanges, names: _Names, away: Flags) -> Mapped:
    """Who keeps an account is not left out; who may not have one yet is, because of whoever keeps the name."""
    kept = names.kept(away)
    is_added = np.asarray(pc.is_in(changes.rows["_change"], value_set=pa.array(["added", "returned"]))) & away
    waiting = pa.array(is_added)
    accounts = mapped.accounts.filter(
        pc.invert(pc.is_in(row_keys(changes.table, mapped.accounts), value_set=names.keys.filter(waiting)))
    )
    have = pa.chunked_array([*accounts["user_sourced_id"].chunks, *kept["user"].chunks], pa.string())
    users = names.users.filter(waiting)
    holders = kept["user"].take(pc.index_in(names.wanted.filter(waiting), value_set=kept["name"]))
    refused = pa.table({"user": users, "holder": holders}).group_by("user").aggregate([("holder", "min")])
    refused = refused.filter(pc.invert(pc.is_in(refused["user"], value_set=have)))
    reasons = pa.array(["username_collision"] * refused.num_rows, pa.string())
    more = pa.table([refused["user"], reasons, refused["holder_min"]], schema=LEFT_OUT_SCHEMA)
    left_out = mapped.left_out.filter(pc.invert(pc.is_in(mapped.left_out["user_sourced_id"], value_set=have)))
    left_out = pa.concat_tables([left_out, more]).sort_by("user_sourced_id")
    return replace(mapped, left_out=left_out, coverage=coverage(mapped.coverage["people"], left_out))
