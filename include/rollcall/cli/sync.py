"""`rollcall sync`: runs a district's night from a terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial

import click

from rollcall.cli.grammar import district_argument, examples
from rollcall.cli.options import json_option, landing_option, open_ready_warehouse, warehouse_option
from rollcall.display.echo import echo, echo_json
from rollcall.errors import RollcallError, redact_errors
from rollcall.landing.zone import Landing
from rollcall.model.tables import COLLECTIONS
from rollcall.settings import find_district


@click.command(epilog=examples("sync maple", "sync maple --dry-run", "sync maple --remap"))
@district_argument
@click.option("--full", is_flag=True, help="Full pull.  [default: delta, or full when due]")
@click.option("--remap", is_flag=True, help="Remap only (no SIS requests), for example after a mapping change.")
@click.option("--dry-run", is_flag=True, help="Report what would change without publishing it.")
@click.option(
    "--collection",
    "collections",
    multiple=True,
    type=click.Choice(COLLECTIONS),
    help="Pull only this collection (repeatable). The others stay as published.",
)
@json_option
@warehouse_option
@landing_option
def sync(
    district: str,
    full: bool,
    remap: bool,
    dry_run: bool,
    collections: Sequence[str],
    as_json: bool,
    warehouse: str | None,
    landing: str,
) -> None:
    """Pull DISTRICT and publish it now.

    DISTRICT is an ID, or a path to its YAML file.
    Credentials come from AIRFLOW_CONN_ONEROSTER_<DISTRICT>, in Airflow's JSON format, or from Airflow's metadata
    database if the environment names one. --remap needs none.
    """
    if remap and (full or collections):
        raise click.UsageError("--remap pulls nothing, so it cannot be combined with --full or --collection.")
    settings = find_district(district)
    # before the imports below, which take seconds
    from rollcall.credentials.lookup import connect as connect_to_provider

    connection = None if remap else connect_to_provider(settings.connection_id, partial(echo, err=True))

    engine = open_ready_warehouse(warehouse)

    from rollcall.extract.pull import Plan
    from rollcall.landing.pull import PullRef
    from rollcall.orchestration.terminal import Terminal, run_stages, terminal_run_id
    from rollcall.pipeline import run
    from rollcall.pipeline.remap import prepare_remap
    from rollcall.pipeline.stage_record import recorded_run
    from rollcall.reports import report

    zone, run_id, key = Landing(landing), terminal_run_id(settings), settings.district
    with Terminal(settings.name) as terminal, recorded_run(engine, key, run_id):
        if remap:
            start: PullRef | Plan = prepare_remap(engine, settings, run_id, zone)
        else:
            start = run.start_run(engine, settings, run_id, "full" if full else "auto")
        done = run_stages(
            engine,
            settings,
            zone,
            run_id,
            start,
            terminal,
            connection=connection,
            collections=collections,
            dry_run=dry_run,
        )
    if done.why:
        echo(done.why, err=True)
    try:
        with redact_errors("summary", district=key):
            if as_json:
                with engine.connect() as reading:
                    echo_json(report.run_summary(reading, key, run_id, zone))
            else:
                report.print_summary(engine, key, run_id, zone, sys.stdout)
    except RollcallError as error:
        outcome = f"The run ended as {done.status}, generation {done.generation}, but its summary cannot be read."
        raise RollcallError(error.code, f"{outcome} {error.message}", remedy=error.remedy, district=key) from None
    sys.exit(done.exit_code)
