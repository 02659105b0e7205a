"""The C library's heap: tuned for a process that is ours, given back in any.

Only glibc has what is used here; elsewhere nothing is done.
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


def tune_heap() -> None:
    """Have the C library keep freed memory for reuse, in few heaps, for the rest of the process.

    For processes that do nothing but our work: those of the command line and of a batch. What is
    set cannot be read, so it could not be set back.

    Shards are allocated in one thread and freed in another, and glibc may return the top of a
    thread's heap to the system at once, only to ask for it again: at its worst 5,000 page faults
    a shard, half of the time. What is kept is bounded like what is in flight.

    glibc also gives each new thread a heap of its own, and what run after run leaves in them is
    not given back. Two heaps are enough, since large pieces are few, and one where the address
    space is limited, of which each reserves 64 MiB.
    """
    mallopt = _function("mallopt")
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1 if is_space_tight() else _ARENAS)
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_HEAP_BYTES)


def give_back_heap() -> None:
    """Hand unused heap back to the system; no setting is changed."""
    trim = _function("malloc_trim")
    if trim is not None:
        trim(0)


def free_what_can_be_freed() -> None:
    """Collect garbage and hand all unused memory back to the system."""
    gc.collect()
    if (arrow := sys.modules.get("pyarrow")) is not None:
        arrow.default_memory_pool().release_unused()
    give_back_heap()


def _function(name: str) -> Callable[..., int] | None:
    return getattr(ctypes.CDLL(None), name, None)
