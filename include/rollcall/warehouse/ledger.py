"""The ledger: one row per run, inserted at its start, finished in the publishing transaction or marked as failed."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from rollcall.errors import RollcallError
from rollcall.landing.change_set import ChangeSet, TableCounts
from rollcall.landing.manifests import to_json
from rollcall.landing.pull import Pull, RunKind
from rollcall.landing.validated import Finding
from rollcall.settings import LONGEST_RUN, District
from rollcall.warehouse import holds
from rollcall.warehouse.bulk import copy_in
from rollcall.warehouse.clock import NOW
from rollcall.warehouse.ops_models import districts, findings, pulls, run_counts, runs, state, watermarks
from rollcall.warehouse.profiles import store_page_limit
from rollcall.warehouse.schemas import OPS
from rollcall.warehouse.session import upsert
from rollcall.warehouse.worker import has_ended, this_process

#: Rejected records that the warehouse stores of one run.
MAX_STORED_REJECTS = 20_000


def start_run(connection: sa.Connection, district: str, run_id: str, night: date, kind: RunKind = "sync") -> None:
    """Insert a run. A retry starts the same run again, unless it is published."""
    fail_abandoned_runs(connection, district, run_id)
    row: dict[str, Any] = {"status": "running", "night": night, "kind": kind, "worker": this_process()}
    if kind == "sync":
        row["waits_for"] = "the provider's pages"
    cleared = {"kind": kind, "finished_at": None, "failed_stage": None, "error_code": None, "error_message": None}
    statement = upsert(runs).values(district_id=district, run_id=run_id, started_at=NOW, **row)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[runs.c.district_id, runs.c.run_id],
            set_={"status": "running", "worker": row["worker"], "waits_for": row.get("waits_for"), **cleared},
            where=runs.c.status != "published",
        )
    )


def ensure_run(connection: sa.Connection, district: str, run_id: str, night: date) -> None:
    """Insert a run that started while the warehouse was down."""
    row = {"district_id": district, "run_id": run_id, "status": "running", "worker": this_process(), "night": night}
    connection.execute(upsert(runs).values(**row, started_at=NOW).on_conflict_do_nothing())


def fail_abandoned_runs(connection: sa.Connection, district: str, run_id: str) -> None:
    """Mark other runs of the district as failed if their process was killed or if they exceed the longest run."""
    columns = (runs.c.run_id, runs.c.worker, (runs.c.started_at < NOW - LONGEST_RUN).label("is_too_long"))
    others = (runs.c.district_id == district, runs.c.run_id != run_id, runs.c.status == "running")
    for row in connection.execute(sa.select(*columns).where(*others)).all():
        if row.worker and has_ended(row.worker):
            error = RollcallError(
                "run_killed",
                "The process was killed before the run ended.",
                remedy="No action needed. The next run catches up.",
            )
        elif row.is_too_long:
            error = RollcallError(
                "run_abandoned",
                "It has been under way for over six hours without an end.",
                remedy="No action needed. The next run catches up.",
            )
        else:
            continue
        fail_run(connection, district, row.run_id, "", error, where=runs.c.status == "running")


def fail_run(
    connection: sa.Connection,
    district: str,
    run_id: str,
    stage: str,
    error: RollcallError,
    where: sa.ColumnElement[bool] = runs.c.status != "published",
) -> None:
    """Mark a run as failed with the error's message, which has no record values (rule 8).

    :param where: a condition on the run. If it is not met, nothing changes.
    """
    connection.execute(
        sa.update(runs)
        .where(runs.c.district_id == district, runs.c.run_id == run_id, where)
        .values(
            status="failed",
            finished_at=NOW,
            worker=None,
            failed_stage=stage or None,
            error_code=error.code,
            error_message=str(error),
            waits_for=None,
        )
    )


def add_cpu(connection: sa.Connection, district: str, run_id: str, seconds: float) -> None:
    """Add the CPU seconds of a stage: this process, all threads, every try, without PostgreSQL."""
    spent = sa.func.coalesce(runs.c.cpu_seconds, 0) + seconds
    values = {"cpu_seconds": spent, "worker": None}  # no process works on a run between two stages
    connection.execute(sa.update(runs).filter_by(district_id=district, run_id=run_id).values(**values))


def record_wait(connection: sa.Connection, district: str, run_id: str, other: str) -> None:
    """Record what a run waits for, and its process."""
    which = {"district_id": district, "run_id": run_id, "status": "running"}
    connection.execute(sa.update(runs).filter_by(**which).values(waits_for=other, worker=this_process()))


def finish_replay(connection: sa.Connection, pull: Pull, run_id: str, accounts: int | None) -> None:
    """Finish a run that wrote history only. A published run stays published.

    :param pull: the newest pull of its night.
    """
    connection.execute(
        sa.update(runs)
        .where(runs.c.district_id == pull.district, runs.c.run_id == run_id, runs.c.status != "published")
        .values(
            status="replayed",
            finished_at=NOW,
            pull_id=pull.pull_id,
            as_of=pull.as_of,
            accounts=accounts,
            waits_for=None,
            failed_stage=None,
            error_code=None,
            error_message=None,
        )
    )


def finish_run(
    connection: sa.Connection,
    changes: ChangeSet,
    pull: Pull,
    *,
    status: str,
    generation: int,
    accounts: int,
    left_out: int,
) -> None:
    """Finish a run with its results and its requests to the provider."""
    usage = pull.usage
    connection.execute(
        sa.update(runs)
        .where(runs.c.district_id == changes.district, runs.c.run_id == changes.run_id)
        .values(
            status=status,
            finished_at=NOW,
            pull_id=changes.pull_id,
            as_of=changes.as_of,
            generation=generation,
            accounts=accounts,
            left_out=left_out,
            coverage=changes.coverage,
            mode=None if pull.kind == "remap" else pull.mode,
            waits_for=None,
            requests=usage.requests,
            requests_in_peak=usage.requests_in_peak,
            bytes_received=usage.bytes_received,
            most_at_once=usage.most_at_once,
            seconds_waited=usage.seconds_waited,
            rows_written=_rows_written(changes) if status == "published" else 0,
            failed_stage=None,
            error_code=None,
            error_message=None,
        )
    )


def finish_rollback(
    connection: sa.Connection, district: str, run_id: str, target: sa.Row, *, generation: int, at: datetime
) -> None:
    """Finish a rollback.

    :param target: the ledger row of the run that is published again.
    :param at: the time of the rollback, with an entry in history.
    """
    connection.execute(
        sa.update(runs)
        .where(runs.c.district_id == district, runs.c.run_id == run_id)
        .values(
            status="published",
            finished_at=NOW,
            as_of=at,
            pull_id=target.pull_id,
            generation=generation,
            accounts=target.accounts,
            left_out=target.left_out,
            coverage=target.coverage,
            waits_for=None,
        )
    )


def write_details(
    connection: sa.Connection,
    changes: ChangeSet,
    all_findings: Iterable[Finding],
    rejects: pa.Table,
    events: holds.HoldEvents | None = None,
) -> None:
    """Write counts, findings, rejects, and holds of a run, replacing those of an earlier try.

    :param events: what the publication knows about holds. None for a dry run, which opens no hold.
    """
    key = {"district_id": changes.district, "run_id": changes.run_id}
    for table in (run_counts, findings):
        connection.execute(sa.delete(table).filter_by(**key))
    _insert(connection, run_counts, [key | _count_row(name, count) for name, count in changes.counts.items()])
    stored = limit_rejects(rejects)
    all_findings = [*all_findings, *_finding_of_limit(rejects, stored)]
    _insert(connection, findings, [key | row for row in _sum_findings(all_findings)])
    if events is None:
        holds.record_dry_run(connection, changes)
    else:
        holds.record_holds(connection, changes, events)
    connection.execute(sa.text(f"DELETE FROM {OPS}.rejects WHERE district_id = :district_id AND run_id = :run_id"), key)
    for name, value in key.items():
        stored = stored.append_column(name, pa.array([value] * stored.num_rows, pa.string()))
    if stored.num_rows:
        copy_in(connection, f"{OPS}.rejects", stored)


def limit_rejects(rejects: pa.Table) -> pa.Table:
    """The rejects that the warehouse stores: all, or `MAX_STORED_REJECTS` of them, the first ones of every rule.

    A provider can break one rule in every record. Each rejected record stays in the landing zone.
    """
    if rejects.num_rows <= MAX_STORED_REJECTS:
        return rejects
    rank = rejects.select(["collection", "rule"]).to_pandas().groupby(["collection", "rule"]).cumcount()
    first = rank.sort_values(kind="stable").index[:MAX_STORED_REJECTS].sort_values()
    return rejects.take(pa.array(first))


def _finding_of_limit(rejects: pa.Table, stored: pa.Table) -> list[Finding]:
    number = rejects.num_rows - stored.num_rows
    message = f"rejected records are only in the landing zone; {OPS}.rejects stores {MAX_STORED_REJECTS:,} per run"
    return [Finding("rejects", "rejects_not_stored", "warning", message, number)] if number else []


def record_pull(connection: sa.Connection, pull: Pull, *, is_complete: bool) -> None:
    """Record the proofs of completeness, the requests, and the largest accepted page limit if the provider refused one.

    :param is_complete: a proven full pull of every collection the district has.
    """
    proofs = {collection.collection: to_json(collection.proof) for collection in pull.collections}
    row = {"as_of": pull.as_of, "mode": pull.mode, "proofs": proofs, "usage": to_json(pull.usage)}
    known = {"district_id": pull.district, "pull_id": pull.pull_id, "is_complete": is_complete}
    statement = upsert(pulls).values(**known, **row)
    connection.execute(statement.on_conflict_do_nothing())
    if pull.largest_limit is not None:
        store_page_limit(connection, pull.district, pull.largest_limit, pull.as_of)


def move_state(
    connection: sa.Connection,
    changes: ChangeSet,
    pull: Pull,
    generation: int,
    *,
    is_complete: bool,
    late_from: datetime,
) -> None:
    """Set the published roster and the watermarks of the next delta.

    Watermarks only move forward, only for proven collections, and not while first rows are held, because those
    withhold rows that no later delta contains.

    :param is_complete: whether it was a proven full pull of every collection the district has.
    :param late_from: the deadline of the next roster, by the district's schedule.
    """
    row: dict[str, Any] = {
        "generation": generation,
        "current_as_of": changes.as_of,
        "current_pull_id": changes.pull_id,
        "current_run_id": changes.run_id,
        "rules_digest": changes.rules_digest,
        "full_required": changes.full_required,
        "late_from": late_from,
    }
    if is_complete:
        row["last_full_as_of"] = pull.as_of
    marks = [
        {"district_id": changes.district, "collection": landed.collection, "watermark": pull.as_of}
        for landed in pull.collections
        if landed.proof.proven and not any(hold.kind == "additions" for hold in changes.holds)
    ]
    # a re-fetch may start after the watermark, so changes in between may be missing
    if marks and pull.kind != "refetch":
        marking = upsert(watermarks).values(marks)
        connection.execute(
            marking.on_conflict_do_update(
                index_elements=[watermarks.c.district_id, watermarks.c.collection],
                set_={"watermark": sa.func.greatest(watermarks.c.watermark, marking.excluded.watermark)},
            )
        )
    statement = upsert(state).values(district_id=changes.district, **row)
    connection.execute(statement.on_conflict_do_update(index_elements=[state.c.district_id], set_=row))


def new_run_id(started_by: str, night: date) -> str:
    """A run ID with the night that the run publishes for: `cli__2026-11-29__a1b2c3`."""
    return f"{started_by}__{night}__{secrets.token_hex(3)}"


def upsert_district(connection: sa.Connection, district: District, base_url: str | None = None) -> None:
    """Store the district's name, schedule and, after a pull, its base URL."""
    row = {
        "name": district.name,
        "version": district.version,
        "enabled": district.enabled,
        "timezone": district.schedule.timezone,
        "publish_by": district.schedule.publish_by,
    }
    known = row if base_url is None else {**row, "base_url": base_url}
    statement = upsert(districts).values(district_id=district.district, **row, base_url=base_url or "")
    connection.execute(statement.on_conflict_do_update(index_elements=[districts.c.district_id], set_=known))


def _rows_written(changes: ChangeSet) -> int:
    """Roster rows that a publication writes, without history."""
    return sum(part.rows for parts in changes.parts.values() for part in parts)


def _count_row(name: str, count: TableCounts) -> dict[str, Any]:
    row = {"table_name": name, **to_json(count)}
    del row["published"]
    return row


def _sum_findings(every: Iterable[Finding]) -> list[dict[str, Any]]:
    """One row per collection and rule, summed over the stages."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for finding in every:
        row = rows.setdefault((finding.collection, finding.rule), to_json(finding) | {"count": 0})
        row["count"] += finding.count
    return list(rows.values())


def _insert(connection: sa.Connection, table: sa.Table, rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(sa.insert(table), rows)
