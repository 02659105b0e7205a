"""What a file is by its first bytes, and what to do with one that is no slide slidetile reads.

Content comes first; a name decides only where a format's content looks like another's, or says
nothing. Does not open slides.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from slidetile.cloud.address import Location
from slidetile.slides.dicom.file import WHOLE_SLIDE, class_of, is_dicom
from slidetile.slides.dicom.names import class_name

Role = Literal["slide", "unread slide", "part", "picture", "other"]
"""Whether a reader reads it, slidetile has no reader for it, it belongs to a slide, it is a picture
that may be one, or none of these."""

_EXPORT = (
    "Export it from the maker's program as a pyramidal TIFF, or convert it with Bio-Formats "
    "(QuPath, bioformats2raw with raw2ometiff)."
)
_NOT_READ = f"slidetile has no reader for it. {_EXPORT}"
_COPY_AGAIN = "Is it a whole slide, and complete? Copy it again from its source."
_UNPACK = "Unpack it, and name the slide in it."
_WHOLE_SLIDE = "Name the slide's own file."


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A kind of file."""

    name: str
    """What it is called, with its article, such as "a PNG picture"."""

    marks: tuple[tuple[int, bytes], ...] = ()
    """The bytes by which its content is known, each with its place; all of them."""

    suffixes: frozenset[str] = frozenset()
    """The ends of names by which it is known, lower case, where content does not tell."""

    role: Role = "other"
    """What it is to slidetile."""

    remedy: str = _COPY_AGAIN
    """What to do with it, as a sentence."""

    @property
    def kind(self) -> str:
        """The name without its article, for lists."""
        return self.name.partition(" ")[2]


TIFF = "a TIFF"
"""The name of most slides' container."""

ISYNTAX = "a Philips iSyntax slide"

_NAMED = (
    Container(
        name="a MIRAX slide",
        suffixes=frozenset({".mrxs"}),
        role="slide",
        remedy="Its pixels lie in a folder of its name beside it, which must be there, complete.",
    ),
    Container(
        name="a TMAP slide", suffixes=frozenset({".tmap"}), role="unread slide", remedy=_NOT_READ
    ),
    Container(
        name="a Motic MDS slide",
        suffixes=frozenset({".mds", ".mdsx"}),
        role="unread slide",
        remedy=_NOT_READ,
    ),
    Container(
        name="a MIRAX data file",
        suffixes=frozenset({"slidedat.ini", "index.dat"}),
        role="part",
        remedy="Name the slide's .mrxs file, which lies beside the folder of this one.",
    ),
)
"""Asked before the content: a MIRAX slide begins as a JPEG, for one."""

_CONTENTS = (
    Container(
        name="an Olympus VSI",
        marks=((0, b"II*\0"), (8, b"\x18\0IS")),
        suffixes=frozenset({".vsi"}),
        role="unread slide",
        remedy=_NOT_READ,
    ),
    Container(name=TIFF, marks=((0, b"II*\0"),), role="slide"),
    Container(name=TIFF, marks=((0, b"MM\0*"),), role="slide"),
    Container(name=TIFF, marks=((0, b"II+\0"),), role="slide"),
    Container(name=TIFF, marks=((0, b"MM\0+"),), role="slide"),
    Container(
        name="an Olympus ETS file",
        marks=((0, b"SIS\0"),),
        role="part",
        remedy=f"It holds the pixels of an Olympus VSI, which slidetile does not read. {_EXPORT}",
    ),
    Container(name="a Zeiss CZI", marks=((0, b"ZISRAWFILE"),), role="slide"),
    Container(
        name="a Hamamatsu VMS slide",
        marks=((0, b"[Virtual Microscope Specimen]"),),
        role="slide",
        remedy="The files that it names must lie beside it, complete.",
    ),
    Container(
        name="a Hamamatsu VMU slide",
        marks=((0, b"[Uncompressed Virtual Microscope Specimen]"),),
        role="slide",
        remedy="The files that it names must lie beside it, complete.",
    ),
    Container(
        name="a KFBIO KFB slide", marks=((4, b"KFB"),), role="unread slide", remedy=_NOT_READ
    ),
    Container(
        name="an SQRAY SDPC slide",
        marks=((0, b"SQ"), (18, b"\x9c\0\0\0")),
        role="unread slide",
        remedy=_NOT_READ,
    ),
    Container(
        name=ISYNTAX,
        marks=((0, b"<DataObject ObjectType="),),
        suffixes=frozenset({".isyntax", ".i2syntax"}),
        role="slide",
    ),
    Container(
        name="an SQLite database",
        marks=((0, b"SQLite format 3\0"),),
        remedy="If it is a Sakura slide, its name ends in .svslide.",
    ),
    Container(name="a Leica LIF file", marks=((0, b"p\0\0\0"), (8, b"*")), remedy=_EXPORT),
    Container(name="a Nikon ND2 file", marks=((0, b"\xda\xce\xbe\n"),), remedy=_EXPORT),
    Container(name="an Olympus OIR file", marks=((0, b"OLYMPUSRAWFORMAT"),), remedy=_EXPORT),
    Container(
        name="an OLE compound file (Zeiss ZVI, Olympus OIB, Motic MDS)",
        marks=((0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),),
        remedy=_EXPORT,
    ),
    Container(name="an HDF5 file", marks=((0, b"\x89HDF\r\n\x1a\n"),), remedy=_EXPORT),
    Container(name="a PNG picture", marks=((0, b"\x89PNG\r\n\x1a\n"),), role="picture"),
    Container(name="a JPEG picture", marks=((0, b"\xff\xd8\xff"),), role="picture"),
    Container(
        name="a JPEG 2000 picture", marks=((0, b"\0\0\0\x0cjP  \r\n\x87\n"),), role="picture"
    ),
    Container(name="a JPEG 2000 picture", marks=((0, b"\xff\x4f\xff\x51"),), role="picture"),
    Container(name="a JPEG XL picture", marks=((0, b"\0\0\0\x0cJXL \r\n\x87\n"),), remedy=_EXPORT),
    Container(name="a JPEG XL picture", marks=((0, b"\xff\x0a"),), remedy=_EXPORT),
    Container(name="a WebP picture", marks=((0, b"RIFF"), (8, b"WEBP")), remedy=_EXPORT),
    Container(name="a HEIF picture", marks=((4, b"ftyp"),), remedy=_EXPORT),
    Container(name="a GIF picture", marks=((0, b"GIF8"),), remedy=_EXPORT),
    Container(name="a BMP picture", marks=((0, b"BM"), (6, b"\0\0\0\0")), remedy=_EXPORT),
    Container(
        name="a zip archive",
        marks=((0, b"PK\x03\x04"),),
        remedy="Unpack it, and name the slide in it; a zipped OME-Zarr image is one, too.",
    ),
    Container(name="a gzip archive", marks=((0, b"\x1f\x8b"),), remedy=_UNPACK),
    Container(name="a Zstandard archive", marks=((0, b"\x28\xb5\x2f\xfd"),), remedy=_UNPACK),
    Container(name="an xz archive", marks=((0, b"\xfd7zXZ\0"),), remedy=_UNPACK),
    Container(name="a 7z archive", marks=((0, b"7z\xbc\xaf\x27\x1c"),), remedy=_UNPACK),
    Container(name="a RAR archive", marks=((0, b"Rar!\x1a\x07"),), remedy=_UNPACK),
    Container(name="a tar archive", marks=((257, b"ustar"),), remedy=_UNPACK),
    Container(name="a PDF document", marks=((0, b"%PDF"),), remedy=_WHOLE_SLIDE),
    Container(
        name="a pointer of Git LFS, not the file itself",
        marks=((0, b"version https://git-lfs"),),
        remedy='Fetch the file with "git lfs pull".',
    ),
)
"""In the order in which they are asked: the first whose marks are there."""

