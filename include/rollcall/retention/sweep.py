"""Retention: delete data older than a district's limits. The morning DAG does this, never a run.

Pulls and rejects age from their creation, removed rows from their removal, and history from its end. The newest
complete full pull and everything after it stay at any age, because a night may need them.
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
from rollcall.runtime.waits import waiting
from rollcall.settings import District
from rollcall.warehouse.clock import warehouse_now
from rollcall.warehouse.schemas import HISTORY, OPS, STAGING
from rollcall.warehouse.session import ACQUIRE_LOCK, warehouse_transaction

log = logging.getLogger(__name__)

#: A pull without a manifest is continued for 30 minutes at most. After a day it is abandoned.
_ABANDONED_AFTER = timedelta(days=1)


@dataclass(frozen=True)
class SweepResult:
    """What retention deleted.

    :param pulls: in the landing zone. `landed` are their files, old notes, and old exports.
    :param rows: per table with its schema, without zeros.
    """

    pulls: int
    landed: FileTotals
    rows: Mapping[str, int]

    def __str__(self) -> str:
        parts = [f"{self.pulls} pulls"] if self.pulls else []
        parts += [f"{self.landed.files:,} files"] if self.landed.files else []
        parts += [f"{number:,} rows of {table}" for table, number in self.rows.items()]
        return f"{', '.join(parts)} deleted" if parts else "nothing was old enough to delete"


def sweep(engine: sa.Engine, district: District, landing: Landing, now: datetime) -> SweepResult:
    """Apply a district's retention.

    :raises RollcallError: `retention_failed` and connection errors. Data deleted before the error stays deleted.
    """
    with redact_errors("retention", district=district.district):
        pulls, landed = _sweep_landing(district, landing, now)
        with warehouse_transaction(engine, "retention", district=district.district) as connection:
            rows = _sweep_rows(connection, district, now)
    return SweepResult(pulls, landed, rows)


def sweep_after_night(engine: sa.Engine, district: District, landing: Landing, now: datetime | None = None) -> str:
    """Apply retention without raising. The next morning tries again.

    :returns: a summary, which is also logged.
    """
    try:
        # the earlier of two clocks, so a clock that is ahead deletes nothing too early
        with redact_errors("retention", district=district.district), engine.connect() as connection:
            now = min(now or datetime.now(UTC), warehouse_now(connection))
        summary = f"Retention: {sweep(engine, district, landing, now)}."
        log.info("%s: %s", district.name, summary)
    except RollcallError as error:
        summary = f"Retention failed and is retried tomorrow. {error}"
        log.warning("%s: %s", district.name, summary)
    return summary


def _sweep_landing(district: District, landing: Landing, now: datetime) -> tuple[int, FileTotals]:
    folder = DistrictFolder(landing.url, district.district)
    pulls = [(started, pull_id) for pull_id in landing.pulls(district.district) if (started := _started_at(pull_id))]
    finished = {pull_id: _manifest(landing, district, pull_id) for _, pull_id in pulls}
    complete = [started for started, pull_id in pulls if _is_complete_full(finished[pull_id], district)]
    needed_from = max(complete, default=None)
    too_old = now - timedelta(days=district.retention.landing_days)
    count, deleted = 0, folder.delete_notes(now - _ABANDONED_AFTER)
    for started, pull_id in pulls:
        if finished[pull_id] is None:
            is_expired = started < now - _ABANDONED_AFTER
        else:
            is_expired = started < too_old and not (needed_from and started >= needed_from)
        if is_expired:
            deleted += folder.delete_pull(pull_id)
            count += 1
    if exported := export_folder(district.district):
        deleted += exported.delete_generations(too_old)
    return count, deleted


def _started_at(pull_id: str) -> datetime | None:
    """When a pull started, from its ID. None for a folder that is not a pull."""
    named = re.fullmatch(r"(\d{8}T\d{6}Z)-[0-9a-f]+", pull_id)
    return datetime.strptime(named[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) if named else None


def _manifest(landing: Landing, district: District, pull_id: str) -> Pull | None:
    """The manifest of a pull. None if the pull is unfinished."""
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
    """Delete rows under the publish lock, so a prepared change set cannot lose a row that it restores."""
    key, keep = district.district, district.retention
    with waiting(f"{key}: waiting for the end of a publication"):
        connection.execute(ACQUIRE_LOCK, {"name": f"publish {key}"})
    params = {
        "district": key,
        "rejects": now - timedelta(days=keep.rejects_days),
        "removed": now - timedelta(days=keep.removed_days),
        "history": now - timedelta(days=keep.history_days),
        "runs": now - timedelta(days=keep.runs_days),
    }
    rows = {table: connection.execute(sa.text(sql), params).rowcount for table, sql in _statements().items()}
    rows = {table: number for table, number in rows.items() if number}
    if any(table.startswith(f"{STAGING}.") for table in rows):
        remedy = f"Nothing was deleted. Map everyone again: rollcall sync {key} --full."
        check_roster(connection, Scope(key, is_whole=True, by_email=True), remedy=remedy, knows_left_out=False)
        # change sets built on the deleted rows are built again (rule 6)
        connection.execute(
            sa.text(f"UPDATE {OPS}.state SET generation = generation + 1 WHERE district_id = :district"), params
        )
    return rows


def _statements() -> dict[str, str]:
    """The DELETE statement per table. Rows in `_published` age from the publication that replaced them."""
    statements = {
        f"{OPS}.rejects": f"""
            DELETE FROM {OPS}.rejects r USING {OPS}.runs n
            WHERE r.district_id = :district AND n.district_id = r.district_id AND n.run_id = r.run_id
            AND n.started_at < :rejects""",
        f"{OPS}.decisions": f"DELETE FROM {OPS}.decisions WHERE district_id = :district AND decided_at < :history",
    }
    ended = f"""(SELECT max(generation) FROM {OPS}.runs
        WHERE district_id = :district AND status = 'published' AND finished_at < :history)"""
    for name in TABLES:
        statements[f"{STAGING}.{name}"] = (
            f"DELETE FROM {STAGING}.{name} WHERE district_id = :district AND _removed_at < :removed"
        )
        statements[f"{HISTORY}.{name}"] = (
            f"DELETE FROM {HISTORY}.{name} WHERE district_id = :district AND _valid_to < :history"
        )
        statements[f"{HISTORY}.{name}_published"] = (
            f"DELETE FROM {HISTORY}.{name}_published WHERE district_id = :district AND _until_generation <= {ended}"
        )
    return statements | _ledger_statements(ended)


def _ledger_statements(ended: str) -> dict[str, str]:
    """The DELETE statement per table of the ledger.

    The details of the published roster stay: the next delta reads its findings and holds. A run that published stays
    until its history is deleted.

    :param ended: a query for the newest generation whose end is outside of history.
    """
    old_details = f"""district_id = :district AND run_id IN (SELECT run_id FROM {OPS}.runs
            WHERE district_id = :district AND started_at < :runs)
        AND run_id NOT IN (SELECT current_run_id FROM {OPS}.state WHERE district_id = :district)"""
    closed = f"SELECT hold_id FROM {OPS}.holds WHERE district_id = :district AND closed_at < :runs"
    return {
        **{f"{OPS}.{name}": f"DELETE FROM {OPS}.{name} WHERE {old_details}" for name in ("run_counts", "findings")},
        f"{OPS}.run_holds": f"DELETE FROM {OPS}.run_holds WHERE ({old_details}) OR hold_id IN ({closed})",
        f"{OPS}.hold_rows": f"DELETE FROM {OPS}.hold_rows WHERE hold_id IN ({closed})",
        f"{OPS}.holds": f"DELETE FROM {OPS}.holds WHERE district_id = :district AND closed_at < :runs",
        f"{OPS}.pulls": f"""
            DELETE FROM {OPS}.pulls WHERE district_id = :district AND as_of < :runs
            AND pull_id NOT IN (SELECT current_pull_id FROM {OPS}.state WHERE district_id = :district)""",
        f"{OPS}.runs": f"""
            DELETE FROM {OPS}.runs r WHERE district_id = :district AND started_at < :runs AND status <> 'running'
            AND (status <> 'published' OR (finished_at < :history AND generation < {ended}))
            AND NOT EXISTS (SELECT FROM {OPS}.rejects j WHERE j.district_id = r.district_id AND j.run_id = r.run_id)""",
    }
