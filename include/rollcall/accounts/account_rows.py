"""Accounts by person and site as rows of the table, and the published accounts whose username changes."""

from __future__ import annotations

import hashlib
import uuid

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from rollcall.accounts.assignment import MANUAL
from rollcall.accounts.positions import positions
from rollcall.accounts.roles import EvaluatedRoles, RolesAtSites
from rollcall.landing.mapping import NAME_CHANGES_SCHEMA
from rollcall.landing.validated import accepted_schema
from rollcall.model.keys import join_columns
from rollcall.model.tables import TABLES
from rollcall.model.username_text import key_column, username_keys, visible_texts

#: An account keeps one id for life. A new id is derived from the account's key, so a repeated run derives the same id.
_NAMESPACE = uuid.UUID("9a3c1a3e-6d0f-5c62-9e55-2f1f6d8f2b10")

#: Columns copied from the user.
COPIED = (
    "given_name",
    "family_name",
    "preferred_first_name",
    "preferred_last_name",
    "email",
    "identifier",
    "grades",
    "is_enabled",
)


def choose_account_rows(site_roles: RolesAtSites, with_username: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Choose one record per person and site: enabled before disabled, then the one with the published account, then the
    first.

    :param with_username: people with a username: `user`, `person`, `is_enabled`, `username`, `username_field`.
    :param published: `user` and `site` of the published accounts.
    :returns: `user`, `site`, `person`, `is_staff`, `username`, `username_field`, `is_primary_site`. The index is the
        row of `site_roles`, in its order.
    """
    rows = site_roles.rows.reset_index(names="row").merge(with_username, on="user").set_index("row")
    has = pd.MultiIndex.from_frame(rows[["user", "site"]]).isin(pd.MultiIndex.from_frame(published[["user", "site"]]))
    nearest = (rows["user"], ~rows["is_staff"], ~rows["is_primary"], ~rows["is_primary_org"])
    by_site = rows.iloc[np.lexsort((*nearest, ~has, ~rows["is_enabled"], rows["site"], rows["person"]))]
    kept = rows.loc[by_site[~by_site.duplicated(["person", "site"])].index]
    nearest = (kept["site"], kept["user"], ~kept["is_primary"], ~kept["is_primary_org"])
    primary = kept.iloc[np.lexsort((*nearest, kept["person"]))].drop_duplicates("person").index
    return kept.assign(is_primary_site=kept.index.isin(primary)).sort_index()


def find_second_records(rows: pd.DataFrame, with_username: pd.DataFrame, users: pa.Table) -> pd.DataFrame:
    """Records without an account because another record of the person has it: `user`, `reason`, `detail`."""
    spare = with_username[~with_username["user"].isin(rows["user"])]
    first = rows[rows["is_primary_site"]].set_index("person")["user"]
    other = spare["person"].map(first)
    detail = users["sourced_id"].take(pa.array(other, pa.int64())).to_numpy()
    return pd.DataFrame({"user": spare["user"].to_numpy(), "reason": "same_person", "detail": detail})


def account_rows(
    rows: pd.DataFrame, site_roles: RolesAtSites, roles: EvaluatedRoles, users: pa.Table, published: pa.Table
) -> pa.Table:
    """The accounts in the schema of the table, in the order of users and sites."""
    row, user, site = pa.array(rows.index), pa.array(rows["user"]), pa.array(rows["site"])
    of_user = users.select(["sourced_id", *COPIED]).take(user)
    keys = of_user["sourced_id"].combine_chunks()
    site_ids = pa.array(roles.site_ids, pa.string()).take(site)
    made = {
        "user_sourced_id": keys,
        "site_id": site_ids,
        "account_id": _account_ids(keys, site_ids, published),
        "site_name": pa.array(roles.site_names, pa.string()).take(site),
        "role": pa.array(["student", "staff"]).take(pa.array(rows["is_staff"].astype("int64"))),
        "source_roles": site_roles.source_roles.take(row),
        "school_sourced_ids": site_roles.schools.take(row),
        "is_primary_site": pa.array(rows["is_primary_site"]),
        "username": pa.array(rows["username"], pa.string(), from_pandas=True),
        "username_field": pa.array(rows["username_field"], pa.string(), from_pandas=True),
        **{name: of_user[name] for name in COPIED},
    }
    made["username_key"] = key_column(made["username"])
    schema = accepted_schema(TABLES["accounts"])
    return pa.table([made[name] for name in schema.names], schema=schema)


def _account_ids(users: pa.Array, sites: pa.Array, published: pa.Table) -> pa.Array:
    """The published id of each account; a new account gets a version 5 UUID of its key."""
    keys = join_columns(users, sites)
    known = join_columns(published["user_sourced_id"], published["site_id"])
    found = positions(keys, known)
    is_new = pa.array(found < 0)
    ids = published["account_id"].combine_chunks().take(pa.array(found, mask=found < 0))
    return pc.replace_with_mask(ids, is_new, _uuids(keys.filter(is_new))) if pc.any(is_new).as_py() else ids


def _uuids(names: pa.Array) -> pa.Array:
    """`str(uuid.uuid5(namespace, name))` for each name, without the cost of UUID objects."""
    seed = hashlib.sha1(_NAMESPACE.bytes, usedforsecurity=False)
    digests = bytearray()
    for name in names:
        digest = seed.copy()
        digest.update(name.as_buffer())
        digests += digest.digest()[:16]
    raw = np.frombuffer(digests, dtype=np.uint8).reshape(-1, 16).copy()
    raw[:, 6] = raw[:, 6] & 0x0F | 0x50
    raw[:, 8] = raw[:, 8] & 0x3F | 0x80
    text = np.frombuffer(raw.tobytes().hex().encode(), dtype=np.uint8).reshape(-1, 32)
    dashed = np.insert(text, [8, 12, 16, 20], ord("-"), axis=1)
    data = pa.py_buffer(np.ascontiguousarray(dashed))
    fixed = pa.FixedSizeBinaryArray.from_buffers(pa.binary(36), len(names), [None, data])
    return fixed.cast(pa.binary()).cast(pa.string())


def published_accounts(accounts: pa.Table, users: pa.Table, roles: EvaluatedRoles) -> pd.DataFrame:
    """The published accounts: `user` and `site` as positions (-1 if gone), `username`, `username_field`,
    `is_primary_site`.
    """
    made = accounts.select(["username", "username_field", "is_primary_site"]).to_pandas()
    made["user"] = positions(accounts["user_sourced_id"], users["sourced_id"])
    made["site"] = positions(accounts["site_id"], pa.array(roles.site_ids, pa.string()))
    return made


def find_name_changes(rows: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """The usernames that change, or come from another field, tonight (rule 10). A person must agree to each first.

    A user who moves to another site is compared with the account at the previous site: a move does not bypass
    the agreement.

    :param rows: the accounts after tonight: `user`, `site`, `person`, `username`, `username_field`.
    :param published: `user`, `site`, `username`, `username_field`, `is_primary_site` of the published accounts.
    :returns: the columns of `NAME_CHANGES_SCHEMA`, with `user` and `site` in place of their ids.
    """
    old = published[published["user"] >= 0].rename(columns={"username": "old_username", "username_field": "old_field"})
    old = old.sort_values(["user", "is_primary_site", "site"], ascending=[True, False, True], kind="stable")
    new = rows.rename(columns={"username": "new_username", "username_field": "new_field"})
    new = new[["user", "site", "person", "new_username", "new_field"]]
    names = ["old_username", "old_field"]
    if old.empty:
        nothing = pd.Series(dtype="str")
        return new.iloc[:0].assign(old_username=nothing, old_field=nothing, kind=nothing)
    both = new.merge(old[["user", "site", *names]], on=["user", "site"], how="left")
    if both["old_username"].isna().any():
        elsewhere = both[["user"]].merge(old.drop_duplicates("user")[["user", *names]], on="user", how="left")
        for name in names:
            both[name] = both[name].fillna(elsewhere[name])
    known = both["old_username"].notna()
    # removing an invisible character is not a rename
    renamed = known & (visible_texts(both["old_username"]) != both["new_username"])
    moved = known & (both["old_field"] != both["new_field"])
    changed = both[renamed | moved]
    if changed.empty:
        return changed.assign(kind=pd.Series(dtype="str"))
    exchanged = _had_other_owner(changed, rows, old)
    changed = changed.assign(kind="renamed")
    changed.loc[moved[changed.index], "kind"] = "field_changed"
    changed.loc[exchanged, "kind"] = "exchanged"
    agreed = (changed["new_field"] == MANUAL) & ~exchanged
    return changed[~agreed]


def _had_other_owner(changed: pd.DataFrame, rows: pd.DataFrame, old: pd.DataFrame) -> pd.Series:
    """Whether another person had the new username before tonight."""
    if changed.empty:
        return pd.Series(False, index=changed.index)
    person = rows.drop_duplicates("user").set_index("user")["person"]
    had = pd.DataFrame({"name": username_keys(old["old_username"]), "owner": old["user"].map(person).fillna(-1)})
    wants = pd.DataFrame({"name": username_keys(changed["new_username"]), "person": changed["person"]})
    pairs = wants.reset_index(names="row").merge(had.drop_duplicates(), on="name")
    return pd.Series(changed.index.isin(pairs.loc[pairs["owner"] != pairs["person"], "row"]), index=changed.index)


def name_changes_table(changes: pd.DataFrame, users: pa.ChunkedArray, site_ids: list[str]) -> pa.Table:
    """Name changes in `NAME_CHANGES_SCHEMA`, in the order of users and sites."""
    made = {
        "user_sourced_id": users.take(pa.array(changes["user"], pa.int64())),
        "site_id": pa.array(site_ids, pa.string()).take(pa.array(changes["site"], pa.int64())),
    }
    for name in NAME_CHANGES_SCHEMA.names[2:]:
        made[name] = pa.array(changes[name], pa.string(), from_pandas=True)
    return pa.table(made, schema=NAME_CHANGES_SCHEMA)
