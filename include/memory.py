"""Memory of columns given back to the system once it is free.

The stages of a night follow each other in one process. Arrow's default allocator keeps what a stage freed, in blocks
the next one does not fit into; another of its own gives it back within a second.
"""

from __future__ import annotations

from contextlib import suppress

import pyarrow as pa


def give_back_what_is_free() -> None:
    """Let Arrow's next columns come from the allocator that gives back, where Arrow was built with it."""
    with suppress(NotImplementedError):
        pa.set_memory_pool(pa.jemalloc_memory_pool())
