"""Past nights: `rollcall backfill`, `resume`, `rollback`, and `roster`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from rollcall.cli.grammar import district_argument, examples, optional_district_argument
from rollcall.cli.options import (
    json_option,
    landing_option,
    open_ready_warehouse,
    open_warehouse,
    retired_option,
    warehouse_option,
)
from rollcall.display.dates import format_date, format_instant
from rollcall.display.echo import echo, echo_data, echo_json
from rollcall.landing.zone import Landing
from rollcall.model.tables import TABLES
from rollcall.settings import District, find_district, load_districts, night_of

_NIGHT = click.DateTime(["%Y-%m-%d"])


@click.command(epilog=examples("backfill maple --from 2026-11-03 --to 2026-11-05"))
@optional_district_argument
@click.option("--from", "first", type=_NIGHT, required=True, metavar="NIGHT", help="The first night, YYYY-MM-DD.")
@click.option("--to", "last", type=_NIGHT, required=True, metavar="NIGHT", help="The last night, YYYY-MM-DD.")
@retired_option("--nights", "--from and --to")
@click.option("--all", "every", is_flag=True, help="Include nights that were already published or replayed.")
@click.option("--all-districts", is_flag=True, help="Backfill every enabled district.")
@json_option
@warehouse_option
@landing_option
def backfill(
    district: str | None,
    first: datetime,
    last: datetime,
    every: bool,
    all_districts: bool,
    as_json: bool,
    warehouse: str | None,
    landing: str,
) -> None:
    """Replay past nights of DISTRICT into history.

    Each night's pull goes through today's rules and mapping.
    By default, only nights that are missing or failed. A night is the date of its morning. Newer nights do not change.
    A pull newer than the published roster is published. If a night's pull was not kept, the command fetches the records
    modified since then, in their current state, and reports that.
    """
    if (district is None) == (not all_districts):
        raise click.UsageError("Name a DISTRICT, or give --all-districts.")
    districts = [find_district(district)] if district else _enabled()
    engine, zone = open_ready_warehouse(warehouse), Landing(landing)

    # takes seconds
    from rollcall.orchestration.backfill import backfill_night, nights_between

    outcomes = []
    for settings in districts:
        tonight = night_of(datetime.now(UTC), settings.schedule.timezone)
        for night in nights_between(first.date(), last.date(), tonight):
            outcome = backfill_night(engine, settings, zone, night, every=every)
            outcomes.append(outcome)
            if not as_json:
                echo(f"{outcome.district}  {format_date(night)}  {outcome.result}: {outcome.message}")
    if as_json:
        echo_json([outcome.plain() for outcome in outcomes])
    sys.exit(1 if any(outcome.result == "failed" for outcome in outcomes) else 0)


def _enabled() -> list[District]:
    return [district for district in load_districts()[0] if district.enabled]


@click.command(epilog=examples("resume maple"))
@district_argument
@click.option("--clock", is_flag=True, help="Fix rows dated in the future, after a clock was ahead.")
@json_option
@warehouse_option
def resume(district: str, clock: bool, as_json: bool, warehouse: str | None) -> None:
    """Resume publishing DISTRICT. The next run is a full pull."""
    from rollcall.history.clock_repair import reset_future_instants
    from rollcall.history.rollback import resume as go_on

    settings = find_district(district)
    engine = open_warehouse(warehouse)
    if clock:
        found = reset_future_instants(engine, settings)
        if as_json:
            echo_json({"district": settings.district, "in_future": found})
        elif found:
            echo(f"{settings.name}: {sum(found.values()):,} rows were dated in the future and are now dated today.")
        else:
            echo(f"{settings.name}: no rows are dated in the future.")
        return
    was = go_on(engine, settings)
    if as_json:
        echo_json({"district": settings.district, "was_paused": was})
    elif was:
        echo(f"{settings.name}: publishing resumes with the next run. It was {was}.")
    else:
        echo(f"{settings.name} was not paused.")


@click.command(epilog=examples("rollback maple --to cli__2026-11-28__a1b2c3"))
@district_argument
@click.option("--to", "to_run", required=True, metavar="RUN", help="Run ID to roll back to.")
@json_option
@warehouse_option
@landing_option
def rollback(district: str, to_run: str, as_json: bool, warehouse: str | None, landing: str) -> None:
    """Restore DISTRICT as an earlier run published it, and pause.

    The tables become exactly what RUN published. Publishing pauses.

    Runs keep pulling, but publish nothing until `rollcall resume`. The next pull is full.
    """
    settings = find_district(district)
    engine = open_ready_warehouse(warehouse)

    # takes seconds
    from rollcall.history.rollback import rollback as roll_back
    from rollcall.orchestration.terminal import terminal_run_id

    done = roll_back(engine, settings, Landing(landing), terminal_run_id(settings), to_run)
    if as_json:
        echo_json(asdict(done))
        return
    echo(
        f"Published roster of {settings.name}: {format_instant(done.as_of, settings.schedule.timezone)}, as published "
        f"by {done.to_run} (generation {done.generation})."
    )
    for table, rows in done.rows.items():
        echo(f"  {table}: {rows:,} rows changed")
    if not done.left_out:
        echo("  The list of people left out did not change; the old one is no longer stored.")
    echo(f"Publishing is paused. To resume: rollcall resume {settings.district}")


@click.command(epilog=examples("roster maple --as-of 2026-11-03 --table accounts --out roster.csv"))
@district_argument
@click.option("--as-of", type=_NIGHT, metavar="NIGHT", help="As known today, with later corrections.")
@click.option("--as-published", type=_NIGHT, metavar="NIGHT", help="As it was published that night.")
@click.option("--table", type=click.Choice(list(TABLES)), default="accounts", show_default=True)
@click.option("--format", "form", type=click.Choice(["csv", "json", "parquet"]), help="[default: from --out, or csv]")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Output file.  [default: standard output]")
@warehouse_option
def roster(
    district: str,
    as_of: datetime | None,
    as_published: datetime | None,
    table: str,
    form: str | None,
    out: Path | None,
    warehouse: str | None,
) -> None:
    """Write a table of DISTRICT's roster for a past night.

    The format is CSV, JSON (one object per line), or Parquet.
    A night is the date of its morning. The command sends no SIS requests. CSV puts an apostrophe before any text that a
    spreadsheet could read as a formula. JSON and Parquet keep every value unchanged.
    """
    from rollcall.files.private import write_private
    from rollcall.history import tables
    from rollcall.history.tables import encode

    if (as_of is None) == (as_published is None):
        raise click.UsageError("Give either --as-of or --as-published.")
    settings = find_district(district)
    engine = open_warehouse(warehouse)
    if as_of is not None:
        found = tables.read_as_of(engine, settings, as_of.date(), table)
    elif as_published is not None:
        found = tables.read_as_published(engine, settings, as_published.date(), table)
    by_name = {".csv": "csv", ".json": "json", ".jsonl": "json", ".parquet": "parquet"}
    if out is None and form == "parquet" and sys.stdout.isatty():
        raise click.UsageError("Parquet is not text. Give --out FILE.")
    content = encode(found.rows, form or (by_name.get(out.suffix) if out else None) or "csv")  # type: ignore[arg-type]
    if out:
        write_private(out, content)
    else:
        echo_data(content)
    echo(found.summary, err=True)
