"""Texts as numbers: where a value stands in a list, because numbers sort and join ten times faster than texts.

Everybody in mapping is named by a position among the users in the order of their sourcedIds, so that an order by
position is an order by sourcedId whatever the order in which the rows came.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


def positions(values: pa.Array | pa.ChunkedArray, among: pa.Array | pa.ChunkedArray) -> Ints:
    """Where each value stands among others, which are distinct; -1 for one that is not there or null."""
    found = pc.index_in(values, value_set=among, skip_nulls=True)
    return np.asarray(pc.fill_null(found, -1).to_numpy(), dtype=np.int64)


def codes(values: pa.Array | pa.ChunkedArray) -> tuple[Ints, list[str]]:
    """Each value as its place among the distinct values, which are given in their order; -1 for null."""
    distinct = pc.unique(values.drop_null()).sort()
    return positions(values, distinct), distinct.to_pylist()


def flags(values: pa.Array | pa.ChunkedArray) -> Flags:
    """Booleans; a null is no."""
    return np.asarray(pc.fill_null(values, False).to_numpy(zero_copy_only=False), dtype=np.bool_)


def starts_of(keys: Ints) -> Ints:
    """Where each run of equal keys begins."""
    return np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])) if len(keys) else keys[:0]


def distinct_lists(groups: Ints, members: Ints, texts: pa.Array) -> tuple[Ints, pa.Array]:
    """Per group the texts of its distinct members, in their order, as the text of a JSON list.

    :param groups: a number per row, not below 0; `members` positions in `texts`, which are JSON already.
    :returns: the groups, ascending, and their lists.
    """
    group, member = np.divmod(np.unique(groups * len(texts) + members), max(len(texts), 1))
    first = starts_of(group)
    offsets = pa.array(np.append(first, len(group)), pa.int32())
    lists = pa.ListArray.from_arrays(offsets, texts.take(pa.array(member)))
    return group[first], pc.binary_join_element_wise("[", pc.binary_join(lists, ","), "]", "")
