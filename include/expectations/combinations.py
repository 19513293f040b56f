"""Rows that say the same, judged once.

Rules look at columns of few different values: a role, a date of the school year, whether something is there. Six
hundred thousand enrollments say some dozens of different things in them, and a rule that decides row by row decides the
same about equal rows. So Great Expectations is shown each different combination once, and what it says counts for all
the rows that have it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import great_expectations.expectations as gxe
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from include.expectations.rules import Rule

#: Columns of more different values than this, and than this share of the rows, are judged row by row.
_FEW = 1_000
_FEW_OF = 0.02


@dataclass(frozen=True)
class Combinations:
    """Rows by what they say.

    :param different: each different row once.
    :param of_row: per row, which of those it is.
    :param counts: per different row, how many rows are so.
    """

    different: pa.Table
    of_row: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]


def as_asked(rows: pa.Table, rules: Sequence[Rule]) -> pa.Table:
    """The columns the rules look at; of one that is only asked whether it is there, just that."""
    asked = {name: rows.column(name) for rule in rules for name in rule.columns()}
    more = {name for rule in rules for name in rule.columns() if not _asks_presence(rule)}
    for name in asked.keys() - more:
        asked[name] = pc.if_else(pc.is_valid(asked[name]), "said", pa.scalar(None, pa.string()))
    return pa.table(asked)


def split(rows: pa.Table, rules: Sequence[Rule]) -> tuple[list[Rule], list[Rule]]:
    """The rules about columns of few different values, and the others."""
    most = max(_FEW, int(_FEW_OF * rows.num_rows))
    many = {name for name in rows.column_names if _different(rows.column(name)) > most}
    few = [rule for rule in rules if not many & set(rule.columns())]
    return few, [rule for rule in rules if many & set(rule.columns())]


def combinations(rows: pa.Table) -> Combinations:
    """What rows say, each once, in the order in which it first comes."""
    code = np.zeros(rows.num_rows, dtype=np.int64)
    for column in rows.columns:
        of_column, size = _codes(column)
        _, code = np.unique(code * size + of_column, return_inverse=True)  # dense again, so that nothing overflows
    _, first, of_row, counts = np.unique(code, return_index=True, return_inverse=True, return_counts=True)
    order = np.argsort(first)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return Combinations(rows.take(pa.array(first[order])), place[of_row], counts[order])


def _codes(column: pa.ChunkedArray) -> tuple[npt.NDArray[np.int64], int]:
    """A number per value, below a size; nulls have one too."""
    encoded = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if not pa.types.is_dictionary(encoded.type):
        encoded = pc.dictionary_encode(encoded)
    size = len(encoded.dictionary)
    return np.asarray(pc.fill_null(encoded.indices, size).to_numpy(), dtype=np.int64), size + 1


def _different(column: pa.ChunkedArray) -> int:
    if pa.types.is_dictionary(column.type):
        return len(column.combine_chunks().dictionary)
    return int(pc.count_distinct(column).as_py())


def _asks_presence(rule: Rule) -> bool:
    return isinstance(rule.expectation, gxe.ExpectColumnValuesToNotBeNull) and not rule.expectation.row_condition
