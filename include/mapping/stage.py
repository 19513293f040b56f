"""The stage mapping: from people with roles at schools to accounts with usernames at sites, in pandas.

Every person ends as one or more accounts or as left out with exactly one first reason.
"""

from __future__ import annotations

import uuid
from datetime import date
from typing import Any, Literal

import msgspec
import pandas as pd
import pyarrow as pa

from include.contracts import LEFT_OUT_SCHEMA, Finding, Mapped, People, accepted_schema
from include.mapping.people import collisions, person_ids
from include.mapping.sites import role_rows
from include.mapping.usernames import usernames
from include.settings import District
from include.tables import TABLES

#: Accounts keep one id for life; for a new one it is made from its key, so that a repeated run makes the same.
_NAMESPACE = uuid.UUID("9a3c1a3e-6d0f-5c62-9e55-2f1f6d8f2b10")

_NOBODY = {"people": 0, "with_site": 0, "with_username": 0, "with_account": 0}

_COPIED = (
    "given_name",
    "family_name",
    "preferred_first_name",
    "preferred_last_name",
    "email",
    "identifier",
    "grades",
    "is_enabled",
)


def map_accounts(district: District, people: People, night: date) -> Mapped:
    """Every account as it will be, and everybody without one.

    :param people: the roster as it will be, and the accounts readers have now.
    :param night: the local date it is for; a role that has ended by then gives no account (end dates are exclusive).
    """
    if not people.users.num_rows:  # pandas 3.1.1 cannot join two empty columns that come from Arrow
        return Mapped(accepted_schema(TABLES["accounts"]).empty_table(), LEFT_OUT_SCHEMA.empty_table(), _NOBODY, [])
    users = people.users.to_pandas(types_mapper=_types)
    orgs = people.orgs.to_pandas(types_mapper=_types)
    roles = people.user_roles.to_pandas(types_mapper=_types)
    rows = role_rows(district, users, roles, orgs)
    rows["has_ended"] = (roles["end_date"] <= night).fillna(False).to_numpy(dtype=bool)
    at_sites = _one_row_per_site(rows[_gives_account(rows)])
    reasons = _reasons_before_usernames(users, rows, at_sites)
    candidates = users[users["sourced_id"].isin(at_sites["user"])].copy()
    candidates["role"] = candidates["sourced_id"].map(_person_role(at_sites))
    named = _named(district, candidates, people.accounts.to_pandas(types_mapper=_types))
    reasons = pd.concat([reasons, named.loc[named["reason"].notna(), ["user", "reason", "detail"]]])
    accounts, second = _accounts(at_sites, named[named["reason"].isna()], users)
    reasons = pd.concat([reasons, second])
    return Mapped(
        accounts=_to_arrow(accounts, people.accounts),
        left_out=_left_out(reasons),
        coverage={
            "people": len(users),
            "with_site": int(at_sites["user"].nunique()),
            "with_username": int(named["reason"].isna().sum()),
            "with_account": int(accounts["user_sourced_id"].nunique()),
        },
        findings=_undecided(rows, orgs),
    )


def _types(kind: pa.DataType) -> Any:
    return pd.StringDtype(na_value=float("nan")) if pa.types.is_string(kind) else None


def _gives_account(rows: pd.DataFrame) -> pd.Series:
    return rows["role"].isin(["student", "staff"]) & (rows["place"] == "site") & ~rows["has_ended"]


def _one_row_per_site(rows: pd.DataFrame) -> pd.DataFrame:
    """A person's roles at one site together: the primary one decides, then staff before student."""
    rows = rows.sort_values(
        ["user", "site_id", "is_primary", "role", "org"], ascending=[True, True, False, True, True], kind="stable"
    )
    grouped = rows.groupby(["user", "site_id"], sort=False, as_index=False)
    merged = grouped.agg(
        site_name=("site_name", "first"),
        role=("role", "first"),
        is_primary=("is_primary", "max"),
        is_primary_org=("is_primary_org", "max"),
    )
    for column, source in (("source_roles", "source_role"), ("school_sourced_ids", "org")):
        merged = merged.merge(_as_lists(rows, source).rename(columns={source: column}), on=["user", "site_id"])
    return merged


def _as_lists(rows: pd.DataFrame, source: str) -> pd.DataFrame:
    """The different values of a column per person and site, as JSON text; only the few with several need a loop."""
    unique = rows[["user", "site_id", source]].drop_duplicates().sort_values(["user", "site_id", source])
    unique[source] = unique[source].map(_quoted({*unique[source].unique()}))
    several = unique.duplicated(["user", "site_id"], keep=False)
    joined = unique[several].groupby(["user", "site_id"], sort=False, as_index=False).agg({source: ",".join})
    lists = pd.concat([unique[~several], joined])
    lists[source] = "[" + lists[source] + "]"
    return lists


def _quoted(values: set[str]) -> dict[str, str]:
    return {value: msgspec.json.encode(value).decode() for value in values}


def _person_role(at_sites: pd.DataFrame) -> pd.Series:
    """Student or staff, which decides the username's sources: that of the primary site, else staff before student."""
    ordered = at_sites.sort_values(
        ["user", "is_primary_org", "is_primary", "role"], ascending=[True, False, False, True], kind="stable"
    )
    return ordered.drop_duplicates("user").set_index("user")["role"]


