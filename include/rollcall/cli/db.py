"""`rollcall db`: the warehouse's schemas."""

from __future__ import annotations

import click

from rollcall.cli.options import warehouse_option


@click.group()
def db() -> None:
    """The warehouse's schemas."""


@db.command()
@warehouse_option
def upgrade(warehouse: str | None) -> None:
    """Create Rollcall's schemas in the warehouse, or bring them to the newest version."""
    from rollcall.warehouse import migrate
    from rollcall.warehouse.session import connect, require_reachable, warehouse_from_environment

    engine = connect(warehouse_from_environment(warehouse))
    require_reachable(engine)
    before, after = migrate.upgrade(engine)
    if before == after:
        click.echo(f"The warehouse is at version {after} already.")
    else:
        click.echo(f"The warehouse was {'new' if before is None else f'at version {before}'} and is at {after} now.")


@db.command()
def describe() -> None:
    """Print the page about the roster's tables, docs/staging-schema.md, made from the models."""
    from rollcall.warehouse.describe import page

    click.echo(page(), nl=False)
