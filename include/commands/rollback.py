"""`rollcall rollback`: an earlier roster given back to readers."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from include.commands.options import json_option, landing_option, warehouse_option
from include.landing import Landing
from include.settings import find_district


@click.command()
@click.argument("district")
@click.option("--to", "to_run", required=True, metavar="RUN", help="The run that published what readers shall have.")
@json_option
@warehouse_option
@landing_option
def rollback(district: str, to_run: str, as_json: bool, warehouse: str | None, landing: str) -> None:
    """Give readers of DISTRICT the exact tables again that RUN published, and pause publication.

    Runs go on pulling, and publish nothing until `rollcall resume`. The next pull is a full one.
    """
    from include.from_terminal import terminal_run_id
    from include.past.rollback import rollback as roll_back
    from include.warehouse.connect import connect, warehouse_from_environment

    settings = find_district(district)
    engine = connect(warehouse_from_environment(warehouse))
    done = roll_back(engine, settings, Landing(landing), terminal_run_id(), to_run)
    if as_json:
        click.echo(json.dumps(asdict(done), default=str, indent=1))
        return
    click.echo(
        f"Readers of {settings.name} have the roster of {done.as_of:%Y-%m-%d %H:%M} UTC again, as {done.to_run} "
        f"published it (generation {done.generation})."
    )
    for table, rows in done.rows.items():
        click.echo(f"  {table}: {rows:,} rows are otherwise now")
    if not done.left_out:
        click.echo("  Who was left out then is not kept any more; that list is as it was.")
    click.echo(f"Publication is paused until: rollcall resume {settings.district}")
