"""Deleting what is older than a district keeps it: the morning DAG's business, never a run's, dry or not.

Pulls and rejects go by when they were made, removed rows by when they were removed, history by when it ended. What a
night could still need stays whatever its age: the newest complete full pull and all that came after it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from rollcall.errors import RollcallError, redact_errors
from rollcall.landing.manifests import load
from rollcall.landing.pull import Pull
from rollcall.landing.zone import Landing
from rollcall.model.tables import TABLES
from rollcall.publish.invariants import Scope, check_roster
from rollcall.retention.folders import DistrictFolder, FileTotals, export_folder
from rollcall.settings import District
from rollcall.warehouse.clock import warehouse_now
from rollcall.warehouse.schemas import HISTORY, OPS, STAGING
from rollcall.warehouse.session import ACQUIRE_LOCK, warehouse_transaction

log = logging.getLogger(__name__)

#: A pull without its manifest is added to for half an hour at most; after a day it is nobody's.
_UNFINISHED = timedelta(days=1)


@dataclass(frozen=True)
class SweepResult:
    """What was deleted.

    :param pulls: of the landing zone; `landed` are their files, those of notes nobody needs any more, and old exports.
    :param rows: per table with its schema, without those nothing was deleted from.
    """

    pulls: int
    landed: FileTotals
    rows: Mapping[str, int]

    def __str__(self) -> str:
        told = [f"{self.pulls} pulls"] if self.pulls else []
        told += [f"{self.landed.files:,} files"] if self.landed.files else []
        told += [f"{number:,} rows of {table}" for table, number in self.rows.items()]
        return f"{', '.join(told)} deleted" if told else "nothing was old enough to be deleted"


def sweep(engine: sa.Engine, district: District, landing: Landing, now: datetime) -> SweepResult:
    """Apply a district's retention.

    :raises RollcallError: `retention_failed` and what connecting raises; what was deleted until then stays deleted.
    """
    with redact_errors("retention", district=district.district):
        pulls, landed = _sweep_landing(district, landing, now)
        with warehouse_transaction(engine, "retention", district=district.district) as connection:
            rows = _sweep_rows(connection, district, now)
    return SweepResult(pulls, landed, rows)


def sweep_after_night(engine: sa.Engine, district: District, landing: Landing) -> str:
    """The same for one of many districts. What could not be deleted today is deleted tomorrow.

    :returns: a sentence about what was deleted, which the log has too.
    """
    try:
        # the earlier of two clocks: one that is ahead must not delete what is to be kept
        with redact_errors("retention", district=district.district), engine.connect() as connection:
            now = min(datetime.now(UTC), warehouse_now(connection))
        said = f"Retention: {sweep(engine, district, landing, now)}."
        log.info("%s: %s", district.name, said)
    except RollcallError as error:
        said = f"Retention could not be applied and is tried again tomorrow. {error}"
        log.warning("%s: %s", district.name, said)
    return said


def _sweep_landing(district: District, landing: Landing, now: datetime) -> tuple[int, FileTotals]:
    folder = DistrictFolder(landing.url, district.district)
    pulls = [(began, pull_id) for pull_id in landing.pulls(district.district) if (began := _began(pull_id))]
    finished = {pull_id: _manifest(landing, district, pull_id) for _, pull_id in pulls}
    complete = [began for began, pull_id in pulls if _is_complete_full(finished[pull_id], district)]
    needed_from = max(complete, default=None)
    too_old = now - timedelta(days=district.retention.landing_days)
    count, deleted = 0, folder.delete_notes(now - _UNFINISHED)
    for began, pull_id in pulls:
        if finished[pull_id] is None:
            goes = began < now - _UNFINISHED
        else:
            goes = began < too_old and not (needed_from and began >= needed_from)
        if goes:
            deleted += folder.delete_pull(pull_id)
            count += 1
    if exported := export_folder(district.district):
        deleted += exported.delete_generations(too_old)
    return count, deleted


def _began(pull_id: str) -> datetime | None:
    """When a pull began, by its own name; None for a folder that is none of ours."""
    named = re.fullmatch(r"(\d{8}T\d{6}Z)-[0-9a-f]+", pull_id)
    return datetime.strptime(named[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) if named else None


def _manifest(landing: Landing, district: District, pull_id: str) -> Pull | None:
    """None for a pull that has not finished."""
    try:
        return load(landing.pull(district.district, pull_id), Pull)
    except RollcallError:
        return None


def _is_complete_full(pull: Pull | None, district: District) -> bool:
    if pull is None or pull.mode != "full":
        return False
    proven = {landed.collection for landed in pull.collections if landed.proof.proven}
    return proven >= set(district.wanted())


def _sweep_rows(connection: sa.Connection, district: District, now: datetime) -> dict[str, int]:
    """Delete rows in the publications' turn: a publication that merge has prepared must not miss a row it restores."""
    key, keep = district.district, district.retention
    connection.execute(ACQUIRE_LOCK, {"name": f"publish {key}"})
    before = {
        "district": key,
        "rejects": now - timedelta(days=keep.rejects_days),
        "removed": now - timedelta(days=keep.removed_days),
        "history": now - timedelta(days=keep.history_days),
    }
    rows = {table: connection.execute(sa.text(sql), before).rowcount for table, sql in _statements().items()}
    rows = {table: number for table, number in rows.items() if number}
    if any(table.startswith(f"{STAGING}.") for table in rows):
        remedy = f"Nothing was deleted. Let everybody be mapped again: rollcall sync {key} --full."
        check_roster(connection, Scope(key, is_whole=True, by_email=True), remedy=remedy, knows_left_out=False)
        # whoever merged over the rows that are gone does so again (rule 6)
        connection.execute(
            sa.text(f"UPDATE {OPS}.state SET generation = generation + 1 WHERE district_id = :district"), before
        )
    return rows


def _statements() -> dict[str, str]:
    """Per table what deletes its old rows. What readers had goes by when the publication that ended it was made."""
    made = {
        f"{OPS}.rejects": f"""
            DELETE FROM {OPS}.rejects r USING {OPS}.runs n
            WHERE r.district_id = :district AND n.district_id = r.district_id AND n.run_id = r.run_id
            AND n.started_at < :rejects"""
    }
    ended = f"""(SELECT max(generation) FROM {OPS}.runs
        WHERE district_id = :district AND status = 'published' AND finished_at < :history)"""
    for name in TABLES:
        made[f"{STAGING}.{name}"] = (
            f"DELETE FROM {STAGING}.{name} WHERE district_id = :district AND _removed_at < :removed"
        )
        made[f"{HISTORY}.{name}"] = (
            f"DELETE FROM {HISTORY}.{name} WHERE district_id = :district AND _valid_to < :history"
        )
        made[f"{HISTORY}.{name}_published"] = (
            f"DELETE FROM {HISTORY}.{name}_published WHERE district_id = :district AND _until_generation <= {ended}"
        )
    return made
