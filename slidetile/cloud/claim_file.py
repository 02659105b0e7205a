"""The file of a claim in a bucket: made and replaced on conditions that its server checks.

Knows conditional writes. Does not know when a holder counts as dead: see `slidetile.runtime.claim`.
"""

import errno
import os
from datetime import UTC, datetime
from pathlib import Path

from slidetile.cloud.address import Address, Location
from slidetile.cloud.errors import ObjectChangedError, changed
from slidetile.cloud.objects import (
    ObjectState,
    object_state,
    read_range,
    remove_objects,
    write_object,
)
from slidetile.cloud.options import StorageOptions
from slidetile.runtime.claim import DEFAULT_TIMES, ClaimTimes
from slidetile.runtime.claim_file import (
    MOST_BYTES,
    ClaimFile,
    LocalClaimFile,
    Seen,
    dated,
    is_same_claim,
    now_s,
    released,
)

BUCKET_TIMES = ClaimTimes(heartbeat_s=10.0, dead_after_s=600.0)
"""A request may be under way for minutes, with all its attempts. A holder begins none when half of
this has passed without a sign of life: what it has sent has arrived before it counts as dead."""


def claim_file_at(place: Location) -> ClaimFile:
    """Return the file of a claim, on a disk or in a bucket."""
    return LocalClaimFile(place) if isinstance(place, Path) else BucketClaimFile(place)


def claim_times(place: Location) -> ClaimTimes:
    """Return how often a holder gives signs of life there, and when it counts as dead."""
    return DEFAULT_TIMES if isinstance(place, Path) else BUCKET_TIMES


def remove_claim(place: Location) -> None:
    """Remove the file of a claim that nobody holds any more, if there is one; raises OSError."""
    if isinstance(place, Path):
        place.unlink(missing_ok=True)
    else:
        remove_objects([place])


_ATTEMPTS = 5
"""How often what another has dated meanwhile is looked at again."""


_NO_OBJECT = ObjectState(size=0, etag='"0x0"', modified=datetime.fromtimestamp(0, UTC), version="1")
"""What a claim never was."""

_checking: set[tuple[str, str, StorageOptions]] = set()
"""The buckets whose servers were seen to check conditions."""


def _unchecked(address: Address) -> OSError:
    return OSError(
        errno.ENOTSUP,
        "its server does not check conditions (If-None-Match, If-Match), without which two runs "
        "could write one store: write into another bucket, or a folder",
        str(address),
    )


class BucketClaimFile:
    """A claim's object in a bucket.

    Parameters
    ----------
    address
        Its address: that of the store, with one more suffix.
    """

    tolerance_s = 2.0
    """Servers date objects by whole seconds, and several servers answer."""

    def __init__(self, address: Address) -> None:
        self._address = address

    def __str__(self) -> str:
        return str(self._address)

    @property
    def store(self) -> str:
        """Where the store lies that is claimed."""
        return str(self._address.with_suffix(""))

    def look(self) -> Seen | None:
        """Read it; return None if it does not exist."""
        found = self._read()
        return None if found is None else found[0]

    def create(self, data: bytes) -> bool:
        """Write it, unless it exists; return whether it was written.

        Raises
        ------
        OSError
            It cannot be written, or its server does not check whether it exists.
        """
        try:
            write_object(self._address, [data], is_new=True)
        except ObjectChangedError:
            return False
        except OSError as error:
            if error.errno == errno.ENOTSUP:
                raise _unchecked(self._address) from error
            raise
        self._probe()
        return True

    def _probe(self) -> None:
        """Make sure, once for each bucket, that its server refuses what conditions forbid.

        One that does not know them may say nothing, and two runs would hold one claim.
        """
        bucket = self._address.scheme, self._address.bucket, self._address.options
        if bucket in _checking:
            return
        if self._refuses(is_new=True) and self._refuses(replaces=_NO_OBJECT):
            _checking.add(bucket)
            return
        remove_objects([self._address])
        raise _unchecked(self._address)

    def _refuses(self, *, is_new: bool = False, replaces: ObjectState | None = None) -> bool:
        """Return whether a condition that does not hold has the server refuse to write."""
        try:
            write_object(self._address, [b"-"], is_new=is_new, replaces=replaces)
        except ObjectChangedError:
            return True
        except OSError as error:
            if error.errno != errno.ENOTSUP:
                raise
        return False

    def take_over(self, dead: Seen, data: bytes, dead_after_s: float) -> bool:  # noqa: ARG002
        """Replace what a dead holder has left; return False where another process was quicker."""
        found = self._read()
        return found is not None and found[0] == dead and self._replaced(found[1], data)

    def touch(self, data: bytes) -> bool:
        """Date it now, if this is its content; return whether it is.

        Its count of signs of life goes up, so that its mark is another: who has seen the claim
        before cannot replace it any more.
        """
        for _ in range(_ATTEMPTS):  # another may have dated it, too
            found = self._read()
            if found is None:
                raise FileNotFoundError(str(self))
            if not is_same_claim(found[0].data, data):
                return False
            if self._replaced(found[1], dated(found[0].data)):
                return True
        raise changed(self._address)

    def date_now(self, seen: Seen) -> None:
        """Date it now, unless it is another's by now."""
        found = self._read()
        if found is not None and found[0] == seen:
            self._replaced(found[1], dated(seen.data))

    def rewrite(self, old: bytes, new: bytes) -> None:
        """Replace its content, of which this process knows that it is its own."""
        for _ in range(_ATTEMPTS):
            found = self._read()
            if found is None or not is_same_claim(found[0].data, old):
                raise changed(self._address)
            if self._replaced(found[1], new):
                return
        raise changed(self._address)

    def remove(self, data: bytes) -> None:
        """Remove it, if this is its content; raises OSError where it stays.

        No condition can be put on removing an object. So it is dated first, on the condition that
        it is still this one: nobody takes it over until long after it is removed. Where it may not
        be removed it is replaced by one that says that it is anybody's.
        """
        begun_s = now_s()
        try:
            if not self.touch(data):
                return
        except FileNotFoundError:
            return
        if now_s() - begun_s > BUCKET_TIMES.dead_after_s / 2:  # this process was suspended
            return
        try:
            remove_objects([self._address])
        except PermissionError:
            self._release(data)

    def _release(self, data: bytes) -> None:
        found = self._read()
        if found is not None and is_same_claim(found[0].data, data):
            self._replaced(found[1], released(found[0].data))

    def age_s(self, seen: Seen) -> float:
        """Return the seconds since it was last touched, by the clock that dated it."""
        probe = self._address.with_name(f"{self._address.name}.{os.urandom(8).hex()}")
        write_object(probe, [b"-"])
        try:
            return object_state(probe).modified.timestamp() - seen.mtime_s
        finally:
            remove_objects([probe])

    def _read(self) -> tuple[Seen, ObjectState] | None:
        try:
            data, state = read_range(self._address, 0, MOST_BYTES)
        except FileNotFoundError:
            return None
        return Seen(data=data, mtime_s=state.modified.timestamp()), state

    def _replaced(self, state: ObjectState, data: bytes) -> bool:
        """Replace what was seen; return False where it is something else by now."""
        try:
            write_object(self._address, [data], replaces=state)
        except (ObjectChangedError, FileNotFoundError):
            return False
        return True
