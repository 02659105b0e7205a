"""What the header of a picture says: its size and its channels, before memory is taken for them."""

from dataclasses import dataclass
from typing import Literal

from slidetile.errors import SlideReadError
from slidetile.raster.jpeg2000_header import stated_samples
from slidetile.slides.jpeg.segments import parse_header
from slidetile.slides.limits import check_size
from slidetile.slides.native import Damaged
from slidetile.slides.reader import FinalRefusalError, LargeBlockError

Format = Literal["png", "jpeg", "jpeg2000"]

LARGEST_PX = 1 << 25
"""Most pixels of a picture, which is decoded whole: 100 MB in colour."""

LARGEST_BYTES = 1 << 28
"""Longest file of a picture, which is read whole."""

_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_JPEG2000 = (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")
_GREY_OR_COLOUR = {0: 1, 2: 3, 3: 3, 4: 1, 6: 3}
"""Channels of each colour type of PNG, without transparency; palettes hold colours."""

_ANIMATED = b"acTL"
_ANIMATED_WITHIN_BYTES = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """A picture that can be decoded within limits."""

    format: Format
    """Of what kind it is."""

    width: int
    """Columns."""

    height: int
    """Rows."""

    channels: int
    """1 for grey, 3 for colour."""


def format_of(head: bytes) -> Format | None:
    """Return of which kind a picture is, by the first bytes of its file; None for other files."""
    if head.startswith(_PNG):
        return "png"
    if head.startswith(_JPEG2000):
        return "jpeg2000"
    return "jpeg" if head.startswith(_JPEG) else None


def read_header(data: bytes) -> Header:
    """Return what a picture says of itself.

    Parameters
    ----------
    data
        The whole file.

    Raises
    ------
    SlideReadError
        Its header is damaged.
    FinalRefusalError
        It is too large to be decoded at once, or 8-bit grey or colour would lose something.
    """
    read = {"png": _png, "jpeg": _jpeg}.get(format_of(data) or "", _jpeg2000)
    header = read(data)
    check_size(header.width, header.height)
    if header.width * header.height > LARGEST_PX:
        raise LargeBlockError(
            f"it is a picture of {header.width}×{header.height} pixels, which is decoded at once, "
            f"and more than {LARGEST_PX >> 20} Mi of them"
        )
    return header


def _png(data: bytes) -> Header:
    if data[12:16] != b"IHDR" or len(data) < 33:
        raise SlideReadError("its PNG header is damaged or cut short")
    if data[24] > 8:
        raise _loss(data[24])
    if _ANIMATED in data[:_ANIMATED_WITHIN_BYTES]:
        raise FinalRefusalError("it is an animation of several images: extract the one you need")
    return Header(
        format="png",
        width=int.from_bytes(data[16:20]),
        height=int.from_bytes(data[20:24]),
        channels=_GREY_OR_COLOUR.get(data[25], 3),
    )


def _jpeg(data: bytes) -> Header:
    found = parse_header(data)
    frame = None if isinstance(found, Damaged) else found.frame
    if frame is None:
        reason = found.reason if isinstance(found, Damaged) else "no frame header"
        raise SlideReadError(f"its JPEG header is damaged ({reason})")
    if frame.bits != 8:
        raise _loss(frame.bits)
    return Header(
        format="jpeg",
        width=frame.width,
        height=frame.height,
        channels=_channels(frame.components),
    )


def _jpeg2000(data: bytes) -> Header:
    found = stated_samples((data, 0, len(data)))
    if found is None:
        raise SlideReadError("its JPEG 2000 header is damaged or cut short")
    (height, width, count), bits = found
    if bits > 8:
        raise _loss(bits)
    return Header(format="jpeg2000", width=width, height=height, channels=_channels(count))


def _channels(count: int) -> int:
    """Return the channels of 1 or 3 components."""
    if count in (1, 3):
        return count
    raise FinalRefusalError(
        f"it has {count} components (CMYK, or transparency), not 1 for grey or 3 for colour: save "
        "it in RGB"
    )


def _loss(bits: int) -> FinalRefusalError:
    return FinalRefusalError(
        f"its samples are {bits}-bit numbers, and pictures are read in 8 bits: save it as TIFF, of "
        "which all 16 bits are read"
    )
