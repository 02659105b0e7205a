"""The structure of JPEG streams: their segments, and where their markers lie.

Nothing is decoded. All of it is linear in the bytes given.
"""

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slidetile.raster.jpeg import MOST_SCANS
from slidetile.slides.native import Damaged

SOI, EOI = b"\xff\xd8", b"\xff\xd9"
_SOI, _EOI, _SOS, _DQT, _DHT, _DAC, _DRI = 0xD8, 0xD9, 0xDA, 0xDB, 0xC4, 0xCC, 0xDD
_APP0, _APP14, _DNL, _COM = 0xE0, 0xEE, 0xDC, 0xFE
_FRAMES = frozenset(range(0xC0, 0xD0)) - {_DHT, 0xC8, _DAC}
_TABLES = frozenset((_DQT, _DHT, _DAC, _DRI))
_LEFT_OUT = frozenset((*range(_APP0, _APP0 + 16), _COM, _DNL))
_RESTARTS = range(0xD0, 0xD8)
_RESTARTS_IN_ORDER = bytes(_RESTARTS)
_WITHOUT_LENGTH = frozenset((*_RESTARTS, 0x01))
_FILL = 0xFF

_SLAB_BYTES = 1 << 18

_MOST_RESTARTS = 1 << 18
"""One for each unit of the largest tile that can be copied."""

_JFIF_BYTES, _ADOBE_BYTES = 14, 12
"""Lengths below which libjpeg takes no notice of the two markers of colour."""

NO_START = Damaged("no start marker")
NO_END = Damaged("no end marker")
NO_HEADER = Damaged("no frame and scan header")
NO_QUANTISATION = Damaged("no quantisation tables")
OUT_OF_PLACE = Damaged("a marker out of place")
CUT_SHORT = Damaged("cut short")
TOO_MANY_SCANS = Damaged(f"more than {MOST_SCANS} scans")


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A frame header."""

    marker: int
    """0xC0 for baseline, 0xC2 for progressive."""

    bits: int
    """Bits a sample."""

    width: int
    """Columns."""

    height: int
    """Rows."""

    sampling: tuple[int, ...]
    """Of each component, 16 times its horizontal plus its vertical sampling factor."""

    @property
    def components(self) -> int:
        """The number of components."""
        return len(self.sampling)

    @property
    def is_sequential(self) -> bool:
        """Whether one scan can hold all of it: it is not progressive, and Huffman-coded."""
        return self.marker in (0xC0, 0xC1)

    @property
    def units(self) -> int:
        """The units (MCUs) of a scan of all components."""
        across = 8 * max(each >> 4 for each in self.sampling)
        down = 8 * max(each & 15 for each in self.sampling)
        return -(-self.width // across) * -(-self.height // down) if across and down else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The segments before the first scan of a stream, or all of a file's shared tables."""

    end: int = 0
    """Where the scan data begin: just behind the start-of-scan segment; 0 without one."""

    kept: bytes = b""
    """The segments that decoding needs; the start marker and what states colours are not in it."""

    frame: Frame | None = None
    """The frame header, if there is one."""

    scanned: int = 0
    """Components in the first scan."""

    interval: int | None = None
    """Units between restart markers, if stated; 0 for none."""

    is_jfif: bool = False
    """Whether there is a JFIF marker, by which libjpeg takes three components for YCbCr."""

    adobe: int | None = None
    """The colour transform of an Adobe marker, if there is one."""

    has_quantisation: bool = False
    """Whether there are quantisation tables."""


def parse_header(data: bytes, start: int = 0, stop: int | None = None) -> Header | Damaged:
    """Read the segments of a JPEG stream up to its first scan.

    A stream without a scan, as shared tables are, has a header whose `Header.end` is 0.
    """
    stop = len(data) if stop is None else stop
    reading = _Reading()
    end = reading.read(data, start, stop)
    return end if isinstance(end, Damaged) else reading.header(end)


