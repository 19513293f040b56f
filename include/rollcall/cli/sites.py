"""`rollcall sites`: which school belongs to which site."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rollcall.cli.edits import DistrictContext, settle, with_district, yes_option
from rollcall.cli.grammar import CommandGroup, examples
from rollcall.cli.options import json_option, warehouse_option
from rollcall.display.echo import echo, echo_data, echo_json
from rollcall.settings.sections import EXCLUDE, UNDECIDED

if TYPE_CHECKING:
    from rollcall.district_edits.sites import Schools


@click.group(cls=CommandGroup, subcommand_metavar="VERB DISTRICT ...")
def sites() -> None:
    """Map the schools of a district to sites.

    SCHOOL is a sourcedId, an identifier, or a unique name. SITE is the ID or name of one of the district's sites.
    Decisions are stored in the district's YAML file. These commands send no SIS requests.
    """


@sites.command("list", epilog=examples("sites list maple"))
@with_district
@json_option
@warehouse_option
def list_(asked: DistrictContext, as_json: bool) -> None:
    """List the schools of DISTRICT, undecided ones first.

    Each has its people, its site, and a suggestion.
    """
    from rollcall.district_edits.render import print_schools

    found = _schools(asked)
    if as_json:
        rows = [{**asdict(school), "state_text": school.state_text} for school in found.schools]
        echo_json({"targets": found.targets, "schools": rows})
    else:
        print_schools(found)


@sites.command("set", epilog=examples('sites set maple "Franklin Elementary School" ME'))
@with_district
@click.argument("school")
@click.argument("site")
@yes_option
@json_option
@warehouse_option
def set_(asked: DistrictContext, school: str, site: str, yes: bool, as_json: bool) -> None:
    """Map SCHOOL to SITE. Several schools can share a site."""
    _decide(asked, lambda found: {found.find(school).sourced_id: found.site(site)}, yes=yes, as_json=as_json)


@sites.command("exclude", epilog=examples("sites exclude maple 520646dd"))
@with_district
@click.argument("school")
@yes_option
@json_option
@warehouse_option
def exclude(asked: DistrictContext, school: str, yes: bool, as_json: bool) -> None:
    """Exclude SCHOOL: its people get no account there.

    They stay in the staging tables.
    """
    _decide(asked, lambda found: {found.find(school).sourced_id: EXCLUDE}, yes=yes, as_json=as_json)


@sites.command(epilog=examples("sites undecide maple 520646dd"))
@with_district
@click.argument("school")
@yes_option
@json_option
@warehouse_option
def undecide(asked: DistrictContext, school: str, yes: bool, as_json: bool) -> None:
    """Remove the decision about SCHOOL."""
    _decide(asked, lambda found: {found.find(school).sourced_id: UNDECIDED}, yes=yes, as_json=as_json)


@sites.command(epilog=examples("sites suggest maple", "sites suggest maple --apply"))
@with_district
@click.option("--apply", "applies", is_flag=True, help="Apply all suggestions.")
@yes_option
@json_option
@warehouse_option
def suggest(asked: DistrictContext, applies: bool, yes: bool, as_json: bool) -> None:
    """Suggest a site for every undecided school.

    A site matches by equal identifier, or by equivalent name.
    If two sites match, it names both and suggests neither.
    """
    from rollcall.district_edits.render import print_suggestions

    if applies:
        _decide(asked, _suggestions, yes=yes, as_json=as_json)
        return
    found = _schools(asked)
    found.require_targets()
    if as_json:
        echo_json([asdict(school) for school in found.schools if school.state == "undecided"])
    else:
        print_suggestions(found)


@sites.command(epilog=examples("sites export maple schools.csv"))
@with_district
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path, allow_dash=True))
@warehouse_option
def export(asked: DistrictContext, file: Path) -> None:
    """Write all schools to FILE (CSV), to decide in a spreadsheet.

    FILE - is standard output.
    Fill the column `site` with a site's id or name, or exclude; empty is undecided.
    """
    from rollcall.district_edits import worksheet

    found = _schools(asked)
    if str(file) == "-":
        echo_data(worksheet.write(found).encode())
        return
    worksheet.save(found, file)
    echo(f"Wrote {len(found.schools)} schools to {file}. To import it: rollcall sites import {asked.district} {file}")


@sites.command("import", epilog=examples("sites import maple schools.csv"))
@with_district
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@yes_option
@json_option
@warehouse_option
def import_(asked: DistrictContext, file: Path, yes: bool, as_json: bool) -> None:
    """Apply the decisions in FILE, a CSV from `export`. Schools not in the file do not change."""
    from rollcall.district_edits import worksheet

    _decide(asked, lambda found: worksheet.read(found, file), yes=yes, as_json=as_json)


def _schools(asked: DistrictContext) -> Schools:
    from rollcall.district_edits.current_roster import current_roster
    from rollcall.district_edits.sites import schools_of

    with current_roster(asked.engine(), asked.file().district) as roster:
        return schools_of(roster)


def _suggestions(found: Schools) -> Mapping[str, str]:
    found.require_targets()
    return found.suggestions


def _decide(
    asked: DistrictContext, decisions: Callable[[Schools], Mapping[str, str]], *, yes: bool, as_json: bool
) -> None:
    from rollcall.district_edits.current_roster import current_roster
    from rollcall.district_edits.impact import compute_impact
    from rollcall.district_edits.sites import decide, schools_of

    file = asked.file()
    with current_roster(asked.engine(), file.district) as roster:
        found = schools_of(roster)
        edit = decide(file, found, decisions(found))
        moved = compute_impact(roster, file.district, edit.district)
    settle(edit, moved, yes=yes, as_json=as_json)
