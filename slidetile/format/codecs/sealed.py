"""What codecs share whose own streams have no checksum: a CRC-32C behind each chunk."""

import struct

from slidetile.format.checksum import crc32c
from slidetile.format.codecs.codec import Parts

_CRC = struct.Struct("<I")


class SealedChunks:
    """Chunks that are followed by their checksum, the Zarr codec ``crc32c``.

    Most flipped bits in them would decode, to other pixels.
    """

    __slots__ = ()

    is_planar = False

    seal_bytes = _CRC.size
    """Bytes that `seal` adds."""

    def seal(self, payload: bytes, checksum: int) -> Parts:
        """Append the checksum."""
        return payload, _CRC.pack(checksum)

    def unseal(self, stored: bytes) -> bytes:
        """Check the checksum and cut it off."""
        payload = stored[: -_CRC.size]
        if len(stored) < _CRC.size or stored[-_CRC.size :] != _CRC.pack(crc32c(payload)):
            raise ValueError("its checksum does not fit")
        return payload

    def check(self, payload: bytes, shape: tuple[int, int, int]) -> None:
        """Do nothing: `unseal` has compared the checksum."""