def shared_tables(data: bytes) -> Header:
    """Return what a file's shared tables hold, up to the first segment that is damaged."""
    whole = data if data.startswith(SOI) else SOI + data
    reading = _Reading()
    reading.read(whole, 0, len(whole))
    return reading.header(0)


class _Reading:
    """What has been met of a header so far."""

    def __init__(self) -> None:
        self._kept: list[bytes] = []
        self._found: dict[str, object] = {}

    def read(self, data: bytes, start: int, stop: int) -> int | Damaged:
        """Read up to the first scan; return where its data begin, or 0 without a scan."""
        if not data.startswith(SOI, start, stop):
            return NO_START
        at = start + 2
        while at + 2 <= stop:
            marker = data[at + 1]
            if data[at] != 0xFF or marker == _SOI:
                return OUT_OF_PLACE
            if marker == _EOI:
                break
            if marker == _FILL or marker in _WITHOUT_LENGTH:
                at += 1 if marker == _FILL else 2
                continue
            end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
            if end < at + 4 or end > stop:
                return CUT_SHORT
            if not self._take(marker, data[at:end]):
                return OUT_OF_PLACE
            if marker == _SOS:
                return end
            at = end
        return 0

    def _take(self, marker: int, segment: bytes) -> bool:
        """Take a segment; return whether it may stand there."""
        body = segment[4:]
        if marker in _FRAMES:
            frame = None if "frame" in self._found else _frame(marker, body)
            self._found["frame"] = frame
            if frame is None:
                return False
        elif marker == _SOS:
            self._found["scanned"] = body[0] if body else 0
        elif marker == _DRI:
            self._found["interval"] = int.from_bytes(body[:2])
        elif marker == _DQT:
            self._found["has_quantisation"] = True
        elif marker in _LEFT_OUT:
            self._look_at_colour(marker, body)
            return True
        elif marker not in _TABLES:
            return False
        self._kept.append(segment)
        return True

    def header(self, end: int) -> Header:
        """Return the header that ends there."""
        found: dict[str, object] = {"end": end, "kept": b"".join(self._kept), **self._found}
        return Header(**found)  # type: ignore[arg-type]

    def _look_at_colour(self, marker: int, body: bytes) -> None:
        if marker == _APP0 and len(body) >= _JFIF_BYTES and body.startswith(b"JFIF\0"):
            self._found["is_jfif"] = True
        if marker == _APP14 and len(body) >= _ADOBE_BYTES and body.startswith(b"Adobe"):
            self._found["adobe"] = body[11]


def _frame(marker: int, body: bytes) -> Frame | None:
    if len(body) < 6 or len(body) != 6 + 3 * body[5] or not body[5]:
        return None
    return Frame(
        marker=marker,
        bits=body[0],
        width=int.from_bytes(body[3:5]),
        height=int.from_bytes(body[1:3]),
        sampling=tuple(body[7::3]),
    )


class Markers:
    """Where the markers of bytes in memory lie, found at the speed of memory.

    Within scan data a byte 0xFF is followed by a zero unless it begins a marker.

    Parameters
    ----------
    data
        Any bytes, such as several tiles.
    start, stop
        The part that is looked at.
    """

    def __init__(self, data: bytes, start: int = 0, stop: int | None = None) -> None:
        view = np.frombuffer(data, np.uint8)[start:stop]
        at, zeros = _markers_and_zeros(view)
        self._places: list[int] = (at + start).tolist()
        self._codes: bytes = view[at + 1].tobytes()
        self._zeros: list[int] = (zeros + start).tolist()

    def plain_end(self, begin: int, stop: int, expected: bytes) -> int:
        """Return where scan data end, if nothing in them gives cause to decode them; else 0.

        Their markers are those expected, in order, and no 15 zeros follow each other.

        Parameters
        ----------
        begin, stop
            Where the scan data begin, and where the bytes of the stream end.
        expected
            The second bytes of their markers, that of the end marker included.
        """
        first = bisect_left(self._places, begin)
        if not self._codes.startswith(expected, first):
            return 0
        place = self._places[first + len(expected) - 1]
        if place + 2 > stop or (self._zeros and self._has_zeros(begin, place)):
            return 0
        return place + 2

    def end(self, begin: int, stop: int) -> int | Damaged:
        """Return where scan data end, behind their end marker; 0 if other segments come first.

        Parameters
        ----------
        begin, stop
            Where they begin, and where the bytes of the stream end.
        """
        for number in range(bisect_left(self._places, begin), len(self._places)):
            place, code = self._places[number], self._codes[number]
            if place + 2 > stop:
                break
            if code == _EOI:
                return place + 2
            if code not in _RESTARTS and code != _FILL:
                return 0
        return NO_END

    def _has_zeros(self, begin: int, end: int) -> bool:
        """Return whether 8 zeros begin at a multiple of 8: of 15 zeros in a row, some always do."""
        number = bisect_left(self._zeros, begin)
        return number < len(self._zeros) and self._zeros[number] + 8 <= end


