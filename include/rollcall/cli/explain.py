"""`rollcall explain` and `rollcall diff`: why a person is in the roster or not, and what changes."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import datetime

import click

from rollcall.cli.grammar import district_argument, examples
from rollcall.cli.options import json_option, landing_option, open_warehouse, warehouse_option
from rollcall.display.echo import echo_data, echo_json, echo_text
from rollcall.landing.zone import Landing
from rollcall.settings import find_district

#: Lines that `diff` prints on a terminal by default.
_DEFAULT_LINES = 60


@click.command(epilog=examples("diff maple", "diff maple --between 2026-11-27 2026-11-28"))
@district_argument
@click.option(
    "--between",
    nargs=2,
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="NIGHT NIGHT",
    help="Compare two published dates.",
)
@click.option("--school", default="", metavar="SCHOOL", help="Only people at this school, by sourcedId or name.")
@click.option("--limit", type=click.IntRange(min=1), help=f"Maximum number of lines.  [default: {_DEFAULT_LINES}]")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@json_option
@warehouse_option
@landing_option
def diff(
    district: str,
    between: tuple[datetime, datetime] | None,
    school: str,
    limit: int | None,
    as_csv: bool,
    as_json: bool,
    warehouse: str | None,
    landing: str,
) -> None:
    """Show what the latest pull of DISTRICT changes, per person.

    Each change has its reason. It works before and after the pull is published.
    After `rollcall sync DISTRICT --dry-run`, it shows what the next run would publish. It only reads, and sends no SIS
    requests.
    """
    from rollcall.diff import render
    from rollcall.diff.diff import between_nights, next_publish

    if as_csv and as_json:
        raise click.UsageError("Give either --csv or --json, not both.")
    settings = find_district(district)
    engine = open_warehouse(warehouse)
    if between:
        changes = between_nights(engine, settings, between[0].date(), between[1].date(), school)
    else:
        changes = next_publish(engine, settings, Landing(landing), school)
    if as_csv:
        echo_data(render.as_csv(changes, limit))
    elif as_json:
        echo_json(render.plain(changes, limit))
    else:
        render.print_diff(changes, limit or _DEFAULT_LINES, sys.stdout)


@click.command(epilog=examples("explain maple Amara Silva", "explain maple 400066 --forward"))
@district_argument
@click.argument("who", nargs=-1, required=True)
@click.option("--forward", is_flag=True, help="Print only a reply for the school, without IDs or other people's names.")
@json_option
@warehouse_option
def explain(district: str, who: tuple[str, ...], forward: bool, as_json: bool, warehouse: str | None) -> None:
    """Explain why a person is, or is not, in the roster of DISTRICT.

    WHO is a sourcedId, a username, an email address, a student or staff number, part of a name in any order and without
    accents, or a school. If several people match, it lists them; if no one matches, it lists the closest names. It only
    reads, and sends no SIS requests.
    """
    from rollcall.explain.explain import explain as explained
    from rollcall.explain.render import print_explanation, print_matches, print_near
    from rollcall.explain.timeline import PersonMatches

    settings = find_district(district)
    result = explained(open_warehouse(warehouse), settings, " ".join(who))
    if as_json:
        echo_json(asdict(result))
    elif isinstance(result, PersonMatches):
        # With --forward, a list of people must not end up in the reply.
        print_matches(result, sys.stderr if forward else sys.stdout)
        sys.exit(1 if forward else 0)
    elif forward:
        print_near(result, sys.stderr)
        echo_text(result.answer.reply)
    else:
        print_explanation(result, settings.schedule.timezone, sys.stdout)
