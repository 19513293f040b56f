"""`rollcall status`: the state of every district."""

from __future__ import annotations

import click

from rollcall.cli.grammar import examples
from rollcall.cli.options import json_option, open_warehouse, warehouse_option
from rollcall.display.echo import echo_json


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
    from rollcall.status.status import statuses
    from rollcall.status.table import print_statuses
    from rollcall.warehouse.session import warehouse_transaction

    engine = open_warehouse(warehouse)
    with warehouse_transaction(engine, "status") as connection:
        districts = statuses(connection, *load_districts())
    if as_json:
        echo_json([status.as_dict() for status in districts if every or status.action_required])
    else:
        print_statuses(districts, every=every, notes=holds_notes())
