"""After a publication: the live tables as Parquet files beside a manifest, where `ROLLCALL_EXPORT` says.

`<url>/district=<id>/generation=<n>/<table>.parquet` and `manifest.json` are written once; then `current.json` beside
them names the newest, and never an older one than it did. A loader of another warehouse (Snowflake, BigQuery, DuckDB)
reads `current.json`, then the files its manifest names, and never sees half a roster. Demographics stay out, as they do
in the views. On a local disk they are private to the account that runs Rollcall, as the landing zone is.
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

from rollcall.errors import ActionRequired, RollcallError, redact_errors
from rollcall.files.private import read_if_exists, replace_private
from rollcall.landing.validated import accepted_schema
from rollcall.model.tables import TABLES, Table
from rollcall.warehouse.bulk import copy_out
from rollcall.warehouse.models import state
from rollcall.warehouse.schemas import LIVE
from rollcall.warehouse.session import ACQUIRE_LOCK, snapshot


def export_if_configured(engine: sa.Engine, district: str) -> str | None:
    """Write the district's live tables if `ROLLCALL_EXPORT` names a place; the folder written, else None."""
    url = os.environ.get("ROLLCALL_EXPORT")
    if not url:
        return None
    with redact_errors("export", district=district):
        return export(engine, district, url)


def export(engine: sa.Engine, district: str, url: str) -> str:
    """Write one generation, all tables of one snapshot.

    :param url: a folder, or any URL fsspec knows.
    :raises RollcallError: `not_published`.
    :raises ActionRequired: `export_is_newer` where `current.json` names a generation this warehouse has not come to.
    """
    root = f"{url.rstrip('/')}/district={district}"
    with snapshot(engine) as connection:
        columns = (state.c.generation, state.c.current_as_of, state.c.current_run_id)
        row = connection.execute(sa.select(*columns).where(state.c.district_id == district)).one_or_none()
        if row is None:
            raise RollcallError("not_published", f"{district} has not been published yet.", district=district)
        folder = f"{root}/generation={row.generation}"
        if not _is_written(read_if_exists(f"{folder}/manifest.json"), row.current_run_id):
            files = [
                _written(folder, table, _live(connection, district, table))
                for table in TABLES.values()
                if table.name != "demographics"
            ]
            manifest = {
                "district_id": district,
                "generation": row.generation,
                "as_of": row.current_as_of.isoformat(),
                "run_id": row.current_run_id,
                "files": files,
            }
            replace_private(f"{folder}/manifest.json", json.dumps(manifest, indent=1).encode())
    _move_current(engine, district, f"{root}/current.json", row.generation)
    return folder


def _move_current(engine: sa.Engine, district: str, url: str, generation: int) -> None:
    """Name a generation as the newest, unless a newer one is named: an export that began earlier may end later.

    One at a time, by a lock of the warehouse: no storage compares and writes in one step.
    """
    with engine.begin() as connection:
        connection.execute(ACQUIRE_LOCK, {"name": f"export {district}"})
        named = _named(read_if_exists(url))
        newest = sa.select(state.c.generation).where(state.c.district_id == district)
        known = connection.execute(newest).scalar_one_or_none() or 0
        if named > known:
            raise ActionRequired(
                "export_is_newer",
                f"{url} names generation {named} of {district}, and this warehouse has come to {known} only.",
                remedy="The roster is published. If another warehouse exports to the same place, give each its own "
                "ROLLCALL_EXPORT. If this one was restored from a backup, delete the district's folder there and sync "
                "again; loaders then start over.",
                district=district,
            )
        if named < generation:
            replace_private(url, json.dumps({"generation": generation}).encode())


def _is_written(manifest: bytes | None, run_id: str) -> bool:
    """Whether a generation is exported already; one of another run is of a warehouse before it was restored."""
    return manifest is not None and json.loads(manifest).get("run_id") == run_id


def _named(current: bytes | None) -> int:
    """The generation `current.json` names; 0 where there is none, or nothing that can be read."""
    try:
        return int(json.loads(current or b"{}").get("generation", 0))
    except (ValueError, TypeError, AttributeError):
        return 0


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
    replace_private(f"{folder}/{name}", content)
    return {"table": table.name, "file": name, "rows": rows.num_rows, "sha256": hashlib.sha256(content).hexdigest()}
