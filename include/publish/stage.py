"""The stage publish: one transaction applies the change set, so that readers see yesterday's roster or today's."""

from __future__ import annotations

import pyarrow as pa
import sqlalchemy as sa

from include.contracts import (
    LEFT_OUT_SCHEMA,
    REJECT_SCHEMA,
    ChangeSet,
    Published,
    Pull,
    Validated,
    change_schema,
    read_rows,
)
from include.errors import GenerationMoved, RollcallError
from include.landing import PullFolder
from include.publish.apply import apply_changes
from include.settings import District
from include.tables import TABLES
from include.warehouse import ledger
from include.warehouse.bulk import copy_in
from include.warehouse.models import runs, staging, state
from include.warehouse.schemas import OPS


def publish(
    connection: sa.Connection,
    folder: PullFolder,
    district: District,
    pull: Pull,
    validated: Validated,
    changes: ChangeSet,
) -> Published:
    """Apply a change set. The caller opens the transaction and commits it.

    :raises GenerationMoved: another run published this district since merge looked; merge, map and guard again.
    :raises RollcallError: `pull_is_older` when readers already have a newer roster.
    """
    key = district.district
    # publications of a district wait for each other; runs of it may overlap (rule 6)
    connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": f"publish {key}"})
    now = connection.execute(sa.select(state).where(state.c.district_id == key)).one_or_none()
    if now is not None and now.current_pull_id == pull.pull_id and now.current_run_id == changes.run_id:
        return _told(connection, changes, status="already_published", generation=now.generation)
    _require_turn(now, changes)

    generation = changes.generation + 1
    for name, parts in changes.parts.items():
        table = TABLES[name]
        if parts:
            rows = read_rows(folder, parts, change_schema(table))
            apply_changes(
                connection,
                table,
                rows,
                district=key,
                run_id=changes.run_id,
                as_of=changes.as_of,
                generation=generation,
            )
    left_out = read_rows(folder, changes.left_out, LEFT_OUT_SCHEMA)
    _write_left_out(connection, left_out, district=key, run_id=changes.run_id)
    ledger.describe_district(connection, district, pull)
    ledger.record_pull(connection, pull)
    ledger.write_details(
        connection,
        changes,
        [*validated.findings, *changes.findings],
        read_rows(folder, [*validated.rejects, *changes.rejects], REJECT_SCHEMA),
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
    pulled = {landed.collection for landed in pull.collections}
    ledger.move_state(connection, changes, pull, generation, is_complete=pulled >= set(district.wanted()))
    return _told(connection, changes, status="published", generation=generation)


def _require_turn(now: sa.Row | None, changes: ChangeSet) -> None:
    generation = now.generation if now is not None else 0
    if now is not None and changes.as_of < now.current_as_of:
        raise RollcallError(
            "pull_is_older",
            f"Readers of {changes.district} were given the roster of {now.current_as_of:%Y-%m-%d %H:%M} UTC while this "
            f"run was working on that of {changes.as_of:%Y-%m-%d %H:%M} UTC.",
            remedy="Nothing needs to be done.",
            district=changes.district,
        )
    if generation != changes.generation:
        raise GenerationMoved(
            "generation_moved",
            f"Another run published {changes.district} in the meantime.",
            remedy="Merge, map and guard again.",
            district=changes.district,
        )


def _write_left_out(connection: sa.Connection, rows: pa.Table, *, district: str, run_id: str) -> None:
    """Who is left out now, touching only the rows that differ."""
    connection.exec_driver_sql(
        "CREATE TEMP TABLE tonight_left_out (user_sourced_id text, reason text, detail text) ON COMMIT DROP"
    )
    if rows.num_rows:
        copy_in(connection, "tonight_left_out", rows)
    params = {"district": district, "run_id": run_id}
    connection.execute(
        sa.text(f"""
            DELETE FROM {OPS}.left_out l WHERE l.district_id = :district AND NOT EXISTS (
                SELECT FROM tonight_left_out t WHERE t.user_sourced_id = l.user_sourced_id)"""),
        params,
    )
    connection.execute(
        sa.text(f"""
            INSERT INTO {OPS}.left_out AS l (district_id, user_sourced_id, reason, detail, run_id)
            SELECT :district, user_sourced_id, reason, detail, :run_id FROM tonight_left_out
            ON CONFLICT (district_id, user_sourced_id)
            DO UPDATE SET reason = excluded.reason, detail = excluded.detail, run_id = excluded.run_id
            WHERE (l.reason, l.detail) IS DISTINCT FROM (excluded.reason, excluded.detail)"""),
        params,
    )
    connection.exec_driver_sql("DROP TABLE tonight_left_out")


def _live_accounts(connection: sa.Connection, district: str) -> int:
    accounts = staging["accounts"]
    count = sa.select(sa.func.count()).where(accounts.c.district_id == district, accounts.c._removed_at.is_(None))
    return connection.execute(count).scalar_one()


def _told(connection: sa.Connection, changes: ChangeSet, *, status: str, generation: int) -> Published:
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
        holds=changes.holds,
    )
