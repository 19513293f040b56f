"""Texts as numbers: the position of a value in a list, because numbers sort and join ten times faster than texts.

Mapping identifies a user by the position among the users in the order of their sourcedIds. An order by position is
therefore an order by sourcedId, whatever the order in which the rows arrived.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


def positions(values: pa.Array | pa.ChunkedArray, among: pa.Array | pa.ChunkedArray) -> Ints:
    """The position of each value in a list of distinct values; -1 for a value that is null or not in the list."""
    found = pc.index_in(values, value_set=among, skip_nulls=True)
    return np.asarray(pc.fill_null(found, -1).to_numpy(), dtype=np.int64)


def codes(values: pa.Array | pa.ChunkedArray) -> tuple[Ints, list[str]]:
    """The position of each value among the distinct values, and the distinct values, sorted; -1 for null."""
    distinct = pc.unique(values.drop_null()).sort()
    return positions(values, distinct), distinct.to_pylist()


def flags(values: pa.Array | pa.ChunkedArray) -> Flags:
    """Booleans as a NumPy array; null is false."""
    return np.asarray(pc.fill_null(values, False).to_numpy(zero_copy_only=False), dtype=np.bool_)


def group_starts(keys: Ints) -> Ints:
    """The position at which each run of equal keys begins."""
    return np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])) if len(keys) else keys[:0]


def distinct_lists(groups: Ints, members: Ints, texts: pa.Array) -> tuple[Ints, pa.Array]:
    """Per group, the texts of its distinct members in their order, as a JSON list.

    :param groups: a number per row, not negative. `members` are positions in `texts`, which are JSON already.
    :returns: the groups, ascending, and their lists.
    """
    group, member = np.divmod(np.unique(groups * len(texts) + members), max(len(texts), 1))
    first = group_starts(group)
    offsets = pa.array(np.append(first, len(group)), pa.int32())
    lists = pa.ListArray.from_arrays(offsets, texts.take(pa.array(member)))
    return group[first], pc.binary_join_element_wise("[", pc.binary_join(lists, ","), "]", "")
