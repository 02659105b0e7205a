"""What the header of a JPEG XR says, before a decoder gets it.

The decoder fills what a stream that is cut short leaves out, and says nothing. Follows ITU-T T.832,
annex A.
"""

import struct
from dataclasses import dataclass

_MAGIC = b"II\xbc"
_ENTRY = struct.Struct("<HHI4s")
_FORMAT, _WIDTH, _HEIGHT, _OFFSET, _BYTES = 0xBC01, 0xBC80, 0xBC81, 0xBCC0, 0xBCC1
_MOST_ENTRIES = 64
_CODESTREAM = b"WMPHOTO\0"
_FORMATS = bytes.fromhex("24c3dd6f034efe4bb1853d77768dc9")
"""The first 15 bytes of the identifiers of pixel formats."""

_CHANNELS = {0x08: 1, 0x0C: 3, 0x0D: 3}
"""Channels of 8-bit grey, BGR and RGB, by the last byte; the decoder gives red first of both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JpegXrHeader:
    """What a stream says of itself."""

    width: int
    """Columns."""

    height: int
    """Rows."""

    channels: int
    """1 or 3; 0 for anything but 8-bit grey and colour."""

    stop: int
    """Where its image data end."""


def is_jpegxr(stream: bytes) -> bool:
    """Return whether a stream begins as JPEG XR does."""
    return stream.startswith(_MAGIC)


def read_jpegxr_header(stream: bytes) -> JpegXrHeader | None:
    """Return what a stream says of itself; None where that cannot be read."""
    if not is_jpegxr(stream) or len(stream) < 8:
        return None
    at = int.from_bytes(stream[4:8], "little")
    count = int.from_bytes(stream[at : at + 2], "little")
    end = at + 2 + _ENTRY.size * count
    if count > _MOST_ENTRIES or end > len(stream):
        return None
    tags = {
        tag: _value(stream, kind, length, value)
        for tag, kind, length, value in _ENTRY.iter_unpack(stream[at + 2 : end])
    }
    offset = _number(tags.get(_OFFSET))
    if stream[offset : offset + len(_CODESTREAM)] != _CODESTREAM:
        return None
    form = tags.get(_FORMAT, b"")
    return JpegXrHeader(
        width=_number(tags.get(_WIDTH)),
        height=_number(tags.get(_HEIGHT)),
        channels=_CHANNELS.get(form[15], 0) if form[:15] == _FORMATS and len(form) > 15 else 0,
        stop=offset + _number(tags.get(_BYTES)),
    )


def _value(stream: bytes, kind: int, length: int, value: bytes) -> bytes:
    """Return the bytes of an entry: its number, or for a format what it points to."""
    if kind != 1 or length != 16:
        return value[:2] if kind == 3 else value
    at = int.from_bytes(value, "little")
    return stream[at : at + length]


def _number(value: bytes | None) -> int:
    return int.from_bytes(value or b"", "little")
