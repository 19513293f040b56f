"""`rollcall people`: decisions about single people."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, TypedDict

import click

from rollcall.cli.edits import DistrictContext, settle, with_district, yes_option
from rollcall.cli.grammar import CommandGroup, examples
from rollcall.cli.options import F, json_option, retired_option, warehouse_option
from rollcall.display.echo import echo, echo_json

if TYPE_CHECKING:
    from rollcall.district_edits.current_roster import CurrentRoster
    from rollcall.district_edits.file import DistrictFile, Edit
    from rollcall.district_edits.persons import Person


@click.group(cls=CommandGroup, subcommand_metavar="VERB DISTRICT ...")
def people() -> None:
    """Decide about one person: no account, or a username by hand.

    WHO is a sourcedId, a username, or an email address. Decisions are stored in the district's YAML file. These
    commands send no SIS requests.
    """


@people.command("list", epilog=examples("people list maple"))
@with_district
@json_option
@warehouse_option
def list_(asked: DistrictContext, as_json: bool) -> None:
    """List the decisions about single people of DISTRICT."""
    from rollcall.district_edits.current_roster import current_roster
    from rollcall.district_edits.persons import decisions_made
    from rollcall.district_edits.render import print_decisions

    with current_roster(asked.engine(), asked.file().district) as roster:
        made = decisions_made(roster)
    if as_json:
        echo_json([decision.plain() for decision in made])
    else:
        print_decisions(made)


def _reason(command: F) -> F:
    """Add the options for the reason and the dates."""
    command = click.option(
        "--until",
        type=click.DateTime(["%Y-%m-%d"]),
        help="The last night it applies.  [default: no end]",
    )(command)
    command = click.option(
        "--from",
        "first",
        type=click.DateTime(["%Y-%m-%d"]),
        help="The first night it applies.  [default: now]",
    )(command)
    command = retired_option("--because", "--reason")(command)
    return click.option("--reason", required=True, metavar="WHY", help="Why. Kept in the district's file.")(command)


@people.command(
    "exclude",
    epilog=examples('people exclude maple amara.silva@students.maple.example --reason "On leave" --until 2027-01-31'),
)
@with_district
@click.argument("who")
@_reason
@yes_option
@json_option
@warehouse_option
def exclude(
    asked: DistrictContext,
    who: str,
    reason: str,
    first: datetime | None,
    until: datetime | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Give WHO no account."""
    from rollcall.district_edits.persons import decide

    nights = _nights(first, until)
    _decide(
        asked,
        who,
        lambda file, person: decide(file, person, reason=reason, exclude=True, **nights),
        yes=yes,
        as_json=as_json,
    )


@people.command(
    "set-username",
    epilog=examples(
        'people set-username maple amara.silva@students.maple.example amara.s --reason "Two people with one name"'
    ),
)
@with_district
@click.argument("who")
@click.argument("name")
@_reason
@yes_option
@json_option
@warehouse_option
def set_username(
    asked: DistrictContext,
    who: str,
    name: str,
    reason: str,
    first: datetime | None,
    until: datetime | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Give WHO the username NAME, set by hand."""
    from rollcall.district_edits.persons import decide

    nights = _nights(first, until)
    _decide(
        asked,
        who,
        lambda file, person: decide(file, person, reason=reason, username=name, **nights),
        yes=yes,
        as_json=as_json,
    )


@people.command(epilog=examples("people clear maple amara.silva@students.maple.example"))
@with_district
@click.argument("who")
@yes_option
@json_option
@warehouse_option
def clear(asked: DistrictContext, who: str, yes: bool, as_json: bool) -> None:
    """Remove the decision about WHO."""
    from rollcall.district_edits.persons import clear as cleared

    _decide(asked, who, cleared, yes=yes, as_json=as_json)


def _decide(
    asked: DistrictContext, who: str, change: Callable[[DistrictFile, str], Edit], *, yes: bool, as_json: bool
) -> None:
    """Change the decision about one person.

    :param change: from the file and a sourcedId to the new file. WHO can be a sourcedId that only the file knows.
    """
    from rollcall.district_edits.current_roster import current_roster
    from rollcall.district_edits.impact import compute_impact

    file = asked.file()
    with current_roster(asked.engine(), file.district) as roster:
        person = None if who in file.district.people else _person(roster, who)
        edit = change(file, person.sourced_id if person else who)
        moved = compute_impact(roster, file.district, edit.district)
    if person is not None and not as_json:
        echo(person.description)
    settle(edit, moved, yes=yes, as_json=as_json)


def _person(roster: CurrentRoster, who: str) -> Person:
    """The matching person. If several match, list them and exit."""
    from rollcall.district_edits.persons import matching
    from rollcall.errors import ActionRequired

    district = roster.district
    found = matching(roster, who)
    if not found:
        raise ActionRequired(
            "person_unknown",
            f"No one in the roster of {district.name} has this sourcedId, username, or email.",
            remedy="Give one of the three exactly as in the roster.",
            district=district.district,
        )
    if len(found) > 1:
        echo("Several people match. Give the sourcedId of one:", err=True)
        for person in found:
            echo(f"  {person.sourced_id}  {person.description}", err=True)
        sys.exit(1)
    return found[0]


class _Nights(TypedDict):
    first: date | None
    until: date | None


def _nights(first: datetime | None, until: datetime | None) -> _Nights:
    if until is not None and until.date() < datetime.now(UTC).date():
        raise click.UsageError("--until is in the past, so the decision would never apply.")
    if first is not None and until is not None and until < first:
        raise click.UsageError("--until is before --from, so the decision would never apply.")
    return {"first": first.date() if first else None, "until": until.date() if until else None}
