"""A district's night: the five stages, with the warehouse and the ledger.

The DAG's tasks and the command line call the same functions. They take and return small values. Their results are in
the landing zone and in the warehouse.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import sqlalchemy as sa

from rollcall.changes.published import district_state
from rollcall.errors import ActionRequired, GenerationMoved, RollcallError, redact_errors
from rollcall.exports.parquet import export_if_configured
from rollcall.extract.pull import FULL_PULL, Plan, extract
from rollcall.landing.change_set import ChangeSet, Published
from rollcall.landing.manifests import load, read_rows, save
from rollcall.landing.pull import Pull, PullRef, RunKind
from rollcall.landing.rejects import REJECT_SCHEMA
from rollcall.landing.validated import Validated
from rollcall.landing.zone import Landing
from rollcall.pipeline.change_set import build_change_set
from rollcall.pipeline.plan import plan_night, plan_without_warehouse
from rollcall.publish.transaction import publish
from rollcall.runtime.memory import limit_memory_retention, release_free_memory
from rollcall.settings import District, night_of
from rollcall.warehouse import ledger
from rollcall.warehouse.clock import TOLERANCE, require_not_in_future, warehouse_now
from rollcall.warehouse.migrate import require_version
from rollcall.warehouse.session import require_reachable, snapshot, warehouse_transaction
from rollcall.warehouse.site_targets import resolve_site_targets
from rollcall.warehouse.statistics import refresh_statistics

if TYPE_CHECKING:
    from rollcall.extract.pull import Progress
    from rollcall.oneroster.client import OneRosterClient

log = logging.getLogger(__name__)

limit_memory_retention()

#: How often the change set is built again because another run published first.
_TURNS = 5


def start_run(
    engine: sa.Engine, district: District, run_id: str, requested: str, *, without_warehouse: bool = False
) -> Plan:
    """Start the run in the ledger and decide what to pull.

    :param requested: `auto`, `full` or `delta`.
    :param without_warehouse: pull even while the warehouse is down, as a scheduled night does. A command fails instead.
    :raises ActionRequired: `district_disabled`, `warehouse_version`.
    :raises RollcallError: `warehouse_unreachable`.
    """
    _require_enabled(district)
    try:
        require_reachable(engine)
    except RollcallError as error:
        if not without_warehouse:
            raise
        log.warning("%s Pulling anyway; publishing waits.", error.message)
        return plan_without_warehouse()
    with engine.begin() as connection:
        require_version(connection)
        now = warehouse_now(connection)
        ledger.upsert_district(connection, district)
        ledger.start_run(connection, district.district, run_id, night_of(now, district.schedule.timezone))
        plan = replace(plan_night(connection, district, requested, now), clock_ahead=now - datetime.now(UTC))
        current = district_state(connection, district.district).current_as_of
    try:
        require_not_in_future(now, current, district.district)
    except RollcallError as error:  # no SIS requests for a pull that could not be published
        with engine.begin() as connection:
            ledger.fail_run(connection, district.district, run_id, "extract", error)
        raise
    if abs(plan.clock_ahead or timedelta()) > TOLERANCE:
        log.warning(
            "This machine's clock and the warehouse's clock differ by %s. The warehouse's clock counts.",
            plan.clock_ahead,
        )
    log.info("%s: %s pull. Reason: %s.", district.name, plan.mode, plan.reason.rstrip("."))
    return plan


def enter_run(engine: sa.Engine, district: District, run_id: str, night: date, kind: RunKind) -> None:
    """Start a run in the ledger that is not tonight's pull.

    :raises ActionRequired: `district_disabled`, `warehouse_version`.
    :raises RollcallError: `warehouse_unreachable`.
    """
    _require_enabled(district)
    with warehouse_transaction(engine, "start", district=district.district) as connection:
        ledger.start_run(connection, district.district, run_id, night, kind)


def require_no_dry_run(district: District, *, is_dry_run: bool) -> None:
    """Refuse a dry run of a past night.

    :raises ActionRequired: `dry_run_of_past`.
    """
    if is_dry_run:
        raise ActionRequired(
            "dry_run_of_past",
            "A past night has no dry run.",
            remedy="Run it without dry_run. A replay writes history only, unless its pull is newer than the published "
            "roster.",
            district=district.district,
        )


def _require_enabled(district: District) -> None:
    if district.enabled:
        return
    raise ActionRequired(
        "district_disabled",
        f"{district.name} is disabled (enabled: false in {district.district}.yaml).",
        remedy="The published roster does not change. To sync again, set enabled: true.",
        district=district.district,
    )


def extract_night(
    client: OneRosterClient,
    district: District,
    landing: Landing,
    *,
    run_id: str,
    plan: Plan = FULL_PULL,
    collections: Sequence[str] = (),
    progress: Progress | None = None,
) -> PullRef:
    """Pull the district's collections into the landing zone, as planned."""
    ahead = plan.clock_ahead or timedelta()
    return extract(
        client,
        district,
        landing,
        run_id=run_id,
        plan=plan,
        collections=collections,
        progress=progress,
        now=lambda: datetime.now(UTC) + ahead,
    )


