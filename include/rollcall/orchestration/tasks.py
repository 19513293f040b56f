"""The five tasks of a district's DAG, with plain values in and out. Nothing here imports Airflow.

`warehouse` is anything with the fields of an Airflow connection. Every failure is written to the ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, Protocol

import sqlalchemy as sa

from rollcall.errors import RollcallError, redact_errors
from rollcall.extract.pull import Plan
from rollcall.history.pulls import begin_replay
from rollcall.history.replay import replay
from rollcall.landing.manifests import from_json, to_json
from rollcall.landing.pull import PullRef
from rollcall.landing.zone import Landing, default_landing
from rollcall.oneroster.client import OneRosterClient
from rollcall.pipeline import run
from rollcall.pipeline.remap import prepare_remap
from rollcall.pipeline.stage_record import recorded_stage
from rollcall.reports.report import print_summary
from rollcall.settings import District, find_district, night_of
from rollcall.warehouse.lease import HostLease
from rollcall.warehouse.ledger import fail_run
from rollcall.warehouse.ops_models import runs
from rollcall.warehouse.run_progress import ProgressWriter
from rollcall.warehouse.session import ConnectionFields, connect, url_of


class Hook(Protocol):
    """The part of `OneRosterHook` that a pull needs."""

    def get_conn(
        self,
        *,
        version: str,
        page_size: int,
        concurrency: int,
        demographics: bool,
        budget: HostLease,
        limits: Mapping[str, int],
    ) -> OneRosterClient: ...


def extract(
    district: str,
    run_id: str,
    run_type: str,
    warehouse: ConnectionFields,
    hook: Callable[[str], Hook],
    params: Mapping[str, Any],
    interval_end: datetime | None = None,
) -> dict[str, Any]:
    """Pull the district. The other tasks get the returned reference. A backfill and a remap pull nothing.

    :param run_type: Airflow's. The enumeration is equal to its value, but prints differently.
    :param hook: makes the hook of a connection ID.
    :param interval_end: the end of the run's interval. For a backfill, it names the night.
    """
    with _running(district, run_id, "extract", warehouse) as (engine, settings, landing):
        if run_type == "backfill" and interval_end is not None:
            run.require_no_dry_run(settings, is_dry_run=bool(params.get("dry_run")))
            past = night_of(interval_end, settings.schedule.timezone)
            plan: PullRef | Plan = begin_replay(engine, settings, landing, run_id, past)
        elif params["mode"] == "remap":
            plan = prepare_remap(engine, settings, run_id, landing)
        else:
            plan = run.start_run(engine, settings, run_id, params["mode"], without_warehouse=True)
        if isinstance(plan, PullRef):
            return to_json(plan)
        with (
            HostLease(engine.url, settings) as lease,
            hook(settings.connection_id).get_conn(budget=lease, **settings.client_options()) as client,
        ):
            collections = params["collections"] or ()
            pulled = run.extract_night(
                client,
                settings,
                landing,
                run_id=run_id,
                plan=plan,
                collections=collections,
                progress=ProgressWriter(engine, district, run_id),
            )
        return to_json(pulled)


def validate(district: str, pull: dict[str, Any], run_id: str, warehouse: ConnectionFields) -> dict[str, Any]:
    """Check each record on its own."""
    ref = from_json(pull, PullRef)
    with _running(district, run_id, "validate", warehouse) as (_, settings, landing):
        run.validate_night(settings, ref, landing)
    return pull


def map_roster(district: str, pull: dict[str, Any], run_id: str, warehouse: ConnectionFields) -> dict[str, Any]:
    """Merge, map, and guard."""
    ref = from_json(pull, PullRef)
    with _running(district, run_id, "map_roster", warehouse) as (engine, settings, landing):
        if ref.kind != "replay":  # a replay maps while it writes history
            run.map_night(engine, settings, ref, landing)
    return pull


def publish(
    district: str, pull: dict[str, Any], run_id: str, warehouse: ConnectionFields, *, dry_run: bool
) -> dict[str, Any]:
    """Apply the change set; with `dry_run`, only report what it would do. Returns what was published."""
    ref = from_json(pull, PullRef)
    with _running(district, run_id, "publish", warehouse) as (engine, settings, landing):
        if ref.kind == "replay":
            return to_json(replay(engine, settings, ref, landing))
        return to_json(run.publish_night(engine, settings, ref, landing, dry_run=dry_run))


def report(district: str, run_id: str, warehouse: ConnectionFields) -> None:
    """Print the run's summary to the task's log. It contains no data about people."""
    with _running(district, run_id, "report", warehouse) as (engine, _, landing):
        print_summary(engine, district, run_id, landing)


def ended(district: str, run_id: str, warehouse: ConnectionFields) -> None:
    """Mark a run as failed if Airflow ended it and the run could not record that: killed, or out of time.

    A recorded error stays, and so does a published run. If the warehouse is down, the next run finds what was left.
    """
    error = RollcallError(
        "run_killed",
        "Airflow ended the run before it finished: its process was killed, or its time was up.",
        remedy="See the task's log. The next run pulls everything that this one missed.",
    )
    engine = connect(url_of(warehouse))
    try:
        with suppress(RollcallError), redact_errors("ledger", district=district), engine.begin() as connection:
            fail_run(connection, district, run_id, "", error, where=runs.c.status == "running")
    finally:
        engine.dispose()


@contextmanager
def _running(
    district: str, run_id: str, stage: str, warehouse: ConnectionFields
) -> Iterator[tuple[sa.Engine, District, Landing]]:
    settings = find_district(district)
    engine = connect(url_of(warehouse))
    try:
        with recorded_stage(engine, district, run_id, stage):
            yield engine, settings, Landing(default_landing())
    finally:
        engine.dispose()
