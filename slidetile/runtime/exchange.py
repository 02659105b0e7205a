"""Replacing a folder by another, so that at any moment one of them has the name.

Knows the systems' calls for it. Does not know what the folders hold.
"""

import ctypes
import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_RENAME_SWAP = 2

_NOT_HERE = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM}
"""What a kernel, a container or a file system answers that does not know the call."""


def replace_folder(new: Path, old: Path, aside: Path) -> None:
    """Give a folder the name of another, which is called ``aside`` from then on.

    The two change names in one step where the system can do that. Elsewhere there are two steps.
    What was done is taken back where a later step fails.

    Parameters
    ----------
    new, old, aside
        Paths of one file system; nothing is at ``aside``.

    Raises
    ------
    OSError
        The names cannot be changed; both folders are as they were.
    """
    if exchange(new, old):
        try:
            new.rename(aside)
        except BaseException:
            exchange(new, old)
            raise
        return
    old.rename(aside)
    try:
        new.rename(old)
    except BaseException:
        aside.rename(old)
        raise


def exchange(one: Path, other: Path) -> bool:
    """Exchange the names of two paths in one step; return False where the system cannot.

    Raises
    ------
    OSError
        It can, but not with these paths.
    """
    call = _system_call()
    if call is None:
        return False
    if call(os.fsencode(one), os.fsencode(other)) == 0:
        return True
    number = ctypes.get_errno()
    if number in _NOT_HERE:
        return False
    raise OSError(number, os.strerror(number), str(one), None, str(other))


def _system_call() -> Callable[[bytes, bytes], int] | None:
    library = ctypes.CDLL(None, use_errno=True)
    if sys.platform == "darwin":
        swap = getattr(library, "renamex_np", None)
        return None if swap is None else lambda one, other: swap(one, other, _RENAME_SWAP)
    call = getattr(library, "renameat2", None)  # glibc has it from 2.28 on
    if call is None:
        return None
    return lambda one, other: call(_AT_FDCWD, one, _AT_FDCWD, other, _RENAME_EXCHANGE)
