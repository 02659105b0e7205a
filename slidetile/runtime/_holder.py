"""How others recognise a process: on its host, from another container or from another host."""

import json
import os
import platform
import sys
import time
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

_IS_LINUX = sys.platform == "linux"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A process that holds a claim.

    Raises
    ------
    ValueError
        ``pid`` is not a process number.
    TypeError
        ``signs`` is not a number.
    """

    host: str
    """Name of its host, for people only: hosts and containers may share a name."""

    processes: str
    """Names the set of processes in which ``pid`` is unique; empty if unknown."""

    pid: int
    """Its number in that set."""

    process_start: str
    """When it began, in the system's own unit, since pids are reused; empty if unknown."""

    since: str
    """When it made the claim, as an ISO 8601 time in UTC, for people only."""

    token: str
    """Distinguishes two claims of one process."""

    signs: int = 0
    """How often the claim was dated anew, where that takes another content: see `dated`."""

    is_released: bool = False
    """Whether the claim is anybody's, though it could not be removed."""

    def __post_init__(self) -> None:
        if not isinstance(self.pid, int) or self.pid < 1:
            raise ValueError(f"{self.pid!r} is not a process number.")
        if not isinstance(self.signs, int):
            raise TypeError(f"{self.signs!r} is not a number of signs of life.")

    @classmethod
    def me(cls) -> Self:
        """Return this process, with a new token."""
        return cls(
            host=platform.node(),
            processes=_visible_processes(),
            pid=os.getpid(),
            process_start=_process_start(os.getpid()),
            since=datetime.now(UTC).isoformat(timespec="seconds"),
            token=os.urandom(8).hex(),
        )

    @classmethod
    def from_json(cls, data: bytes) -> Self | None:
        """Return the holder that the JSON names; None if it was cut short or is something else."""
        try:
            return cls(**json.loads(data))
        except (ValueError, TypeError):
            return None

    def to_json(self) -> bytes:
        """Return the JSON that `from_json` reads."""
        known = asdict(self)
        for name in ("signs", "is_released"):  # which earlier versions do not know
            if not known[name]:
                del known[name]
        return json.dumps(known, indent=2).encode()

    def dated(self) -> Self:
        """Return the same claim with another sign of life, whose content is another, too.

        What a server knows an object by is often a digest of its content.
        """
        return replace(self, signs=self.signs + 1)

    def is_same(self, other: Self | None) -> bool:
        """Return whether another content is of the same claim, whatever its signs of life."""
        return other is not None and replace(other, signs=self.signs) == self

    @property
    def is_visible(self) -> bool:
        """Whether its pid means the same process here."""
        return bool(self.processes) and self.processes == _visible_processes()

    @property
    def is_running(self) -> bool:
        """Whether its process still runs; meaningful only where it is visible."""
        try:
            os.kill(self.pid, 0)  # sends no signal, only checks
        except ProcessLookupError:
            return False
        except PermissionError:  # another user's process
            pass
        start = _process_start(self.pid)
        return start in ("", self.process_start) or not self.process_start

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} since {self.since}"


def uptime_s() -> float:
    """Return seconds of a clock that also counts while the system sleeps, where there is one."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _visible_processes() -> str:
    """Return a name for the processes that this one sees by their pids; empty if unknown.

    The host's name is not enough: containers have pids of their own, and may share a name.
    """
    if not _IS_LINUX:
        return platform.node()
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"  # noqa: PTH115  it is not a path
    except OSError:
        return ""


def _process_start(pid: int) -> str:
    """Return when a process began; "ended" for a zombie, "" if unknown.

    On Linux this is in ticks since the start of the system: psutil would add the time of day,
    which may be set while the process runs.
    """
    if _IS_LINUX:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:  # a system may hide the processes of other users
            return ""
        fields = stat.rpartition(")")[2].split()  # the name before it may hold anything
        return "ended" if fields[0] in "ZX" else fields[19]
    import psutil

    try:
        process = psutil.Process(pid)
        is_zombie = process.status() == psutil.STATUS_ZOMBIE
        return "ended" if is_zombie else str(process.create_time())
    except psutil.Error:
        return ""
