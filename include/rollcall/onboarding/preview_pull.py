"""The pull of `districts add`: schools and people, so that sites and usernames can be decided before the first night.

It is not a night: it is not in the ledger, moves no watermark, and is never published or replayed.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import UTC, datetime

import sqlalchemy as sa

from rollcall.check.raw_connection import RawConnection
from rollcall.check.steps import School
from rollcall.district_edits.current_roster import PulledRoster, collections_to_decide, newest_pull
from rollcall.errors import RollcallError
from rollcall.extract.progress import Progress
from rollcall.extract.pull import FULL_PULL, extract
from rollcall.extract.resume import ResumeJournal
from rollcall.landing.zone import Landing
from rollcall.oneroster.client import OneRosterClient
from rollcall.retention.folders import NOT_DELETED, DistrictFolder
from rollcall.settings import District
from rollcall.warehouse.lease import HostLease

_PLAN = replace(FULL_PULL, kind="preview", reason="a new district")


def pull_preview(
    district: District,
    raw: RawConnection,
    engine: sa.Engine | None,
    landing: Landing,
    progress: Progress | None = None,
) -> PulledRoster:
    """Pull what site and username decisions need, and validate it.

    :param engine: the warehouse, which limits requests to the host. None: one request at a time.
    :param progress: as of `extract`.
    :raises RollcallError: as `extract` and `validate`. What was landed is deleted then.
    """
    from rollcall.validate.validation import validate  # Great Expectations takes seconds to import

    options = district.client_options()
    with ExitStack() as opened:
        lease = opened.enter_context(HostLease(engine.url, district)) if engine is not None else None
        options |= {} if lease else {"concurrency": 1}
        client = opened.enter_context(OneRosterClient(raw.connection(), budget=lease, **options))
        run_id = f"preview__{secrets.token_hex(6)}"
        wanted = collections_to_decide(district)
        try:
            ref = extract(client, district, landing, run_id=run_id, plan=_PLAN, collections=wanted, progress=progress)
        except RollcallError:
            with suppress(*NOT_DELETED):  # the landing zone may be what failed
                _delete_unfinished(landing, district.district, run_id)
            raise
    try:
        validate(landing, ref, district)
        return newest_pull(landing, district)
    except RollcallError:
        with suppress(*NOT_DELETED):
            DistrictFolder(landing.url, ref.district).delete_pull(ref.pull_id)
        raise


def _delete_unfinished(landing: Landing, district: str, run_id: str) -> None:
    """Delete what a failed pull has landed: no run resumes it, and no district exists whose retention would find it."""
    journal = ResumeJournal(landing, district, run_id, lambda: datetime.now(UTC))
    if started := journal.started():
        DistrictFolder(landing.url, district).delete_pull(started.pull_id)
        journal.delete()


def with_head_counts(schools: Sequence[School], pulled: PulledRoster) -> tuple[School, ...]:
    """The schools with the numbers of students and teachers in a pull."""
    roles = pulled.people().user_roles.to_pandas()
    people = roles.groupby(["role", "org_sourced_id"])["user_sourced_id"].nunique().to_dict()
    return tuple(
        replace(
            school,
            students=people.get(("student", school.sourced_id), 0),
            teachers=people.get(("teacher", school.sourced_id), 0),
        )
        for school in schools
    )
