"""JPEG streams as pixels, decoded without a word from the decoder or not at all.

Knows JPEG streams and pixel arrays. Does not know where a stream comes from.

libjpeg fills what it cannot decode with grey or with its neighbours' colours, and says so in a
warning that most libraries drop. A stream with a warning is damaged here, as it is for OpenSlide.
"""

import functools
import re

from slidetile.raster._strict import decode_strictly
from slidetile.raster.pixels import Pixels
from slidetile.raster.stream import StreamError

MOST_SCANS = 100
"""Most scans of a stream: progressive files have about 10. Each takes as long as decoding a
baseline stream, so that a few bytes could cost minutes; libjpeg-turbo's own fuzzers stop at 500."""

_START_OF_SCAN = b"\xff\xda"
_SEQUENTIAL = (0xC0, 0xC1)
"""Markers of frames that one scan can hold."""
_WITHOUT_LENGTH = frozenset((0x00, 0x01, 0xFF, *range(0xD0, 0xDA)))
"""Second bytes of what is no segment."""
_REMEMBERED_BYTES = 1 << 12
"""Longer headers are read anew each time."""

_END = b"\xff\xd9"
_SAMPLES = {"Gray": 1, "RGB": 3, "YCbCr": 3}
_ODD_SUBSAMPLING = "subsampling"
"""Of TurboJPEG's message about streams that it does not decode, though libjpeg does."""

_NO_SCAN_DATA = "premature end of data segment"
"""Of libjpeg's warning where an end marker follows the header."""


class JpegError(StreamError):
    """A stream is not a JPEG, or not of the expected pixels."""


def decode_jpeg(stream: bytes, out: Pixels) -> Pixels:
    """Decode a stream into an array, and return that.

    Parameters
    ----------
    stream
        A whole stream, with all its tables. Its own header decides whether it is RGB or YCbCr.
    out
        uint8 [row, column, channel] with 1 or 3 channels, contiguous, of exactly the stream's
        shape, which is compared before any memory is taken.

    Raises
    ------
    JpegError
        It is of another shape, has too many scans, or the decoder has an error or a warning.
    """
    import simplejpeg

    check_scans(stream)
    try:
        found = _header(stream)
    except ValueError as error:
        if not stream or _ODD_SUBSAMPLING not in str(error):
            raise JpegError(_said(error)) from error
        _decode_odd(stream, out[..., 0] if out.shape[2] == 1 else out)
        return out
    shape = found[0], found[1], _SAMPLES.get(found[2], 4)
    if shape != out.shape:
        raise JpegError(f"It has the shape {shape} instead of {out.shape}")
    try:
        simplejpeg.decode_jpeg(stream, "RGB" if shape[2] == 3 else "GRAY", buffer=out)
    except ValueError as error:
        raise JpegError(_said(error)) from error
    return out


def _header(stream: bytes) -> tuple[int, int, str, str]:
    """Return (height, width, colour space, subsampling); a slide's native tiles share one header.

    Where what stands before a scan only seems to be a header, the stream is asked.
    """
    head = _head(stream)
    if head:
        try:
            return _read_header(head)
        except ValueError:
            pass
    return _read_header.__wrapped__(stream)


def _head(stream: bytes) -> bytes:
    """Return a stream up to its first scan data, as far as decoders read; nothing of long ones.

    Bytes before them may only seem to be the start of a scan.
    """
    start = stream.find(_START_OF_SCAN) + len(_START_OF_SCAN)
    end = start + int.from_bytes(stream[start : start + 2])
    return stream[:end] if end <= _REMEMBERED_BYTES else b""


@functools.lru_cache(maxsize=256)
def _read_header(stream: bytes) -> tuple[int, int, str, str]:
    import simplejpeg

    found: tuple[int, int, str, str] = simplejpeg.decode_jpeg_header(stream)
    return found


def check_jpeg(stream: bytes) -> None:
    """Decode a stream at an eighth of its size.

    That finds all that decoding finds, in a third of the time: the decoder's warnings are about
    the entropy-coded data, all of which are read.
    The caller has compared the stream's size with what it expects.

    Raises
    ------
    JpegError
        As in `decode_jpeg`.
    """
    import simplejpeg

    check_scans(stream)
    try:
        simplejpeg.decode_jpeg(stream, "GRAY", min_height=1, min_width=1, min_factor=8)
    except ValueError as error:
        if not stream or _ODD_SUBSAMPLING not in str(error):
            raise JpegError(_said(error)) from error
        _decode_odd(stream)


def check_jpeg_header(header: bytes) -> None:
    """Check that a decoder takes what stands before a stream's scan data, its tables and all.

    Raises
    ------
    JpegError
        The decoder has an error or a warning before it comes to the scan data.
    """
    import simplejpeg

    stream = header + _END
    try:
        simplejpeg.decode_jpeg(stream, "GRAY", min_height=1, min_width=1, min_factor=8)
    except ValueError as error:
        if _ODD_SUBSAMPLING in str(error):
            _decode_odd(stream)
        elif _NO_SCAN_DATA not in str(error):
            raise JpegError(_said(error)) from error


def check_scans(stream: bytes) -> None:
    """Check that a stream does not have too many scans.

    Raises
    ------
    JpegError
        It has more than `MOST_SCANS`.
    """
    if not _has_one_scan(_head(stream)) and stream.count(_START_OF_SCAN) > MOST_SCANS:
        raise JpegError(f"It has more than {MOST_SCANS} scans")


@functools.lru_cache(maxsize=256)
def _has_one_scan(head: bytes) -> bool:
    """Return whether the scan behind a header holds all of its frame.

    To a decoder any further scan is then an error. To count scans takes a thirtieth of the time of
    decoding.
    """
    components, at = 0, len(_START_OF_SCAN)
    while at + 10 <= len(head) and head[at] == 0xFF and head[at + 1] not in _WITHOUT_LENGTH:
        marker, end = head[at + 1], at + 2 + int.from_bytes(head[at + 2 : at + 4])
        if head.startswith(_START_OF_SCAN, at):
            return end == len(head) and head[at + 4] == components > 0
        if marker in _SEQUENTIAL:
            components = head[at + 9]
        at = end
    return False


def _decode_odd(stream: bytes, image: Pixels | None = None) -> None:
    """Decode a stream whose subsampling TurboJPEG does not know.

    libjpeg decodes it, and OpenSlide once more: only that tells of warnings.
    """
    import imagecodecs

    try:
        decoded = imagecodecs.jpeg8_decode(stream, out=image)
        height, width, *samples = decoded.shape
        decode_strictly(stream, (width, height), *samples or [1])
    except (imagecodecs.Jpeg8Error, RuntimeError, ValueError) as error:
        raise JpegError(_said(error)) from error


def _said(error: Exception) -> str:
    """Return the decoder's words, without the name of its function."""
    return re.sub(r"^tj\w+\(\): ", "", " ".join(str(error).split())) or type(error).__name__
