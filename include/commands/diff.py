"""`rollcall diff`: what changes, person by person."""

from __future__ import annotations

import sys
from datetime import datetime

import click

from include.commands.options import json_option, landing_option, warehouse_option
from include.landing import Landing
from include.settings import find_district

#: So many lines a terminal shows where nobody asks for more.
_ON_A_SCREEN = 60


@click.command()
@click.argument("district")
@click.option(
    "--between",
    nargs=2,
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="NIGHT NIGHT",
    help="What did change from what readers saw on one night to another.",
)
@click.option("--school", default="", metavar="SCHOOL", help="Only people of this school: its sourcedId or name.")
@click.option("--limit", type=click.IntRange(min=1), help=f"At most so many lines; else {_ON_A_SCREEN} on a terminal.")
@click.option("--csv", "as_csv", is_flag=True, help="The lines as CSV.")
@json_option
@warehouse_option
@landing_option
def diff(
    district: str,
    between: tuple[datetime, datetime] | None,
    school: str,
    limit: int | None,
    as_csv: bool,
    as_json: bool,
    warehouse: str | None,
    landing: str,
) -> None:
    """Show what the newest pull of DISTRICT changes, person by person with the reason, before or after it is published.

    After `rollcall sync DISTRICT --dry-run` it shows what the next publication would do. It only reads, and asks no
    provider.
    """
    from include.diff import printed
    from include.diff.diff import between_nights, next_publish
    from include.warehouse.connect import connect, warehouse_from_environment

    if as_csv and as_json:
        raise click.UsageError("Give either --csv or --json.")
    settings = find_district(district)
    engine = connect(warehouse_from_environment(warehouse))
    if between:
        told = between_nights(engine, settings, between[0].date(), between[1].date(), school)
    else:
        told = next_publish(engine, settings, Landing(landing), school)
    if as_csv:
        printed.write_csv(told, limit, sys.stdout)
    elif as_json:
        click.echo(printed.as_json(told, limit))
    else:
        printed.print_diff(told, limit or _ON_A_SCREEN, sys.stdout)
