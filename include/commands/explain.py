"""`rollcall explain`: why somebody is here or not."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import click

from include.commands.options import json_option, warehouse_option
from include.settings import find_district


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
    from include.explain.explain import explain as explained
    from include.explain.explanation import Several
    from include.explain.printed import print_explanation, print_matches
    from include.warehouse.connect import connect, warehouse_from_environment

    settings = find_district(district)
    told = explained(connect(warehouse_from_environment(warehouse)), settings, " ".join(who))
    if as_json:
        click.echo(json.dumps(asdict(told), default=str, indent=1))
    elif isinstance(told, Several):
        # a list of people must not end up in a letter
        print_matches(told, sys.stderr if forward else sys.stdout)
        sys.exit(1 if forward else 0)
    elif forward:
        click.echo(told.answer.reply)
    else:
        print_explanation(told, settings.schedule.timezone, sys.stdout)
