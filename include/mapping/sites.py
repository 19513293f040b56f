"""Which role a person has at which site.

Without `sites` every school is its own site. With it a school is mapped, `leave_out`, or undecided, which leaves it out
until somebody decides; a person with any mapped school stays.
"""

from __future__ import annotations

import pandas as pd

from include.settings import District


def role_rows(district: District, users: pd.DataFrame, roles: pd.DataFrame, orgs: pd.DataFrame) -> pd.DataFrame:
    """One row per role of a person at an org, with what it becomes.

    :param users: `sourced_id`, `primary_org_sourced_id`.
    :param roles: the table `user_roles`.
    :param orgs: `sourced_id`, `name`, `type`.
    :returns: `user`, `org`, `source_role`, `role` (student, staff, leave_out, undecided), `is_primary`, and where the
        role counts `place`: `site` with `site_id` and `site_name`, or `left_out`, `undecided`, `no_school`.
    """
    primary_org = users.set_index("sourced_id")["primary_org_sourced_id"]
    targets = {role: district.role_target(role) for role in roles["role"].dropna().unique()}
    rows = pd.DataFrame(
        {
            "user": roles["user_sourced_id"],
            "org": roles["org_sourced_id"],
            "source_role": roles["role"],
            "role": roles["role"].map(targets).fillna("undecided"),
            "is_primary": (roles["role_type"] == "primary").fillna(False).astype(bool),
        }
    )
    rows["is_primary_org"] = (rows["user"].map(primary_org) == rows["org"]).fillna(False).astype(bool)
    return rows.merge(places(district, orgs), how="left", on="org").fillna({"place": "no_school"})


def places(district: District, orgs: pd.DataFrame) -> pd.DataFrame:
    """What becomes of each org: `org`, `place`, `site_id`, `site_name`."""
    is_school = orgs["type"] == "school"
    if district.sites is None:
        site, name = orgs["sourced_id"].where(is_school), orgs["name"].where(is_school)
        place = pd.Series("site", index=orgs.index).where(is_school, "no_school")
    else:
        decision = orgs["sourced_id"].map(district.sites.map)
        site = decision.where(decision != "leave_out")
        name = site.map(district.sites.names())
        # an office that nobody mapped is no school waiting for a decision
        undecided = pd.Series("undecided", index=orgs.index).where(is_school, "no_school")
        place = undecided.where(decision.isna(), "site").where(decision.isna() | (decision != "leave_out"), "left_out")
    return pd.DataFrame({"org": orgs["sourced_id"], "place": place, "site_id": site, "site_name": name})
