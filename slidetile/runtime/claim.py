"""Who may write a store: one process at a time, named by a file beside the unfinished store.

The file may lie in a bucket: `ClaimFile` says what is asked of it. The holder of a claim touches
its file every few seconds. A holder is dead if its process has ended
or has been silent for too long, and its claim is then taken over. If it wakes up again, it notices
this and stops. Clocks of two hosts may differ by hours, so a time stamp alone decides nothing: one
that lies ahead is set back, and one that looks old is watched for a while.
"""

import contextlib
import os
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

from slidetile.errors import StoreBusyError
from slidetile.runtime._holder import Holder, uptime_s
from slidetile.runtime.claim_file import ClaimFile, LocalClaimFile, Seen

_ATTEMPTS = 20
_PAUSE_S = 0.05
"""An attempt fails only if another process acts at the same moment."""

_RELEASES = 3
"""Attempts to remove a claim: a network drive may fail once."""

_left_behind: set[str] = set()
"""The tokens of this process's claims that could not be removed when they were released."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimTimes:
    """When a holder gives a sign of life, and when its silence means that it is dead.

    Raises
    ------
    ValueError
        A holder would count as dead between two signs of life.
    """

    heartbeat_s: float = 5.0
    """Seconds between two signs of life."""

    dead_after_s: float = 60.0
    """Seconds of silence after which a holder counts as dead, if its process cannot be seen."""

    def __post_init__(self) -> None:
        if not 0 < 2 * self.heartbeat_s <= self.dead_after_s:
            raise ValueError(
                "dead_after_s must be at least twice heartbeat_s, but they are "
                f"{self.dead_after_s} and {self.heartbeat_s}."
            )


DEFAULT_TIMES = ClaimTimes()


class Claim:
    """The right to write one store, held until it is released, which must always happen.

    Parameters
    ----------
    file
        The claim's file, or its path. Its folder must exist.
    times
        How often its holder gives signs of life, and when it counts as dead.

    Raises
    ------
    StoreBusyError
        Another process holds the claim, or this one does already.
    OSError
        The file cannot be written.
    """

    def __init__(self, file: Path | ClaimFile, times: ClaimTimes = DEFAULT_TIMES) -> None:
        self._file = claim_file(file)
        self._times = times
        self._me = Holder.me()
        self._data = self._me.to_json()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._is_lost = False
        self._take()
        self._beat_at = uptime_s()
        threading.Thread(target=self._beat_on, name="slidetile_claim", daemon=True).start()

    def check(self) -> None:
        """Check that this process still holds the claim.

        Raises
        ------
        StoreBusyError
            This process was suspended for so long that another took over, or it is a fork of the
            process that holds the claim.
        OSError
            The file system does not answer, so that it is unknown who holds the claim.
        """
        if os.getpid() == self._me.pid and not self._is_lost:
            # A process that wakes up may write before its next heartbeat.
            if uptime_s() - self._beat_at < self._times.dead_after_s / 2:
                return
            self._beat()
        if os.getpid() != self._me.pid or self._is_lost:
            raise StoreBusyError(
                f"This process may no longer write {self._file.store}: {self._why_lost()}. "
                "This run stops; what it has written is kept."
            )

    @property
    def token(self) -> str:
        """What other processes are given that may write on this one's behalf: see `SharedClaim`."""
        return self._me.token

    def renew(self) -> str:
        """Give the claim another token, and return it: who holds the old one may write no more.

        Raises
        ------
        StoreBusyError
            Another process has taken over.
        OSError
            The file cannot be written.
        """
        self._beat()  # now, so that no other can count this process as dead meanwhile
        self.check()
        with self._lock:
            self._me = replace(self._me, token=os.urandom(8).hex())
            data = self._me.to_json()
            self._file.rewrite(self._data, data)
            self._data = data
        return self._me.token

    def release(self) -> None:
        """Let others write: remove the claim's file, unless another process holds it by now."""
        if os.getpid() != self._me.pid:  # a fork ends; its parent still holds the claim
            return
        with self._lock:
            self._ended.set()
            for _ in range(_RELEASES):
                with contextlib.suppress(OSError):
                    self._file.remove(self._data)
                    return
            # Others take it over once it is old, or this process has ended; this one at once.
            _left_behind.add(self._me.token)

    def _take(self) -> None:
        for _ in range(_ATTEMPTS):
            if self._file.create(self._data):
                return
            if (seen := self._file.look()) is not None:
                _refuse_if_alive(self._file, seen, self._times)
                self._watch(seen)
                if self._file.take_over(seen, self._data, self._times.dead_after_s):
                    return
                time.sleep(_PAUSE_S)
        raise StoreBusyError(
            f"Many processes try to write {self._file.store} at once; try again later."
        )

    def _watch(self, old: Seen) -> None:
        """Check that a holder that seems long silent gives no sign of life while it is watched.

        Raises
        ------
        StoreBusyError
            It does: its clock is behind.
        """
        holder = old.holder
        if holder is not None and (holder.is_released or holder.is_visible):
            return  # nobody holds it, or its process has ended
        time.sleep(2 * self._times.heartbeat_s)
        now = self._file.look()
        if now is not None and (now.data, now.mtime_s) != (old.data, old.mtime_s):
            raise _busy(self._file, now, "it has just given a sign of life")

    def _beat_on(self) -> None:
        while not self._ended.wait(self._times.heartbeat_s) and not self._is_lost:
            with contextlib.suppress(OSError):  # the next heartbeat may succeed
                self._beat()

    def _beat(self) -> None:
        """Touch the claim's file, or notice that the claim is lost."""
        with self._lock:
            if self._ended.is_set() or self._is_lost:
                return
            begun_s = uptime_s()  # the sign of life may be dated so early
            try:
                self._is_lost = not self._file.touch(self._data)
            except FileNotFoundError:
                # Deleted by hand; but in a long silence another holder may have come and gone.
                silent_s = uptime_s() - self._beat_at
                self._is_lost = silent_s > self._times.dead_after_s or not self._put_back()
            self._beat_at = begun_s

    def _put_back(self) -> bool:
        try:
            return self._file.create(self._data)
        except FileNotFoundError:  # the folder itself is gone
            return False

    def _why_lost(self) -> str:
        if not self._is_lost:
            return "it is a fork of the process that holds the claim"
        with contextlib.suppress(OSError):
            if (seen := self._file.look()) is not None:
                return f"it was silent for too long, and {_name(seen)} has taken over"
        return f"its claim, {self._file}, is gone"


