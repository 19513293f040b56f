"""`rollcall sites DISTRICT`: which school is which site."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rollcall.cli.edits import DistrictContext, action, of_district, settle, yes_option
from rollcall.cli.options import json_option, retired_command
from rollcall.settings.sections import EXCLUDE, UNDECIDED

if TYPE_CHECKING:
    from rollcall.district_edits.sites import Schools


@of_district
def sites(asked: DistrictContext, *, as_json: bool) -> None:
    """The schools of DISTRICT (an id, or a path to its YAML file) with their people, and which site each is.

    Without an action it lists them, those nobody has decided about first. SCHOOL is a sourcedId, an identifier or a
    name that only one school has; SITE the id or the name of one of the district's sites. Decisions stand in the
    district's YAML and nowhere else. No provider is asked.
    """
    from rollcall.district_edits.render import print_schools

    found = _schools(asked)
    if as_json:
        rows = [{**asdict(school), "told": school.told} for school in found.schools]
        click.echo(json.dumps({"targets": found.targets, "schools": rows}, indent=1, ensure_ascii=False))
    else:
        print_schools(found)


@sites.command("set")
@click.argument("school")
@click.argument("site")
@yes_option
@json_option
@action
def set_(asked: DistrictContext, school: str, site: str, yes: bool, as_json: bool) -> None:
    """Make SCHOOL belong to SITE; several schools may share one."""
    found = _schools(asked)
    _decide(asked, found, {found.find(school).sourced_id: found.site(site)}, yes=yes, as_json=as_json)


retired_command(sites, "leave-out", "exclude")


@sites.command("exclude")
@click.argument("school")
@yes_option
@json_option
@action
def exclude(asked: DistrictContext, school: str, yes: bool, as_json: bool) -> None:
    """Leave SCHOOL out: its people are in staging and have no account there."""
    found = _schools(asked)
    _decide(asked, found, {found.find(school).sourced_id: EXCLUDE}, yes=yes, as_json=as_json)


@sites.command()
@click.argument("school")
@yes_option
@json_option
@action
def undecide(asked: DistrictContext, school: str, yes: bool, as_json: bool) -> None:
    """Take the decision about SCHOOL back."""
    found = _schools(asked)
    _decide(asked, found, {found.find(school).sourced_id: UNDECIDED}, yes=yes, as_json=as_json)


@sites.command()
@click.option("--apply", "applies", is_flag=True, help="Decide what is suggested.")
@yes_option
@json_option
@action
def suggest(asked: DistrictContext, applies: bool, yes: bool, as_json: bool) -> None:
    """Suggest a site for every undecided school: by an equal identifier, else by a name that means the same.

    What could be two things is not suggested; both are named.
    """
    found = _schools(asked)
    found.require_targets()
    near = {school.sourced_id: school.suggestion for school in found.schools if school.suggestion}
    doubtful = [school for school in found.schools if school.note and not school.suggestion]
    if applies:
        _decide(asked, found, near, yes=yes, as_json=as_json)
        return
    if as_json:
        rows = [asdict(school) for school in found.schools if school.state == "undecided"]
        click.echo(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    for school in found.schools:
        if school.suggestion:
            site = f"{school.suggestion} ({found.targets[school.suggestion]})"
            click.echo(f"{school.name} ({school.sourced_id}) → {site}: {school.note}")
    for school in doubtful:
        click.echo(f"{school.name} ({school.sourced_id}): {school.note}")
    rest = sum(school.state == "undecided" and not school.note for school in found.schools)
    click.echo(f"{len(near)} suggested, {len(doubtful)} could be two things, {rest} like nothing. Decide with --apply.")


@sites.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path, allow_dash=True))
@action
def export(asked: DistrictContext, file: Path) -> None:
    """Write all schools to FILE as CSV (- for standard output), to be decided about in a spreadsheet.

    Fill the column `site` with a site's id or name, or exclude; empty is undecided.
    """
    from rollcall.district_edits import worksheet

    found = _schools(asked)
    if str(file) == "-":
        click.echo(worksheet.write(found), nl=False)
        return
    worksheet.save(found, file)
    click.echo(
        f"{len(found.schools)} schools are in {file}. Read it again with: rollcall sites {asked.district} import {file}"
    )


@sites.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@yes_option
@json_option
@action
def import_(asked: DistrictContext, file: Path, yes: bool, as_json: bool) -> None:
    """Decide what FILE says, a CSV that `export` wrote; schools that are not in it stay as they are."""
    from rollcall.district_edits import worksheet

    found = _schools(asked)
    _decide(asked, found, worksheet.read(found, file), yes=yes, as_json=as_json)


def _schools(asked: DistrictContext) -> Schools:
    from rollcall.district_edits.published import published_roster
    from rollcall.district_edits.sites import schools_of

    with published_roster(asked.engine(), asked.file().district) as roster:
        return schools_of(roster)


def _decide(asked: DistrictContext, found: Schools, decisions: Mapping[str, str], *, yes: bool, as_json: bool) -> None:
    from rollcall.district_edits.impact import compute_impact
    from rollcall.district_edits.published import published_roster
    from rollcall.district_edits.sites import decide

    edit = decide(asked.file(), found, decisions)
    with published_roster(asked.engine(), edit.file.district) as roster:
        moved = compute_impact(roster, edit.file.district, edit.district)
    settle(edit, moved, yes=yes, as_json=as_json)
