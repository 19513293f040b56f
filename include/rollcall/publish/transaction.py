"""The stage publish: one transaction applies the change set (rule 5)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from rollcall.errors import ActionRequired, GenerationMoved
from rollcall.landing.change_set import (
    ALL_NEW_ROWS,
    COMPARED_ACCOUNT_COLUMNS,
    HELD_ROWS_SCHEMA,
    RESOLVED_HOLD_ROWS_SCHEMA,
    ChangeSet,
    Published,
    change_schema,
    digest_schema,
)
from rollcall.landing.manifests import read_rows
from rollcall.landing.mapping import LEFT_OUT_SCHEMA, PERSON_FINDINGS_SCHEMA
from rollcall.landing.pull import Pull
from rollcall.landing.rejects import REJECT_SCHEMA
from rollcall.landing.validated import Validated, accepted_schema
from rollcall.landing.zone import PullFolder
from rollcall.model.keys import row_keys
from rollcall.model.tables import TABLES
from rollcall.publish.apply import apply_changes, renew_digests, write_left_out, write_person_findings
from rollcall.publish.invariants import Scope, check_accounts, check_counts, check_roster
from rollcall.settings import District, Nights
from rollcall.warehouse import holds, ledger
from rollcall.warehouse.clock import require_not_older, warehouse_now
from rollcall.warehouse.history import Interval, write_changed, write_published
from rollcall.warehouse.models import staging, timestamp
from rollcall.warehouse.ops_models import runs, state, watermarks
from rollcall.warehouse.publish_lock import acquire_publish_lock

log = logging.getLogger(__name__)


def publish(
    connection: sa.Connection,
    folder: PullFolder,
    district: District,
    pull: Pull,
    validated: Validated,
    changes: ChangeSet,
) -> Published:
    """Apply a change set. The caller opens and commits the transaction.

    :raises GenerationMoved: another run published this district since the change set was built. Build it again.
    :raises RollcallError: `pull_is_older` if a newer roster is published.
    """
    key = district.district
    # runs of a district can overlap, publications cannot (rule 6)
    acquire_publish_lock(connection, key, changes.run_id)
    current = connection.execute(sa.select(state).where(state.c.district_id == key)).one_or_none()
    if current is not None and current.current_pull_id == pull.pull_id and current.current_run_id == changes.run_id:
        return _summary(connection, changes, status="already_published", generation=current.generation)
    _require_current(current, changes, warehouse_now(connection))
    if current is not None and current.paused:
        return _record_paused(connection, folder, district, pull, validated, changes, current)
    _require_base(connection, pull)
    _require_decisions(connection, changes)

    generation = changes.generation + 1
    # a remap has an earlier as_of, but systems that read by `_changed_at` must find its changes
    changed_at = warehouse_now(connection) if pull.kind == "remap" else changes.as_of
    for name, parts in changes.digests.items():
        table = TABLES[name]
        renew_digests(connection, table, read_rows(folder, parts, digest_schema(table)), district=key)
    written = {}
    for name, parts in changes.parts.items():
        table = TABLES[name]
        if parts:
            rows = read_rows(folder, parts, change_schema(table))
            written[name] = apply_changes(
                connection,
                table,
                rows,
                district=key,
                run_id=changes.run_id,
                as_of=changed_at,
                generation=generation,
            )
    left_out = read_rows(folder, changes.left_out, LEFT_OUT_SCHEMA)
    write_left_out(connection, left_out, district=key, run_id=changes.run_id)
    person_findings = read_rows(folder, changes.person_findings, PERSON_FINDINGS_SCHEMA)
    write_person_findings(connection, person_findings, district=key, run_id=changes.run_id)
    _require_consistency(connection, folder, district, pull, changes, written)
    write = write_published if _history_was_rewritten(connection, key) else write_changed
    write(connection, key, Interval(changes.as_of, pull.run_id))
    ledger.upsert_district(connection, district, pull.base_url)
    proven = {landed.collection for landed in pull.collections if landed.proof.proven}
    is_complete = pull.mode == "full" and proven >= {*district.wanted(), *(one.collection for one in pull.collections)}
    ledger.record_pull(connection, pull, is_complete=is_complete)
    ledger.write_details(
        connection,
        changes,
        [*validated.findings, *changes.findings],
        read_rows(folder, [*validated.rejects, *changes.rejects], REJECT_SCHEMA),
        _hold_events(connection, folder, validated, changes),
    )
    accounts = _live_accounts(connection, key)
    ledger.finish_run(
        connection,
        changes,
        pull,
        status="published",
        generation=generation,
        accounts=accounts,
        left_out=left_out.num_rows,
    )
    late_from = Nights(district).late_from(changes.as_of)
    ledger.move_state(connection, changes, pull, generation, is_complete=is_complete, late_from=late_from)
    return _summary(connection, changes, status="published", generation=generation)


def _require_consistency(
    connection: sa.Connection,
    folder: PullFolder,
    district: District,
    pull: Pull,
    changes: ChangeSet,
    written: Mapping[str, Mapping[str, int]],
) -> None:
    """Check the invariants before the commit (rule 5)."""
    key = district.district
    remedy = (
        f"Nothing was published, and the published roster stays. Map everyone again: rollcall sync {key} --full. If it "
        f"fails again, report this code and the run {changes.run_id}."
    )
    scope = Scope(key, is_whole=pull.mode == "full" or not changes.generation, by_email=district.person_key == "email")
    check_roster(connection, scope, remedy=remedy)
    for name, counts in changes.counts.items():
        check_counts(connection, scope, name, counts, written.get(name, {}), remedy)
    if changes.is_full_mapping:
        schema = pa.schema([accepted_schema(TABLES["accounts"]).field(name) for name in COMPARED_ACCOUNT_COLUMNS])
        check_accounts(connection, scope, read_rows(folder, changes.expected_accounts, schema), remedy)


def _hold_events(
    connection: sa.Connection, folder: PullFolder, validated: Validated, changes: ChangeSet
) -> holds.HoldEvents:
    """How this publication affects the district's holds."""
    written = []
    active = holds.active_hold_keys(connection, changes.district)
    for name, held_keys in active.items():
        table = TABLES[name]
        rows = read_rows(folder, changes.parts.get(name, []), change_schema(table), [*table.key, "_change"])
        keys = row_keys(table, rows)
        of_table = pa.array([name] * rows.num_rows, pa.string())
        rows = pa.table([of_table, keys, rows["_change"]], schema=holds.APPLIED_SCHEMA)
        written.append(rows.filter(pc.is_in(rows["row_key"], value_set=held_keys)))
    written.append(_first_rows(active, validated, changes))
    return holds.HoldEvents(
        held_rows=read_rows(folder, changes.held_rows, HELD_ROWS_SCHEMA),
        came_back=read_rows(folder, changes.came_back, RESOLVED_HOLD_ROWS_SCHEMA),
        applied=pa.concat_tables([holds.APPLIED_SCHEMA.empty_table(), *written]),
        complete=[judged.collection for judged in validated.collections if judged.proves_absence],
    )


