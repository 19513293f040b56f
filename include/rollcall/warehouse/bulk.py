"""Arrow tables in and out of PostgreSQL through COPY: 20 times faster than row-wise inserts."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import sqlalchemy as sa

from rollcall.warehouse.session import copy_from_client, copy_to_client, temp_table, update_statistics

#: Bytes of rows parsed at once.
_CHUNK_BYTES = 16 << 20


def _driver(connection: sa.Connection) -> psycopg.Connection[Any]:
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)  # noqa: S101 - the engine always uses psycopg
    return driver


def copy_in(connection: sa.Connection, target: str, rows: pa.Table) -> None:
    """Append rows to a table within the connection's transaction.

    :param target: quoted table name. Columns match by name.
    """
    statement = copy_from_client(target, rows.column_names)
    rows = _format_timestamps(rows)
    with _driver(connection).cursor() as cursor, cursor.copy(statement) as copy:
        for batch in rows.to_batches(max_chunksize=65_536):
            buffer = io.BytesIO()
            pacsv.write_csv(batch, buffer, pacsv.WriteOptions(include_header=False))
            copy.write(buffer.getbuffer())


def load_temp_keys(connection: sa.Connection, name: str, keys: pa.Table) -> str:
    """Load keys into a temporary table that lasts as long as the transaction, replacing what it held.

    :param keys: text columns; the table has the same.
    :returns: the name.
    """
    columns = ", ".join(f'"{column}" text' for column in keys.column_names)
    connection.exec_driver_sql(temp_table(name, columns))
    connection.exec_driver_sql(f"TRUNCATE {name}")
    if keys.num_rows:
        copy_in(connection, name, keys)
    connection.exec_driver_sql(update_statistics(name))
    return name


def _format_timestamps(rows: pa.Table) -> pa.Table:
    """Timestamps as text. Arrow formats one with a time zone 20 times slower than one without, and all are in UTC."""
    for place, field in enumerate(rows.schema):
        if pa.types.is_timestamp(field.type) and field.type.tz == "UTC":
            text = rows.column(place).cast(pa.timestamp(field.type.unit)).cast(pa.string())
            formatted = pc.binary_join_element_wise(text, "Z", "")
            rows = rows.set_column(place, field.name, formatted)
    return rows


def copy_out(connection: sa.Connection, query: str, params: Mapping[str, Any], schema: pa.Schema) -> pa.Table:
    """A query's rows as an Arrow table of `schema`, whose fields are in the query's order.

    :param query: SQL with psycopg's named parameters, `%(district)s`.
    """
    statement = copy_to_client(query)
    tables = [_parse(content, schema) for content in _copy_chunks(_driver(connection), statement, params)]
    return pa.concat_tables(tables) if tables else schema.empty_table()


def _parse(content: bytearray, schema: pa.Schema) -> pa.Table:
    return pacsv.read_csv(
        pa.BufferReader(content),
        read_options=pacsv.ReadOptions(column_names=schema.names, block_size=8 << 20),
        parse_options=pacsv.ParseOptions(newlines_in_values=True),
        convert_options=pacsv.ConvertOptions(
            column_types=schema,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            true_values=["t"],
            false_values=["f"],
        ),
    )


def _copy_chunks(driver: psycopg.Connection[Any], statement: str, params: Mapping[str, Any]) -> Iterator[bytearray]:
    """The rows of a COPY to the client, a few megabytes at a time.

    PostgreSQL sends one message per row, and psycopg's `Copy` takes microseconds for each. So received rows are
    read from libpq directly, and psycopg only waits for more.
    """
    rows = bytearray()
    get_row = driver.pgconn.get_copy_data
    with driver.cursor() as cursor, cursor.copy(statement, params) as copy:
        while True:
            size, row = get_row(1)
            if size < 0:
                _require_end(driver)
                break
            more = row if size else copy.read()
            if not more:
                break
            rows += more
            if len(rows) > _CHUNK_BYTES:
                yield rows
                rows = bytearray()
    if rows:
        yield rows


def _require_end(driver: psycopg.Connection[Any]) -> None:
    """:raises psycopg.Error: if the rows ended with an error."""
    while (result := driver.pgconn.get_result()) is not None:
        if result.status != psycopg.pq.ExecStatus.COMMAND_OK:
            raise psycopg.errors.error_from_result(result)
