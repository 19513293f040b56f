"""A table's changes applied to staging: COPY into a temporary table, then set-based statements that touch only the rows
that change. What readers had before is kept as it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import pyarrow as pa
import sqlalchemy as sa

from include.tables import Table
from include.warehouse.bulk import copy_in
from include.warehouse.dialect import temporary, update_statistics
from include.warehouse.models import LINEAGE, staging
from include.warehouse.schemas import HISTORY, STAGING


def apply_changes(
    connection: sa.Connection,
    table: Table,
    changes: pa.Table,
    *,
    district: str,
    run_id: str,
    as_of: datetime,
    generation: int,
) -> None:
    """Write one table's changes within the connection's transaction.

    :param changes: in `change_schema`.
    :param generation: the one this publication makes.
    """
    tonight = f"tonight_{table.name}"
    shape = ", ".join(
        f'"{column.name}" {staging[table.name].c[column.name].type.compile(connection.dialect)}'
        for column in table.columns
    )
    connection.exec_driver_sql(temporary(tonight, f"{shape}, _digest bigint, _change text, _because text"))
    copy_in(connection, tonight, changes.drop_columns(["_changed_fields"]))
    params = {"district": district, "run_id": run_id, "as_of": as_of, "generation": generation}
    met = set(changes["_change"].unique().to_pylist())
    if met != {"added"}:  # those are not joined to anything
        listed = ", ".join(f'"{name}"' for name in (*table.key, "_change"))
        connection.exec_driver_sql(update_statistics(tonight, listed))
    for kinds, statement in _statements(table, tonight):
        if met & kinds:
            connection.execute(sa.text(statement), params)
    connection.exec_driver_sql(f"ALTER TABLE {tonight} RENAME TO touched_{table.name}")  # for history


def _statements(table: Table, tonight: str) -> Iterator[tuple[set[str], str]]:
    """What is done about each kind of change, in order: the kinds, and the statement for their rows."""
    target = f"{STAGING}.{table.name}"
    columns = ", ".join(f'"{name}"' for name in table.names)
    match = " AND ".join(f'r."{name}" = t."{name}"' for name in table.key)
    assignments = ", ".join(f'"{name}" = t."{name}"' for name in table.names if name not in table.key)
    assignments = f"{assignments}, " if assignments else ""
    # what readers had first: it is gone from staging after that
    lineage = ", ".join(f"r.{name}" for name in ("_digest", *LINEAGE))
    whole = ", ".join(f'r."{name}"' for name in table.names)
    before = {"changed", "returned", "found", "missing", "removed", "confirmed"}
    yield (
        before,
        f"""
        INSERT INTO {HISTORY}.{table.name}_published (district_id, {columns}, _digest, {", ".join(LINEAGE)},
            _generation, _until_generation)
        SELECT r.district_id, {whole}, {lineage}, r._generation, :generation
        FROM {target} r JOIN {tonight} t ON {match} WHERE r.district_id = :district AND t._change <> 'added'""",
    )
    yield (
        {"added"},
        f"""
        INSERT INTO {target} (district_id, {columns}, _digest, _run_id, _first_seen_at, _changed_at, _generation)
        SELECT :district, {columns}, _digest, :run_id, :as_of, :as_of, :generation FROM {tonight}
        WHERE _change = 'added'""",
    )
    yield (
        {"changed", "returned"},
        f"""
        UPDATE {target} r SET {assignments}_digest = t._digest, _run_id = :run_id, _changed_at = :as_of,
            _generation = :generation, _missing_since = NULL, _removed_at = NULL, _removed_because = NULL
        FROM {tonight} t WHERE r.district_id = :district AND {match} AND t._change IN ('changed', 'returned')""",
    )
    yield (
        {"missing", "found"},
        f"""
        UPDATE {target} r SET _missing_since = CASE t._change WHEN 'missing' THEN CAST(:as_of AS timestamptz) END,
            _generation = :generation
        FROM {tonight} t WHERE r.district_id = :district AND {match} AND t._change IN ('missing', 'found')""",
    )
    yield (
        {"confirmed"},
        f"""
        UPDATE {target} r SET _removed_because = t._because, _generation = :generation
        FROM {tonight} t WHERE r.district_id = :district AND {match} AND t._change = 'confirmed'""",
    )
    yield (
        {"removed"},
        f"""
        UPDATE {target} r SET _removed_at = :as_of, _removed_because = t._because, _run_id = :run_id,
            _changed_at = :as_of, _generation = :generation
        FROM {tonight} t WHERE r.district_id = :district AND {match} AND t._change = 'removed'""",
    )
