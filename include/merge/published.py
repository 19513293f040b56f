"""The published roster as merge sees it: keys, digests and life of every row, and whole rows where they are needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from include.contracts import accepted_schema
from include.merge.digest import row_keys
from include.tables import Table
from include.warehouse.bulk import copy_in, copy_out
from include.warehouse.dialect import temporary
from include.warehouse.models import state
from include.warehouse.schemas import STAGING

_LIFE = [
    ("_digest", pa.int64()),
    ("_missing_since", pa.timestamp("us", tz="UTC")),
    ("_removed_at", pa.timestamp("us", tz="UTC")),
    ("_removed_because", pa.string()),
]


@dataclass(frozen=True)
class DistrictState:
    """Which roster readers have; generation 0 before the first publication."""

    generation: int = 0
    current_as_of: datetime | None = None
    current_pull_id: str | None = None
    rules_digest: str | None = None
    full_required: str = ""


def district_state(connection: sa.Connection, district: str) -> DistrictState:
    columns = (
        state.c.generation,
        state.c.current_as_of,
        state.c.current_pull_id,
        state.c.rules_digest,
        state.c.full_required,
    )
    row = connection.execute(sa.select(*columns).where(state.c.district_id == district)).one_or_none()
    return DistrictState(*row) if row else DistrictState()


@dataclass(frozen=True)
class PublishedRows:
    """Every row of a table that a district has, removed ones included.

    :param rows: key and owner columns, `_digest`, `_missing_since`, `_removed_at`, `_removed_because`.
    :param keys: the key of each as one text.
    """

    rows: pa.Table
    keys: pa.ChunkedArray

    @property
    def is_live(self) -> pa.ChunkedArray:
        return pc.is_null(self.rows["_removed_at"])

    def live_keys(self) -> pa.ChunkedArray:
        return self.keys.filter(self.is_live)


def read_published(connection: sa.Connection, district: str, table: Table) -> PublishedRows:
    """Keys and life of a table's rows."""
    columns = [*table.key, *(name for name in table.owners if name not in table.key)]
    schema = pa.schema([*((name, pa.string()) for name in columns), *_LIFE])
    rows = copy_out(connection, _select(table, schema.names), {"district": district}, schema)
    return PublishedRows(rows, row_keys(table, rows))


def read_rows_by_key(
    connection: sa.Connection, district: str, table: Table, keys: pa.Table, columns: Sequence[str] | None = None
) -> pa.Table:
    """Whole published rows of the given keys.

    :param keys: the key columns of the rows wanted.
    :param columns: which columns; all by default.
    """
    schema = accepted_schema(table)
    if columns is not None:
        schema = pa.schema([schema.field(name) for name in columns])
    if not keys.num_rows:
        return schema.empty_table()
    typed = ", ".join(f'"{name}" text' for name in table.key)
    connection.exec_driver_sql(temporary(f"wanted_{table.name}", typed))
    connection.exec_driver_sql(f"TRUNCATE wanted_{table.name}")
    copy_in(connection, f"wanted_{table.name}", keys.select(list(table.key)))
    joined = " AND ".join(f'w."{name}" = s."{name}"' for name in table.key)
    listed = ", ".join(f's."{name}"' for name in schema.names)
    query = (
        f"SELECT {listed} FROM {STAGING}.{table.name} s JOIN wanted_{table.name} w ON {joined} "
        "WHERE s.district_id = %(district)s"
    )
    return copy_out(connection, query, {"district": district}, schema)


def read_live_rows(connection: sa.Connection, district: str, table: Table, columns: Sequence[str]) -> pa.Table:
    """All live rows of a table, these columns."""
    schema = accepted_schema(table)
    schema = pa.schema([schema.field(name) for name in columns])
    query = _select(table, schema.names) + " AND _removed_at IS NULL"
    return copy_out(connection, query, {"district": district}, schema)


def _select(table: Table, columns: Sequence[str]) -> str:
    listed = ", ".join(f'"{name}"' for name in columns)
    return f"SELECT {listed} FROM {STAGING}.{table.name} WHERE district_id = %(district)s"
