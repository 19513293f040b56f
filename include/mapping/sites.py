"""What becomes of each school.

Without `sites` every school is its own site. With it a school is mapped, `leave_out`, or undecided, which leaves it out
until somebody decides; a person with any mapped school stays.
"""

from __future__ import annotations

import pandas as pd

from include.settings import District
from include.settings.sites import LEAVE_OUT, UNDECIDED


def places(district: District, orgs: pd.DataFrame) -> pd.DataFrame:
    """What becomes of each org: `org`, `place`, `site_id`, `site_name`.

    A site's name is the one its target has, whatever the SIS calls the school tonight.

    :param district: its sites are plain targets; a query has been answered before.
    """
    is_school = orgs["type"] == "school"
    if district.sites is None:
        site, name = orgs["sourced_id"].where(is_school), orgs["name"].where(is_school)
        place = pd.Series("site", index=orgs.index).where(is_school, "no_school")
    else:
        decision = orgs["sourced_id"].map({org: site for org, site in district.sites.map.items() if site != UNDECIDED})
        site = decision.where(decision != LEAVE_OUT)
        name = site.map(district.sites.names())
        # an office that nobody mapped is no school waiting for a decision
        undecided = pd.Series("undecided", index=orgs.index).where(is_school, "no_school")
        place = undecided.where(decision.isna(), "site").where(decision.isna() | (decision != LEAVE_OUT), "left_out")
    return pd.DataFrame({"org": orgs["sourced_id"], "place": place, "site_id": site, "site_name": name})
