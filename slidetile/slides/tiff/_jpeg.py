"""The JPEG tiles of a TIFF level, made to stand alone, with nothing that decoding does not need.

A TIFF keeps the tables that its JPEG tiles share in tag 347, and states in tag 262 whether they
hold RGB or YCbCr. A tile taken out of the file needs both before its data.
"""

from dataclasses import dataclass

from slidetile.counts import how_many
from slidetile.errors import NotNativeError
from slidetile.raster.jpeg import JpegError, check_jpeg
from slidetile.slides.native import Damaged
from slidetile.slides.tiff._jpeg_segments import (
    NO_HEADER,
    NO_QUANTISATION,
    SOI,
    Frame,
    Header,
    Markers,
    following,
    parse_header,
    shared_tables,
)

_ADOBE = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00"
"""Adobe's marker, but for its last byte: 0 for RGB, 1 for YCbCr."""

_JFIF = b"\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
"""JFIF's marker, without a resolution and a thumbnail."""

_RGB, _YCBCR = 2, 6  # values of TIFF tag 262
_BASELINE = 0xC0


@dataclass(frozen=True, slots=True)
class _Known:
    """The last tile's header, and what follows from it: the next tile mostly has the same."""

    header: bytes
    """The tile's bytes before its scan data."""

    prefix: bytes
    """What replaces them."""

    frame: Frame

    restarts: int | None
    """How many restart markers the scan holds; None where it is not the only one."""


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
        self._tables = shared_tables(tables) if tables else Header()
        self._photometric = photometric
        self._known: _Known | None = None

    def standalone(self, data: bytes, start: int = 0, stop: int | None = None) -> bytes | Damaged:
        """Return the tile in ``data[start:stop]`` as a stream that any decoder reads.

        It is damaged if it lacks its start, frame, scan, quantisation tables or end. A tile without
        its end marker was cut short: some decoders then silently fill it with grey, others refuse
        it. The scan data are not decoded.
        """
        stop = len(data) if stop is None else stop
        known = self._look_up(data, start, stop)
        if isinstance(known, Damaged):
            return known
        return _assemble(known, data, start, stop, Markers(data, start, stop))[0]

    def native(
        self,
        data: bytes,
        size: tuple[int, int],
        start: int = 0,
        stop: int | None = None,
        markers: Markers | None = None,
    ) -> bytes | Damaged:
        """Return `standalone` of a tile that can be copied: baseline, of ``size``, 3 components.

        A tile whose scan gives cause to is decoded, and is damaged if the decoder has a warning.

        Parameters
        ----------
        data, start, stop
            The tile's bytes.
        size
            (width, height) that it must have.
        markers
            Those of ``data``, if they are known.

        Raises
        ------
        NotNativeError
            It is encoded in another way.
        """
        stop = len(data) if stop is None else stop
        known = self._look_up(data, start, stop)
        if isinstance(known, Damaged):
            return known
        frame = known.frame
        if (frame.marker, frame.bits, frame.width, frame.height) != (_BASELINE, 8, *size) or (
            frame.components != 3
        ):
            raise NotNativeError(_explain(frame, size))
        markers = Markers(data, start, stop) if markers is None else markers
        stream, is_plain = _assemble(known, data, start, stop, markers)
        if is_plain or isinstance(stream, Damaged):
            return stream
        try:
            check_jpeg(stream)
        except JpegError as error:
            return Damaged(error.reason)
        return stream

    def _look_up(self, data: bytes, start: int, stop: int) -> _Known | Damaged:
        known = self._known
        if known is not None and data.startswith(known.header, start, stop):
            return known
        header = parse_header(data, start, stop)
        if isinstance(header, Damaged):
            return header
        if header.frame is None or not header.end:
            return NO_HEADER
        if not (header.has_quantisation or self._tables.has_quantisation):
            return NO_QUANTISATION
        colours = self._colour_marker(header, header.frame)
        if isinstance(colours, Damaged):
            return colours
        self._known = known = _Known(
            data[start : header.end],
            SOI + colours + self._tables.kept + header.kept,
            header.frame,
            self._restarts(header, header.frame),
        )
        return known

    def _colour_marker(self, header: Header, frame: Frame) -> bytes | Damaged:
        """Return the one marker by which decoders know the colours, as libjpeg decides.

        It goes by JFIF first, then by Adobe's marker, then by the names of the components, which
        other decoders read otherwise; there tag 262 is stated.
        """
        if frame.components != 3:
            return b""
        is_jfif = header.is_jfif or self._tables.is_jfif
        adobe = self._tables.adobe if header.adobe is None else header.adobe
        if is_jfif:
            return _ADOBE + b"\1" if adobe == 1 else _JFIF
        if adobe is not None:
            unknown = Damaged("colours that no decoder knows, by its Adobe marker")
            return _ADOBE + bytes([adobe]) if adobe in (0, 1) else unknown
        if self._photometric in (_RGB, _YCBCR):
            return _ADOBE + bytes([self._photometric == _YCBCR])
        return b""

    def _restarts(self, header: Header, frame: Frame) -> int | None:
        if header.scanned != frame.components or not frame.units:
            return None
        interval = self._tables.interval if header.interval is None else header.interval
        return (frame.units - 1) // interval if interval else 0


def _assemble(
    known: _Known, data: bytes, start: int, stop: int, markers: Markers
) -> tuple[bytes | Damaged, bool]:
    """Return a tile's stream, and whether nothing gives cause to decode it."""
    begin = start + len(known.header)
    scan = markers.scan(begin, stop, known.restarts)
    if isinstance(scan, Damaged):
        return scan, False
    if scan.end:
        is_plain = scan.is_plain and (scan.end == stop or _is_padding(data[scan.end : stop]))
        return b"".join((known.prefix, memoryview(data)[begin : scan.end])), is_plain
    rest = following(data, begin, stop)
    if isinstance(rest, Damaged):
        return rest, False
    return b"".join((known.prefix, *rest)), False


def _is_padding(data: bytes) -> bool:
    """Return whether what follows the end marker is no more than padding.

    Anything else may be the rest of a scan in which damage looks like an end marker.
    """
    return not data.strip(b"\x00\xff")


def _explain(frame: Frame, size: tuple[int, int]) -> str:
    remedy = 'Use the codec "zstd" (or "auto") for this slide.'
    if frame.marker != _BASELINE:
        return f"A tile's JPEG is not baseline (its frame is SOF{frame.marker - 0xC0}). {remedy}"
    if frame.bits != 8:
        return f"A tile's JPEG has {frame.bits} bits a sample instead of 8. {remedy}"
    if frame.components != 3:
        components = how_many(frame.components, "components")
        return f"A tile's JPEG has {components} instead of 3. {remedy}"
    return (
        f"A tile's JPEG is {frame.width}×{frame.height} pixels instead of {size[0]}×{size[1]}. "
        f"{remedy}"
    )
