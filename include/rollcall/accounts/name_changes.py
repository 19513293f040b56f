"""Published accounts whose username, or the field it comes from, is another tonight (rule 10)."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

from rollcall.accounts.assignment import MANUAL
from rollcall.landing.mapping import NAME_CHANGES_SCHEMA
from rollcall.model.username_text import username_keys, visible_texts


def find_name_changes(rows: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """The changes, by position: what somebody has to agree to before readers see it.

    A user who moves to another site is compared with the account of the site before: a move is no way round.

    :param rows: the accounts as they will be: `user`, `site`, `person`, `username`, `username_field`.
    :param published: `user`, `site`, `username`, `username_field`, `is_primary_site` of those readers have.
    :returns: the columns of `NAME_CHANGES_SCHEMA`, with `user` and `site` in place of their ids.
    """
    old = published[published["user"] >= 0].rename(columns={"username": "old_username", "username_field": "old_field"})
    old = old.sort_values(["user", "is_primary_site", "site"], ascending=[True, False, True], kind="stable")
    new = rows.rename(columns={"username": "new_username", "username_field": "new_field"})
    new = new[["user", "site", "person", "new_username", "new_field"]]
    names = ["old_username", "old_field"]
    both = new.merge(old[["user", "site", *names]], on=["user", "site"], how="left")
    if both["old_username"].isna().any():
        elsewhere = both[["user"]].merge(old.drop_duplicates("user")[["user", *names]], on="user", how="left")
        for name in names:
            both[name] = both[name].fillna(elsewhere[name])
    known = both["old_username"].notna()
    # an invisible character that is taken away is no other name
    renamed = known & (visible_texts(both["old_username"]) != both["new_username"])
    moved = known & (both["old_field"] != both["new_field"])
    changed = both[renamed | moved]
    exchanged = _was_anothers(changed, rows, old)
    changed = changed.assign(kind="renamed")
    changed.loc[moved[changed.index], "kind"] = "field_changed"
    changed.loc[exchanged, "kind"] = "exchanged"
    agreed = (changed["new_field"] == MANUAL) & ~exchanged
    return changed[~agreed]


def _was_anothers(changed: pd.DataFrame, rows: pd.DataFrame, old: pd.DataFrame) -> pd.Series:
    """Whether the new name is one that another person has until tonight."""
    if changed.empty:
        return pd.Series(False, index=changed.index)
    person = rows.drop_duplicates("user").set_index("user")["person"]
    had = pd.DataFrame({"name": username_keys(old["old_username"]), "owner": old["user"].map(person).fillna(-1)})
    wants = pd.DataFrame({"name": username_keys(changed["new_username"]), "person": changed["person"]})
    pairs = wants.reset_index(names="row").merge(had.drop_duplicates(), on="name")
    return pd.Series(changed.index.isin(pairs.loc[pairs["owner"] != pairs["person"], "row"]), index=changed.index)


def name_changes_table(changes: pd.DataFrame, users: pa.ChunkedArray, site_ids: list[str]) -> pa.Table:
    """Changes by position as rows of `NAME_CHANGES_SCHEMA`, in the order of users and sites."""
    made = {
        "user_sourced_id": users.take(pa.array(changes["user"], pa.int64())),
        "site_id": pa.array(site_ids, pa.string()).take(pa.array(changes["site"], pa.int64())),
    }
    for name in NAME_CHANGES_SCHEMA.names[2:]:
        made[name] = pa.array(changes[name], pa.string(), from_pandas=True)
    return pa.table(made, schema=NAME_CHANGES_SCHEMA)