def _reasons_before_usernames(users: pd.DataFrame, rows: pd.DataFrame, at_sites: pd.DataFrame) -> pd.DataFrame:
    """The first reason of everybody who has no role at a site."""
    outside = users.loc[~users["sourced_id"].isin(at_sites["user"]), "sourced_id"]
    theirs = rows[rows["user"].isin(outside)].copy()
    counts = theirs["role"].isin(["student", "staff"])
    theirs["reason"] = "role_left_out"
    theirs.loc[theirs["role"] == "undecided", "reason"] = "role_undecided"
    places = {"no_school": "no_school", "left_out": "school_left_out", "undecided": "school_undecided"}
    theirs.loc[counts, "reason"] = theirs.loc[counts, "place"].map(places)
    theirs.loc[counts & theirs["has_ended"], "reason"] = "role_ended"
    about_role = theirs["reason"].isin(["role_left_out", "role_undecided"])
    theirs["detail"] = theirs["org"].where(~about_role, theirs["source_role"]).fillna("")
    # of several roles the one that came nearest to an account gives the reason
    nearness = ["role_ended", "school_undecided", "school_left_out", "no_school", "role_undecided", "role_left_out"]
    theirs["rank"] = theirs["reason"].map({reason: rank for rank, reason in enumerate(nearness)})
    first = theirs.sort_values(["user", "rank", "detail"], kind="stable").drop_duplicates("user")
    without = outside[~outside.isin(first["user"])]
    none = pd.DataFrame({"user": without, "reason": "no_role", "detail": ""})
    return pd.concat([first[["user", "reason", "detail"]], none])


def _named(district: District, candidates: pd.DataFrame, accounts: pd.DataFrame) -> pd.DataFrame:
    """Username and person of each candidate, or the reason why there is none."""
    roles: tuple[Literal["student", "staff"], ...] = ("student", "staff")
    made = [usernames(candidates[candidates["role"] == role], district.username_sources(role)) for role in roles]
    named = pd.concat(made).reindex(candidates.index)
    named["user"] = candidates["sourced_id"]
    named["person"] = person_ids(candidates, district.person_key)
    named["reason"] = pd.Series(None, index=named.index, dtype="str")
    named["detail"] = ""
    named.loc[named["username"].isna(), "reason"] = "no_username"
    named.loc[named["fails_pattern"], "reason"] = "username_pattern"
    wanting = named[named["username"].notna()]
    holders = accounts.rename(columns={"user_sourced_id": "user"})[["user", "username"]]
    other = collisions(wanting, holders).dropna()
    named.loc[other.index, "reason"] = "username_collision"
    named.loc[other.index, "detail"] = other
    return named


def _accounts(at_sites: pd.DataFrame, named: pd.DataFrame, users: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Accounts by person and site; of several records of one person at one site the first has the account."""
    rows = at_sites.merge(named[["user", "person", "username", "username_field"]], on="user")
    rows = rows.sort_values(
        ["person", "is_primary_org", "is_primary", "user", "site_id"],
        ascending=[True, False, False, True, True],
        kind="stable",
    )
    kept = rows.drop_duplicates(["person", "site_id"]).copy()
    kept["is_primary_site"] = ~kept.duplicated("person")
    spare = rows.loc[~rows["user"].isin(kept["user"]), ["user", "person"]].drop_duplicates("user")
    first = kept.drop_duplicates("person").set_index("person")["user"]
    second = pd.DataFrame({"user": spare["user"], "reason": "same_person", "detail": spare["person"].map(first)})
    details = users.set_index("sourced_id")[list(_COPIED)]
    kept = kept.join(details, on="user").rename(columns={"user": "user_sourced_id"})
    return kept.sort_values(["user_sourced_id", "site_id"], kind="stable"), second


def _to_arrow(accounts: pd.DataFrame, published: pa.Table) -> pa.Table:
    known = published.select(["user_sourced_id", "site_id", "account_id"]).to_pydict()
    ids = {
        (user, site): account
        for user, site, account in zip(known["user_sourced_id"], known["site_id"], known["account_id"], strict=True)
    }
    keys = zip(accounts["user_sourced_id"], accounts["site_id"], strict=True)
    accounts = accounts.assign(
        account_id=[ids.get(key) or str(uuid.uuid5(_NAMESPACE, "\x1f".join(key))) for key in keys]
    )
    table = TABLES["accounts"]
    return pa.Table.from_pandas(accounts[table.names], schema=accepted_schema(table), preserve_index=False)


def _left_out(reasons: pd.DataFrame) -> pa.Table:
    ordered = reasons.sort_values("user", kind="stable").rename(columns={"user": "user_sourced_id"})
    return pa.Table.from_pandas(ordered[LEFT_OUT_SCHEMA.names], schema=LEFT_OUT_SCHEMA, preserve_index=False)


def _undecided(rows: pd.DataFrame, orgs: pd.DataFrame) -> list[Finding]:
    """Schools and roles nobody has decided about, with how many people wait for it."""
    names = orgs.set_index("sourced_id")["name"]
    waiting = rows[rows["role"].isin(["student", "staff"]) & (rows["place"] == "undecided") & ~rows["has_ended"]]
    findings = [
        Finding(
            collection="orgs",
            rule=f"school_undecided:{org}",
            severity="warning",
            message=f"{names.get(org, org)} ({org}) has no site; its people are left out until somebody decides.",
            count=int(count),
        )
        for org, count in waiting.groupby("org")["user"].nunique().items()
    ]
    unknown = rows[rows["role"] == "undecided"]
    findings += [
        Finding(
            collection="users",
            rule=f"role_undecided:{role}",
            severity="warning",
            message=f"The role {role} is not one of OneRoster's; say in `roles` what it becomes.",
            count=int(count),
        )
        for role, count in unknown.groupby("source_role")["user"].nunique().items()
    ]
    return findings
