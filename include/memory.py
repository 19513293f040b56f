"""Memory given back to the system as soon as it is free.

The stages of a night follow each other in one process, and each needs most of what there is. Allocators keep what was
freed, in pieces the next stage does not fit into: Arrow's own more than the system's, and the system's unless it is
told not to learn from large blocks. What is set here costs nothing that can be measured.
"""

from __future__ import annotations

import ctypes
import gc
import os
from contextlib import suppress

# for Arrow's own calls; read when it is imported
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")

import pyarrow as pa

#: glibc's parameters, of mallopt(3), and what they are set to.
_MMAP_THRESHOLD, _ARENA_MAX = -3, -8
_LARGE_BLOCK = 1 << 22
_ARENAS = 2


def keep_memory_small() -> None:
    """Let large blocks go back when they are freed; where the system's allocator is another, it is left as it is."""
    pa.set_memory_pool(pa.system_memory_pool())
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_MMAP_THRESHOLD, _LARGE_BLOCK)
        libc.mallopt(_ARENA_MAX, _ARENAS)
    gc.freeze()  # what was imported stays; it need not be looked through whenever something is given back


def give_back_what_is_free(*, cycles: bool = True) -> None:
    """Hand back what lies scattered between what is still needed.

    :param cycles: also what only refers to itself, which takes longer to find.
    """
    if cycles:
        gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
