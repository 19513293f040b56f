"""A number for a row's content. It shows that a row did not change, without reading the row.

The encoding is Rollcall's own, so a new version of a library changes nothing. The highest byte is the encoding's
version. Nulls are left out, so a new column does not change the digests of rows without a value in it. Equal digests
mean equal content. With different digests the fields must be compared, because the digest may be of an older version.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rollcall.model.tables import Table

#: The version of the encoding below. At most 127, because the highest bit is the sign.
VERSION = 1

#: Separates names and values. PostgreSQL texts cannot contain it.
_SEPARATOR = "\x00"
#: Rows encoded at once. A row takes a kilobyte until it is a number.
_AT_ONCE = 32_768


def row_digests(table: Table, rows: pa.Table) -> pa.Array:
    """A 64-bit digest per row: the version, and 56 bits of BLAKE2b over the names and values of its columns."""
    slices = (rows.slice(start, _AT_ONCE) for start in range(0, rows.num_rows, _AT_ONCE))
    return pa.array(np.concatenate([np.empty(0, np.int64), *(_digests(table, some) for some in slices)]))


def _digests(table: Table, rows: pa.Table) -> np.ndarray:
    version = VERSION.to_bytes(1, "little")
    texts = encoded(table, rows).cast(pa.binary()).to_pylist()
    digests = b"".join([hashlib.blake2b(text, digest_size=7).digest() + version for text in texts])
    return np.frombuffer(digests, "<i8").astype(np.int64)


def encoded(table: Table, rows: pa.Table) -> pa.ChunkedArray:
    """The encoding of each row: `name NUL value NUL name NUL value …`, sorted by name, without nulls.

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
