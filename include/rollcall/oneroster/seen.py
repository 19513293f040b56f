"""The sourcedIds received so far, each with the hash of its first record, at 24 to 48 bytes per row.

A dict of texts needs 140 bytes per row and more for long sourcedIds, which a provider chooses. Here a row is 16 bytes
in a hash table of numpy arrays, whatever its sourcedId. Keys are 63 bits of Python's own hash of the text, whose seed
differs in each process, so a provider cannot choose sourcedIds that collide. Among five million rows two share a key
with a probability of one in 700,000. One of them would then count as repeated, and the collection would be read again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import islice

import numpy as np

_START_BITS = 12
_MAX_LOAD = 0.66
_BATCH = 50_000


class RowIndex:
    """A map from sourcedId to the hash of its first record. A row from an earlier process has no known hash.

    Values are stored plus one; zero is an unknown hash. A key is never zero: its lowest bit is set.
    """

    def __init__(self) -> None:
        self._bits = _START_BITS
        self._count = 0
        self._allocate()

    @classmethod
    def of(cls, sourced_ids: Iterable[str]) -> RowIndex:
        """Rows whose hashes are unknown."""
        index = cls()
        iterator = iter(sourced_ids)
        while batch := list(islice(iterator, _BATCH)):
            keys = _keys(batch)
            keys = np.unique(keys[~index._find(keys)[1]])  # a page that was read again repeats its sourcedIds
            index._add(keys, np.zeros(keys.size, dtype=np.uint64))
        return index

    def __len__(self) -> int:
        return self._count

    def __contains__(self, sourced_id: str) -> bool:
        return bool(self._find(_keys([sourced_id]))[1][0])

    def get(self, sourced_id: str) -> int | None:
        """The hash of a sourcedId's first record. None: it is new, or its hash is unknown."""
        slots, found = self._find(_keys([sourced_id]))
        value = int(self._values[slots[0]]) if found[0] else 0
        return value - 1 if value else None

    def isdisjoint(self, sourced_ids: Collection[str]) -> bool:
        return not self._find(_keys(sourced_ids))[1].any()

    def update(self, sourced_ids: Collection[str], hashes: Iterable[int]) -> None:
        """Add rows.

        :param sourced_ids: distinct, and not in the index.
        """
        count = len(sourced_ids)
        self._add(_keys(sourced_ids), np.fromiter(hashes, dtype=np.uint64, count=count) + np.uint64(1))

    def _add(self, keys: np.ndarray, values: np.ndarray) -> None:
        self._grow(self._count + keys.size)
        self._insert(keys, values)
        self._count += keys.size

    def set(self, sourced_id: str, value: int) -> None:
        """Set the hash of one row, new or not."""
        keys = _keys([sourced_id])
        slots, found = self._find(keys)
        if found[0]:
            self._values[slots[0]] = value + 1
        else:
            self.update([sourced_id], [value])

    def _allocate(self) -> None:
        self._keys = np.zeros(1 << self._bits, dtype=np.uint64)
        self._values = np.zeros(1 << self._bits, dtype=np.uint64)

    def _grow(self, count: int) -> None:
        bits = self._bits
        while count > _MAX_LOAD * (1 << bits):
            bits += 1
        if bits == self._bits:
            return
        keys, values, self._bits = self._keys, self._values, bits
        self._allocate()
        used = keys != 0
        self._insert(keys[used], values[used])

    def _find(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Per key its slot, or the free one where it belongs, and whether it is there."""
        slots = (keys >> np.uint64(64 - self._bits)).astype(np.int64)
        current = self._keys[slots]
        moving = np.flatnonzero((current != keys) & (current != 0))
        while moving.size:
            slots[moving] = (slots[moving] + 1) & ((1 << self._bits) - 1)
            current = self._keys[slots[moving]]
            moving = moving[(current != keys[moving]) & (current != 0)]
        return slots, self._keys[slots] == keys

    def _insert(self, keys: np.ndarray, values: np.ndarray) -> None:
        while keys.size:
            slots, _ = self._find(keys)
            self._keys[slots] = keys  # where several keys want one free slot, one of them gets it
            placed = self._keys[slots] == keys
            self._values[slots[placed]] = values[placed]
            keys, values = keys[~placed], values[~placed]


def _keys(sourced_ids: Collection[str]) -> np.ndarray:
    hashes = np.fromiter(map(hash, sourced_ids), dtype=np.int64, count=len(sourced_ids))
    return hashes.view(np.uint64) | np.uint64(1)
