"""What PostgreSQL does not store, found before it is asked to: one such value would cost the whole night.

Limits of PostgreSQL 13 and later: an index entry has at most 2,704 bytes (a third of a page of a B-tree, after a
compression nobody can rely on), a string in `jsonb` 256 MB, a number in it 131,072 digits, and its parser gives up at
some depth of nesting. NUL and half a surrogate pair never get here, numbers are bounded where records are decoded, and
dates and instants that PostgreSQL has not are no dates (:mod:`rollcall.validate.types`).

The bounds are well inside of that, since a value goes into more than one place: a key of `user_roles` joins person,
role and school; `hold_rows` and `left_out` name rows; rejects hold whole records; `lower()` of a username may be half
as long again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rollcall.model.tables import Table
from rollcall.oneroster.lenient_decode import MAX_NESTING
from rollcall.validate.types import Typed, longest, usable_ids

#: Bytes of a text that becomes part of an index entry, by table and column.
MOST_INDEXED_BYTES: Mapping[str, Mapping[str, int]] = {
    "users": {"username": 1_000, "email": 1_000, "identifier": 1_000},
    "user_roles": {"role": 255},
}

#: Bytes of all texts of a row. Rows are read back in blocks of 8 MB, which one row must not fill.
MOST_ROW_BYTES = 1_000_000

_MARK = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[{]|[\]}]', re.DOTALL)


def storable_facts(table: Table, records: Typed, parts: Mapping[str, Typed]) -> dict[str, pa.Array]:
    """Per record, whether its texts and those of its parts fit their index entries, whether it is small enough, and
    whether its JSON is shallow enough.

    :param parts: the parts of these records, or of more, by table.
    """
    fits, small = _fits(table.name, records), _small(records)
    for name, part in parts.items():
        owners = records.rows.column("sourced_id")
        for part_fits, record_fits in ((_fits(name, part), fits), (_small(part), small)):
            if not part_fits.all():
                misfits = part.rows.column(0).filter(pa.array(~part_fits))
                record_fits &= ~pc.is_in(owners, value_set=misfits.combine_chunks()).to_numpy()
    return {"fits_index": pa.array(fits), "is_small": pa.array(small), "is_shallow": pa.array(_shallow(table, records))}


def _fits(table: str, rows: Typed) -> np.ndarray:
    fits = np.ones(rows.rows.num_rows, dtype=bool)
    for name, most in MOST_INDEXED_BYTES.get(table, {}).items():
        text = rows.rows.column(name)
        if longest(text) > most:
            fits &= _true(pc.less_equal(pc.binary_length(text), most))
    if rows.rows.column_names[0] == "sourced_id":  # of a part it is the part that is left out
        references = [name for name in rows.rows.column_names[1:] if name.endswith("sourced_id")]
        for usable in map(usable_ids, map(rows.rows.column, references)):
            if usable is not None:
                fits &= _true(usable)
    return fits


def _small(rows: Typed) -> np.ndarray:
    texts = [column for column in rows.rows.columns if pa.types.is_string(column.type)]
    if sum(map(longest, texts)) <= MOST_ROW_BYTES:
        return np.ones(rows.rows.num_rows, dtype=bool)
    size = np.zeros(rows.rows.num_rows, dtype=np.int64)
    for text in texts:
        size += pc.fill_null(pc.binary_length(text), 0).to_numpy()
    return size <= MOST_ROW_BYTES


def _shallow(table: Table, rows: Typed) -> np.ndarray:
    shallow = np.ones(rows.rows.num_rows, dtype=bool)
    for name in table.of_kind("json"):
        text = rows.rows.column(name)
        if longest(text) <= MAX_NESTING:
            continue
        marks = pc.add(pc.count_substring(text, "["), pc.count_substring(text, "{"))
        suspects = np.flatnonzero(pc.fill_null(pc.greater(marks, MAX_NESTING), False).to_numpy())
        for row, value in zip(suspects, text.take(pa.array(suspects)).to_pylist(), strict=True):
            shallow[row] &= levels(value) <= MAX_NESTING
    return shallow


def levels(text: str) -> int:
    """How deep lists and objects are nested in a JSON text."""
    level = deepest = 0
    for match in _MARK.finditer(text):
        if match[0] in "[{":
            level += 1
            deepest = max(deepest, level)
        elif match[0] in "]}":
            level -= 1
    return deepest


def _true(mask: pa.ChunkedArray) -> np.ndarray:
    return pc.fill_null(mask, True).to_numpy()