def _first_rows(active: Mapping[str, pa.Array], validated: Validated, changes: ChangeSet) -> pa.Table:
    """Collections whose first rows were held and that this publication does not hold.

    :param active: from `holds.active_hold_keys`.
    """
    held = {hold.collection for hold in changes.holds if hold.kind == "additions"}
    nothing_written = not any(part.rows for parts in changes.parts.values() for part in parts)
    waiting = [name for name, keys in active.items() if ALL_NEW_ROWS in keys.to_pylist()]
    pulled = {one.collection for one in validated.collections}
    # in a first roster, everything waits for the held collection
    done = [] if held and nothing_written else [name for name in waiting if name in pulled - held]
    return pa.table([done, [ALL_NEW_ROWS] * len(done), ["added"] * len(done)], schema=holds.APPLIED_SCHEMA)


def _record_paused(
    connection: sa.Connection,
    folder: PullFolder,
    district: District,
    pull: Pull,
    validated: Validated,
    changes: ChangeSet,
    current: sa.Row,
) -> Published:
    """Record what the run would have published, and publish nothing."""
    rejects = read_rows(folder, [*validated.rejects, *changes.rejects], REJECT_SCHEMA)
    ledger.write_details(connection, changes, [*validated.findings, *changes.findings], rejects)
    ledger.finish_run(
        connection,
        changes,
        pull,
        status="paused",
        generation=current.generation,
        accounts=changes.coverage["with_account"],
        left_out=sum(part.rows for part in changes.left_out),
    )
    why = (
        f"Publication of {district.name} is paused: {current.paused}. This run published nothing. To publish again: "
        f"rollcall resume {district.district}"
    )
    log.warning("%s", why)
    summary = _summary(connection, changes, status="paused", generation=current.generation)
    return msgspec.structs.replace(summary, why=why)


