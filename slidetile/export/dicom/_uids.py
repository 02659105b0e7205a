"""Unique identifiers that follow from what they identify: the same input, the same bytes."""

import hashlib


def uid(*parts: object) -> str:
    """Return the UID of some values: 2.25 and a UUID's number (DICOM PS3.5, B.2)."""
    digest = hashlib.sha256("\n".join(map(str, parts)).encode()).digest()
    number = bytearray(digest[:16])
    number[6] = number[6] & 0x0F | 0x80  # a UUID of version 8: of one's own making
    number[8] = number[8] & 0x3F | 0x80
    return f"2.25.{int.from_bytes(number, 'big')}"


IMPLEMENTATION = uid("slidetile", "the writer of DICOM whole-slide images")
"""The UID of this implementation."""
