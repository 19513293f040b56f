"""`rollcall resume`: publication goes on after a rollback."""

from __future__ import annotations

import json

import click

from include.commands.options import json_option, warehouse_option
from include.settings import find_district


@click.command()
@click.argument("district")
@click.option("--clock", is_flag=True, help="After a clock was ahead: set back to now what is dated in the future.")
@json_option
@warehouse_option
def resume(district: str, clock: bool, as_json: bool, warehouse: str | None) -> None:
    """Let runs of DISTRICT publish again; the next one pulls everything."""
    from include.past.rollback import resume as go_on
    from include.past.set_back import set_back
    from include.warehouse.connect import connect, warehouse_from_environment

    settings = find_district(district)
    engine = connect(warehouse_from_environment(warehouse))
    if clock:
        found = set_back(engine, settings)
        if as_json:
            click.echo(json.dumps({"district": settings.district, "in_future": found}))
        elif found:
            click.echo(
                f"{settings.name}: {sum(found.values()):,} rows were dated in the future and are set back to now."
            )
        else:
            click.echo(f"{settings.name}: nothing is dated in the future.")
        return
    was = go_on(engine, settings)
    if as_json:
        click.echo(json.dumps({"district": settings.district, "was_paused": was}))
    elif was:
        click.echo(f"{settings.name} is published again from the next run on. It was {was}.")
    else:
        click.echo(f"{settings.name} was not paused.")
