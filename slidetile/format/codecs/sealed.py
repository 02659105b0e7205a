"""What codecs share whose own streams have no checksum: a CRC-32C behind each chunk."""

import struct
from typing import Any

import numpy as np

from slidetile.format.checksum import crc32c
from slidetile.format.codecs.codec import UINT8, Parts
from slidetile.format.codecs.draft import DRAFT_NAME, JpegDraft

_CRC = struct.Struct("<I")


class SealedChunks:
    """Streams of interleaved pixels, followed by their checksum, the Zarr codec ``crc32c``.

    Most flipped bits in them would decode, to other pixels.
    """

    __slots__ = ()

    is_planar = False

    seal_bytes = _CRC.size
    """Bytes that `seal` adds."""

    @property
    def draft(self) -> JpegDraft | None:
        """What the stream's codec is told where it has its drafted name; None elsewhere."""
        return None

    @property
    def stream_codec(self) -> str:
        """The name of the Zarr codec of the stream itself."""
        raise NotImplementedError

    @property
    def zarr_codecs(self) -> list[dict[str, Any]]:
        """Pixels to [row, column, channel], the stream as it describes itself, the checksum."""
        return [
            {"name": "transpose", "configuration": {"order": [1, 2, 0]}},
            self._stream_codec,
            {"name": "crc32c"},
        ]

    @property
    def _stream_codec(self) -> dict[str, Any]:
        if self.draft is None:
            return {"name": self.stream_codec}
        return {"name": DRAFT_NAME, "configuration": self.draft.configuration}

    def seal(self, payload: bytes, checksum: int) -> Parts:
        """Append the checksum."""
        return payload, _CRC.pack(checksum)

    def unseal(self, stored: bytes) -> bytes:
        """Check the checksum and cut it off."""
        payload = stored[: -_CRC.size]
        if len(stored) < _CRC.size or stored[-_CRC.size :] != _CRC.pack(crc32c(payload)):
            raise ValueError("its checksum does not fit")
        return payload

    def check(
        self, payload: bytes, shape: tuple[int, int, int], dtype: np.dtype[Any] = UINT8, /
    ) -> None:
        """Do nothing: `unseal` has compared the checksum."""
