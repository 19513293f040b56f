"""Export the live tables as Parquet with a manifest to `ROLLCALL_EXPORT`, after a publication.

The files are `<url>/district=<id>/generation=<n>/<table>.parquet` and `manifest.json`, written once. Then
`<url>/district=<id>/current.json` gets the newest generation, never an older one. A loader of another warehouse
(Snowflake, BigQuery, DuckDB) reads `current.json`, then the files in that manifest, and never sees half a roster.
Demographics are not exported, as in the views. On a local disk, only the account that runs Rollcall can read the files.
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
from rollcall.runtime.waits import waiting
from rollcall.warehouse.bulk import copy_out
from rollcall.warehouse.ops_models import state
from rollcall.warehouse.schemas import LIVE
from rollcall.warehouse.session import ACQUIRE_LOCK, snapshot


def export_if_configured(engine: sa.Engine, district: str) -> str | None:
    """Export the district if `ROLLCALL_EXPORT` is set. Returns the folder, else None."""
    url = os.environ.get("ROLLCALL_EXPORT")
    if not url:
        return None
    with redact_errors("export", district=district):
        return export(engine, district, url)


def export(engine: sa.Engine, district: str, url: str) -> str:
    """Write one generation: all tables from one snapshot.

    :param url: a folder or any URL that fsspec supports.
    :raises RollcallError: `not_published`.
    :raises ActionRequired: `export_is_newer` if `current.json` names a generation newer than the warehouse's.
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
                _write_table(folder, table, _live_rows(connection, district, table))
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
    """Write `current.json`, unless it has a newer generation: an earlier export may end later.

    A lock of the warehouse serializes this, because storage cannot compare and write in one step.
    """
    with engine.begin() as connection:
        with waiting(f"{district}: waiting for another export"):
            connection.execute(ACQUIRE_LOCK, {"name": f"export {district}"})
        exported = _generation_of(read_if_exists(url))
        newest = sa.select(state.c.generation).where(state.c.district_id == district)
        published = connection.execute(newest).scalar_one_or_none() or 0
        if exported > published:
            raise ActionRequired(
                "export_is_newer",
                f"{url} names generation {exported} of {district}, but this warehouse is at {published}.",
                remedy="The roster is published. If another warehouse exports to the same place, set a different "
                "ROLLCALL_EXPORT for each. If this one was restored from a backup, delete the district's folder there "
                "and sync again. Loaders then start over.",
                district=district,
            )
        if exported < generation:
            replace_private(url, json.dumps({"generation": generation}).encode())


def _is_written(manifest: bytes | None, run_id: str) -> bool:
    """Whether the generation is already exported. One from another run is from before a restore."""
    return manifest is not None and json.loads(manifest).get("run_id") == run_id


def _generation_of(current: bytes | None) -> int:
    """The generation in `current.json`. 0 if missing or unreadable."""
    try:
        return int(json.loads(current or b"{}").get("generation", 0))
    except (ValueError, TypeError, AttributeError):
        return 0


def _live_rows(connection: sa.Connection, district: str, table: Table) -> pa.Table:
    schema = pa.schema([("district_id", pa.string()), *accepted_schema(table)])
    listed = ", ".join(f'"{name}"' for name in schema.names)
    ordered = ", ".join(f'"{name}"' for name in table.key)
    query = f"SELECT {listed} FROM {LIVE}.{table.name} WHERE district_id = %(district)s ORDER BY {ordered}"
    return copy_out(connection, query, {"district": district}, schema)


def _write_table(folder: str, table: Table, rows: pa.Table) -> dict[str, Any]:
    buffer = io.BytesIO()
    pq.write_table(rows, buffer, compression="zstd")
    content = buffer.getvalue()
    name = f"{table.name}.parquet"
    replace_private(f"{folder}/{name}", content)
    return {"table": table.name, "file": name, "rows": rows.num_rows, "sha256": hashlib.sha256(content).hexdigest()}
