"""The end of a draft: its credentials, and the people that were read for it, are deleted."""

from __future__ import annotations

import logging
from datetime import datetime

import sqlalchemy as sa

from rollcall.landing.zone import Landing
from rollcall.onboarding.draft import DraftState
from rollcall.retention.folders import NOT_DELETED, DistrictFolder
from rollcall.settings import district_path
from rollcall.warehouse import drafts
from rollcall.warehouse.session import warehouse_transaction

log = logging.getLogger(__name__)


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

    It raises nothing: the draft has ended, and what was saved stays saved.

    :param pulled: the district's ID and the pull's ID.
    """
    if pulled is None:
        return
    district, pull_id = pulled
    if not district_path(district).exists():
        try:
            DistrictFolder(landing.url, district).delete_pull(pull_id)
        except NOT_DELETED as error:
            log.warning("%s: pull %s of a draft was not deleted: %s", district, pull_id, type(error).__name__)
