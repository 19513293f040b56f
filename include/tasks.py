"""What the five tasks of a district's DAG do, with plain values in and out and nothing of Airflow inside.

`warehouse` is anything with the fields of an Airflow connection. Every failure is entered into the ledger in words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import sqlalchemy as sa

from include import night
from include.contracts import PullRef, from_json, to_json
from include.landing import Landing, default_landing
from include.oneroster.client import OneRosterClient
from include.report import print_summary
from include.settings import District, find_district
from include.warehouse.connect import ConnectionFields, connect, url_of
from include.warehouse.lease import HostLease


class Hook(Protocol):
    """`OneRosterHook` as far as a pull needs it."""

    def get_conn(
        self, *, version: str, page_size: int, concurrency: int, demographics: bool, budget: HostLease
    ) -> OneRosterClient: ...


def extract(
    district: str,
    run_id: str,
    run_type: str,
    warehouse: ConnectionFields,
    hook: Callable[[str], Hook],
    params: Mapping[str, Any],
) -> dict[str, Any]:
    """Pull the district; the other tasks get what this returns.

    :param hook: makes the hook of a connection id.
    """
    with _running(district, run_id, "extract", warehouse) as (engine, settings, landing):
        night.refuse_backfill(run_type)
        plan = night.begin(engine, settings, run_id, params["mode"], without_warehouse=True)
        with (
            HostLease(engine.url, settings) as lease,
            hook(settings.connection_id).get_conn(budget=lease, **settings.client_options()) as client,
        ):
            collections = params["collections"] or ()
            pulled = night.extract_night(client, settings, landing, run_id=run_id, plan=plan, collections=collections)
        return to_json(pulled)


def validate(district: str, pull: dict[str, Any], run_id: str, warehouse: ConnectionFields) -> dict[str, Any]:
    """Judge each record by itself."""
    with _running(district, run_id, "validate", warehouse) as (_, settings, landing):
        night.validate_night(settings, from_json(pull, PullRef), landing)
    return pull


def map_roster(district: str, pull: dict[str, Any], run_id: str, warehouse: ConnectionFields) -> dict[str, Any]:
    """Merge, map and guard."""
    with _running(district, run_id, "map_roster", warehouse) as (engine, settings, landing):
        night.map_night(engine, settings, from_json(pull, PullRef), landing)
    return pull


def publish(
    district: str, pull: dict[str, Any], run_id: str, warehouse: ConnectionFields, *, dry_run: bool
) -> dict[str, Any]:
    """Apply the change set, or only say what it would do; returns what was published."""
    with _running(district, run_id, "publish", warehouse) as (engine, settings, landing):
        finish = night.finish_dry_run if dry_run else night.publish_night
        return to_json(finish(engine, settings, from_json(pull, PullRef), landing))


def report(district: str, run_id: str, warehouse: ConnectionFields) -> None:
    """Print the run's summary into the task's log; it names no person."""
    with _running(district, run_id, "report", warehouse) as (engine, *_):
        print_summary(engine, district, run_id)


@contextmanager
def _running(
    district: str, run_id: str, stage: str, warehouse: ConnectionFields
) -> Iterator[tuple[sa.Engine, District, Landing]]:
    settings = find_district(district)
    engine = connect(url_of(warehouse))
    try:
        with night.recorded(engine, district, run_id, stage):
            yield engine, settings, Landing(default_landing())
    finally:
        engine.dispose()
