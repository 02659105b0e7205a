"""The header of a DICOM file: the few elements that a slide needs, and no others.

pydicom parses up to the frames' own data, and keeps nothing that is not asked for: what concerns
the patient is passed over. Values are converted here, since pydicom's conversions warn, and quote
values in their errors.
"""

import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from slidetile.errors import SlideError, SlideReadError, UnsupportedSlideError
from slidetile.slides.dicom._stream import HeaderStream
from slidetile.slides.dicom.file import MAGIC_END

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

TRANSFER_SYNTAX, _META_LAST = 0x00020010, 0x0002FFFF
IMAGE_TYPE, SOP_CLASS, SOP_INSTANCE = 0x00080008, 0x00080016, 0x00080018
SERIES = 0x0020000E
CONCATENATION, PART_COUNT, FRAME_OFFSET = 0x00209161, 0x00209163, 0x00209228
ORGANIZATION = 0x00209311
SAMPLES, PHOTOMETRIC, PLANAR, FRAMES = 0x00280002, 0x00280004, 0x00280006, 0x00280008
ROWS, COLUMNS, ALLOCATED, STORED, HIGH_BIT, SIGNED = (
    0x00280010,
    0x00280011,
    0x00280100,
    0x00280101,
    0x00280102,
    0x00280103,
)
SPACING, MEASURES, SHARED = 0x00280030, 0x00289110, 0x52009229
TOTAL_COLUMNS, TOTAL_ROWS = 0x00480006, 0x00480007
OPTICAL_PATHS, PATH_COUNT, FOCAL_PLANES = 0x00480105, 0x00480302, 0x00480303
OBJECTIVE_POWER, ICC_PROFILE = 0x00480112, 0x00282000
PER_FRAME = 0x52009230

_WANTED = (
    *(IMAGE_TYPE, SOP_CLASS, SOP_INSTANCE, SERIES, CONCATENATION, PART_COUNT, FRAME_OFFSET),
    *(ORGANIZATION, SAMPLES, PHOTOMETRIC, PLANAR, FRAMES, ROWS, COLUMNS, ALLOCATED, STORED),
    *(HIGH_BIT, SIGNED, SHARED, TOTAL_COLUMNS, TOTAL_ROWS, OPTICAL_PATHS, PATH_COUNT, FOCAL_PLANES),
)

IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
_OTHER_ORDERS = {
    "1.2.840.10008.1.2.2": "big-endian",
    "1.2.840.10008.1.2.1.99": "deflated",
}
"""Transfer syntaxes of which more than the pixels are stored in another way."""

_MOST_CHARACTERS, _MOST_DIGITS = 64, 12
"""What is read of numbers that are written as text."""

_MOST_TRIES = 3


class _Parsing(threading.local):
    """Whether a thread parses just now."""

    is_on = False


_parsing = _Parsing()


class _OfParsing(type):
    """The class of a category to which each warning belongs whose thread parses, and no other."""

    def __subclasscheck__(cls, subclass: type) -> bool:
        return _parsing.is_on


class _ParserWarning(Warning, metaclass=_OfParsing):
    """A warning of pydicom's.

    Python's filters are the process's: `warnings.catch_warnings` in one thread takes away what
    another has set, and silences it. So one filter stays, and its category depends on the thread.
    """


