"""Read the published roster: the key, digest, and life of each row, and whole rows if needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from rollcall.landing.validated import accepted_schema
from rollcall.model.keys import row_keys, split_keys
from rollcall.model.tables import Table
from rollcall.warehouse.bulk import copy_out, load_temp_keys
from rollcall.warehouse.ops_models import state
from rollcall.warehouse.schemas import STAGING

_LIFE = [
    ("_digest", pa.int64()),
    ("_missing_since", pa.timestamp("us", tz="UTC")),
    ("_removed_at", pa.timestamp("us", tz="UTC")),
    ("_removed_reason", pa.string()),
]


@dataclass(frozen=True)
class DistrictState:
    """The state of the published roster; generation 0 before the first publication."""

    generation: int = 0
    current_as_of: datetime | None = None
    current_pull_id: str | None = None
    current_run_id: str | None = None
    rules_digest: str | None = None
    full_required: str = ""


def district_state(connection: sa.Connection, district: str) -> DistrictState:
    columns = (
        state.c.generation,
        state.c.current_as_of,
        state.c.current_pull_id,
        state.c.current_run_id,
        state.c.rules_digest,
        state.c.full_required,
    )
    row = connection.execute(sa.select(*columns).where(state.c.district_id == district)).one_or_none()
    return DistrictState(*row) if row else DistrictState()


@dataclass(frozen=True)
class KeyFilter:
    """Selects rows of a table by key or by owner.

    :param keys: of rows, as one text each.
    :param owners: per owner column, the owners all of whose rows are wanted.
    """

    keys: pa.ChunkedArray
    owners: Mapping[str, pa.ChunkedArray] = field(default_factory=dict)


@dataclass(frozen=True)
class ColumnFilter:
    """Selects rows with one of these values in a column."""

    column: str
    keys: pa.ChunkedArray

    def apply(self, rows: pa.Table) -> pa.Table:
        """The selected rows of a table in memory."""
        return rows.filter(pc.is_in(rows[self.column], value_set=self.keys))


@dataclass(frozen=True)
class PublishedRows:
    """Rows of a table that a district has, removed ones included.

    :param rows: key and, where they are known, owner columns, `_digest`, `_missing_since`, `_removed_at`,
        `_removed_reason`.
    :param keys: the key of each as one text.
    :param is_whole: whether these are all of the table's rows.
    """

    rows: pa.Table
    keys: pa.ChunkedArray
    is_whole: bool

    @property
    def is_live(self) -> pa.ChunkedArray:
        return pc.is_null(self.rows["_removed_at"])

    def with_received(self, received: pa.ChunkedArray) -> PublishedRows:
        """The same with a column `_is_received`, given the keys received tonight."""
        is_received = pc.is_in(self.keys, value_set=received)
        return replace(self, rows=self.rows.append_column("_is_received", is_received))

    def live_rows(self) -> pa.Table:
        """The live rows, and their keys as `_key`."""
        rows = self.rows.append_column("_key", self.keys)
        is_all = self.rows["_removed_at"].null_count == rows.num_rows  # the usual case, without a copy
        return rows if is_all else rows.filter(self.is_live)

    def live_keys(self) -> pa.ChunkedArray:
        return self.live_rows()["_key"]

    def gone_keys(self) -> pa.ChunkedArray:
        return self.keys.filter(pc.invert(self.is_live))


def read_published(
    connection: sa.Connection, district: str, table: Table, key_filter: KeyFilter | None = None
) -> PublishedRows:
    """Keys and life of a table's rows.

    :param key_filter: which rows. None reads all rows, without the owner columns outside the key: see
        :func:`with_owners`.
    """
    columns = list(table.key) if key_filter is None else [*table.key, *_owner_columns(table)]
    schema = pa.schema([*((name, pa.string()) for name in columns), *_LIFE])
    query = (
        _all_rows_query(table, schema.names)
        if key_filter is None
        else _filtered_query(connection, table, schema.names, key_filter)
    )
    rows = copy_out(connection, query, {"district": district}, schema)
    keys = row_keys(table, rows)
    return PublishedRows(rows, keys, is_whole=key_filter is None)


def with_owners(connection: sa.Connection, district: str, table: Table, published: PublishedRows) -> PublishedRows:
    """The same with the owners of the rows that were not received tonight, which are few; null for other rows.

    :param published: with `_is_received`.
    """
    columns = [name for name in _owner_columns(table) if name not in published.rows.column_names]
    if not columns:
        return published
    unseen = published.keys.filter(pc.invert(published.rows["_is_received"]))
    found = read_rows_by_key(connection, district, table, split_keys(table, unseen), [*table.key, *columns])
    at = pc.index_in(published.keys, value_set=row_keys(table, found))
    rows = published.rows
    for name in columns:
        rows = rows.append_column(name, found[name].take(at))
    return replace(published, rows=rows)


def _owner_columns(table: Table) -> list[str]:
    return [name for name in table.owners if name not in table.key]


def _filtered_query(connection: sa.Connection, table: Table, columns: Sequence[str], key_filter: KeyFilter) -> str:
    """A query for some rows; loads their keys and owners into temporary tables."""
    listed = ", ".join(f's."{name}"' for name in columns)
    wanted = {"keys": split_keys(table, key_filter.keys)}
    wanted |= {column: pa.table({column: owners}) for column, owners in key_filter.owners.items()}
    queries = []
    for name, keys in wanted.items():
        temp = load_temp_keys(connection, f"filter_{table.name}_{name}", keys)
        joined = " AND ".join(f'a."{column}" = s."{column}"' for column in keys.column_names)
        queries.append(
            f"SELECT {listed} FROM {STAGING}.{table.name} s JOIN {temp} a ON {joined} "
            "WHERE s.district_id = %(district)s"
        )
    return " UNION ".join(queries)


def count_live(connection: sa.Connection, district: str, table: Table) -> int:
    """How many live rows a table has."""
    counting = sa.text(
        f"SELECT count(*) FROM {STAGING}.{table.name} WHERE district_id = :district AND _removed_at IS NULL"
    )
    return int(connection.execute(counting, {"district": district}).scalar_one())


def has_rows(connection: sa.Connection, district: str, table: Table) -> bool:
    """Whether a table has any row of the district, live or removed."""
    asking = sa.text(f"SELECT EXISTS (SELECT FROM {STAGING}.{table.name} WHERE district_id = :district)")
    return bool(connection.execute(asking, {"district": district}).scalar_one())


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
    temp = load_temp_keys(connection, f"wanted_{table.name}", keys.select(list(table.key)))
    joined = " AND ".join(f'w."{name}" = s."{name}"' for name in table.key)
    listed = ", ".join(f's."{name}"' for name in schema.names)
    query = (
        f"SELECT {listed} FROM {STAGING}.{table.name} s JOIN {temp} w ON {joined} WHERE s.district_id = %(district)s"
    )
    return copy_out(connection, query, {"district": district}, schema)


def read_live_rows(
    connection: sa.Connection,
    district: str,
    table: Table,
    columns: Sequence[str],
    column_filter: ColumnFilter | None = None,
) -> pa.Table:
    """The live rows of a table, these columns.

    :param column_filter: which rows; all by default.
    """
    schema = accepted_schema(table)
    schema = pa.schema([schema.field(name) for name in columns])
    if column_filter is None:
        query = _all_rows_query(table, schema.names) + " AND _removed_at IS NULL"
    else:
        column = column_filter.column
        temp = load_temp_keys(
            connection, f"values_{table.name}", pa.table({column: column_filter.keys.drop_null().unique()})
        )
        listed = ", ".join(f's."{name}"' for name in schema.names)
        query = (
            f'SELECT {listed} FROM {STAGING}.{table.name} s JOIN {temp} v ON v."{column}" = s."{column}" '
            "WHERE s.district_id = %(district)s AND s._removed_at IS NULL"
        )
    return copy_out(connection, query, {"district": district}, schema)


def _all_rows_query(table: Table, columns: Sequence[str]) -> str:
    listed = ", ".join(f'"{name}"' for name in columns)
    return f"SELECT {listed} FROM {STAGING}.{table.name} WHERE district_id = %(district)s"
