"""Which people belong to a school that a diff is narrowed to."""

from __future__ import annotations

import pandas as pd

from include.errors import NeedsPerson


def at_school(roles: pd.DataFrame, users: pd.DataFrame, orgs: pd.DataFrame, school: str) -> pd.Index:
    """Everybody with a role at the school, before or after, or whose primary school it is.

    :param roles: `user_sourced_id`, `org_sourced_id`.
    :param users: `sourced_id`, `primary_org_sourced_id`.
    :param orgs: `sourced_id`, `name`.
    :param school: a sourcedId, a name, or a part of it.
    :raises NeedsPerson: `school_unknown` when none or several fit.
    """
    names = orgs["name"].fillna("").str.lower()
    wanted = school.strip().lower()
    for fits in (orgs["sourced_id"] == school.strip(), names == wanted, names.str.contains(wanted, regex=False)):
        found = orgs.loc[fits, "sourced_id"].unique()
        if len(found) == 1:
            with_role = roles.loc[roles["org_sourced_id"] == found[0], "user_sourced_id"]
            primary = users.loc[users["primary_org_sourced_id"] == found[0], "sourced_id"]
            return pd.Index(pd.concat([with_role, primary]).unique())
        if len(found) > 1:
            break
    raise NeedsPerson(
        "school_unknown",
        f"{'Several schools fit' if len(found) > 1 else 'No school fits'} {school!r}.",
        remedy="Give its sourcedId or its whole name, as `rollcall sites` lists them.",
    )
