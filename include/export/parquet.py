"""After a publication: the live tables as Parquet files beside a manifest, where `ROLLCALL_EXPORT` says.

`<url>/district=<id>/generation=<n>/<table>.parquet` and `manifest.json` are written once; then `current.json` beside
them names the newest. A loader of another warehouse (Snowflake, BigQuery, DuckDB) reads `current.json`, then the files
its manifest names, and never sees half a roster. Demographics stay out, as they do in the views.
On a local disk they are private to the account that runs Rollcall, as the landing zone is.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from include.contracts import accepted_schema
from include.errors import RollcallError, stage_edge
from include.private_files import write_private
from include.tables import TABLES, Table
from include.warehouse.bulk import copy_out
from include.warehouse.models import state
from include.warehouse.schemas import LIVE


def export_where_wanted(engine: sa.Engine, district: str) -> str | None:
    """Write the district's live tables if `ROLLCALL_EXPORT` names a place; the folder written, else None."""
    url = os.environ.get("ROLLCALL_EXPORT")
    if not url:
        return None
    with stage_edge("export", district=district):
        return export(engine, district, url)


def export(engine: sa.Engine, district: str, url: str) -> str:
    """Write one generation, all tables of one snapshot.

    :param url: a folder, or any URL fsspec knows.
    :raises RollcallError: `not_published`.
    """
    root = f"{url.rstrip('/')}/district={district}"
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        columns = (state.c.generation, state.c.current_as_of, state.c.current_run_id)
        row = connection.execute(sa.select(*columns).where(state.c.district_id == district)).one_or_none()
        if row is None:
            raise RollcallError("not_published", f"{district} has not been published yet.", district=district)
        folder = f"{root}/generation={row.generation}"
        files = [
            _written(folder, table, _live(connection, district, table))
            for table in TABLES.values()
            if table.name != "demographics"
        ]
        connection.rollback()
    manifest = {
        "district_id": district,
        "generation": row.generation,
        "as_of": row.current_as_of.isoformat(),
        "run_id": row.current_run_id,
        "files": files,
    }
    write_private(f"{folder}/manifest.json", json.dumps(manifest, indent=1).encode())
    write_private(f"{root}/current.json", json.dumps({"generation": row.generation}).encode())
    return folder


def _live(connection: sa.Connection, district: str, table: Table) -> pa.Table:
    schema = pa.schema([("district_id", pa.string()), *accepted_schema(table)])
    listed = ", ".join(f'"{name}"' for name in schema.names)
    ordered = ", ".join(f'"{name}"' for name in table.key)
    query = f"SELECT {listed} FROM {LIVE}.{table.name} WHERE district_id = %(district)s ORDER BY {ordered}"
    return copy_out(connection, query, {"district": district}, schema)


def _written(folder: str, table: Table, rows: pa.Table) -> dict[str, Any]:
    buffer = io.BytesIO()
    pq.write_table(rows, buffer, compression="zstd")
    content = buffer.getvalue()
    name = f"{table.name}.parquet"
    write_private(f"{folder}/{name}", content)
    return {"table": table.name, "file": name, "rows": rows.num_rows, "sha256": hashlib.sha256(content).hexdigest()}
