"""What a command does where the address space of its process is limited (``ulimit -v``).

Under such a limit reserved memory counts as used, and libraries reserve freely: a stack of 8 MiB
and a heap of 64 MiB for every thread, threads for unused linear algebra, 1 GiB for Arrow's pool.
"""

import importlib
import os
import threading

from slidetile.cli.quantities import size_bytes
from slidetile.cli.show import fail
from slidetile.runtime.memory import SystemGauge, is_space_tight, space_limit_bytes

_STACK_BYTES = 1 << 20

_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",  # of numpy and of scipy, each
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_ARENA_MAX": "1",  # of child processes
}

_LARGE_LIBRARIES = ("numpy", "imagecodecs", "pyarrow", "pyarrow.parquet")

_LEAST_BYTES = 256 << 20
"""On every system the libraries need more; with less, OpenBLAS may hang while it loads."""

_WORK_BYTES = 64 << 20
"""Needed for threads, a shard being made and the tile table; with less, a run would break off."""

_REMEDY = "allow 512 MiB or more, or limit the memory by a control group instead"


def save_address_space() -> None:
    """Have libraries that are loaded from now on reserve little, where there is a limit.

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
    tune_process()  # before the first thread, which would reserve a heap of its own


def tune_process() -> None:
    """Set up a process that will read many pixels, before it loads what reads them.

    See `tune_heap`. Nothing here uses linear algebra, whose threads spin before they sleep.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from slidetile.runtime.heap import tune_heap

    tune_heap()


def check_address_space() -> None:
    """Exit, before anything is written, where the limit leaves no room for the work.

    All libraries are loaded for this check: those needed last, for the table, are the largest.
    """
    if not is_space_tight():
        return
    try:
        for name in _LARGE_LIBRARIES:
            importlib.import_module(name)
    except (ImportError, MemoryError, OSError, RuntimeError):
        _refuse()
    from slidetile.runtime.heap import free_what_can_be_freed

    free_what_can_be_freed()
    if SystemGauge().available_bytes() < _WORK_BYTES:
        _refuse()


def fail_if_out_of_space(error: BaseException) -> None:
    """Exit where an error shows that the address space is used up."""
    signs = ("can't start new thread", "failed to map segment", "cannot allocate memory")
    ran_out = isinstance(error, MemoryError) or any(sign in str(error).lower() for sign in signs)
    if ran_out and is_space_tight():
        used_up = f"{_limit()} is used up: {_REMEDY}"
        fail(f"{used_up}; run the same command again to continue", kind="MemoryError")


def _refuse() -> None:
    too_little = f"{_limit()} leaves too little to load the libraries and work: {_REMEDY}"
    fail(too_little, kind="MemoryError")


def _limit() -> str:
    limit = size_bytes(space_limit_bytes() or 0)
    return f"the limit of the address space (ulimit -v or -d) of {limit}"
