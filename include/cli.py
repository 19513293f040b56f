"""`rollcall`: the same stages without Airflow.

Results go to standard output, progress and logs to standard error. Exit codes: 0 done, 1 failed, 2 usage, 3 published
but something is held.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

# Libraries read these when they are imported: no telemetry, no progress bars of their own (rule 8)
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")

import click

from include.errors import RollcallError
from include.landing import Landing, default_landing
from include.settings import find_district, json_schema
from include.tables import COLLECTIONS

F = TypeVar("F", bound=Callable[..., Any])


def _warehouse_option(command: F) -> F:
    return click.option(
        "--warehouse",
        metavar="URL",
        help="SQLAlchemy URL of the warehouse; else the connection in AIRFLOW_CONN_WAREHOUSE.",
    )(command)


def _landing_option(command: F) -> F:
    return click.option(
        "--landing", metavar="DIR", default=default_landing, help="Landing zone; else ROLLCALL_LANDING."
    )(command)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="rollcall")
@click.option("-v", "--verbose", is_flag=True, help="Log each collection as it is read and judged.")
def rollcall(verbose: bool) -> None:
    """Call the roll of every school district, every night: OneRoster to a warehouse."""
    logging.basicConfig(stream=sys.stderr, format="%(message)s", level=logging.WARNING)
    if verbose:
        logging.getLogger("rollcall").setLevel(logging.INFO)


@rollcall.command()
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
@click.option("--json", "as_json", is_flag=True, help="The summary as JSON.")
@_warehouse_option
@_landing_option
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


@rollcall.group()
def db() -> None:
    """The warehouse's schemas."""


@db.command()
@_warehouse_option
def upgrade(warehouse: str | None) -> None:
    """Create Rollcall's schemas in the warehouse, or bring them to the newest version."""
    from include.warehouse import migrate
    from include.warehouse.connect import connect, reached, warehouse_from_environment

    engine = connect(warehouse_from_environment(warehouse))
    reached(engine)
    before, after = migrate.upgrade(engine)
    if before == after:
        click.echo(f"The warehouse is at version {after} already.")
    else:
        click.echo(f"The warehouse was {'new' if before is None else f'at version {before}'} and is at {after} now.")


@rollcall.group()
def districts() -> None:
    """The districts' files."""


@districts.command()
def schema() -> None:
    """Print the JSON Schema of a district's file, for editors."""
    click.echo(json.dumps(json_schema(), indent=1))


def _with_check() -> None:
    from include.check.command import check

    rollcall.add_command(check)


def _with_sandbox() -> None:
    """The sandbox is for trials and tests; the image for production comes without its server."""
    try:
        from include.sandbox.command import sandbox
    except ModuleNotFoundError as missing:
        if missing.name not in ("starlette", "uvicorn"):
            raise
        return
    rollcall.add_command(sandbox)


def main() -> None:
    """The console script: ours are errors with a sentence, everything else is a bug and shows its trace."""
    _with_check()
    _with_sandbox()
    try:
        rollcall.main(standalone_mode=True)
    except RollcallError as error:
        click.echo(f"{click.style('Error', fg='red')} ({error.code}): {error.message}", err=True)
        if error.remedy:
            click.echo(f"  {error.remedy}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
