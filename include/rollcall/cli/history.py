"""`rollcall backfill`: past nights anew."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from rollcall.cli.options import json_option, landing_option, retired_option, warehouse_option
from rollcall.landing.zone import Landing
from rollcall.model.tables import TABLES
from rollcall.settings import District, find_district, load_districts, night_of

_NIGHT = click.DateTime(["%Y-%m-%d"])


@click.command()
@click.argument("district", required=False)
@click.option("--from", "first", type=_NIGHT, required=True, metavar="NIGHT", help="The first night, YYYY-MM-DD.")
@click.option("--to", "last", type=_NIGHT, required=True, metavar="NIGHT", help="The last night, YYYY-MM-DD.")
@retired_option("--nights", "--from and --to")
@click.option("--all", "every", is_flag=True, help="Also nights that were published or replayed already.")
@click.option("--all-districts", is_flag=True, help="Every enabled district in place of one.")
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
    """Write past nights of DISTRICT anew: each night's pull through today's rules and mapping into history.

    By default only nights that are missing or failed. A night is the date of its morning. Nothing newer is touched;
    a pull newer than what readers have is published. Where no pull of a night is kept, what was modified since then is
    fetched as it is now, and said so.
    """
    from rollcall.orchestration.backfill import backfill_night, nights_between
    from rollcall.warehouse.session import connect, warehouse_from_environment

    if (district is None) == (not all_districts):
        raise click.UsageError("Name a DISTRICT, or give --all-districts.")
    engine, zone = connect(warehouse_from_environment(warehouse)), Landing(landing)
    outcomes = []
    for settings in [find_district(district)] if district else _enabled():
        tonight = night_of(datetime.now(UTC), settings.schedule.timezone)
        for night in nights_between(first.date(), last.date(), tonight):
            outcome = backfill_night(engine, settings, zone, night, every=every)
            outcomes.append(outcome)
            if not as_json:
                click.echo(f"{outcome.district}  {outcome.night}  {outcome.did}: {outcome.told}")
    if as_json:
        click.echo(json.dumps([outcome.plain() for outcome in outcomes], indent=1))
    sys.exit(1 if any(outcome.did == "failed" for outcome in outcomes) else 0)


def _enabled() -> list[District]:
    return [district for district in load_districts()[0] if district.enabled]


# `rollcall resume`: publication goes on after a rollback.


@click.command()
@click.argument("district")
@click.option("--clock", is_flag=True, help="After a clock was ahead: set back to now what is dated in the future.")
@json_option
@warehouse_option
def resume(district: str, clock: bool, as_json: bool, warehouse: str | None) -> None:
    """Let runs of DISTRICT publish again; the next one pulls everything."""
    from rollcall.history.clock_repair import reset_future_instants
    from rollcall.history.rollback import resume as go_on
    from rollcall.warehouse.session import connect, warehouse_from_environment

    settings = find_district(district)
    engine = connect(warehouse_from_environment(warehouse))
    if clock:
        found = reset_future_instants(engine, settings)
        if as_json:
            click.echo(json.dumps({"district": settings.district, "in_future": found}))
        elif found:
            click.echo(
                f"{settings.name}: {sum(found.values()):,} rows were dated in the future and are set back to now."
            )
        else:
            click.echo(f"{settings.name}: nothing is dated in the future.")
        return
    was = go_on(engine, settings)
    if as_json:
        click.echo(json.dumps({"district": settings.district, "was_paused": was}))
    elif was:
        click.echo(f"{settings.name} is published again from the next run on. It was {was}.")
    else:
        click.echo(f"{settings.name} was not paused.")


# `rollcall rollback`: an earlier roster given back to readers.


@click.command()
@click.argument("district")
@click.option("--to", "to_run", required=True, metavar="RUN", help="The run that published what readers shall have.")
@json_option
@warehouse_option
@landing_option
def rollback(district: str, to_run: str, as_json: bool, warehouse: str | None, landing: str) -> None:
    """Give readers of DISTRICT the exact tables again that RUN published, and pause publication.

    Runs go on pulling, and publish nothing until `rollcall resume`. The next pull is a full one.
    """
    from rollcall.history.rollback import rollback as roll_back
    from rollcall.orchestration.terminal import terminal_run_id
    from rollcall.warehouse.session import connect, warehouse_from_environment

    settings = find_district(district)
    engine = connect(warehouse_from_environment(warehouse))
    done = roll_back(engine, settings, Landing(landing), terminal_run_id(), to_run)
    if as_json:
        click.echo(json.dumps(asdict(done), default=str, indent=1))
        return
    click.echo(
        f"Readers of {settings.name} have the roster of {done.as_of:%Y-%m-%d %H:%M} UTC again, as {done.to_run} "
        f"published it (generation {done.generation})."
    )
    for table, rows in done.rows.items():
        click.echo(f"  {table}: {rows:,} rows are otherwise now")
    if not done.left_out:
        click.echo("  Who was left out then is not kept any more; that list is as it was.")
    click.echo(f"Publication is paused until: rollcall resume {settings.district}")


# `rollcall roster`: a district's roster of a past night.


@click.command()
@click.argument("district")
@click.option("--as-of", type=_NIGHT, metavar="NIGHT", help="As it is known by now to have been, corrections included.")
@click.option("--as-published", type=_NIGHT, metavar="NIGHT", help="As readers saw it.")
@click.option("--table", type=click.Choice(list(TABLES)), default="accounts", show_default=True)
@click.option("--format", "form", type=click.Choice(["csv", "json", "parquet"]), help="[default: by --out, else csv]")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="A file; else standard output.")
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
    """Write a table of DISTRICT's roster as of a past night: CSV, JSON (one object per line) or Parquet.

    A night is the date of its morning. No provider is asked. In CSV a text that a spreadsheet could take for a formula
    has an apostrophe before it; JSON and Parquet have every value as it is.
    """
    from rollcall.files.private import write_private
    from rollcall.history import tables
    from rollcall.history.tables import encode
    from rollcall.warehouse.session import connect, warehouse_from_environment

    if (as_of is None) == (as_published is None):
        raise click.UsageError("Give one of --as-of and --as-published.")
    settings = find_district(district)
    engine = connect(warehouse_from_environment(warehouse))
    if as_of is not None:
        found = tables.read_as_of(engine, settings, as_of.date(), table)
    elif as_published is not None:
        found = tables.read_as_published(engine, settings, as_published.date(), table)
    by_name = {".csv": "csv", ".json": "json", ".jsonl": "json", ".parquet": "parquet"}
    content = encode(found.rows, form or (by_name.get(out.suffix) if out else None) or "csv")  # type: ignore[arg-type]
    if out:
        write_private(out, content)
    else:
        sys.stdout.buffer.write(content)
    click.echo(found.summary, err=True)
