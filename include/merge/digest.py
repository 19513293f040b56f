"""A number for a row's content, so that an unchanged row is recognised without reading it back.

`date_last_modified` does not count: several providers stamp every record every night, and such a stamp is no change.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from include.tables import Table

#: Stands between the parts of what is one text: a character OneRoster ids cannot hold.
KEY_SEPARATOR = "\x1f"
_NULL = "\x00"
#: Rows that are text, and then Python's strings, at a time: a row takes a kilobyte until it is a number.
_AT_ONCE = 32_768
_NOT_CONTENT = ("date_last_modified", "account_id")


def content_columns(table: Table) -> list[str]:
    """The columns in which a difference is a change."""
    return [name for name in table.names if name not in _NOT_CONTENT]


def row_digests(table: Table, rows: pa.Table) -> pa.Array:
    """A 64-bit digest per row: the columns as text, joined, hashed with SipHash under pandas' fixed key."""
    slices = (rows.slice(start, _AT_ONCE) for start in range(0, rows.num_rows, _AT_ONCE))
    return pa.array(np.concatenate([np.empty(0, np.int64), *(_digests(table, some) for some in slices)]))


def _digests(table: Table, rows: pa.Table) -> np.ndarray:
    texts = [pc.cast(rows[name], pa.string()) for name in content_columns(table)]
    joined = pc.binary_join_element_wise(*texts, KEY_SEPARATOR, null_handling="replace", null_replacement=_NULL)
    return pd.util.hash_array(joined.to_numpy(), categorize=False).view(np.int64)


def row_keys(table: Table, rows: pa.Table) -> pa.ChunkedArray:
    """A row's key as one text column; its parts joined by the separator."""
    if len(table.key) == 1:
        return rows[table.key[0]]
    return pc.binary_join_element_wise(*(rows[name] for name in table.key), KEY_SEPARATOR)