_DICOM = Container(
    name="a DICOM file",
    role="slide",
    remedy="Name a file of a whole slide's series (VL Whole Slide Microscopy Image).",
)
_HTML = Container(
    name="a web page",
    remedy="It may be an error page that was saved in the slide's stead: download it again.",
)
_XML = Container(name="an XML file", remedy=_WHOLE_SLIDE)
_JSON = Container(name="a JSON file", remedy=_WHOLE_SLIDE)
_TEXT = Container(name="a text file", remedy=_WHOLE_SLIDE)
_ZEROS = Container(
    name="a file of zeros", remedy="It was not written to its end: copy it again from its source."
)

_SVSLIDE = Container(name="a Sakura slide", suffixes=frozenset({".svslide"}), role="slide")
_BOM = b"\xef\xbb\xbf"
_LEAST_ZEROS_BYTES = 512


def container_of(head: bytes, path: Location) -> Container | None:
    """Return what a file is, or None where neither its content nor its name tells.

    Parameters
    ----------
    head
        Its first 4 KiB, or all of it.
    path
        Its path, of which only the name counts.
    """
    name = path.name.lower()
    named = next((each for each in _NAMED if name.endswith(tuple(each.suffixes))), None)
    if named is not None:
        return named
    if is_dicom(head):
        return _dicom(head)
    text = head.removeprefix(_BOM).lstrip()
    found = next((each for each in _CONTENTS if _has_marks(head, each)), None)
    if found is None and text.startswith(b"<"):
        found = _xml(text)
    if found is not None:
        is_sakura = found.name == "an SQLite database" and name.endswith(tuple(_SVSLIDE.suffixes))
        return _SVSLIDE if is_sakura else found
    return _plain(head, text)


def is_isyntax(head: bytes) -> bool:
    """Return whether a file begins as Philips iSyntax files do."""
    found = container_of(head, Path())
    return found is not None and found.name == ISYNTAX


def is_picture(head: bytes) -> bool:
    """Return whether a file begins as a PNG, JPEG or JPEG 2000 picture does."""
    return any(each.role == "picture" and _has_marks(head, each) for each in _CONTENTS)


def _has_marks(head: bytes, container: Container) -> bool:
    return all(head.startswith(mark, at) for at, mark in container.marks)


def _dicom(head: bytes) -> Container:
    """Return the container of a DICOM file, which its class names."""
    found = class_of(head)
    if found is None or found == WHOLE_SLIDE:
        return _DICOM
    return replace(_DICOM, name=f"a DICOM file of the class {class_name(found)}", role="other")


def _xml(text: bytes) -> Container:
    """Return the container of a file that begins with "<"."""
    if text[:2048].lower().startswith((b"<!doctype html", b"<html")):
        return _HTML
    return next((each for each in _CONTENTS if _is_within(text, each)), _XML)


def _is_within(text: bytes, container: Container) -> bool:
    """Return whether the mark of an XML format follows the declaration."""
    marks = [mark for at, mark in container.marks if at == 0 and mark.startswith(b"<")]
    return any(mark in text[:512] for mark in marks)


def _plain(head: bytes, text: bytes) -> Container | None:
    if len(head) >= _LEAST_ZEROS_BYTES and not head.strip(b"\0"):
        return _ZEROS
    if not text or any(sign < 9 or 13 < sign < 32 for sign in text if sign != 27):
        return None
    try:
        text.decode()
    except UnicodeDecodeError as error:
        if error.start < len(text) - 4:  # the last sign may be cut
            return None
    return _JSON if text.startswith((b"{", b"[")) else _TEXT
