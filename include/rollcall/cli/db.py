"""`rollcall db`: manages the warehouse's schemas."""

from __future__ import annotations

import click

from rollcall.cli.grammar import CommandGroup, examples
from rollcall.cli.options import open_warehouse, warehouse_option
from rollcall.display.echo import echo, echo_text


@click.group(cls=CommandGroup, subcommand_metavar="VERB ...")
def db() -> None:
    """Manage the warehouse's schemas."""


@db.command(epilog=examples("db upgrade"))
@warehouse_option
def upgrade(warehouse: str | None) -> None:
    """Create or upgrade Rollcall's schemas in the warehouse."""
    from rollcall.warehouse import migrate
    from rollcall.warehouse.session import require_reachable

    engine = open_warehouse(warehouse)
    require_reachable(engine)
    before, after = migrate.upgrade(engine)
    if before == after:
        echo(f"The warehouse is already at version {after}.")
    elif before is None:
        echo(f"Created the warehouse's schemas at version {after}.")
    else:
        echo(f"Upgraded the warehouse from version {before} to {after}.")


@db.command(epilog=examples("db describe"))
def describe() -> None:
    """Print the reference of the roster's tables.

    This is docs/staging-schema.md, generated from the models.
    """
    from rollcall.warehouse.describe import page

    echo_text(page())


@db.command(epilog=examples("db grants", "db grants --apply", "db grants --prefix roster"))
@click.option("--apply", "is_applied", is_flag=True, help="Run the SQL instead of printing it.")
@click.option("--prefix", default="rollcall", show_default=True, help="The role names begin with this.")
@warehouse_option
def grants(is_applied: bool, prefix: str, warehouse: str | None) -> None:
    """Print the SQL for the roles owner, loader, reader, and ops. Repeat it after each upgrade."""
    from rollcall.warehouse import grants
    from rollcall.warehouse.session import connect, require_reachable, warehouse_from_environment

    roles = grants.Roles.named(prefix)
    url = warehouse_from_environment(warehouse)
    if not is_applied:
        echo_text(grants.script(roles, url.database or ""))
        return
    engine = connect(url)
    require_reachable(engine)
    grants.apply(engine, roles)
    echo(f"Granted the privileges of {roles.owner}, {roles.loader}, {roles.reader}, and {roles.ops}.")
