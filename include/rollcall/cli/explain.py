"""`rollcall explain`: why somebody is here or not."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from datetime import datetime

import click

from rollcall.cli.options import json_option, landing_option, warehouse_option
from rollcall.landing.zone import Landing
from rollcall.settings import find_district

# `rollcall diff`: what changes, person by person.

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
    from rollcall.diff import render
    from rollcall.diff.diff import between_nights, next_publish
    from rollcall.warehouse.session import connect, warehouse_from_environment

    if as_csv and as_json:
        raise click.UsageError("Give either --csv or --json.")
    settings = find_district(district)
    engine = connect(warehouse_from_environment(warehouse))
    if between:
        told = between_nights(engine, settings, between[0].date(), between[1].date(), school)
    else:
        told = next_publish(engine, settings, Landing(landing), school)
    if as_csv:
        render.write_csv(told, limit, sys.stdout)
    elif as_json:
        click.echo(render.as_json(told, limit))
    else:
        render.print_diff(told, limit or _ON_A_SCREEN, sys.stdout)


@click.command()
@click.argument("district")
@click.argument("who", nargs=-1, required=True)
@click.option("--forward", is_flag=True, help="Only a reply ready to send to a school: no ids, nobody else's name.")
@json_option
@warehouse_option
def explain(district: str, who: tuple[str, ...], forward: bool, as_json: bool, warehouse: str | None) -> None:
    """Say why WHO is in the roster of DISTRICT or not, and since when.

    WHO is a sourcedId, a username, an e-mail address, a student or staff number, a part of a name, or a school. Several
    who fit are listed. It only reads, and asks no provider.
    """
    from rollcall.explain.explain import explain as explained
    from rollcall.explain.render import print_explanation, print_matches
    from rollcall.explain.timeline import PersonMatches
    from rollcall.warehouse.session import connect, warehouse_from_environment

    settings = find_district(district)
    told = explained(connect(warehouse_from_environment(warehouse)), settings, " ".join(who))
    if as_json:
        click.echo(json.dumps(asdict(told), default=str, indent=1))
    elif isinstance(told, PersonMatches):
        # a list of people must not end up in a letter
        print_matches(told, sys.stderr if forward else sys.stdout)
        sys.exit(1 if forward else 0)
    elif forward:
        click.echo(told.answer.reply)
    else:
        print_explanation(told, settings.schedule.timezone, sys.stdout)
