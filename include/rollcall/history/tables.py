"""A table of a past night for people: as published, or as history has it today."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from rollcall.display.dates import format_date, format_instant
from rollcall.errors import ActionRequired
from rollcall.files.spreadsheet import to_csv
from rollcall.history.published import generation_at_evening, require_kept, rows_at
from rollcall.landing.validated import accepted_schema
from rollcall.model.tables import TABLES
from rollcall.settings import District
from rollcall.settings.schedule import EVENING
from rollcall.warehouse.bulk import copy_out
from rollcall.warehouse.ops_models import runs
from rollcall.warehouse.schemas import HISTORY
from rollcall.warehouse.session import warehouse_transaction

Format = Literal["csv", "json", "parquet"]
FORMATS: tuple[Format, ...] = ("csv", "json", "parquet")


def encode(rows: pa.Table, form: Format) -> bytes:
    """The rows in a format. JSON has one object per line. CSV is safe to open in a spreadsheet."""
    buffer = io.BytesIO()
    if form == "parquet":
        pq.write_table(rows, buffer, compression="zstd")
    elif form == "csv":
        buffer.write(to_csv(rows))
    else:
        for batch in rows.to_batches(max_chunksize=10_000):
            lines = (json.dumps(row, default=str, ensure_ascii=False) for row in batch.to_pylist())
            buffer.write("".join(f"{line}\n" for line in lines).encode())
    return buffer.getvalue()


@dataclass(frozen=True)
class TableAt:
    """A table and a one-line summary."""

    rows: pa.Table
    summary: str


def read_as_published(engine: sa.Engine, district: District, night: date, table: str) -> TableAt:
    """A table as published at the evening of a night's date.

    :raises ActionRequired: `nothing_published` before the first publication, `no_longer_kept`.
    """
    key = district.district
    with warehouse_transaction(engine, "roster", district=key) as connection:
        generation = generation_at_evening(connection, district, night)
        if generation is None:
            raise ActionRequired(
                "nothing_published",
                f"{district.name} had not been published by the night of {format_date(night)}.",
                remedy=f"For the roster by that night's pull: rollcall roster {key} --as-of {night}",
                district=key,
            )
        require_kept(connection, district, generation)
        filters = (runs.c.district_id == key, runs.c.generation == generation, runs.c.status == "published")
        run = connection.execute(sa.select(runs.c.run_id, runs.c.night).where(*filters)).one()
        rows = rows_at(connection, key, TABLES[table], generation)
    by = f"{run.run_id} (night of {format_date(run.night)})"
    summary = f"{table} of {district.name} as published by {by}: {rows.num_rows:,} rows."
    return TableAt(rows, summary)


def read_as_of(engine: sa.Engine, district: District, night: date, table: str) -> TableAt:
    """A table on a night, as history has it today."""
    key = district.district
    schema = accepted_schema(TABLES[table])
    listed = ", ".join(f'"{name}"' for name in schema.names)
    query = (
        f"SELECT {listed} FROM {HISTORY}.{table} WHERE district_id = %(district)s AND _valid_from < %(evening)s"
        " AND (_valid_to IS NULL OR _valid_to >= %(evening)s)"
    )
    evening = datetime.combine(night, EVENING, ZoneInfo(district.schedule.timezone)).astimezone(UTC)
    with warehouse_transaction(engine, "roster", district=key) as connection:
        rows = copy_out(connection, query, {"district": key, "evening": evening}, schema)
        newest_query = sa.select(sa.func.max(runs.c.as_of)).where(
            runs.c.district_id == key, runs.c.status.in_(["published", "replayed"]), runs.c.as_of < evening
        )
        newest = connection.execute(newest_query).scalar_one_or_none()
    of = (
        f"from the pull of {format_instant(newest, district.schedule.timezone)}"
        if newest
        else "no pull of that night or earlier is in history"
    )
    return TableAt(
        rows, f"{table} of {district.name} on the night of {format_date(night)}, {of}: {rows.num_rows:,} rows."
    )
