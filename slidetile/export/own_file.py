"""Files of a kind that other programs write, too: only one of ours is replaced.

Knows files, and who tells whether one is ours. Does not know what is in them.
"""

from collections.abc import Callable, Iterable

from slidetile.cloud.address import Address, Location
from slidetile.cloud.objects import read_object
from slidetile.store.output_file import OutputKind, check_output, write_output

_LONGEST_BYTES = 1 << 30
"""Longer files are none of ours: 2²⁷ coordinates, compressed, take less."""


def check_own(place: Location, kind: OutputKind, is_ours: Callable[[bytes], bool]) -> None:
    """Check that a file may be written: nothing is there, or an empty file, or one of ours.

    Raises
    ------
    FileExistsError
        Something else is there, or the path lies in a store.
    OSError
        The place cannot be used.
    """
    check_output(place, kind)
    found = _content(place)
    if found and not (len(found) <= _LONGEST_BYTES and is_ours(found)):
        raise FileExistsError(
            f"{place} exists and was not written by slidetile, so it is not replaced: choose "
            "another output, or move it away."
        )


def write_own(
    place: Location, parts: Iterable[bytes], kind: OutputKind, is_ours: Callable[[bytes], bool]
) -> int:
    """Write such a file, whole or not at all, and return its bytes; raises as `check_own`."""
    check_own(place, kind, is_ours)
    return write_output(place, parts, kind)


def _content(place: Location) -> bytes:
    """Return what is in a file, or more than ours have; nothing where there is none."""
    try:
        if isinstance(place, Address):
            return read_object(place, _LONGEST_BYTES + 1)
        with place.open("rb") as file:
            return file.read(_LONGEST_BYTES + 1)
    except FileNotFoundError:
        return b""
