"""Several texts joined into one, such as the parts of a row's key: in Python, Arrow, pandas, and SQL.

The separator is a character that no accepted sourcedId contains (the rule `sourced_id_missing` rejects it). So two
different keys never become the same text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from rollcall.model.tables import Table

SEPARATOR = "\x1f"
_SQL_SEPARATOR = f"chr({ord(SEPARATOR)})"


def join_key(parts: Iterable[str]) -> str:
    """Several parts as one text."""
    return SEPARATOR.join(parts)


def key_prefix(part: str) -> str:
    """How each key with several parts starts when this is the first part."""
    return f"{part}{SEPARATOR}"


# Arrow


def join_columns(*columns: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """The parts of each row joined; null where a part is null."""
    return pc.binary_join_element_wise(*columns, SEPARATOR)


def row_keys(table: Table, rows: pa.Table) -> pa.ChunkedArray:
    """The key of each row as one text."""
    columns = [rows[name] for name in table.key]
    return columns[0] if len(columns) == 1 else join_columns(*columns)


def split_keys(table: Table, keys: pa.ChunkedArray) -> pa.Table:
    """The key columns of keys that are one text each."""
    if len(table.key) == 1:
        return pa.table({table.key[0]: keys})
    parts = pc.split_pattern(keys, SEPARATOR, max_splits=len(table.key) - 1)
    return pa.table({name: pc.list_element(parts, index) for index, name in enumerate(table.key)})


def contains_separator(texts: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Which texts cannot be part of a key."""
    return pc.match_substring(texts, SEPARATOR)


# pandas


def join_series(*parts: pd.Series) -> pd.Series:
    """The parts of each row joined; null where a part is null."""
    return reduce(lambda joined, part: joined + SEPARATOR + part, parts)


def first_parts(keys: pd.Series) -> pd.Series:
    """The first part of each key, such as the person an account belongs to."""
    return keys.str.split(SEPARATOR, n=1).str[0]


# SQL: the arguments are expressions, not values


def sql_join_key(columns: Sequence[str]) -> str:
    """An expression for the columns joined; null where one is null."""
    return f" || {_SQL_SEPARATOR} || ".join(columns)


def sql_key_part(key: str, number: int) -> str:
    """An expression for one part of a key; the first is number 1."""
    return f"split_part({key}, {_SQL_SEPARATOR}, {number})"


def sql_key_parts(key: str) -> str:
    """An expression for all parts of a key, as an array."""
    return f"string_to_array({key}, {_SQL_SEPARATOR})"
