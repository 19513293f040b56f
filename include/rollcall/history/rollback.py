"""Roll back to an earlier roster: the exact tables of a generation become a new generation.

The rosters in between stay available (`--as-published`, and a rollback of the rollback). Publication is paused, because
the next night would publish the same problem again. The next pull is full, because watermarks do not fit an older
roster.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from rollcall.display.dates import format_date, format_instant
from rollcall.errors import ActionRequired, RollcallError
from rollcall.exports.parquet import export_if_configured
from rollcall.history.published import require_kept
from rollcall.landing.change_set import ChangeSet
from rollcall.landing.manifests import load, read_rows
from rollcall.landing.mapping import LEFT_OUT_SCHEMA
from rollcall.landing.zone import Landing, PullFolder
from rollcall.model.tables import TABLES, Table
from rollcall.pipeline.stage_record import recorded_stage
from rollcall.publish.apply import write_left_out
from rollcall.publish.invariants import Scope, check_roster
from rollcall.settings import District, Nights, night_of
from rollcall.warehouse import ledger
from rollcall.warehouse.clock import warehouse_now
from rollcall.warehouse.history import Interval, write_published
from rollcall.warehouse.models import LINEAGE
from rollcall.warehouse.ops_models import pulls, runs, state, watermarks
from rollcall.warehouse.publish_lock import acquire_publish_lock
from rollcall.warehouse.schemas import HISTORY, OPS, STAGING
from rollcall.warehouse.session import temp_table_like, warehouse_transaction

log = logging.getLogger(__name__)

#: If the list of people left out is lost: delete those with an account and those not in the roster.
_FORGET_LEFT_OUT = f"""
    DELETE FROM {OPS}.left_out l WHERE l.district_id = :district AND (
        NOT EXISTS (SELECT FROM {STAGING}.users u WHERE u.district_id = :district AND u.sourced_id = l.user_sourced_id
            AND u._removed_at IS NULL)
        OR EXISTS (SELECT FROM {STAGING}.accounts a WHERE a.district_id = :district
            AND a.user_sourced_id = l.user_sourced_id AND a._removed_at IS NULL))"""


@dataclass(frozen=True)
class RollbackResult:
    """The result of a rollback.

    :param to_run: the run whose tables are published again, as of `as_of`.
    :param rows: changed rows per table.
    :param left_out: whether the list of people left out was restored. Otherwise only contradictions were deleted.
    """

    run_id: str
    to_run: str
    generation: int
    as_of: datetime
    rows: dict[str, int]
    left_out: bool


def rollback(engine: sa.Engine, district: District, landing: Landing, run_id: str, to_run: str) -> RollbackResult:
    """Republish what a run published, and pause publication.

    :raises ActionRequired: `run_not_published` for a run that published nothing, `no_longer_kept`, or a code of
        `rollcall.publish.invariants`. Then nothing is changed.
    :raises RollcallError: `warehouse_unreachable`.
    """
    key = district.district
    with warehouse_transaction(engine, "rollback", district=key) as connection:
        now = warehouse_now(connection)
        ledger.start_run(connection, key, run_id, night_of(now, district.schedule.timezone), "rollback")
    with recorded_stage(engine, key, run_id, "rollback"), engine.begin() as connection:
        acquire_publish_lock(connection, key, run_id)
        current = connection.execute(sa.select(state).where(state.c.district_id == key)).one_or_none()
        target = _published_run(connection, district, to_run)
        if current is None:  # never while there is a published run
            raise ActionRequired("not_published", f"{district.name} has not been published.", district=key)
        require_kept(connection, district, target.generation)
        generation = current.generation + 1
        params = {"district": key, "target": target.generation, "generation": generation}
        rows = {table.name: _restore(connection, table, params) for table in TABLES.values()}
        changes = _change_set(landing, key, target)
        if changes is not None:
            left_out = read_rows(_folder(landing, key, target), changes.left_out, LEFT_OUT_SCHEMA)
            write_left_out(connection, left_out, district=key, run_id=run_id)
        else:
            connection.execute(sa.text(_FORGET_LEFT_OUT), params)
        _require_consistency(connection, district, to_run, knows_left_out=changes is not None)
        write_published(connection, key, Interval(now, run_id))
        as_of = _content_as_of(connection, target)
        zone = district.schedule.timezone
        why = f"rolled back on {format_instant(now, zone)} to the roster of {format_instant(as_of, zone)}"
        connection.execute(
            sa.update(state)
            .where(state.c.district_id == key)
            .values(
                generation=generation,
                current_as_of=as_of,
                late_from=Nights(district).late_from(as_of),
                current_pull_id=target.pull_id,
                current_run_id=run_id,
                rules_digest=changes.rules_digest if changes else "",
                full_required=f"the roster was {why}",
                paused=why,
            )
        )
        connection.execute(sa.delete(watermarks).where(watermarks.c.district_id == key))
        ledger.finish_rollback(connection, key, run_id, target, generation=generation, at=now)
    export_if_configured(engine, key)
    log.warning("%s: %s; publication is paused", district.name, why)
    restored = {name: number for name, number in rows.items() if number}
    return RollbackResult(run_id, to_run, generation, as_of, restored, left_out=changes is not None)


def _require_consistency(connection: sa.Connection, district: District, to_run: str, *, knows_left_out: bool) -> None:
    remedy = (
        f"Nothing was changed, and the published roster stays. Roll back to another run than {to_run}, or map everyone "
        f"again: rollcall sync {district.district} --full."
    )
    scope = Scope(district.district, is_whole=True, by_email=district.person_key == "email")
    check_roster(connection, scope, remedy=remedy, knows_left_out=knows_left_out)


def resume(engine: sa.Engine, district: District) -> str:
    """Resume publication of a district.

    :returns: why it was paused. Empty if it was not.
    """
    key = district.district
    with warehouse_transaction(engine, "resume", district=key) as connection:
        was = connection.execute(sa.select(state.c.paused).where(state.c.district_id == key)).scalar_one_or_none()
        connection.execute(sa.update(state).where(state.c.district_id == key).values(paused=""))
    return was or ""


def _published_run(connection: sa.Connection, district: District, run_id: str) -> sa.Row:
    where = (runs.c.district_id == district.district, runs.c.status == "published")
    row = connection.execute(sa.select(runs).where(*where, runs.c.run_id == run_id)).one_or_none()
    if row is not None:
        return row
    newest = sa.select(runs.c.run_id, runs.c.night).where(*where).order_by(runs.c.generation.desc()).limit(5)
    known = "; ".join(f"{one.run_id} (night of {format_date(one.night)})" for one in connection.execute(newest))
    raise ActionRequired(
        "run_not_published",
        f"No run {run_id} published {district.name}.",
        remedy=f"Use one of these, newest first: {known}." if known else "The district has never been published.",
        district=district.district,
    )


def _restore(connection: sa.Connection, table: Table, params: dict[str, object]) -> int:
    """Restore a table to a generation. Returns the number of changed rows."""
    name = table.name
    connection.exec_driver_sql(temp_table_like(f"then_{name}", f"{STAGING}.{name}"))
    touched = [connection.execute(sa.text(statement), params).rowcount for statement in _statements(table)]
    connection.exec_driver_sql(f"DROP TABLE then_{name}")
    newer, restored = touched[1], touched[3]
    return max(newer, restored)


def _statements(table: Table) -> Iterator[str]:
    name, columns = table.name, ["district_id", *table.names, "_digest", *LINEAGE]
    listed = ", ".join(f'"{column}"' for column in columns)
    yield f"""
        INSERT INTO then_{name} ({listed}, _generation) SELECT {listed}, :generation FROM {HISTORY}.{name}_published
        WHERE district_id = :district AND _generation <= :target AND _until_generation > :target"""
    yield f"""
        INSERT INTO {HISTORY}.{name}_published ({listed}, _generation, _until_generation)
        SELECT {listed}, _generation, :generation FROM {STAGING}.{name}
        WHERE district_id = :district AND _generation > :target"""
    yield f"DELETE FROM {STAGING}.{name} WHERE district_id = :district AND _generation > :target"
    yield f"INSERT INTO {STAGING}.{name} ({listed}, _generation) SELECT {listed}, _generation FROM then_{name}"


def _folder(landing: Landing, district: str, target: sa.Row) -> PullFolder:
    return landing.pull(district, target.pull_id)


def _change_set(landing: Landing, district: str, target: sa.Row) -> ChangeSet | None:
    """The change set of the run, if the landing zone has it and no other run has mapped the pull again."""
    try:
        changes = load(_folder(landing, district, target), ChangeSet)
    except RollcallError:
        return None
    return changes if changes.run_id == target.run_id else None


def _content_as_of(connection: sa.Connection, target: sa.Row) -> datetime:
    """The as_of of the roster that a run published. A rollback has its own instant."""
    where = (pulls.c.district_id == target.district_id, pulls.c.pull_id == target.pull_id)
    as_of: datetime | None = connection.execute(sa.select(pulls.c.as_of).where(*where)).scalar_one_or_none()
    return as_of or target.as_of