def _require_current(current: sa.Row | None, changes: ChangeSet, at: datetime) -> None:
    """Require that the change set was built on the published roster and is not older.

    :raises ActionRequired: `state_in_future`.
    """
    if current is not None:
        require_not_older(at, changes.as_of, current.current_as_of, changes.district)
    generation = current.generation if current is not None else 0
    if generation != changes.generation:
        raise GenerationMoved(
            "generation_moved",
            f"Another run published {changes.district} in the meantime.",
            remedy="Build the change set again.",
            district=changes.district,
        )


def _history_was_rewritten(connection: sa.Connection, district: str) -> bool:
    """Whether a replay or a rollback wrote history since the last sync or remap.

    Such history can contain rows that were never published, for example held ones. So all of it must be compared.
    """
    ended, of_district = runs.c.finished_at, runs.c.district_id == district
    ordinary = (of_district, runs.c.status == "published", runs.c.kind.in_(["sync", "remap"]))
    last = sa.select(sa.func.max(ended)).where(*ordinary)
    others = (of_district, runs.c.status.in_(["published", "replayed"]), runs.c.kind.not_in(["sync", "remap"]))
    later = ended > sa.func.coalesce(last.scalar_subquery(), sa.cast("-infinity", timestamp()))
    return bool(connection.execute(sa.select(sa.exists().where(*others, later))).scalar_one())


def _require_base(connection: sa.Connection, pull: Pull) -> None:
    """A delta needs the roster it continues. A rollback removes that roster, together with the watermarks."""
    begins = {landed.collection: landed.since for landed in pull.collections if landed.since is not None}
    if pull.kind == "refetch" or not begins:
        return
    columns = (watermarks.c.collection, watermarks.c.watermark)
    known = connection.execute(sa.select(*columns).where(watermarks.c.district_id == pull.district))
    marks = {row.collection: row.watermark for row in known}
    # an older full pull may be published now, which ends before this delta begins
    if not all(name in marks and since <= marks[name] for name, since in begins.items()):
        raise ActionRequired(
            "delta_without_base",
            f"{pull.district} was rolled back after this delta pull had started.",
            remedy="Nothing was published. Sync again: the next pull is full.",
            district=pull.district,
        )


def _require_decisions(connection: sa.Connection, changes: ChangeSet) -> None:
    """Require that no approval, rejection, or expiry happened since the change set was built, maybe hours ago."""
    holds.lock_active_holds(connection, changes.district)
    if changes.decisions and changes.decisions != holds.decisions_digest(
        holds.active_hold_rows(connection, changes.district)
    ):
        raise GenerationMoved(
            "decisions_moved",
            f"Decisions on holds of {changes.district} changed in the meantime.",
            remedy="Build the change set again.",
            district=changes.district,
        )


def _live_accounts(connection: sa.Connection, district: str) -> int:
    accounts = staging["accounts"]
    count = sa.select(sa.func.count()).where(accounts.c.district_id == district, accounts.c._removed_at.is_(None))
    return connection.execute(count).scalar_one()


def _summary(connection: sa.Connection, changes: ChangeSet, *, status: str, generation: int) -> Published:
    row = connection.execute(
        sa.select(runs.c.accounts, runs.c.left_out).where(
            runs.c.district_id == changes.district, runs.c.run_id == changes.run_id
        )
    ).one()
    return Published(
        district=changes.district,
        run_id=changes.run_id,
        pull_id=changes.pull_id,
        status=status,  # type: ignore[arg-type]
        generation=generation,
        counts=changes.counts,
        accounts=row.accounts or 0,
        left_out=row.left_out or 0,
        holds=holds.filter_undecided(connection, changes.district, changes.holds),
    )
