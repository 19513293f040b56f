"""Giving readers an earlier roster back: the exact tables of a generation become a new one.

What readers had in between stays known (`--as-published`, and a rollback of the rollback). Publication is paused, since
the next night would bring the same again; and the next pull is a full one, for no watermark holds for an older roster.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

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
from rollcall.warehouse.models import LINEAGE, pulls, runs, state, watermarks
from rollcall.warehouse.publish_lock import acquire_publish_lock
from rollcall.warehouse.schemas import HISTORY, OPS, STAGING
from rollcall.warehouse.session import temp_table_like, warehouse_transaction

log = logging.getLogger(__name__)

#: Where it is not known any more who was left out: at least nobody who has an account, or is not in the roster.
_FORGET_LEFT_OUT = f"""
    DELETE FROM {OPS}.left_out l WHERE l.district_id = :district AND (
        NOT EXISTS (SELECT FROM {STAGING}.users u WHERE u.district_id = :district AND u.sourced_id = l.user_sourced_id
            AND u._removed_at IS NULL)
        OR EXISTS (SELECT FROM {STAGING}.accounts a WHERE a.district_id = :district
            AND a.user_sourced_id = l.user_sourced_id AND a._removed_at IS NULL))"""


@dataclass(frozen=True)
class RollbackResult:
    """What a rollback did.

    :param to_run: the run whose tables readers have again; `as_of` is how old those are.
    :param rows: per table how many rows are otherwise now.
    :param left_out: whether it is known again who was left out and why; else that stays as it was.
    """

    run_id: str
    to_run: str
    generation: int
    as_of: datetime
    rows: dict[str, int]
    left_out: bool


def rollback(engine: sa.Engine, district: District, landing: Landing, run_id: str, to_run: str) -> RollbackResult:
    """Republish what a run published, and pause publication.

    :raises ActionRequired: `run_not_published` for a run that published nothing, `no_longer_kept`, and what
        `rollcall.publish.invariants` finds: nothing is changed then.
    :raises RollcallError: `warehouse_unreachable`.
    """
    key = district.district
    with warehouse_transaction(engine, "rollback", district=key) as connection:
        now = warehouse_now(connection)
        ledger.start_run(connection, key, run_id, night_of(now, district.schedule.timezone), "rollback")
    with recorded_stage(engine, key, run_id, "rollback"), engine.begin() as connection:
        acquire_publish_lock(connection, key, run_id)
        current = connection.execute(sa.select(state).where(state.c.district_id == key)).one_or_none()
        then = _published_run(connection, district, to_run)
        if current is None:  # never while there is a published run
            raise ActionRequired("not_published", f"{district.name} has not been published.", district=key)
        require_kept(connection, district, then.generation)
        generation = current.generation + 1
        params = {"district": key, "then": then.generation, "generation": generation}
        rows = {table.name: _restore(connection, table, params) for table in TABLES.values()}
        changes = _change_set(landing, key, then)
        if changes is not None:
            left_out = read_rows(_folder(landing, key, then), changes.left_out, LEFT_OUT_SCHEMA)
            write_left_out(connection, left_out, district=key, run_id=run_id)
        else:
            connection.execute(sa.text(_FORGET_LEFT_OUT), params)
        _require_consistency(connection, district, to_run, knows_left_out=changes is not None)
        write_published(connection, key, Interval(now, run_id))
        as_of = _content_as_of(connection, then)
        why = f"rolled back on {now:%Y-%m-%d %H:%M} UTC to the roster of {as_of:%Y-%m-%d %H:%M} UTC"
        connection.execute(
            sa.update(state)
            .where(state.c.district_id == key)
            .values(
                generation=generation,
                current_as_of=as_of,
                late_from=Nights(district).late_from(as_of),
                current_pull_id=then.pull_id,
                current_run_id=run_id,
                rules_digest=changes.rules_digest if changes else "",
                full_required=f"the roster was {why}",
                paused=why,
            )
        )
        connection.execute(sa.delete(watermarks).where(watermarks.c.district_id == key))
        ledger.finish_rollback(connection, key, run_id, then, generation=generation, at=now)
    export_if_configured(engine, key)
    log.warning("%s: %s; publication is paused", district.name, why)
    restored = {name: number for name, number in rows.items() if number}
    return RollbackResult(run_id, to_run, generation, as_of, restored, left_out=changes is not None)


def _require_consistency(connection: sa.Connection, district: District, to_run: str, *, knows_left_out: bool) -> None:
    remedy = (
        f"Nothing was changed; readers keep what they have. Roll back to another run than {to_run}, or let everybody "
        f"be mapped again: rollcall sync {district.district} --full."
    )
    scope = Scope(district.district, is_whole=True, by_email=district.person_key == "email")
    check_roster(connection, scope, remedy=remedy, knows_left_out=knows_left_out)


def resume(engine: sa.Engine, district: District) -> str:
    """Let a district be published again.

    :returns: why it was paused; empty when it was not.
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
    known = "; ".join(f"{one.run_id} (night of {one.night})" for one in connection.execute(newest))
    raise ActionRequired(
        "run_not_published",
        f"No run {run_id} has published {district.name}.",
        remedy=f"Name one that has, newest first: {known}." if known else "It has never been published.",
        district=district.district,
    )


def _restore(connection: sa.Connection, table: Table, params: dict[str, object]) -> int:
    """One table as it was at a generation; how many rows that touched."""
    name = table.name
    connection.exec_driver_sql(temp_table_like(f"then_{name}", f"{STAGING}.{name}"))
    touched = [connection.execute(sa.text(statement), params).rowcount for statement in _statements(table)]
    connection.exec_driver_sql(f"DROP TABLE then_{name}")
    came_since, restored = touched[1], touched[3]
    return max(came_since, restored)


def _statements(table: Table) -> Iterator[str]:
    name, columns = table.name, ["district_id", *table.names, "_digest", *LINEAGE]
    listed = ", ".join(f'"{column}"' for column in columns)
    yield f"""
        INSERT INTO then_{name} ({listed}, _generation) SELECT {listed}, :generation FROM {HISTORY}.{name}_published
        WHERE district_id = :district AND _generation <= :then AND _until_generation > :then"""
    yield f"""
        INSERT INTO {HISTORY}.{name}_published ({listed}, _generation, _until_generation)
        SELECT {listed}, _generation, :generation FROM {STAGING}.{name}
        WHERE district_id = :district AND _generation > :then"""
    yield f"DELETE FROM {STAGING}.{name} WHERE district_id = :district AND _generation > :then"
    yield f"INSERT INTO {STAGING}.{name} ({listed}, _generation) SELECT {listed}, _generation FROM then_{name}"


def _folder(landing: Landing, district: str, then: sa.Row) -> PullFolder:
    return landing.pull(district, then.pull_id)


def _change_set(landing: Landing, district: str, then: sa.Row) -> ChangeSet | None:
    """What the run published, where the landing zone still has it and no other run has mapped its pull again."""
    try:
        changes = load(_folder(landing, district, then), ChangeSet)
    except RollcallError:
        return None
    return changes if changes.run_id == then.run_id else None


def _content_as_of(connection: sa.Connection, then: sa.Row) -> datetime:
    """How old the roster is that a run published; a rollback's own instant is another."""
    where = (pulls.c.district_id == then.district_id, pulls.c.pull_id == then.pull_id)
    as_of: datetime | None = connection.execute(sa.select(pulls.c.as_of).where(*where)).scalar_one_or_none()
    return as_of or then.as_of
