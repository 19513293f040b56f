"""Returns freed memory to the operating system.

The stages of a night run one after another in one process, and each needs most of the available memory. Allocators keep
freed memory in pieces too small for the next stage: Arrow's allocator more than the system's. The system's allocator
does so too unless its threshold for large blocks is fixed. Arrow's own allocations follow ARROW_DEFAULT_MEMORY_POOL,
which must be set before Arrow is imported: `include/rollcall/cli/main.py` and `config/airflow_local_settings.py` do so.
"""

from __future__ import annotations

import ctypes
import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa

#: Parameters of glibc's mallopt(3) and their values. With much smaller blocks, requesting pages again took one
#: second of a large night.
_MMAP_THRESHOLD, _ARENA_MAX = -3, -8
_LARGE_BLOCK = 1 << 22
_ARENAS = 2

#: Bytes a stage must have added before garbage is collected after it. A collection takes a third of a second.
_COLLECT_ABOVE = 100 << 20

#: Thresholds of Python's garbage collector. The default, 700 new containers, is reached after about a hundred records.
_RARE_THRESHOLDS = (50_000, 20, 100)


def limit_memory_retention() -> None:
    """Return large blocks when they are freed. Without glibc, nothing is changed."""
    pa.set_memory_pool(pa.system_memory_pool())
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_MMAP_THRESHOLD, _LARGE_BLOCK)
        libc.mallopt(_ARENA_MAX, _ARENAS)


@contextmanager
def release_memory_after() -> Iterator[None]:
    """Release the memory of a stage when it ends; also collect garbage if the stage used much."""
    before = _resident()
    try:
        yield
    finally:
        if _resident() - before > _COLLECT_ABOVE:
            gc.collect()
        release_free_memory()


@contextmanager
def collect_garbage_rarely() -> Iterator[None]:
    """Collect garbage rarely during work that creates hundreds of thousands of lists and dicts without cycles.

    What existed before, mostly libraries, is not scanned. Otherwise collecting takes a sixth of extract's time.
    """
    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(*_RARE_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


def release_free_memory() -> None:
    """Return free memory that is scattered between blocks still in use."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _resident() -> int:
    """Resident bytes of this process; 0 if the system does not report them."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
