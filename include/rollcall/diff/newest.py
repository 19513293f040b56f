"""The newest change set of a district: what the next publish would do, or what the last one did."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import pandas as pd
import sqlalchemy as sa

from rollcall.errors import ActionRequired, RollcallError
from rollcall.landing.change_set import ChangeSet
from rollcall.landing.manifests import load
from rollcall.landing.pull import RunKind
from rollcall.landing.zone import Landing, PullFolder
from rollcall.settings import District
from rollcall.warehouse.models import runs

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

    :raises ActionRequired: `no_change_set` when there is none, or retention has deleted it.
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
    raise ActionRequired(
        "no_change_set",
        f"There is no change set of {district.name} in the landing zone {landing.url}.",
        remedy=f"Run `rollcall sync {key} --dry-run`, or name the landing zone of the nightly runs with --landing.",
        district=key,
    )


def _published_at(connection: sa.Connection, district: str, pull_id: str) -> datetime | None:
    where = (runs.c.district_id == district, runs.c.pull_id == pull_id, runs.c.status == "published")
    at: datetime | None = connection.execute(sa.select(sa.func.max(runs.c.finished_at)).where(*where)).scalar()
    return at


# Which people belong to a school that a diff is narrowed to.


def at_school(roles: pd.DataFrame, users: pd.DataFrame, orgs: pd.DataFrame, school: str) -> pd.Index:
    """Everybody with a role at the school, before or after, or whose primary school it is.

    :param roles: `user_sourced_id`, `org_sourced_id`.
    :param users: `sourced_id`, `primary_org_sourced_id`.
    :param orgs: `sourced_id`, `name`.
    :param school: a sourcedId, a name, or a part of it.
    :raises ActionRequired: `school_unknown` when none or several fit.
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
    raise ActionRequired(
        "school_unknown",
        f"{'Several schools fit' if len(found) > 1 else 'No school fits'} {school!r}.",
        remedy="Give its sourcedId or its whole name, as `rollcall sites` lists them.",
    )
