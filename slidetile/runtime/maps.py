"""Files as memory, of which nothing is read before it is touched.

Knows descriptors and limits of the system. Does not know what is in a file.
"""

import contextlib
import mmap
import os
import resource

_MOST_DESCRIPTORS = 1 << 14
"""Where descriptors are not limited, maps are: Linux allows a process 65,530 of them."""


def private_map(file: int) -> mmap.mmap | None:
    """Return the content of an open file as memory of the caller's own.

    What is written into it stays in memory, and the file as it is. It outlives the descriptor, and
    goes with the last array that is made of it. A file that is cut short while it is in use, or
    whose disk fails, ends the process by the signal SIGBUS.

    Parameters
    ----------
    file
        The file's descriptor.

    Returns
    -------
    mmap or None
        None where it cannot be mapped, or half of the descriptors that the process may have are
        taken: each map keeps one.
    """
    with contextlib.suppress(OSError, ValueError):  # no maps here, no address space; it is empty
        if _next_descriptor(file) < _most_descriptors():
            return mmap.mmap(file, os.fstat(file).st_size, access=mmap.ACCESS_COPY)
    return None


def _next_descriptor(file: int) -> int:
    """Return the lowest number that is free: all below it are taken, and a map gets it."""
    descriptor = os.dup(file)
    os.close(descriptor)
    return descriptor


def _most_descriptors() -> int:
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST_DESCRIPTORS if limit < 0 else min(_MOST_DESCRIPTORS, limit // 2)
