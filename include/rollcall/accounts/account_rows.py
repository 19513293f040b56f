"""Accounts by person and site, as rows of the table."""

from __future__ import annotations

import hashlib
import uuid

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from rollcall.accounts.assignment import positions
from rollcall.accounts.roles import EvaluatedRoles, RolesAtSites
from rollcall.landing.validated import accepted_schema
from rollcall.model.keys import join_columns
from rollcall.model.tables import TABLES
from rollcall.model.username_text import key_column

#: Accounts keep one id for life; for a new one it is made from its key, so that a repeated run makes the same.
_NAMESPACE = uuid.UUID("9a3c1a3e-6d0f-5c62-9e55-2f1f6d8f2b10")

#: Columns an account has from its user.
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


def choose_account_rows(places: RolesAtSites, named: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Of several records of one person at one site the one that has the account keeps it, else the first has it; one
    that is disabled only where all are.

    :param named: people with a username: `user`, `person`, `is_enabled`, `username`, `username_field`.
    :param published: `user` and `site` of the accounts readers have.
    :returns: `user`, `site`, `person`, `is_staff`, `username`, `username_field`, `is_primary_site`, and as index the
        row of `places`, in its order.
    """
    rows = places.rows.reset_index(names="row").merge(named, on="user").set_index("row")
    has = pd.MultiIndex.from_frame(rows[["user", "site"]]).isin(pd.MultiIndex.from_frame(published[["user", "site"]]))
    nearest = (rows["user"], ~rows["is_staff"], ~rows["is_primary"], ~rows["is_primary_org"])
    by_site = rows.iloc[np.lexsort((*nearest, ~has, ~rows["is_enabled"], rows["site"], rows["person"]))]
    kept = rows.loc[by_site[~by_site.duplicated(["person", "site"])].index]
    nearest = (kept["site"], kept["user"], ~kept["is_primary"], ~kept["is_primary_org"])
    primary = kept.iloc[np.lexsort((*nearest, kept["person"]))].drop_duplicates("person").index
    return kept.assign(is_primary_site=kept.index.isin(primary)).sort_index()


def find_second_records(rows: pd.DataFrame, named: pd.DataFrame, users: pa.Table) -> pd.DataFrame:
    """Records that have no account because another record of their person has: `user`, `reason`, `detail`."""
    spare = named[~named["user"].isin(rows["user"])]
    first = rows[rows["is_primary_site"]].set_index("person")["user"]
    other = spare["person"].map(first)
    detail = users["sourced_id"].take(pa.array(other, pa.int64())).to_numpy()
    return pd.DataFrame({"user": spare["user"].to_numpy(), "reason": "same_person", "detail": detail})


def account_rows(
    rows: pd.DataFrame, places: RolesAtSites, held: EvaluatedRoles, users: pa.Table, published: pa.Table
) -> pa.Table:
    """The accounts in the table's schema, in the order of users and sites."""
    row, user, site = pa.array(rows.index), pa.array(rows["user"]), pa.array(rows["site"])
    of_user = users.select(["sourced_id", *COPIED]).take(user)
    keys = of_user["sourced_id"].combine_chunks()
    site_ids = pa.array(held.site_ids, pa.string()).take(site)
    made = {
        "user_sourced_id": keys,
        "site_id": site_ids,
        "account_id": _account_ids(keys, site_ids, published),
        "site_name": pa.array(held.site_names, pa.string()).take(site),
        "role": pa.array(["student", "staff"]).take(pa.array(rows["is_staff"].astype("int64"))),
        "source_roles": places.source_roles.take(row),
        "school_sourced_ids": places.schools.take(row),
        "is_primary_site": pa.array(rows["is_primary_site"]),
        "username": pa.array(rows["username"], pa.string(), from_pandas=True),
        "username_field": pa.array(rows["username_field"], pa.string(), from_pandas=True),
        **{name: of_user[name] for name in COPIED},
    }
    made["username_key"] = key_column(made["username"])
    schema = accepted_schema(TABLES["accounts"])
    return pa.table([made[name] for name in schema.names], schema=schema)


def _account_ids(users: pa.Array, sites: pa.Array, published: pa.Table) -> pa.Array:
    """The published id of each account; a new one is a UUID of version 5 of its key."""
    keys = join_columns(users, sites)
    known = join_columns(published["user_sourced_id"], published["site_id"])
    found = positions(keys, known)
    is_new = pa.array(found < 0)
    ids = published["account_id"].combine_chunks().take(pa.array(found, mask=found < 0))
    return pc.replace_with_mask(ids, is_new, _uuids(keys.filter(is_new))) if pc.any(is_new).as_py() else ids


def _uuids(names: pa.Array) -> pa.Array:
    """What `str(uuid.uuid5(namespace, name))` gives for each name; building the objects would take most of the time."""
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


def published_accounts(accounts: pa.Table, users: pa.Table, held: EvaluatedRoles) -> pd.DataFrame:
    """The accounts readers have: `user` and `site` as positions (-1 where they are gone), `username`,
    `username_field`, `is_primary_site`."""
    made = accounts.select(["username", "username_field", "is_primary_site"]).to_pandas()
    made["user"] = positions(accounts["user_sourced_id"], users["sourced_id"])
    made["site"] = positions(accounts["site_id"], pa.array(held.site_ids, pa.string()))
    return made
