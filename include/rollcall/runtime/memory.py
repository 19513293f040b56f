"""Memory given back to the system as soon as it is free.

The stages of a night follow each other in one process, and each needs most of what there is. Allocators keep what was
freed, in pieces the next stage does not fit into: Arrow's own more than the system's, and the system's unless it is
told not to learn from large blocks. What Arrow allocates for itself follows ARROW_DEFAULT_MEMORY_POOL, which has to be
set before it is imported: `include/rollcall/cli/main.py` and `config/airflow_local_settings.py` do.
"""

from __future__ import annotations

import ctypes
import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa

#: glibc's parameters, of mallopt(3), and what they are set to. With much smaller blocks the pages asked for anew took a
#: second of a big night.
_MMAP_THRESHOLD, _ARENA_MAX = -3, -8
_LARGE_BLOCK = 1 << 22
_ARENAS = 2

#: Bytes a stage has to have taken before its objects are looked through for such as only refer to themselves; that
#: takes a third of a second.
_MUCH = 100 << 20

#: New containers after which the collector looks through them, and how often then through older ones. Python's 700 are
#: some hundred records.
_SELDOM = (50_000, 20, 100)


def keep_memory_small() -> None:
    """Let large blocks go back when they are freed; where the system's allocator is another, it is left as it is."""
    pa.set_memory_pool(pa.system_memory_pool())
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_MMAP_THRESHOLD, _LARGE_BLOCK)
        libc.mallopt(_ARENA_MAX, _ARENAS)


@contextmanager
def given_back() -> Iterator[None]:
    """A stage, after which its memory goes back: what only refers to itself too, where the stage took much."""
    before = _resident()
    try:
        yield
    finally:
        if _resident() - before > _MUCH:
            gc.collect()
        give_back_what_is_free()


@contextmanager
def without_cycles() -> Iterator[None]:
    """Work that makes lists and dicts by the hundred thousand and no cycle among them: they are seldom looked through
    for one, and what was there before, the libraries mostly, is not. It took a sixth of extract.
    """
    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(*_SELDOM)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


def give_back_what_is_free() -> None:
    """Hand back what lies scattered between what is still needed."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _resident() -> int:
    """Bytes of this process in memory; 0 where nobody says."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
