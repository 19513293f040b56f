"""`rollcall usernames`: which field the usernames come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from rollcall.cli.edits import DistrictContext, settle, with_district, yes_option
from rollcall.cli.grammar import CommandGroup, examples
from rollcall.cli.options import F, json_option, warehouse_option
from rollcall.display.echo import echo_json
from rollcall.model.username_fields import FORMS

if TYPE_CHECKING:
    from rollcall.district_edits.fields import Role, UsernamePreview
    from rollcall.settings import District, UsernameSource


@click.group(
    cls=CommandGroup,
    subcommand_metavar="VERB DISTRICT ...",
    help="Choose the field that a district's usernames come from.\n\n"
    f"FIELD is one of {', '.join(FORMS)}. The choice is stored in the district's YAML file. These commands send no SIS "
    "requests.",
)
def usernames() -> None:
    pass


@usernames.command(epilog=examples("usernames compare maple"))
@with_district
@json_option
@warehouse_option
def compare(asked: DistrictContext, as_json: bool) -> None:
    """Compare the username fields of DISTRICT, per role.

    For each field: values present, distinct values, collisions, changes in the latest pull, and a masked example. The
    best field is marked.
    """
    from rollcall.district_edits.current_roster import current_roster
    from rollcall.district_edits.fields import compare as compared
    from rollcall.district_edits.render import print_fields

    with current_roster(asked.engine(), asked.file().district) as roster:
        facts, basis = compared(roster), roster.basis
    if as_json:
        rows = [{**asdict(fact), "verdict": fact.verdict} for fact in facts]
        echo_json(rows)
    else:
        print_fields(facts, basis)


def _choice(command: F) -> F:
    """Add the arguments that define a username source."""
    for option in (
        click.argument("field"),
        click.option("--role", type=click.Choice(["student", "staff"]), help="Only for this role.  [default: both]"),
        click.option(
            "--transform",
            "transforms",
            multiple=True,
            metavar="STEP",
            help="A step such as trim, lower, local_part, 'domain: elm.example', or none (repeatable, in order).  "
            "[default: trim, lower]",
        ),
        click.option("--pattern", help="Regular expression that the whole username must match."),
    ):
        command = option(command)
    return command


@usernames.command(epilog=examples("usernames preview maple email --transform lower --transform local_part"))
@with_district
@_choice
@json_option
@warehouse_option
def preview(
    asked: DistrictContext, field: str, role: Role | None, transforms: Sequence[str], pattern: str | None, as_json: bool
) -> None:
    """Preview usernames from FIELD: coverage, collisions, changes."""
    from rollcall.district_edits.render import print_moves, print_preview

    source = _source(field, transforms, pattern)
    shown = _shown(asked, asked.file().district, source, role)
    if as_json:
        echo_json(shown.plain())
    else:
        print_preview(shown)
        print_moves(shown.moves)


@usernames.command("set", epilog=examples("usernames set maple username --role student"))
@with_district
@_choice
@yes_option
@json_option
@warehouse_option
def set_(
    asked: DistrictContext,
    field: str,
    role: Role | None,
    transforms: Sequence[str],
    pattern: str | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Take usernames from FIELD only. The impact is shown first."""
    from rollcall.district_edits.fields import decide
    from rollcall.district_edits.render import print_preview

    source = _source(field, transforms, pattern)
    file = asked.file()
    shown = _shown(asked, file.district, source, role)
    if not as_json:
        print_preview(shown)
    edit = decide(file, source, _roles(role))
    settle(edit, shown.moves, yes=yes, as_json=as_json, more=shown.plain())


def _source(field: str, transforms: Sequence[str], pattern: str | None) -> UsernameSource:
    from rollcall.district_edits.fields import username_source

    try:
        return username_source(field, transforms, pattern)
    except (ValueError, TypeError) as wrong:
        raise click.UsageError(str(wrong)) from None


def _roles(role: Role | None) -> list[Role]:
    from rollcall.district_edits.fields import ROLES

    return [role] if role else list(ROLES)


def _shown(asked: DistrictContext, district: District, source: UsernameSource, role: Role | None) -> UsernamePreview:
    from rollcall.district_edits.current_roster import current_roster
    from rollcall.district_edits.fields import chosen, preview

    with current_roster(asked.engine(), district) as roster:
        return preview(roster, chosen(district, source, _roles(role)), _roles(role))
