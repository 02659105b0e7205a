"""What a command does where its process may only have a little address space (``ulimit -v``).

There a reservation counts like use, and libraries reserve as if it cost nothing: a stack of 8 MiB
and a heap of 64 MiB for every thread, threads for algebra nobody does, a GiB for Arrow's pool.
"""

import importlib
import os
import threading

from slidetile.cli.quantities import size_bytes
from slidetile.cli.show import fail
from slidetile.runtime.heap import free_what_can_be_freed
from slidetile.runtime.memory import SystemGauge, is_space_tight, space_limit_bytes

_STACK_BYTES = 1 << 20

_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",  # of numpy and of scipy, each
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_ARENA_MAX": "1",  # of processes begun by this one
}

_LARGE_LIBRARIES = ("numpy", "scipy.ndimage", "imagecodecs", "pyarrow", "pyarrow.parquet")

_LEAST_BYTES = 256 << 20
"""No system's libraries fit into less; and OpenBLAS, short of memory while it loads, may hang."""

_WORK_BYTES = 64 << 20
"""Threads, a shard in hand, the table: with less, a run would break off."""

_REMEDY = "allow 512 MiB or more, or limit the memory by a control group instead"


def save_address_space() -> None:
    """Have the libraries reserve little, where there is a limit; before they are loaded.

    Exits where they cannot even be loaded.
    """
    limit = space_limit_bytes()
    if limit is None or not is_space_tight():
        return
    if limit < _LEAST_BYTES:
        _refuse()
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    threading.stack_size(_STACK_BYTES)


def check_address_space() -> None:
    """Exit, before anything is written, where the limit leaves no room for the work.

    All libraries are loaded first: those that come last, for the table, are the largest.
    """
    if not is_space_tight():
        return
    try:
        for name in _LARGE_LIBRARIES:
            importlib.import_module(name)
    except (ImportError, MemoryError, OSError, RuntimeError):
        _refuse()
    free_what_can_be_freed()
    if SystemGauge().available_bytes() < _WORK_BYTES:
        _refuse()


def fail_if_out_of_space(error: BaseException) -> None:
    """Exit where an error is one of those that come up when the address space ends."""
    signs = ("can't start new thread", "failed to map segment", "cannot allocate memory")
    ran_out = isinstance(error, MemoryError) or any(sign in str(error).lower() for sign in signs)
    if ran_out and is_space_tight():
        used_up = f"{_limit()} is used up: {_REMEDY}"
        fail(f"{used_up}; what is written is kept for the same command", kind="MemoryError")


def _refuse() -> None:
    too_little = f"{_limit()} leaves too little to load the libraries and work: {_REMEDY}"
    fail(too_little, kind="MemoryError")


def _limit() -> str:
    limit = size_bytes(space_limit_bytes() or 0)
    return f"the limit of the address space (ulimit -v or -d) of {limit}"
