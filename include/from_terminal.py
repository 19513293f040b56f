"""The stages of a run that a person starts at a terminal, with progress; each failure is entered into the ledger."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

import sqlalchemy as sa

from include import night
from include.contracts import Published, PullRef
from include.extract.plan import Plan
from include.landing import Landing
from include.oneroster.client import OneRosterClient
from include.oneroster.connection import OneRosterConnection
from include.progress import Terminal
from include.settings import District
from include.warehouse.lease import HostLease


def terminal_run_id() -> str:
    """The name of such a run; Airflow names its own."""
    return f"cli__{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}+00:00__{secrets.token_hex(3)}"


def pulled(
    engine: sa.Engine,
    district: District,
    landing: Landing,
    run_id: str,
    plan: Plan,
    connection: OneRosterConnection,
    terminal: Terminal,
    collections: Sequence[str] = (),
) -> PullRef:
    """Extract and validate."""
    key = district.district
    with (
        terminal.stage(f"extract ({plan.mode})"),
        night.recorded(engine, key, run_id, "extract"),
        HostLease(engine.url, district) as lease,
        OneRosterClient(connection, budget=lease, **district.client_options()) as client,
    ):
        ref = night.extract_night(
            client, district, landing, run_id=run_id, plan=plan, collections=collections, progress=terminal.progress
        )
    with terminal.stage("validate"), night.recorded(engine, key, run_id, "validate"):
        night.validate_night(district, ref, landing)
    return ref


def published(
    engine: sa.Engine, district: District, landing: Landing, ref: PullRef, terminal: Terminal, *, dry_run: bool = False
) -> Published:
    """Map and publish."""
    with terminal.stage("map"), night.recorded(engine, ref.district, ref.run_id, "map_roster"):
        night.map_night(engine, district, ref, landing)
    with terminal.stage("publish"), night.recorded(engine, ref.district, ref.run_id, "publish"):
        finish = night.finish_dry_run if dry_run else night.publish_night
        return finish(engine, district, ref, landing)
