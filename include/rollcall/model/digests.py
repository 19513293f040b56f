"""A number for a row's content, so that an unchanged row is recognized without reading it back.

The encoding is ours, so that no version of a library changes what is compared, and the number carries its version in
the highest byte. A null is not part of it: a column that is added changes no digest of a row that has nothing in it.
Equal digests mean equal content. Different ones only say that the fields have to be compared: a
row without a changed field is no update, whatever its digest.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rollcall.model.tables import Table

#: Of the encoding below; another encoding gets another number. At most 127, the sign stays free.
VERSION = 1

#: Stands between names and values: the one character a PostgreSQL text cannot hold.
_SEPARATOR = "\x00"
#: Rows that are text, and then Python's bytes, at a time: a row takes a kilobyte until it is a number.
_AT_ONCE = 32_768


def row_digests(table: Table, rows: pa.Table) -> pa.Array:
    """A 64-bit digest per row: BLAKE2b over the names and values of its columns, 56 bits of it below the version."""
    slices = (rows.slice(start, _AT_ONCE) for start in range(0, rows.num_rows, _AT_ONCE))
    return pa.array(np.concatenate([np.empty(0, np.int64), *(_digests(table, some) for some in slices)]))


def _digests(table: Table, rows: pa.Table) -> np.ndarray:
    version = VERSION.to_bytes(1, "little")
    texts = encoded(table, rows).cast(pa.binary()).to_pylist()
    digests = b"".join([hashlib.blake2b(text, digest_size=7).digest() + version for text in texts])
    return np.frombuffer(digests, "<i8").astype(np.int64)


def encoded(table: Table, rows: pa.Table) -> pa.ChunkedArray:
    """What is digested of each row: `name NUL value NUL name NUL value …`, sorted by name, without what is null.

    Dates are days and instants microseconds since 1970; booleans are `true` and `false`.
    """
    parts: list[pa.ChunkedArray | str] = []
    for name in sorted(table.content):
        column = rows[name]
        if column.null_count == rows.num_rows:
            continue
        if column.null_count:
            parts.append(pc.binary_join_element_wise(name, _text(column), _SEPARATOR))
        else:
            parts += [name, _text(column)]
    return pc.binary_join_element_wise(*parts, _SEPARATOR, null_handling="skip")


def _text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_date(column.type):
        column = column.cast(pa.int32())
    elif pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", column.type.tz)).cast(pa.int64())
    return column.cast(pa.string())
