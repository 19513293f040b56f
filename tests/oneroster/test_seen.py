"""The index of rows received equals a dict of sourcedIds, in a tenth of its memory."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from rollcall.oneroster.seen import RowIndex
from tests.conftest import examples

ids = st.lists(st.text(max_size=3), max_size=60)


@examples(200)
@given(ids, st.dictionaries(st.text(max_size=3), st.integers(0, 2**32 - 1), max_size=30))
def test_it_holds_each_earlier_row_once_and_the_hashes_of_new_rows(earlier: list[str], new: dict[str, int]) -> None:
    index = RowIndex.of(iter(earlier))
    assert len(index) == len(set(earlier))
    assert all(sourced_id in index and index.get(sourced_id) is None for sourced_id in earlier)
    assert index.isdisjoint(list(new)) == set(earlier).isdisjoint(new)

    for sourced_id, value in new.items():
        index.set(sourced_id, value)
    assert len(index) == len({*earlier, *new})
    assert {sourced_id: index.get(sourced_id) for sourced_id in new} == new


def test_200_000_earlier_rows_are_indexed_in_less_than_a_second() -> None:
    """Those of several batches, in which rows of earlier batches repeat."""
    sourced_ids = [f"sourced-id-{number % 180_000}" for number in range(200_000)]
    began = time.process_time()
    index = RowIndex.of(sourced_ids)

    assert time.process_time() - began < 1
    assert len(index) == 180_000
    assert not index.isdisjoint(sourced_ids[-1:])
    assert index.isdisjoint(["another"])
