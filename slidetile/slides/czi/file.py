"""How a CZI file begins."""

_MAGIC = b"ZISRAWFILE"


def is_czi(head: bytes) -> bool:
    """Return whether a file begins as Zeiss CZI files do."""
    return head.startswith(_MAGIC)
