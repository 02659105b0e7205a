"""How a DICOM file begins."""

_MAGIC, _AT = b"DICM", 128

MAGIC_END = _AT + len(_MAGIC)
"""Bytes that have to be known."""


def is_dicom(head: bytes) -> bool:
    """Return whether a file begins as DICOM files do."""
    return head[_AT:MAGIC_END] == _MAGIC
