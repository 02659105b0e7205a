"""The processes that processes have begun, and those that these have: whose work they were ends.

Knows who has begun whom. Does not know what they do.
"""

import contextlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil


def descendants(pids: Iterable[int]) -> "list[psutil.Process]":
    """Return the living processes that others have begun, at any depth, without these.

    One that was left behind by a process that has ended belongs to none.
    """
    import psutil

    begun: dict[int, list[psutil.Process]] = defaultdict(list)
    for process in psutil.process_iter(["ppid"]):
        begun[process.info["ppid"]].append(process)
    found: list[psutil.Process] = []
    left = list(pids)
    while left:
        below = begun.pop(left.pop(), [])
        found += below
        left += [process.pid for process in below]
    return found


def ask_to_end(processes: "Sequence[psutil.Process]") -> None:
    """Send processes SIGTERM; those that have ended are left, whoever has their numbers now."""
    import psutil

    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.terminate()


def force_to_end(processes: "Sequence[psutil.Process]") -> None:
    """Send processes SIGKILL; those that have ended are left, whoever has their numbers now."""
    import psutil

    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.kill()