def claim_file(file: Path | ClaimFile) -> ClaimFile:
    """Return the file of a claim, which may be given by its path."""
    return LocalClaimFile(file) if isinstance(file, Path) else file


def refuse_if_claimed(file: Path | ClaimFile, times: ClaimTimes = DEFAULT_TIMES) -> bool:
    """Check that no living process holds a claim, without taking it.

    Returns whether a dead one has left it.

    Raises
    ------
    StoreBusyError
        A living process holds it.
    """
    found = claim_file(file)
    seen = found.look()
    if seen is not None:
        _refuse_if_alive(found, seen, times)
    return seen is not None


def _refuse_if_alive(file: ClaimFile, seen: Seen, times: ClaimTimes) -> None:
    holder = seen.holder
    if holder is not None and holder.is_released:
        return
    if holder is not None and holder.is_visible:
        if holder.is_running and holder.token not in _left_behind:
            which = "this process" if holder.pid == os.getpid() else "which is running"
            raise StoreBusyError(
                f"{file.store} is being written by {holder}, {which}: wait until it ends, or "
                "choose another output."
            )
        return
    silent_s = file.age_s(seen)
    takes_over = f"its claim is taken over after {times.dead_after_s:.0f} s"
    if silent_s < -file.tolerance_s:
        when = f"Its sign of life is dated {-silent_s:.0f} s ahead"
        try:
            file.date_now(seen)
        except OSError:
            raise _busy(file, seen, f"{when}; if it has ended, delete {file}") from None
        raise _busy(file, seen, f"{when}, so it counts from now; if it has ended, {takes_over}")
    if silent_s <= times.dead_after_s:
        when = f"Its last sign of life was {max(0, silent_s):.0f} s ago"
        raise _busy(file, seen, f"{when}; if it has ended, {takes_over}")


def _busy(file: ClaimFile, seen: Seen, more: str) -> StoreBusyError:
    return StoreBusyError(
        f"{file.store} is being written by {_name(seen)}: wait for it, or choose another output. "
        f"{more[0].upper()}{more[1:]}."
    )


def _name(seen: Seen) -> str:
    return str(seen.holder or "a process that has not recorded its name")