def _markers_and_zeros(view: NDArray[np.uint8]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return where a byte 0xFF is followed by another than zero, and multiples of 8 with 8 zeros.

    Slab by slab, in memory that stays in the processor's cache.
    """
    markers, zeros = [np.empty(0, np.intp)], [np.empty(0, np.intp)]
    for start in range(0, len(view), _SLAB_BYTES):
        slab = view[start : start + _SLAB_BYTES + 1]
        is_marker = np.equal(slab[:-1], 0xFF)
        one = is_marker.view(np.uint8)
        np.minimum(one, slab[1:], out=one)  # 1 where both are: one step less than comparing both
        markers.append(np.flatnonzero(is_marker) + start)
        whole = slab[: min(len(slab), _SLAB_BYTES) // 8 * 8].view(np.uint64)
        zeros.append(8 * np.flatnonzero(whole == 0) + start)
    return np.concatenate(markers), np.concatenate(zeros)


def markers_of_scan(units: int, interval: int) -> bytes | None:
    """Return the second bytes of the markers of a scan, in order, that of its end included.

    Parameters
    ----------
    units
        The units (MCUs) of the scan.
    interval
        Units between restart markers; 0 for none.

    Returns
    -------
    bytes or None
        None where there are more than any tile has that can be copied.
    """
    restarts = (units - 1) // interval if interval else 0
    if not units or restarts > _MOST_RESTARTS:
        return None
    rounds = restarts // len(_RESTARTS) + 1
    return (_RESTARTS_IN_ORDER * rounds)[:restarts] + EOI[1:]


def following(data: bytes, begin: int, stop: int) -> list[bytes] | Damaged:
    """Return the parts of a stream of several scans from its first scan data to its end.

    Segments that decoding does not need are left out.
    """
    parts: list[bytes] = []
    scans, copied, at = 1, begin, begin
    while (at := data.find(b"\xff", at, stop - 1)) >= 0:
        marker = data[at + 1]
        if marker == _EOI:
            parts.append(data[copied : at + 2])
            return parts
        if marker in (0, _FILL) or marker in _WITHOUT_LENGTH:
            at += 1 if marker == _FILL else 2
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        if end < at + 4 or end > stop:
            return CUT_SHORT
        scans += marker == _SOS
        if scans > MOST_SCANS:
            return TOO_MANY_SCANS
        if marker in _LEFT_OUT:
            if not _is_marker(data, end, stop):
                return OUT_OF_PLACE  # without it the scan data around it would seem whole
            parts.append(data[copied:at])
            copied = end
        elif marker != _SOS and marker not in _TABLES:
            return OUT_OF_PLACE
        at = end
    return NO_END


def _is_marker(data: bytes, at: int, stop: int) -> bool:
    """Return whether a marker begins there that ends or separates scans."""
    return at + 2 <= stop and data[at] == 0xFF and data[at + 1] not in (0, *_WITHOUT_LENGTH)
