"""The JPEG tiles of a level, made to stand alone, with nothing that decoding does not need.

A TIFF keeps the tables that its JPEG tiles share in tag 347, and states in tag 262 whether they
hold RGB or YCbCr. A tile taken out of the file needs both before its data. Frames of DICOM are
whole but for their colours.
"""

from dataclasses import dataclass

from slidetile.counts import how_many
from slidetile.errors import NotNativeError
from slidetile.raster.jpeg import check_jpeg, check_jpeg_header
from slidetile.slides.jpeg.colour import Model, colour_marker
from slidetile.slides.jpeg.segments import (
    EOI,
    NO_HEADER,
    NO_QUANTISATION,
    SOI,
    Frame,
    Header,
    Markers,
    following,
    markers_of_scan,
    parse_header,
    shared_tables,
)
from slidetile.slides.native import Damaged, checked

MODELS: dict[int, Model] = {2: "RGB", 6: "YCbCr"}
"""What TIFF tag 262 says, by its value."""

_BASELINE = 0xC0


@dataclass(frozen=True, slots=True)
class _Known:
    """The last tile's header, and what follows from it: the next tile mostly has the same."""

    header: bytes
    """The tile's bytes before its scan data."""

    prefix: bytes
    """What replaces them."""

    frame: Frame

    size: tuple[int, int] | None
    """(width, height) of tiles that can be copied; None if they cannot."""

    markers: bytes | None
    """The second bytes of the scan's markers; None where it is not the only scan."""

    @property
    def proven(self) -> bytes | Damaged:
        """The prefix, if a decoder would go on to the scan data."""
        return checked(self.prefix, check_jpeg_header)


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
        self._proven: _Known | None = None

    def standalone(self, data: bytes, start: int = 0, stop: int | None = None) -> bytes | Damaged:
        """Return the tile in ``data[start:stop]`` as a stream that any decoder reads.

        It is damaged if it lacks its start, frame, scan, quantisation tables or end. A tile without
        its end marker was cut short: some decoders then silently fill it with grey, others refuse
        it. The scan data are not looked at where they are all that follows: that is for the
        decoder.
        """
        stop = len(data) if stop is None else stop
        known = self._look_up(data, start, stop)
        if isinstance(known, Damaged):
            return known
        begin = start + len(known.header)
        if known.markers and data.endswith(EOI, begin, stop):
            return b"".join((known.prefix, memoryview(data)[begin:stop]))
        return _pick(known, data, begin, stop, Markers(data, start, stop))

    def native(
        self,
        data: bytes,
        size: tuple[int, int],
        start: int = 0,
        stop: int | None = None,
        markers: Markers | None = None,
    ) -> bytes | Damaged:
        """Return `standalone` of a tile that can be copied: baseline, of ``size``, 3 components.

        It is damaged if the decoder has a warning about its header, or about its scan where that
        gives cause to decode it.

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
        if known.size != size:
            raise NotNativeError(_explain(known.frame, size))
        if known is not self._proven and isinstance(known.proven, Damaged):
            return known.proven
        self._proven = known
        begin = start + len(known.header)
        markers = Markers(data, start, stop) if markers is None else markers
        end = markers.plain_end(begin, stop, known.markers) if known.markers else 0
        if end and (end == stop or _is_padding(data[end:stop])):
            return b"".join((known.prefix, memoryview(data)[begin:end]))
        stream = _pick(known, data, begin, stop, markers)
        return stream if isinstance(stream, Damaged) else checked(stream, check_jpeg)

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
        frame = header.frame
        self._known = known = _Known(
            header=data[start : header.end],
            prefix=SOI + colours + self._tables.kept + header.kept,
            frame=frame,
            size=(frame.width, frame.height) if _is_native(frame) else None,
            markers=self._markers(header, frame),
        )
        return known

    def _colour_marker(self, header: Header, frame: Frame) -> bytes | Damaged:
        """Return the one marker by which decoders know the colours.

        They would go by the names of the components, too, and each in its own way: what the file
        says is stated.
        """
        if frame.components != 3:
            return b""
        return colour_marker(header, frame, self._tables, MODELS.get(self._photometric))

    def _markers(self, header: Header, frame: Frame) -> bytes | None:
        if header.scanned != frame.components or not frame.is_sequential:
            return None
        interval = self._tables.interval if header.interval is None else header.interval
        return markers_of_scan(frame.units, interval or 0)


def _is_native(frame: Frame) -> bool:
    return (frame.marker, frame.bits, frame.components) == (_BASELINE, 8, 3)


def _pick(known: _Known, data: bytes, begin: int, stop: int, markers: Markers) -> bytes | Damaged:
    """Return a stream of what decoding needs of a tile whose scan data begin at a byte."""
    end = markers.end(begin, stop)
    if isinstance(end, Damaged):
        return end
    if end:
        return b"".join((known.prefix, memoryview(data)[begin:end]))
    rest = following(data, begin, stop)
    return rest if isinstance(rest, Damaged) else b"".join((known.prefix, *rest))


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
