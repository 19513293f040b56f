"""`rollcall backfill`: past nights anew."""

from __future__ import annotations

import json
import sys
from datetime import UTC, date, datetime

import click

from include.commands.options import json_option, landing_option, warehouse_option
from include.landing import Landing
from include.settings import District, find_district, load_districts, night_of


@click.command()
@click.argument("district", required=False)
@click.option("--nights", required=True, metavar="A..B", help="From night A to night B, YYYY-MM-DD; or one night.")
@click.option("--all", "every", is_flag=True, help="Also nights that were published or replayed already.")
@click.option("--all-districts", is_flag=True, help="Every enabled district in place of one.")
@json_option
@warehouse_option
@landing_option
def backfill(
    district: str | None,
    nights: str,
    every: bool,
    all_districts: bool,
    as_json: bool,
    warehouse: str | None,
    landing: str,
) -> None:
    """Write past nights of DISTRICT anew: each night's pull through today's rules and mapping into history.

    By default only nights that are missing or failed. A night is the date of its morning. Nothing newer is touched;
    a pull newer than what readers have is published. Where no pull of a night is kept, what was modified since then is
    fetched as it is now, and said so.
    """
    from include.past.backfill import backfill_night, nights_between
    from include.warehouse.connect import connect, warehouse_from_environment

    if (district is None) == (not all_districts):
        raise click.UsageError("Name a DISTRICT, or give --all-districts.")
    first, last = _dates(nights)
    engine, zone = connect(warehouse_from_environment(warehouse)), Landing(landing)
    outcomes = []
    for settings in [find_district(district)] if district else _enabled():
        tonight = night_of(datetime.now(UTC), settings.schedule.timezone)
        for night in nights_between(first, last, tonight):
            outcome = backfill_night(engine, settings, zone, night, every=every)
            outcomes.append(outcome)
            if not as_json:
                click.echo(f"{outcome.district}  {outcome.night}  {outcome.did}: {outcome.told}")
    if as_json:
        click.echo(json.dumps([outcome.plain() for outcome in outcomes], indent=1))
    sys.exit(1 if any(outcome.did == "failed" for outcome in outcomes) else 0)


def _dates(nights: str) -> tuple[date, date]:
    first, separator, last = nights.partition("..")
    try:
        return date.fromisoformat(first), date.fromisoformat(last if separator else first)
    except ValueError:
        raise click.BadParameter("give A..B, each as YYYY-MM-DD", param_hint="--nights") from None


def _enabled() -> list[District]:
    return [district for district in load_districts()[0] if district.enabled]