@dataclass(frozen=True, slots=True, eq=False)
class Header:
    """The elements of a header, as the file has them."""

    values: dict[int, bytes]
    """The values of those that are asked for and are no sequences, by their tags."""

    elements: "Dataset"
    """All of them, for the sequences: pydicom converts others, too, when it comes to these."""

    syntax: str
    """The transfer syntax, by its identifier."""

    @classmethod
    def of(cls, elements: "Dataset", syntax: str) -> Self:
        """Return a header of what pydicom has read, and not converted yet."""
        raw = parsed(lambda: {int(tag): elements.get_item(tag) for tag in elements.keys()})  # noqa: SIM118
        values = {tag: element.value for tag, element in raw.items()}
        plain = {tag: value for tag, value in values.items() if isinstance(value, bytes)}
        return cls(plain, elements, syntax)

    @property
    def is_implicit(self) -> bool:
        """Whether elements do not state their types."""
        return self.syntax == IMPLICIT

    def text(self, tag: int) -> str:
        """Return a text; empty where there is none."""
        return _text(self.data(tag))

    def number(self, tag: int, default: int = 0) -> int:
        """Return a whole number, whether it is stored as such or as text.

        Raises
        ------
        SlideReadError
            It is none.
        """
        raw = self.data(tag)
        if not raw.strip(b" \0" if tag == FRAMES else b""):
            return default
        if tag != FRAMES:
            return int.from_bytes(raw[:4], "little")
        text = _text(raw)
        if not (text.isascii() and text.isdecimal() and len(text) < _MOST_DIGITS):
            raise SlideReadError("its header does not say how many frames it has: copy it again")
        return int(text)

    def items(self, *tags: int) -> "Iterator[Header]":
        """Yield the items of a sequence, or of a sequence in the first item of another."""
        found = _items(self.elements, tags[0])
        for tag in tags[1:]:
            found = _items(found[0], tag) if found else []
        for item in found:
            yield Header.of(item, self.syntax)

    def numbers(self, tag: int) -> list[float]:
        """Return numbers that are written as text, those that are none left out."""
        found = []
        for part in self.text(tag).split("\\"):
            try:
                found.append(float(part[:_MOST_CHARACTERS]))
            except ValueError:
                continue
        return found

    def data(self, tag: int) -> bytes:
        """Return bytes as they are stored."""
        return self.values.get(tag, b"")


def read_header(stream: HeaderStream, *, last: int = PER_FRAME - 1) -> Header:
    """Read a header from a file's beginning; the stream stands behind it then.

    Parameters
    ----------
    stream
        The file.
    last
        The last element that is read.

    Raises
    ------
    SlideReadError
        It could not be read, or is damaged.
    UnsupportedSlideError
        It is stored in a way that is not read.
    """
    from pydicom.filereader import read_dataset

    def read(begin: int, syntax: str, last: int, wanted: list[int] | None) -> "Dataset":
        stream.seek(begin)
        return read_dataset(
            stream,  # type: ignore[arg-type]
            syntax == IMPLICIT,
            True,
            stop_when=_is_behind(last),
            specific_tags=wanted,
        )

    meta = parsed(lambda: read(MAGIC_END, EXPLICIT, _META_LAST, None))
    begin = stream.tell()
    syntax = Header.of(meta, EXPLICIT).text(TRANSFER_SYNTAX)
    if syntax in _OTHER_ORDERS:
        raise UnsupportedSlideError(
            f"it is {_OTHER_ORDERS[syntax]} DICOM, which is not read: convert it to explicit "
            "little endian"
        )
    if not syntax:
        raise SlideReadError("its header names no transfer syntax: it is damaged, copy it again")
    elements = parsed(lambda: read(begin, syntax, last, list(_WANTED)))
    return Header.of(elements, syntax)


def parsed(parse: Callable[[], Any]) -> Any:
    """Return what pydicom parses; it may raise anything on damaged data, and quote the data.

    Parameters
    ----------
    parse
        Parses, from the beginning however often it is called.

    Raises
    ------
    SlideReadError
        It could not be read, or is damaged.
    """
    for _ in range(_MOST_TRIES):
        try:
            return _quietly(parse)
        except (SlideError, MemoryError):
            raise
        except Warning as warning:  # an error by another thread's filters, set in the meantime
            kind = type(warning).__name__
        except Exception as error:  # noqa: BLE001 - whatever it raises; its words may hold a name
            kind = type(error).__name__
            break
    raise SlideReadError(f"its DICOM header is damaged ({kind}): copy it again")


def _quietly(parse: Callable[[], Any]) -> Any:
    """Return what is parsed, without this thread's warnings."""
    before, _parsing.is_on = _parsing.is_on, True
    try:
        if not warnings.filters or warnings.filters[0][2] is not _ParserWarning:
            warnings.simplefilter("ignore", _ParserWarning)
        return parse()
    finally:
        _parsing.is_on = before


def _is_behind(last: int) -> Callable[[Any, str | None, int], bool]:
    return lambda tag, _type, _length: int(tag) > last


def _text(raw: bytes) -> str:
    return " ".join(raw.decode("ascii", "replace").replace("\0", " ").split())


def _items(elements: "Dataset", tag: int) -> "list[Dataset]":
    if tag not in elements:
        return []
    from pydicom.sequence import Sequence

    found = parsed(lambda: elements[tag].value)
    return list(found) if isinstance(found, Sequence) else []
