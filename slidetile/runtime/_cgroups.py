"""The control groups of this process, in which Linux keeps the limits of a container or a job."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")
"""Where the kernel describes processes."""

CGROUPS = Path("/sys/fs/cgroup")
"""Where control groups are mounted."""


class Group(NamedTuple):
    """One control group."""

    folder: Path
    """The folder that holds the files of its limits."""
    version: int
    """1 or 2; the names of the files depend on it."""


def groups_of(controller: str, *, proc: Path = PROC, cgroups: Path = CGROUPS) -> Iterator[Group]:
    """Yield the groups of this process for a controller, and all groups above them.

    A group's limit applies to all groups below it. A container may not see its own group at the
    path that the kernel gives; it then sees it at the root, which is among the groups above.

    Parameters
    ----------
    controller
        The limited resource: "memory" or "cpu".
    proc, cgroups
        As `PROC` and `CGROUPS`.
    """
    try:
        lines = (proc / "self" / "cgroup").read_text().splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            root, version = cgroups, 2
        elif controller in controllers.split(","):
            root, version = cgroups / controller, 1
        else:
            continue
        own = root / path.strip("/")
        yield from (
            Group(folder, version) for folder in (own, *own.parents) if _within(folder, root)
        )


def _within(folder: Path, root: Path) -> bool:
    return folder == root or root in folder.parents
