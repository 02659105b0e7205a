"""Which files are TIFF."""


def is_tiff(head: bytes) -> bool:
    """Return whether a file begins as a TIFF or a BigTIFF does."""
    return len(head) >= 8 and head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
