"""The end of a draft: its credentials, and the people that were read for it, are deleted."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from rollcall.landing.zone import Landing
from rollcall.onboarding.draft import DraftState
from rollcall.retention.folders import DistrictFolder
from rollcall.settings import district_path
from rollcall.warehouse import drafts
from rollcall.warehouse.session import warehouse_transaction


def delete_expired(engine: sa.Engine, landing: Landing, now: datetime) -> int:
    """Delete the drafts of everyone that are older than a day, with their people.

    :returns: the number of drafts.
    """
    with warehouse_transaction(engine, "retention", district="") as connection:
        expired = drafts.delete_expired(connection, now)
    for state in expired:
        delete_pull(landing, DraftState.of(state).pulled)
    return len(expired)


def delete_pull(landing: Landing, pulled: tuple[str, str] | None) -> None:
    """Delete the people that were read for a draft, unless the district exists by now and decides on them.

    :param pulled: the district's ID and the pull's ID.
    """
    if pulled is None:
        return
    district, pull_id = pulled
    if not district_path(district).exists():
        DistrictFolder(landing.url, district).delete_pull(pull_id)
