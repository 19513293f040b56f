"""Replay a past night: its pulls through the current rules into history, without touching anything newer.

A pull at t sets history on [t, next instant) to S(t). The next instant is that of the next pull, published or not, or
of a rollback. A pull newer than the published roster (after nights without a warehouse) is published first.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import sqlalchemy as sa

from rollcall.display.dates import format_date
from rollcall.errors import ActionRequired, RollcallError, redact_errors
from rollcall.history.pulls import LandedPull, landed_pulls, validate_by_current_rules
from rollcall.history.roster_at import RosterAt, rebuild_rosters
from rollcall.landing.change_set import Published
from rollcall.landing.pull import Pull, PullRef
from rollcall.landing.validated import accepted_schema
from rollcall.landing.zone import Landing
from rollcall.model.digests import row_digests
from rollcall.model.tables import TABLES
from rollcall.pipeline import run
from rollcall.settings import District
from rollcall.warehouse import ledger
from rollcall.warehouse.bulk import copy_in, copy_out
from rollcall.warehouse.history import Interval, write_interval
from rollcall.warehouse.models import staging
from rollcall.warehouse.ops_models import runs, state, watermarks
from rollcall.warehouse.publish_lock import acquire_publish_lock
from rollcall.warehouse.schemas import HISTORY
from rollcall.warehouse.session import temp_table, update_statistics, warehouse_transaction
from rollcall.warehouse.site_targets import resolve_site_targets

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _ReplayResult:
    """The result of a replay: changed history rows, accounts, and tables without a complete pull."""

    rows: int
    accounts: int | None
    unknown: list[str]


def replay(engine: sa.Engine, district: District, ref: PullRef, landing: Landing) -> Published:
    """Replay the night of a pull: every pull of that night, in order.

    :returns: the publication, if the night is newer than the published roster. Otherwise status `replayed`.
    :raises ActionRequired: `no_full_pull` if no complete pull at or before the night is kept.
    :raises RollcallError: from validate, map, and publish.
    """
    pulls = landed_pulls(landing, district.district)
    newest = next(known for known in pulls if known.pull.pull_id == ref.pull_id)
    chosen = [known for known in pulls if known.night(district) == newest.night(district)]
    published = _published_if_newer(engine, district, ref, landing, newest, is_newest=newest is pulls[-1])
    with redact_errors("replay", district=district.district):
        written = _write_history(engine, district, landing, ref.run_id, pulls, chosen)
    why = _summary(district, chosen, written)
    log.info("%s: %s", district.name, why)
    if published is not None:
        return published
    return Published(
        district=ref.district,
        run_id=ref.run_id,
        pull_id=ref.pull_id,
        status="replayed",
        generation=_generation(engine, district.district),
        counts={},
        accounts=written.accounts or 0,
        left_out=0,
        why=why,
    )


def _published_if_newer(
    engine: sa.Engine, district: District, ref: PullRef, landing: Landing, newest: LandedPull, *, is_newest: bool
) -> Published | None:
    """Publish the newest pull if the published roster is older and the pull continues it."""
    with warehouse_transaction(engine, "replay", district=district.district) as connection:
        can_publish = is_newest and _is_newer(connection, newest.pull) and _continues_published(connection, newest.pull)
    if not can_publish:
        return None
    validate_by_current_rules(landing, district, newest)
    try:
        run.map_night(engine, district, ref, landing)
        return run.publish_night(engine, district, ref, landing)
    except RollcallError as error:
        if error.code != "pull_is_older":  # another run published a newer one meanwhile
            raise
        return None


def _is_newer(connection: sa.Connection, pull: Pull) -> bool:
    """Whether the published roster is older and publication is not paused."""
    columns = (state.c.current_as_of, state.c.paused)
    row = connection.execute(sa.select(*columns).where(state.c.district_id == pull.district)).one_or_none()
    return row is None or (not row.paused and row.current_as_of < pull.as_of)


def _continues_published(connection: sa.Connection, pull: Pull) -> bool:
    """Whether no changes are missing between the published roster and the pull. A delta starts at a watermark."""
    columns = (watermarks.c.collection, watermarks.c.watermark)
    known = sa.select(*columns).where(watermarks.c.district_id == pull.district)
    marks = {row.collection: row.watermark for row in connection.execute(known)}
    since_per_collection = {landed.collection: landed.since for landed in pull.collections if landed.since is not None}
    return all(name in marks and since <= marks[name] for name, since in since_per_collection.items())


def _write_history(
    engine: sa.Engine,
    district: District,
    landing: Landing,
    run_id: str,
    pulls: Sequence[LandedPull],
    chosen: list[LandedPull],
) -> _ReplayResult:
    """Set history on the interval of each chosen pull to the roster of that time."""
    key = district.district
    with engine.connect() as connection:
        resolved = resolve_site_targets(connection, district)
        accounts_before = _accounts_before(connection, key, pulls[0].as_of)
    upto = pulls[: pulls.index(chosen[-1]) + 1]
    found = [roster for roster in rebuild_rosters(landing, resolved, upto, accounts_before) if roster.known in chosen]
    if not any(roster.tables for roster in found):
        raise ActionRequired(
            "no_full_pull",
            f"No complete full pull of {district.name} at or before that night is kept. Deltas alone give no roster.",
            remedy="Nothing was written. Run a sync for today's roster.",
            district=key,
        )
    rows = 0
    with engine.begin() as connection:
        acquire_publish_lock(connection, key, run_id)
        known = landed_pulls(landing, key)
        for roster in found:
            if interval := _interval_of(connection, district, roster.known.pull, known):
                rows += sum(_write_table(connection, key, name, roster, interval) for name in roster.tables)
        accounts = found[-1].tables.get("accounts")
        count = None if accounts is None else accounts.num_rows
        ledger.finish_replay(connection, chosen[-1].pull, run_id, count)
    return _ReplayResult(rows, count, found[-1].unknown)


def _interval_of(
    connection: sa.Connection, district: District, pull: Pull, pulls: Sequence[LandedPull]
) -> Interval | None:
    """From the pull to the next known instant. None if a later pull has the same instant."""
    after: dict[datetime, str] = {}
    for known in pulls:
        if known.as_of > pull.as_of:
            after.setdefault(known.as_of, known.pull.run_id)
    published = (
        sa.select(runs.c.as_of, runs.c.run_id)
        .where(runs.c.district_id == district.district, runs.c.status == "published", runs.c.as_of > pull.as_of)
        .order_by(runs.c.as_of, runs.c.started_at)
        .limit(1)
    )
    for row in connection.execute(published):
        after.setdefault(row.as_of, row.run_id)
    if any(known.as_of == pull.as_of and known.pull.pull_id > pull.pull_id for known in pulls):
        return None
    until = min(after, default=None)
    return Interval(pull.as_of, pull.run_id, until, after[until] if until else None)


def _write_table(connection: sa.Connection, district: str, name: str, roster: RosterAt, interval: Interval) -> int:
    table = TABLES[name]
    rows = roster.tables[name]
    rows = rows.append_column("_digest", row_digests(table, rows))
    columns = staging[name].c
    shape = ", ".join(f'"{one}" {columns[one].type.compile(connection.dialect)}' for one in rows.column_names)
    connection.exec_driver_sql(temp_table(f"past_{name}", shape))
    if rows.num_rows:
        copy_in(connection, f"past_{name}", rows)
    connection.exec_driver_sql(update_statistics(f"past_{name}"))
    written = write_interval(connection, district, table, f"past_{name}", interval)
    connection.exec_driver_sql(f"DROP TABLE past_{name}")
    return written


def _accounts_before(connection: sa.Connection, district: str, instant: datetime) -> pa.Table:
    """The accounts in history just before an instant."""
    schema = accepted_schema(TABLES["accounts"])
    listed = ", ".join(f'"{name}"' for name in schema.names)
    query = (
        f"SELECT {listed} FROM {HISTORY}.accounts WHERE district_id = %(district)s AND _valid_from < %(instant)s"
        " AND (_valid_to IS NULL OR _valid_to >= %(instant)s)"
    )
    return copy_out(connection, query, {"district": district, "instant": instant}, schema)


def _generation(engine: sa.Engine, district: str) -> int:
    with engine.connect() as connection:
        query = sa.select(state.c.generation).where(state.c.district_id == district)
        return connection.execute(query).scalar_one_or_none() or 0


def _summary(district: District, chosen: list[LandedPull], written: _ReplayResult) -> str:
    return " ".join(_sentences(district, chosen, written))


def _sentences(district: District, chosen: list[LandedPull], written: _ReplayResult) -> Iterator[str]:
    pulls = "1 pull" if len(chosen) == 1 else f"{len(chosen)} pulls"
    yield f"Replayed the night of {format_date(chosen[-1].night(district))} from {pulls}:"
    yield (
        f"{written.rows:,} {'row' if written.rows == 1 else 'rows'} of history changed."
        if written.rows
        else "history is unchanged."
    )
    if written.unknown:
        yield f"Not replayed, because no complete pull is kept: {', '.join(written.unknown)}."