def validate_night(district: District, ref: PullRef, landing: Landing) -> None:
    """Check each record by itself, without the warehouse.

    A remap has no records, and a replay validates again what today's rules require.
    """
    if ref.kind != "sync":
        return
    from rollcall.validate.validation import validate  # Great Expectations takes seconds to import

    validate(landing, ref, district)


def map_night(engine: sa.Engine, district: District, ref: PullRef, landing: Landing) -> ChangeSet:
    """Build the change set, and write it to the landing zone only."""
    folder = ref.folder(landing)
    pull, validated = load(folder, Pull), load(folder, Validated)
    with warehouse_transaction(engine, "map_roster", district=district.district) as connection:
        if pull.is_by_own_clock and pull.as_of > (now := warehouse_now(connection)):
            # the pull is older than now, even if that machine's clock was ahead
            pull = msgspec.structs.replace(pull, as_of=now)
            save(folder, pull)
        ledger.ensure_run(connection, ref.district, ref.run_id, night_of(pull.as_of, district.schedule.timezone))
    with redact_errors("map_roster", district=district.district), snapshot(engine) as connection:
        district = resolve_site_targets(connection, district)
        changes = build_change_set(connection, district, folder, pull, validated, run_id=ref.run_id)
        release_free_memory()
    save(folder, changes)
    return changes


def publish_night(
    engine: sa.Engine, district: District, ref: PullRef, landing: Landing, *, dry_run: bool = False
) -> Published:
    """Apply the change set in one transaction. If another run published first, rebuild it and try again.

    :param dry_run: only record what would be published.
    """
    if dry_run:
        return finish_dry_run(engine, district, ref, landing)
    folder = ref.folder(landing)
    pull, validated = load(folder, Pull), load(folder, Validated)
    for _ in range(_TURNS):
        changes = load(folder, ChangeSet)
        try:
            with warehouse_transaction(engine, "publish", district=district.district) as connection:
                published = publish(connection, folder, district, pull, validated, changes)
        except GenerationMoved:
            map_night(engine, district, ref, landing)
            continue
        refresh_statistics(engine, district.district, published.counts)
        export_if_configured(engine, district.district)
        return published
    raise RollcallError(
        "publication_crowded",
        f"{_TURNS} other runs published {district.name} during this publication.",
        remedy="Their results are published. Run this one again when they are done.",
        district=district.district,
    )


def finish_dry_run(engine: sa.Engine, district: District, ref: PullRef, landing: Landing) -> Published:
    """Finish a dry run in the ledger with what it would have done. No table of the roster changes."""
    folder = ref.folder(landing)
    changes, validated = load(folder, ChangeSet), load(folder, Validated)
    left_out = sum(part.rows for part in changes.left_out)
    accounts = changes.coverage["with_account"]
    with redact_errors("publish", district=district.district), engine.begin() as connection:
        rejects = read_rows(folder, [*validated.rejects, *changes.rejects], REJECT_SCHEMA)
        ledger.write_details(connection, changes, [*validated.findings, *changes.findings], rejects)
        ledger.finish_run(
            connection,
            changes,
            load(folder, Pull),
            status="dry_run",
            generation=changes.generation,
            accounts=accounts,
            left_out=left_out,
        )
    return Published(
        district=ref.district,
        run_id=ref.run_id,
        pull_id=ref.pull_id,
        status="dry_run",
        generation=changes.generation,
        counts=changes.counts,
        accounts=accounts,
        left_out=left_out,
        holds=changes.holds,
    )
