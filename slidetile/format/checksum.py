"""CRC-32C, the checksum of every chunk, shard index and file of a store."""

from collections.abc import Callable
from functools import cache


def crc32c(*parts: bytes) -> int:
    """Return the CRC-32C (Castagnoli, RFC 3720) of ``parts``, one after another."""
    extend, checksum = _crc32c_extend(), 0
    for part in parts:
        checksum = extend(checksum, part)
    return checksum


@cache
def _crc32c_extend() -> Callable[[int, bytes], int]:
    import google_crc32c

    extend: Callable[[int, bytes], int] = google_crc32c.extend
    return extend
