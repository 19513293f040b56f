"""`rollcall holds`: decisions that wait for a person."""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from rollcall.cli.options import json_option, retired_option, warehouse_option

if TYPE_CHECKING:
    import sqlalchemy as sa

    from rollcall.holds.decisions import Decision

_SHOWN_PEOPLE = 5


@click.group()
def holds() -> None:
    """Show and decide holds: changes that wait for your decision.

    HOLD is a hold's ID or a unique start of it. For example, `maple-users` is enough if only one hold of maple is about
    users.
    """


@holds.command("list")
@click.argument("district", required=False)
@json_option
@warehouse_option
def list_(district: str | None, as_json: bool, warehouse: str | None) -> None:
    """List the open holds of DISTRICT or of all districts, those that need a decision first."""
    from rich.console import Console
    from rich.table import Table

    from rollcall.holds import queries, render

    with _connected(warehouse) as connection:
        living = queries.active_holds(connection, district)
    if as_json:
        _print_json([asdict(held) for held in living])
        return
    if not living:
        click.echo("No open holds.")
        return
    grid = Table(header_style="dim", pad_edge=False, box=None)
    for name in ("hold", "stands", "since", "what", "looks like"):
        grid.add_column(name, overflow="fold", no_wrap=name in ("hold", "since"))
    for held in living:
        since = f"{held.opened_at:%Y-%m-%d}"
        grid.add_row(held.hold_id, held.status, since, render.render_subject(held), held.looks_like)
    Console(highlight=False).print(grid)


@holds.command()
@click.argument("hold")
@json_option
@warehouse_option
def show(hold: str, as_json: bool, warehouse: str | None) -> None:
    """Show the details of HOLD; with --json, also every row it names."""
    from rollcall.holds import queries, render

    with _connected(warehouse) as connection:
        held = queries.find_hold(connection, hold)
        where = queries.rows_by_school(connection, held)
        if as_json:
            _print_json({**asdict(held), "schools": where, "named_rows": queries.listed_rows(connection, held)})
            return
        people = queries.example_people(connection, held, _SHOWN_PEOPLE)
    click.echo(f"{click.style(held.hold_id, bold=True)}  {held.district_name}")
    lines = render.render_details(held, where)
    if people:
        lines.insert(len(lines) if held.status == "closed" else -4, ("For example", ", ".join(people)))
    for label, text in lines:
        click.echo(f"  {label:<12}{text}")
    if held.status != "closed":
        some = "  [--except SOURCEDID] [--school SCHOOL]" if held.lists_rows else ""
        click.echo(f'\n  rollcall holds approve {held.hold_id} --reason "…"{some}')
        click.echo(f'  rollcall holds reject {held.hold_id} --reason "…"')


@holds.command()
@click.argument("hold")
@click.option("--reason", required=True, help="Why. Kept with the hold.")
@retired_option("--because", "--reason")
@click.option("--except", "excepted", multiple=True, metavar="SOURCEDID", help="Keep this record held (repeatable).")
@click.option("--school", "schools", multiple=True, help="Only rows at this school, by sourcedId or name (repeatable).")
@json_option
@warehouse_option
def approve(
    hold: str, reason: str, excepted: Sequence[str], schools: Sequence[str], as_json: bool, warehouse: str | None
) -> None:
    """Approve HOLD: its rows are published by the next run. An unused approval expires after 24 hours.

    Records you except, and rows at other schools, stay held.
    """
    from rollcall.holds import decisions

    with _connected(warehouse) as connection:
        done = decisions.approve(
            connection, hold, by=getpass.getuser(), reason=reason, excepted=excepted, schools=schools
        )
    _print_decision(done, as_json)


@holds.command()
@click.argument("hold")
@click.option("--reason", required=True, help="Why. Kept with the hold.")
@retired_option("--because", "--reason")
@json_option
@warehouse_option
def reject(hold: str, reason: str, as_json: bool, warehouse: str | None) -> None:
    """Reject HOLD: the published rows stay. You are asked again only if more rows join the hold."""
    from rollcall.holds import decisions

    with _connected(warehouse) as connection:
        done = decisions.reject(connection, hold, by=getpass.getuser(), reason=reason)
    _print_decision(done, as_json)


def _print_decision(done: Decision, as_json: bool) -> None:
    from rollcall.holds import render

    if as_json:
        _print_json(asdict(done))
        return
    click.echo(f"{done.held.hold_id}: {render.render_status(done.held)}.")
    if done.no_longer:
        shown = ", ".join(f"{table} {' '.join(key)}" for table, key in done.no_longer[:_SHOWN_PEOPLE])
        more = len(done.no_longer) - _SHOWN_PEOPLE
        click.echo(
            f"{len(done.no_longer):,} no longer need a decision: {shown}{f' and {more:,} more' if more > 0 else ''}."
        )
    if done.left:
        click.echo(f"{done.left:,} stay held.")
    if done.next_command:
        click.echo(f"To publish it now: {done.next_command}")


@contextmanager
def _connected(warehouse: str | None) -> Iterator[sa.Connection]:
    from rollcall.warehouse.session import connect, warehouse_from_environment, warehouse_transaction

    engine = connect(warehouse_from_environment(warehouse))
    with warehouse_transaction(engine, "holds") as connection:
        yield connection
    engine.dispose()


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, default=str, indent=1))
