"""`rollcall roster`: a district's roster of a past night."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path

import click

from include.commands.options import warehouse_option
from include.settings import find_district
from include.tables import TABLES

_NIGHT = click.DateTime(["%Y-%m-%d"])


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
    from include.past import table_at
    from include.past.writing_out import encoded
    from include.private_files import write_private
    from include.warehouse.connect import connect, warehouse_from_environment

    if (as_of is None) == (as_published is None):
        raise click.UsageError("Give one of --as-of and --as-published.")
    settings = find_district(district)
    engine = connect(warehouse_from_environment(warehouse))
    if as_of is not None:
        found = table_at.as_of_night(engine, settings, as_of.date(), table)
    elif as_published is not None:
        found = table_at.as_published(engine, settings, as_published.date(), table)
    by_name = {".csv": "csv", ".json": "json", ".jsonl": "json", ".parquet": "parquet"}
    content = encoded(found.rows, form or (by_name.get(out.suffix) if out else None) or "csv")  # type: ignore[arg-type]
    if out:
        write_private(out, content)
    else:
        sys.stdout.buffer.write(content)
    click.echo(found.told, err=True)
