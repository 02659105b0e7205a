"""The control groups of this process: where Linux keeps the limits of a container or a job."""

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
    """Where the files of its limits lie."""
    version: int
    """1 or 2: the files have other names in each."""


def groups_of(controller: str, *, proc: Path = PROC, cgroups: Path = CGROUPS) -> Iterator[Group]:
    """Yield the groups of this process for a controller, and all groups above them.

    A limit of a group holds for all groups below it. A container may not see its own group under
    the path that the kernel gives, but then it sees it at the root, which is among those above.

    Parameters
    ----------
    controller
        What is limited: "memory" or "cpu".
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
