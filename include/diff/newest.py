"""The newest change set of a district: what the next publish would do, or what the last one did."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from include.contracts import ChangeSet, RunKind, load
from include.errors import NeedsPerson, RollcallError
from include.landing import Landing, PullFolder
from include.settings import District
from include.warehouse.models import runs

#: So far back the ledger is searched for a change set that retention has left.
_RUNS_BACK = 20

#: Runs that worked out what readers would get next; a replay is about the past, a rollback works nothing out.
_KINDS: tuple[RunKind, ...] = ("sync", "remap", "refetch")
_FINISHED = ("published", "dry_run", "paused")


@dataclass(frozen=True)
class Newest:
    """A change set, where it lies, and whether readers have it.

    :param published_at: when it was published since; None while it was not.
    """

    changes: ChangeSet
    folder: PullFolder
    published_at: datetime | None


def newest(connection: sa.Connection, district: District, landing: Landing) -> Newest:
    """Find it through the ledger; a dry run counts.

    :raises NeedsPerson: `no_change_set` when there is none, or retention has deleted it.
    """
    key = district.district
    query = (
        sa.select(runs.c.pull_id)
        .where(runs.c.district_id == key, runs.c.pull_id.is_not(None))
        .where(runs.c.status.in_(_FINISHED), runs.c.kind.in_(_KINDS))
        .order_by(runs.c.finished_at.desc())
        .limit(_RUNS_BACK)
    )
    for pull_id in connection.execute(query).scalars().all():
        folder = landing.pull(key, pull_id)
        try:
            changes = load(folder, ChangeSet)
        except RollcallError as error:
            if error.code != "not_landed":
                raise
            continue
        return Newest(changes, folder, _published_at(connection, key, pull_id))
    raise NeedsPerson(
        "no_change_set",
        f"There is no change set of {district.name} in the landing zone {landing.url}.",
        remedy=f"Run `rollcall sync {key} --dry-run`, or name the landing zone of the nightly runs with --landing.",
        district=key,
    )


def _published_at(connection: sa.Connection, district: str, pull_id: str) -> datetime | None:
    where = (runs.c.district_id == district, runs.c.pull_id == pull_id, runs.c.status == "published")
    at: datetime | None = connection.execute(sa.select(sa.func.max(runs.c.finished_at)).where(*where)).scalar()
    return at
