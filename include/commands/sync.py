"""`rollcall sync`: a district's night from a terminal."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

import click

from include.commands.options import json_option, landing_option, warehouse_option
from include.landing import Landing
from include.settings import find_district
from include.tables import COLLECTIONS


@click.command()
@click.argument("district")
@click.option("--full", is_flag=True, help="Pull everything; else what the night needs, mostly what was modified.")
@click.option("--dry-run", is_flag=True, help="Say what would change and publish nothing.")
@click.option(
    "--collection",
    "collections",
    multiple=True,
    type=click.Choice(COLLECTIONS),
    help="Pull only this one (repeatable); what is not pulled stays as published.",
)
@json_option
@warehouse_option
@landing_option
def sync(
    district: str,
    full: bool,
    dry_run: bool,
    collections: Sequence[str],
    as_json: bool,
    warehouse: str | None,
    landing: str,
) -> None:
    """Pull DISTRICT (an id, or a path to its YAML file) now and publish it.

    Credentials come from AIRFLOW_CONN_ONEROSTER_<DISTRICT> in Airflow's JSON form.
    """
    from include import night, report
    from include.oneroster.client import OneRosterClient
    from include.oneroster.connection import OneRosterConnection
    from include.progress import Terminal
    from include.warehouse.connect import connect, warehouse_from_environment
    from include.warehouse.lease import HostLease

    settings = find_district(district)
    engine = connect(warehouse_from_environment(warehouse))
    connection = OneRosterConnection.from_environment(settings.connection_id)
    zone = Landing(landing)
    now = datetime.now(UTC)
    run_id = f"cli__{now:%Y-%m-%dT%H:%M:%S}+00:00__{secrets.token_hex(3)}"
    key = settings.district
    plan = night.begin(engine, settings, run_id, "full" if full else "auto")
    with Terminal(settings.name) as terminal:
        with (
            terminal.stage(f"extract ({plan.mode})"),
            night.recorded(engine, key, run_id, "extract"),
            HostLease(engine.url, settings) as lease,
            OneRosterClient(connection, budget=lease, **settings.client_options()) as client,
        ):
            ref = night.extract_night(
                client, settings, zone, run_id=run_id, plan=plan, collections=collections, progress=terminal.progress
            )
        with terminal.stage("validate"), night.recorded(engine, key, run_id, "validate"):
            night.validate_night(settings, ref, zone)
        with terminal.stage("map"), night.recorded(engine, key, run_id, "map_roster"):
            night.map_night(engine, settings, ref, zone)
        with terminal.stage("publish"), night.recorded(engine, key, run_id, "publish"):
            finish = night.finish_dry_run if dry_run else night.publish_night
            published = finish(engine, settings, ref, zone)
    if as_json:
        with engine.connect() as reading:
            click.echo(json.dumps(report.summary(reading, key, run_id), default=str, indent=1))
    else:
        report.print_summary(engine, key, run_id, sys.stdout)
    sys.exit(published.exit_code)
