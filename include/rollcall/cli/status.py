"""`rollcall status`: the state of every district."""

from __future__ import annotations

import click
from rich.table import Table as Grid

from rollcall.cli.grammar import examples
from rollcall.cli.options import json_option, open_warehouse, warehouse_option
from rollcall.display.dates import format_date
from rollcall.display.echo import echo_json
from rollcall.display.terminal import open_console, plain_grid
from rollcall.status.status import DistrictStatus


@click.command(epilog=examples("status", "status --all"))
@click.option("--all", "every", is_flag=True, help="Include healthy districts.")
@json_option
@warehouse_option
def status(every: bool, as_json: bool, warehouse: str | None) -> None:
    """Show the districts that need action, worst first.

    Each has the next command.
    """
    from rollcall.settings import load_districts
    from rollcall.status.airflow_dags import holds_notes
    from rollcall.status.digest import totals
    from rollcall.status.status import statuses
    from rollcall.warehouse.session import warehouse_transaction

    engine = open_warehouse(warehouse)
    with warehouse_transaction(engine, "status") as connection:
        districts = statuses(connection, *load_districts())
    shown = [status for status in districts if every or status.action_required]
    if as_json:
        echo_json([status.as_dict() for status in shown])
        return
    console = open_console()
    console.print(totals(districts))
    if shown:
        console.print(_grid(shown))
    for note in holds_notes():
        console.print(note)


def _grid(shown: list[DistrictStatus]) -> Grid:
    grid = plain_grid("district", "state", "since", "message", "published roster", "next")
    for status in shown:
        night = format_date(status.night) if status.night else "none yet"
        grid.add_row(status.district, status.state, status.since_label, status.message, night, status.command)
    return grid
