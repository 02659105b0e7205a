"""The file of a claim in a bucket: made and replaced on conditions that its server checks.

Knows conditional writes. Does not know when a holder counts as dead: see `slidetile.runtime.claim`.
"""

import os
from pathlib import Path

from slidetile.cloud.address import Address, Location
from slidetile.cloud.errors import ObjectChangedError
from slidetile.cloud.objects import (
    ObjectState,
    object_state,
    read_range,
    remove_objects,
    write_object,
)
from slidetile.runtime.claim import DEFAULT_TIMES, ClaimTimes
from slidetile.runtime.claim_file import MOST_BYTES, ClaimFile, LocalClaimFile, Seen

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
        """Write it, unless it exists; return whether it was written."""
        try:
            write_object(self._address, [data], is_new=True)
        except ObjectChangedError:
            return False
        return True

    def take_over(self, dead: Seen, data: bytes, dead_after_s: float) -> bool:  # noqa: ARG002
        """Replace what a dead holder has left; return False where another process was quicker."""
        return self._replaced(dead, data)

    def touch(self, data: bytes) -> bool:
        """Date it now, if this is its content; return whether it is."""
        found = self._read()
        if found is None:
            raise FileNotFoundError(str(self))
        return found[0].data == data and self._replaced(found[0], data)

    def date_now(self, seen: Seen) -> None:
        """Date it now, unless it is another's by now."""
        self._replaced(seen, seen.data)

    def rewrite(self, old: bytes, new: bytes) -> None:
        """Replace its content, of which this process knows that it is its own."""
        found = self._read()
        if found is None or found[0].data != old:
            raise ObjectChangedError(str(self))
        write_object(self._address, [new], replaces=found[1])

    def remove(self, data: bytes) -> None:
        """Remove it, if this is its content."""
        if (seen := self.look()) is not None and seen.data == data:
            remove_objects([self._address])

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

    def _replaced(self, seen: Seen, data: bytes) -> bool:
        """Replace what was seen; return False where it is something else by now."""
        found = self._read()
        if found is None or found[0] != seen:
            return False
        try:
            write_object(self._address, [data], replaces=found[1])
        except (ObjectChangedError, FileNotFoundError):
            return False
        return True
