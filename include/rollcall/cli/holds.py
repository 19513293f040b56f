"""`rollcall holds`: changes that wait for a decision."""

from __future__ import annotations

import getpass
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from rollcall.cli.grammar import CommandGroup, DistrictType, examples, optional_district_argument
from rollcall.cli.options import json_option, open_warehouse, retired_option, warehouse_option
from rollcall.display.echo import echo_json

if TYPE_CHECKING:
    import sqlalchemy as sa

    from rollcall.holds.decisions import Decision

_SHOWN_PEOPLE = 5

_APPROVE_PART = 'holds approve maple users --reason "moved away" --school "Maple High" --except 68d5a7c0'


@click.group(cls=CommandGroup, subcommand_metavar="VERB [DISTRICT] ...")
def holds() -> None:
    """Show and decide holds: changes that wait for your decision.

    HOLD is a hold's ID or a unique start of it, with or without the district. For example, `users` is enough if only
    one hold of the district is about users. Without HOLD, a command is about the district's only open hold.
    """


def _require_district(context: click.Context, _parameter: click.Parameter, district: str) -> str:
    """Refuse the order of an older version, HOLD alone. No district's ID has a hyphen, and every hold's ID has."""
    name, hyphen, _ = district.partition("-")
    if hyphen and not district.endswith((".yaml", ".yml")) and "/" not in district:
        verb = context.info_name
        raise click.UsageError(f"The district comes before the hold: rollcall holds {verb} {name} {district}", context)
    return district


_district_argument = click.argument("district", type=DistrictType(), callback=_require_district)


@holds.command("list", epilog=examples("holds list", "holds list maple"))
@optional_district_argument
@json_option
@warehouse_option
def list_(district: str | None, as_json: bool, warehouse: str | None) -> None:
    """List open holds, those that need a decision first."""
    from rollcall.holds import queries
    from rollcall.holds.table import print_holds

    with _connected(warehouse) as connection:
        living = queries.active_holds(connection, queries.known_district(connection, district) if district else None)
    if as_json:
        echo_json([asdict(held) for held in living])
        return
    print_holds(living)


@holds.command(epilog=examples("holds show maple", "holds show maple users"))
@_district_argument
@click.argument("hold", default="")
@json_option
@warehouse_option
def show(district: str, hold: str, as_json: bool, warehouse: str | None) -> None:
    """Show everything about a hold of DISTRICT.

    With --json, also every row it names.
    """
    from rollcall.holds import queries
    from rollcall.holds.table import print_hold

    with _connected(warehouse) as connection:
        held = queries.find_hold_of(connection, district, hold)
        where = queries.rows_by_school(connection, held)
        if as_json:
            echo_json({**asdict(held), "schools": where, "named_rows": queries.listed_rows(connection, held)})
            return
        people = queries.example_people(connection, held, _SHOWN_PEOPLE)
    print_hold(held, where, people)


@holds.command(epilog=examples('holds approve maple users --reason "graduated"', _APPROVE_PART))
@_district_argument
@click.argument("hold", default="")
@click.option("--reason", required=True, help="Why. Kept with the hold.")
@retired_option("--because", "--reason")
@click.option("--except", "excepted", multiple=True, metavar="SOURCEDID", help="Keep this record held (repeatable).")
@click.option("--school", "schools", multiple=True, help="Only rows at this school, by sourcedId or name (repeatable).")
@json_option
@warehouse_option
def approve(
    district: str,
    hold: str,
    reason: str,
    excepted: Sequence[str],
    schools: Sequence[str],
    as_json: bool,
    warehouse: str | None,
) -> None:
    """Approve a hold of DISTRICT: the next run publishes its rows. An unused approval expires after 24 hours.

    Records you except, and rows at other schools, stay held.
    """
    from rollcall.holds import decisions, queries

    with _connected(warehouse) as connection:
        held = queries.find_hold_of(connection, district, hold)
        done = decisions.approve(
            connection, held.hold_id, by=getpass.getuser(), reason=reason, excepted=excepted, schools=schools
        )
    _print_decision(done, as_json)


@holds.command(epilog=examples('holds reject maple users --reason "The office says they are there"'))
@_district_argument
@click.argument("hold", default="")
@click.option("--reason", required=True, help="Why. Kept with the hold.")
@retired_option("--because", "--reason")
@json_option
@warehouse_option
def reject(district: str, hold: str, reason: str, as_json: bool, warehouse: str | None) -> None:
    """Reject a hold of DISTRICT: the published rows stay. You are asked again only if more rows join the hold."""
    from rollcall.holds import decisions, queries

    with _connected(warehouse) as connection:
        held = queries.find_hold_of(connection, district, hold)
        done = decisions.reject(connection, held.hold_id, by=getpass.getuser(), reason=reason)
    _print_decision(done, as_json)


def _print_decision(done: Decision, as_json: bool) -> None:
    from rollcall.holds.table import print_decision

    if as_json:
        echo_json(asdict(done))
    else:
        print_decision(done)


@contextmanager
def _connected(warehouse: str | None) -> Iterator[sa.Connection]:
    from rollcall.warehouse.session import warehouse_transaction

    engine = open_warehouse(warehouse)
    with warehouse_transaction(engine, "holds") as connection:
        yield connection
    engine.dispose()
