"""`rollcall status`: the morning on one screen."""

from __future__ import annotations

import json
import sys

import click
from rich.console import Console
from rich.table import Table as Grid

from rollcall.cli.options import json_option, warehouse_option
from rollcall.status.status import DistrictStatus


@click.command()
@click.option("--all", "every", is_flag=True, help="Every district, also those that need nobody.")
@json_option
@warehouse_option
def status(every: bool, as_json: bool, warehouse: str | None) -> None:
    """Which districts need a person, worst first, and what to do about each."""
    from rollcall.settings import load_districts
    from rollcall.status.airflow_dags import holds_notes
    from rollcall.status.digest import totals
    from rollcall.status.status import statuses
    from rollcall.warehouse.session import connect, warehouse_from_environment, warehouse_transaction

    engine = connect(warehouse_from_environment(warehouse))
    with warehouse_transaction(engine, "status") as connection:
        told = statuses(connection, *load_districts())
    shown = [one for one in told if every or one.action_required]
    if as_json:
        click.echo(json.dumps([one.plain() for one in shown], default=str, indent=1))
    else:
        console = Console(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else 140)
        console.print(totals(told))
        if shown:
            console.print(_grid(shown))
        for note in holds_notes():
            click.echo(note)


def _grid(shown: list[DistrictStatus]) -> Grid:
    grid = Grid(header_style="dim", pad_edge=False, box=None)
    for name in ("district", "state", "since", "what happened", "readers have", "next"):
        grid.add_column(name, overflow="fold")
    for one in shown:
        since = f"{one.since:%Y-%m-%d %H:%M}" if one.since else ""
        night = f"{one.night:%Y-%m-%d}" if one.night else "nothing"
        grid.add_row(one.district, one.state, since, one.what, night, one.command)
    return grid
