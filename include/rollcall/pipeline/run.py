"""A district's night: the five stages with the warehouse and the ledger around them.

The DAG's tasks and the command line call the same functions. Each takes and returns small values; what it made lies in
the landing zone and in the warehouse.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa
import sqlalchemy as sa

from rollcall.changes.proposal import propose_changes
from rollcall.changes.published import district_state
from rollcall.changes.roster_changes import RosterChanges
from rollcall.errors import ActionRequired, GenerationMoved, RollcallError, redact_errors
from rollcall.exports.parquet import export_if_configured
from rollcall.extract.pull import FULL_PULL, Plan
from rollcall.landing.change_set import ChangeSet, Published
from rollcall.landing.manifests import Part, load, read_rows, save, write_rows
from rollcall.landing.mapping import LEFT_OUT_SCHEMA
from rollcall.landing.pull import Pull, PullRef, RunKind
from rollcall.landing.rejects import REJECT_SCHEMA
from rollcall.landing.validated import Finding, Validated
from rollcall.landing.zone import Landing, PullFolder
from rollcall.pipeline.change_set import approved_removals, build_change_set
from rollcall.pipeline.plan import plan_night, plan_without_warehouse
from rollcall.publish.transaction import publish
from rollcall.runtime.memory import give_back_what_is_free, given_back, keep_memory_small
from rollcall.settings import District, night_of, rules_digest
from rollcall.warehouse import ledger
from rollcall.warehouse.clock import TOLERANCE, require_not_in_future, warehouse_now
from rollcall.warehouse.holds import active_hold_rows, decisions_digest
from rollcall.warehouse.migrate import require_version
from rollcall.warehouse.session import require_reachable, snapshot, warehouse_transaction
from rollcall.warehouse.site_targets import resolve_site_targets
from rollcall.warehouse.statistics import refresh_statistics

if TYPE_CHECKING:
    from rollcall.extract.pull import Progress
    from rollcall.oneroster.client import OneRosterClient

log = logging.getLogger(__name__)

keep_memory_small()

#: What a run that does not finish waits for, by its stage; publish says for whom when another run has the turn.
_WAITS_FOR = {
    "extract": "the provider's pages",
    "validate": "its records to be judged",
    "map_roster": "what changes to be worked out",
    "publish": "the warehouse to take it",
    "report": "its summary",
}

#: How often publish lets merge, map and guard be done again because another run came first.
_TURNS = 5


def start_run(
    engine: sa.Engine, district: District, run_id: str, requested: str, *, without_warehouse: bool = False
) -> Plan:
    """Enter the run into the ledger and decide what to pull.

    :param requested: `auto`, `full` or `delta`.
    :param without_warehouse: pull all the same while the warehouse is down, as a night does; a person at a terminal
        would rather know at once.
    :raises ActionRequired: `district_disabled`, `warehouse_version`.
    :raises RollcallError: `warehouse_unreachable`.
    """
    _require_enabled(district)
    try:
        require_reachable(engine)
    except RollcallError as error:
        if not without_warehouse:
            raise
        log.warning("%s Pulling all the same; publishing has to wait.", error.message)
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
    except RollcallError as error:  # the provider is not asked for what could not be published
        with engine.begin() as connection:
            ledger.fail_run(connection, district.district, run_id, "extract", error)
        raise
    if abs(plan.clock_ahead or timedelta()) > TOLERANCE:
        log.warning("This machine's clock and the warehouse's are %s apart; the warehouse's counts.", plan.clock_ahead)
    log.info("%s: %s pull, because of this: %s", district.name, plan.mode, plan.reason)
    return plan


def enter_run(engine: sa.Engine, district: District, run_id: str, night: date, kind: RunKind) -> None:
    """Enter a run into the ledger that is no pull of tonight.

    :raises ActionRequired: `district_disabled`, `warehouse_version`.
    :raises RollcallError: `warehouse_unreachable`.
    """
    _require_enabled(district)
    with warehouse_transaction(engine, "start", district=district.district) as connection:
        ledger.start_run(connection, district.district, run_id, night, kind)


def require_no_dry_run(district: District, *, is_dry_run: bool) -> None:
    """A past night is written or left as it is.

    :raises ActionRequired: `dry_run_of_past`.
    """
    if is_dry_run:
        raise ActionRequired(
            "dry_run_of_past",
            "There is no dry run of a past night.",
            remedy="Run it without dry_run: a replay changes no table readers have, unless its pull is newer than "
            "their roster.",
            district=district.district,
        )


def _require_enabled(district: District) -> None:
    if district.enabled:
        return
    raise ActionRequired(
        "district_disabled",
        f"{district.name} is switched off (enabled: false in {district.district}.yaml).",
        remedy="What is published stays as it is. To sync again, set enabled: true.",
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
    from rollcall.extract.pull import extract

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


def validate_night(district: District, ref: PullRef, landing: Landing) -> Validated:
    """Judge each record by itself; needs no warehouse."""
    from rollcall.validate.validation import validate  # Great Expectations takes seconds to import

    return validate(landing, ref, district)


def map_night(engine: sa.Engine, district: District, ref: PullRef, landing: Landing) -> ChangeSet:
    """Merge, map and guard: the change set, written to the landing zone and nowhere else."""
    folder = ref.folder(landing)
    pull, validated = load(folder, Pull), load(folder, Validated)
    with warehouse_transaction(engine, "map_roster", district=district.district) as connection:
        if pull.is_by_own_clock and pull.as_of > (now := warehouse_now(connection)):
            # it was pulled before now, whatever that machine's clock said
            pull = msgspec.structs.replace(pull, as_of=now)
            save(folder, pull)
        night = night_of(pull.as_of, district.schedule.timezone)
        ledger.ensure_run(connection, ref.district, ref.run_id, night)
    with redact_errors("map_roster", district=district.district), snapshot(engine) as connection:
        district = resolve_site_targets(connection, district)
        needed = district.filters.require_class
        living = active_hold_rows(connection, ref.district)
        merged = propose_changes(
            connection,
            folder,
            pull,
            validated,
            district.rules,
            approved=approved_removals(living),
            with_enrollments=needed,
        )
        give_back_what_is_free()
        settled = build_change_set(
            district, merged, pull, validated.collections, living, night, partial(write_rows, folder, ChangeSet.STAGE)
        )
        give_back_what_is_free()
        mapped = settled.mapped
        changes = ChangeSet(
            district=ref.district,
            pull_id=ref.pull_id,
            run_id=ref.run_id,
            as_of=pull.as_of,
            mode=pull.mode,
            generation=merged.state.generation,
            rules_digest=rules_digest(district),
            parts=merged.parts,
            counts={name: made.counts for name, made in merged.tables.items()},
            digests={
                name: write_rows(folder, ChangeSet.STAGE, f"{name}_digests", pa.concat_tables(some))
                for name, some in merged.renewed.items()
            },
            rejects=write_rows(
                folder, ChangeSet.STAGE, "rejects", pa.concat_tables([REJECT_SCHEMA.empty_table(), *merged.rejects])
            ),
            left_out=write_rows(folder, ChangeSet.STAGE, "left_out", mapped.left_out.cast(LEFT_OUT_SCHEMA)),
            person_findings=write_rows(folder, ChangeSet.STAGE, "person_findings", mapped.person_findings),
            findings=[*_unproven(pull), *merged.findings, *mapped.findings],
            holds=settled.holds,
            held_rows=write_rows(folder, ChangeSet.STAGE, "held_rows", settled.held_rows),
            came_back=write_rows(folder, ChangeSet.STAGE, "came_back", settled.came_back),
            coverage=mapped.coverage,
            full_required=settled.full_required or _full_required(pull, merged),
            decisions=decisions_digest(living),
            is_everybody_mapped=settled.expected_accounts is not None,
            expected_accounts=_write_expected(folder, settled.expected_accounts),
        )
        save(folder, changes)
    return changes


def publish_night(engine: sa.Engine, district: District, ref: PullRef, landing: Landing) -> Published:
    """Apply the change set in one transaction; where another run came first, work it out anew and apply that."""
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
        f"{_TURNS} other runs published {district.name} while this one was trying to.",
        remedy="What they published is in place. Run this one again when they are done.",
        district=district.district,
    )


def finish_dry_run(engine: sa.Engine, district: District, ref: PullRef, landing: Landing) -> Published:
    """Close a dry run in the ledger with what it would have done; no table of the roster is touched."""
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


@contextmanager
def recorded_stage(engine: sa.Engine, district: str, run_id: str, stage: str) -> Iterator[None]:
    """Enter the processor time a stage took into the ledger, and mark the run as failed when the stage fails."""
    began = time.process_time()
    with suppress(RollcallError), redact_errors("ledger", district=district), engine.begin() as connection:
        ledger.record_wait(connection, district, run_id, _WAITS_FOR.get(stage, stage))
    try:
        with given_back(), redact_errors(stage, district=district), _ended_by_signal():
            yield
    except BaseException as error:
        told = error if isinstance(error, RollcallError) else _interrupted(stage, error)
        # what went wrong must not be hidden by a ledger that cannot be written
        with suppress(RollcallError), redact_errors("ledger", district=district), engine.begin() as connection:
            ledger.fail_run(connection, district, run_id, stage, told)
        raise
    finally:
        with suppress(RollcallError), redact_errors("ledger", district=district), engine.begin() as connection:
            ledger.add_cpu(connection, district, run_id, time.process_time() - began)


def _interrupted(stage: str, error: BaseException) -> RollcallError:
    """A time limit of Airflow, a signal, Ctrl-C: nothing went wrong, and still the run is not done."""
    return RollcallError(
        "run_interrupted",
        f"The stage {stage} was stopped before it was done ({type(error).__name__}).",
        remedy="What was published stays as it is; run it again.",
    )


@contextmanager
def _ended_by_signal() -> Iterator[None]:
    """Let a SIGTERM end the stage as an exception does, so that the ledger is told.

    Airflow's own handler runs first; it ends nothing by itself.
    """
    before = signal.getsignal(signal.SIGTERM)
    if threading.current_thread() is not threading.main_thread() or before in (signal.SIG_IGN, None):
        yield
        return
    process = os.getpid()

    def end(number: int, frame: FrameType | None) -> None:
        if os.getpid() != process:  # of a child that was forked meanwhile
            os._exit(128 + number)
        if callable(before):
            before(number, frame)
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _full_required(pull: Pull, merged: RosterChanges) -> str:
    """Why the next night has to be full: who was absent needs a second look, so that leavers go within two nights."""
    if merged.lacks_targets:
        return "records came whose people or classes were not pulled with them"
    if pull.mode != "full":
        return merged.state.full_required
    missing = any(changes.counts.missing for changes in merged.tables.values())
    return "the last full pull missed some whom a second one has to confirm" if missing else ""


def _write_expected(folder: PullFolder, accounts: pa.Table | None) -> list[Part]:
    return [] if accounts is None else write_rows(folder, ChangeSet.STAGE, "expected_accounts", accounts)


def _unproven(pull: Pull) -> list[Finding]:
    """Collections whose completeness could not be proven: nothing of them counts as missing tonight."""
    return [
        Finding(
            collection=landed.collection,
            rule="unproven",
            severity="warning",
            message=f"Not proven complete: {landed.proof.reason.rstrip('.')}. Nothing counts as missing tonight.",
            count=1,
        )
        for landed in pull.collections
        if not landed.proof.proven
    ]
