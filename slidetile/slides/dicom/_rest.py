"""What lies behind a DICOM header: where the frames are, in the slide and in the file."""

from dataclasses import dataclass, field

from slidetile.errors import SlideReadError
from slidetile.slides.dicom._elements import MOST_FRAMES, UNDEFINED, leaves, read_element
from slidetile.slides.dicom._header import PER_FRAME
from slidetile.slides.dicom._places import FramePlaces, read_places
from slidetile.slides.dicom._stream import HeaderStream

_OFFSETS, _LENGTHS, _PIXELS = 0x7FE00001, 0x7FE00002, 0x7FE00010


@dataclass(frozen=True, slots=True)
class PixelData:
    """Where the frames lie in the file."""

    start: int
    """The first byte of the value."""

    length: int | None
    """Its bytes; None where it consists of items, up to a delimiter."""


@dataclass(slots=True)
class Rest:
    """The elements behind the header."""

    places: FramePlaces = field(default_factory=FramePlaces)
    """Each frame's place in the slide, where it is stated."""

    offsets: bytes = b""
    """The extended offset table."""

    lengths: bytes = b""
    """The lengths that belong to it."""

    pixels: PixelData | None = None
    """Where the frames lie; None where the file has none."""


def read_rest(stream: HeaderStream, *, is_implicit: bool) -> Rest:
    """Read the elements from `PER_FRAME` to the pixel data.

    Raises
    ------
    SlideReadError
        The file could not be read, or is damaged.
    """
    rest = Rest()
    while (element := read_element(stream, is_implicit=is_implicit)) is not None:
        tag, _, length = element
        begin = stream.tell()
        if tag == _PIXELS:
            rest.pixels = PixelData(begin, None if length == UNDEFINED else length)
            break
        if tag == PER_FRAME:
            read_places(stream, length, rest.places, is_implicit=is_implicit)
        elif tag == _OFFSETS:
            rest.offsets = _table(stream, length)
        elif tag == _LENGTHS:
            rest.lengths = _table(stream, length)
        elif length == UNDEFINED:
            for _ in leaves(stream, None, is_implicit=is_implicit):
                pass
        else:
            stream.seek(begin + length)
    return rest


def _table(stream: HeaderStream, length: int) -> bytes:
    begin = stream.tell()
    if length == UNDEFINED:
        raise SlideReadError("its table of frames has no length: it is damaged, copy it again")
    most = min(length, 8 * MOST_FRAMES)
    stream.allow(most)
    data = stream.read(most)
    stream.seek(begin + length)
    return data
