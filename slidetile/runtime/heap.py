"""The heap: tuned in our own processes, given back to the system in any process.

Of C libraries only glibc has these functions; elsewhere only Python's collector is tuned.
"""

import ctypes
import gc
import sys
from collections.abc import Callable

from slidetile.runtime.memory import is_space_tight

# Parameters of mallopt(3), and their values.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_ARENAS = 2
_LARGEST_MMAP_THRESHOLD_BYTES = 32 << 20
_KEPT_HEAP_BYTES = 256 << 20

_OBJECTS_BETWEEN_COLLECTIONS = 20_000
"""Python's own 700 are reached a hundred times while modules are loaded, none of which is garbage:
that took a tenth of the time of loading them."""


def tune_heap() -> None:
    """Have the C library keep freed memory for reuse, in few heaps, for the rest of the process.

    And Python look for garbage less often.

    This is for processes that do nothing but our work: those of the command line and of a batch.
    The settings cannot be read, so they could not be restored.

    Shards are allocated in one thread and freed in another, and glibc may return the top of a
    thread's heap to the system at once, only to request it again: at its worst 5,000 page faults
    a shard, half of the time. The kept memory is bounded, since what is in flight is bounded.

    glibc also gives each new thread a heap of its own, and does not give back what each run leaves
    in them. Two heaps are enough, since large blocks are few; and one where the address space is
    limited, since each reserves 64 MiB of it.
    """
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    mallopt = _function("mallopt")
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1 if is_space_tight() else _ARENAS)
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_HEAP_BYTES)


def give_back_heap() -> None:
    """Give unused heap back to the system; no setting is changed."""
    trim = _function("malloc_trim")
    if trim is not None:
        trim(0)


def free_what_can_be_freed() -> None:
    """Collect garbage and give all unused memory back to the system."""
    gc.collect()
    if (arrow := sys.modules.get("pyarrow")) is not None:
        arrow.default_memory_pool().release_unused()
    give_back_heap()


def _function(name: str) -> Callable[..., int] | None:
    return getattr(ctypes.CDLL(None), name, None)
