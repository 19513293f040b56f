"""Finds values that PostgreSQL cannot store before it is asked to; one such value would fail the whole night.

Limits of PostgreSQL 13 and later: an index entry has at most 2,704 bytes (a third of a B-tree page, after compression
that is not guaranteed), a string in `jsonb` 256 MB, and a number in it 131,072 digits. Its parser also fails at some
nesting depth. NUL and unpaired surrogates never get here. Numbers are limited when records are decoded. Dates outside
PostgreSQL's range are invalid (`rollcall.validate.types`).

The limits here are well below these, because a value is stored in several places: a key of `user_roles` joins person,
role, and school; `hold_rows` and `left_out` name rows; rejects hold whole records; `lower()` of a username can be half
again as long.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rollcall.model.tables import Table
from rollcall.oneroster.lenient_decode import MAX_NESTING
from rollcall.validate.types import TypedTable, max_bytes, usable_ids

#: Maximum bytes of an indexed text, by table and column.
MAX_INDEXED_BYTES: Mapping[str, Mapping[str, int]] = {
    "users": {"username": 1_000, "email": 1_000, "identifier": 1_000},
    "user_roles": {"role": 255},
}

#: Maximum bytes of all texts of a row. Rows are read back in blocks of 8 MB, which one row must not fill.
MAX_ROW_BYTES = 1_000_000

_JSON_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[{]|[\]}]', re.DOTALL)


def storable_facts(table: Table, records: TypedTable, parts: Mapping[str, TypedTable]) -> dict[str, pa.Array]:
    """Per record: whether its indexed texts (parts included) fit, whether it is small enough, and whether its JSON is
    shallow enough.

    :param parts: by table, the parts of these records; parts of other records are ignored.
    """
    fits, small = _fits(table.name, records), _small(records)
    for name, part in parts.items():
        owners = records.rows.column("sourced_id")
        for part_fits, record_fits in ((_fits(name, part), fits), (_small(part), small)):
            if not part_fits.all():
                misfits = part.rows.column(0).filter(pa.array(~part_fits))
                record_fits &= ~pc.is_in(owners, value_set=misfits.combine_chunks()).to_numpy()
    return {"fits_index": pa.array(fits), "is_small": pa.array(small), "is_shallow": pa.array(_shallow(table, records))}


def _fits(table: str, rows: TypedTable) -> np.ndarray:
    fits = np.ones(rows.rows.num_rows, dtype=bool)
    for name, limit in MAX_INDEXED_BYTES.get(table, {}).items():
        text = rows.rows.column(name)
        if max_bytes(text) > limit:
            fits &= _true(pc.less_equal(pc.binary_length(text), limit))
    if rows.rows.column_names[0] == "sourced_id":  # an unusable id in a part drops only the part
        references = [name for name in rows.rows.column_names[1:] if name.endswith("sourced_id")]
        for usable in map(usable_ids, map(rows.rows.column, references)):
            if usable is not None:
                fits &= _true(usable)
    return fits


def _small(rows: TypedTable) -> np.ndarray:
    texts = [column for column in rows.rows.columns if pa.types.is_string(column.type)]
    if sum(map(max_bytes, texts)) <= MAX_ROW_BYTES:
        return np.ones(rows.rows.num_rows, dtype=bool)
    size = np.zeros(rows.rows.num_rows, dtype=np.int64)
    for text in texts:
        size += pc.fill_null(pc.binary_length(text), 0).to_numpy()
    return size <= MAX_ROW_BYTES


def _shallow(table: Table, rows: TypedTable) -> np.ndarray:
    shallow = np.ones(rows.rows.num_rows, dtype=bool)
    for name in table.of_kind("json"):
        text = rows.rows.column(name)
        if max_bytes(text) <= MAX_NESTING:
            continue
        brackets = pc.add(pc.count_substring(text, "["), pc.count_substring(text, "{"))
        suspects = np.flatnonzero(pc.fill_null(pc.greater(brackets, MAX_NESTING), False).to_numpy())
        for row, value in zip(suspects, text.take(pa.array(suspects)).to_pylist(), strict=True):
            shallow[row] &= json_depth(value) <= MAX_NESTING
    return shallow


def json_depth(text: str) -> int:
    """The nesting depth of lists and objects in a JSON text."""
    level = deepest = 0
    for match in _JSON_TOKEN.finditer(text):
        if match[0] in "[{":
            level += 1
            deepest = max(deepest, level)
        elif match[0] in "]}":
            level -= 1
    return deepest


def _true(mask: pa.ChunkedArray) -> np.ndarray:
    return pc.fill_null(mask, True).to_numpy()
