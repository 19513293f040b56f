"""`rollcall resume`: publication goes on after a rollback."""

from __future__ import annotations

import json

import click

from include.commands.options import json_option, warehouse_option
from include.settings import find_district


@click.command()
@click.argument("district")
@json_option
@warehouse_option
def resume(district: str, as_json: bool, warehouse: str | None) -> None:
    """Let runs of DISTRICT publish again; the next one pulls everything."""
    from include.past.rollback import resume as go_on
    from include.warehouse.connect import connect, warehouse_from_environment

    settings = find_district(district)
    was = go_on(connect(warehouse_from_environment(warehouse)), settings)
    if as_json:
        click.echo(json.dumps({"district": settings.district, "was_paused": was}))
    elif was:
        click.echo(f"{settings.name} is published again from the next run on. It was {was}.")
    else:
        click.echo(f"{settings.name} was not paused.")
