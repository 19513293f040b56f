"""A table as CSV, JSON or Parquet, for a file or standard output."""

from __future__ import annotations

import io
import json
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from include.spreadsheet_csv import to_csv

Format = Literal["csv", "json", "parquet"]
FORMATS: tuple[Format, ...] = ("csv", "json", "parquet")


def encoded(rows: pa.Table, form: Format) -> bytes:
    """The rows in one of the forms; JSON is one object per line, CSV is safe to open in a spreadsheet."""
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
