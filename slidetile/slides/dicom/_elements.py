"""The elements of a DICOM file, one after another (PS3.5, chapter 7).

pydicom would make objects of all of them; here they are passed over.
"""

from collections.abc import Iterator
from struct import unpack_from
from typing import Protocol

from slidetile.slides.dicom.file import LONG_TYPES

MOST_FRAMES = 1 << 24
"""Most frames of a level: more than any slide has."""

LEAST_FRAME_BYTES = 8
"""Of a frame that is an item without a content."""

ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
UNDEFINED = 0xFFFFFFFF

_SEQUENCES = frozenset({0x0048021A, 0x00480207, 0x00209111})
"""Sequences of each frame, where elements do not state their types."""


class ReadsBytes(Protocol):
    """What elements are read from."""

    def read(self, count: int) -> bytes:
        """Return so many bytes, fewer at the end."""
        ...

    def seek(self, offset: int) -> int:
        """Go to a place, and return it."""
        ...

    def tell(self) -> int:
        """Return the place of the next byte."""
        ...


def leaves(stream: ReadsBytes, stop: int | None, *, is_implicit: bool) -> Iterator[tuple[int, int]]:
    """Yield the tag and the length of each element that is no sequence, those in sequences too.

    Parameters
    ----------
    stream
        It stands at the first element, and behind the last in the end.
    stop
        Where they end; None where a delimiter ends them.
    is_implicit
        Whether elements do not state their types.
    """
    depth = 0
    while stop is None or stream.tell() < stop:
        element = read_element(stream, is_implicit=is_implicit)
        if element is None:
            return
        tag, kind, length = element
        if tag in (ITEM_END, SEQUENCE_END):
            if not depth:
                return
            depth -= 1
        elif tag == ITEM or kind == b"SQ" or length == UNDEFINED or tag in _SEQUENCES:
            depth += length == UNDEFINED
        else:
            end = stream.tell() + length
            yield tag, length
            stream.seek(end)


def read_element(stream: ReadsBytes, *, is_implicit: bool) -> tuple[int, bytes, int] | None:
    """Read the tag, the type and the length of an element; None at the file's end."""
    head = stream.read(8)
    if len(head) < 8:
        return None
    group, element, length = unpack_from("<HHI", head)
    tag = group << 16 | element
    if is_implicit or tag in (ITEM, ITEM_END, SEQUENCE_END):
        return tag, b"", length
    kind = head[4:6]
    if kind not in LONG_TYPES:
        return tag, kind, int.from_bytes(head[6:8], "little")
    longer = stream.read(4)
    return (tag, kind, int.from_bytes(longer, "little")) if len(longer) == 4 else None
