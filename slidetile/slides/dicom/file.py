"""How a DICOM file begins, and what it holds by that."""

from struct import unpack_from

WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
"""The class of whole slides: VL Whole Slide Microscopy Image Storage."""

LONG_TYPES = frozenset(
    (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
)
"""Types of elements whose length has four bytes."""

_MAGIC, _AT = b"DICM", 128

MAGIC_END = _AT + len(_MAGIC)
"""Bytes that have to be known."""

_META_GROUP, _CLASS = 0x0002, 0x0002
_MOST_UID_BYTES = 64


def is_dicom(head: bytes) -> bool:
    """Return whether a file begins as DICOM files do."""
    return head[_AT:MAGIC_END] == _MAGIC


def class_of(head: bytes) -> str | None:
    """Return the identifier of a DICOM file's class; None where its first elements do not say it.

    They state their types in every file (DICOM PS3.10), whatever the others do.
    """
    at = MAGIC_END
    while at + 12 <= len(head):
        group, element, kind, length = unpack_from("<HH2sH", head, at)
        at += 8
        if kind in LONG_TYPES:
            length = unpack_from("<I", head, at)[0]
            at += 4
        if (group, element) == (_META_GROUP, _CLASS):
            value = head[at : at + length].rstrip(b"\0 ")
            is_whole = length <= _MOST_UID_BYTES and at + length <= len(head)
            return value.decode("ascii", "replace") or None if is_whole else None
        if group != _META_GROUP:
            return None
        at += length
    return None
