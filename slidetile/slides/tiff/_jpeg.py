"""Bytes of JPEG tiles: their headers, and how to make a tile stand alone.

A TIFF keeps the tables that its JPEG tiles share in tag 347, and states in tag 262 whether they
hold RGB or YCbCr. A tile taken out of the file needs both before its data.
"""

from dataclasses import dataclass

from slidetile.errors import NotNativeError
from slidetile.slides.native import DAMAGED

_SOI = b"\xff\xd8"
_EOI = b"\xff\xd9"
_SOS, _DQT, _APP0, _APP14 = 0xDA, 0xDB, 0xE0, 0xEE
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = frozenset(range(0xD0, 0xD9)) | {0x01}
_ADOBE = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00"
"""The colour marker, but for its last byte: 0 for RGB, 1 for YCbCr."""

_RGB, _YCBCR = 2, 6  # values of TIFF tag 262


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The segments before the scan data of a JPEG stream, or in a file's tables."""

    end: int
    """Where the scan data begin: just behind the start-of-scan segment; 0 without one."""

    frame: tuple[int, int, int, int, int] | None
    """(marker, bits, width, height, components) of the frame header."""

    has_colour_marker: bool
    """Whether a JFIF or an Adobe marker states the colour space."""

    has_quantisation: bool
    """Whether quantisation tables were met."""


def parse_header(data: bytes, start: int = 0, stop: int | None = None) -> Header | None:
    """Read the markers of a JPEG stream up to its scan data, or None where it is not a JPEG."""
    stop = len(data) if stop is None else stop
    if not data.startswith(_SOI, start, stop):
        return None
    frame: tuple[int, int, int, int, int] | None = None
    coloured = quantised = False
    at, end = start + 2, 0
    while at + 4 <= stop and not end:
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF or marker in _WITHOUT_LENGTH:
            at += 1 if marker == 0xFF else 2
            continue
        if marker == _EOI[1]:
            break
        body, at = at + 4, at + 2 + int.from_bytes(data[at + 2 : at + 4])
        if at < body or at > stop:
            return None
        if marker in _FRAMES:
            frame = _frame(marker, data[body:at])
        coloured |= _is_colour_marker(marker, data[body : body + 5])
        quantised |= marker == _DQT
        end = at if marker == _SOS else 0
    return Header(end=end, frame=frame, has_colour_marker=coloured, has_quantisation=quantised)


def _is_colour_marker(marker: int, body: bytes) -> bool:
    return (marker == _APP0 and body == b"JFIF\x00") or (marker == _APP14 and body == b"Adobe")


def _frame(marker: int, body: bytes) -> tuple[int, int, int, int, int] | None:
    if len(body) < 6:
        return None
    height, width = int.from_bytes(body[1:3]), int.from_bytes(body[3:5])
    return marker, body[0], width, height, body[5]


@dataclass(frozen=True, slots=True)
class _Known:
    """The last tile's header, and what follows from it: the next tile mostly has the same."""

    header: bytes
    prefix: bytes
    frame: tuple[int, int, int, int, int]


class JpegTiles:
    """The JPEG tiles of one level, made to stand alone.

    Several threads may use it: what it remembers is replaced in one step.

    Parameters
    ----------
    tables
        The value of TIFF tag 347, if the file has it.
    photometric
        The value of TIFF tag 262; 2 (RGB) and 6 (YCbCr) give the colour space of streams with
        three components that do not state it.
    """

    def __init__(self, *, tables: bytes | None, photometric: int) -> None:
        parsed = parse_header(tables) if tables else None
        shared = _strip(tables) if tables else b""
        self._tables = shared
        self._has_colour_marker = parsed is not None and parsed.has_colour_marker
        self._has_quantisation = parsed is not None and parsed.has_quantisation
        self._photometric = photometric
        self._known = _Known(b"\x00", b"", (0, 0, 0, 0, 0))

    def standalone(self, data: bytes, start: int = 0, stop: int | None = None) -> bytes:
        """Return the tile in ``data[start:stop]`` as a stream that any decoder reads.

        `DAMAGED` if it lacks its start, frame, scan, quantisation tables or end. A tile without
        its end marker was cut short: some decoders then silently fill it with grey, others refuse
        it. Here it always counts as damaged.
        """
        stop = len(data) if stop is None else stop
        known = self._look_up(data, start, stop)
        return DAMAGED if known is None else _assemble(known, data, start, stop)

    def native(
        self, data: bytes, size: tuple[int, int], start: int = 0, stop: int | None = None
    ) -> bytes:
        """Return `standalone` of a tile that can be copied: baseline, of ``size``, 3 components.

        Raises
        ------
        NotNativeError
            It is encoded in another way.
        """
        stop = len(data) if stop is None else stop
        known = self._look_up(data, start, stop)
        if known is None:
            return DAMAGED
        if known.frame != (0xC0, 8, *size, 3):
            raise NotNativeError(_explain(known.frame, size))
        return _assemble(known, data, start, stop)

    def _look_up(self, data: bytes, start: int, stop: int) -> _Known | None:
        known = self._known
        if data.startswith(known.header, start, stop):
            return known
        header = parse_header(data, start, stop)
        if header is None or header.frame is None or not header.end:
            return None
        if not (header.has_quantisation or self._has_quantisation):
            return None
        prefix = self._prefix(header)
        self._known = known = _Known(data[start : header.end], prefix, header.frame)
        return known

    def _prefix(self, header: Header) -> bytes:
        """Return what comes before the tile without its SOI; empty if the tile is complete."""
        assert header.frame is not None
        marked = header.has_colour_marker or self._has_colour_marker
        needs_marker = not marked and header.frame[4] == 3 and self._photometric in (_RGB, _YCBCR)
        marker = _ADOBE + bytes([self._photometric == _YCBCR]) if needs_marker else b""
        return _SOI + marker + self._tables if marker or self._tables else b""


def _assemble(known: _Known, data: bytes, start: int, stop: int) -> bytes:
    if not data.endswith(_EOI, start, stop) and (
        data.rfind(_EOI, start + len(known.header), stop) < 0
    ):
        return DAMAGED
    if not known.prefix:
        return data[start:stop]
    return b"".join((known.prefix, memoryview(data)[start + 2 : stop]))


def _strip(tables: bytes) -> bytes:
    """Return tables without the markers that begin and end a stream."""
    trimmed = tables.rstrip(b"\x00")
    return (trimmed[:-2] if trimmed.endswith(_EOI) else tables).removeprefix(_SOI)


def _explain(frame: tuple[int, int, int, int, int], size: tuple[int, int]) -> str:
    marker, bits, width, height, components = frame
    remedy = 'Use the codec "zstd" (or "auto") for this slide.'
    if marker != 0xC0:
        return f"A tile's JPEG is not baseline (its frame is SOF{marker - 0xC0}). {remedy}"
    if bits != 8:
        return f"A tile's JPEG has {bits} bits a sample instead of 8. {remedy}"
    if components != 3:
        return f"A tile's JPEG has {components} components instead of 3. {remedy}"
    return f"A tile's JPEG is {width}×{height} pixels instead of {size[0]}×{size[1]}. {remedy}"
