"""The segments of a CZI file: where its tiles are listed, and what describes it.

Follows Zeiss's "CZI File Format" (ZISRAW 1.2). Label and preview are attachments, whose directory
is never looked at. Knows segments. Does not know what is in them.
"""

import struct
from dataclasses import dataclass

from slidetile.errors import SlideReadError
from slidetile.slides.reader import FinalRefusalError
from slidetile.slides.slide_file import SlideFile

_SEGMENT = struct.Struct("<16sqq")
HEAD_BYTES = _SEGMENT.size
"""Bytes before the content of a segment: its name, its room and its length."""

_FILE = struct.Struct("<iiii16s16siqqiq")
_DIRECTORY_HEAD_BYTES = 128
_METADATA_HEAD_BYTES = 256
_LARGEST_DIRECTORY_BYTES = 1 << 26
LARGEST_METADATA_BYTES = 1 << 26
"""Longer metadata are not read: those of slides have some megabytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a file holds beside pixels."""

    count: int
    """Tiles that the directory lists."""

    directory: bytes
    """Their entries, one after another."""

    metadata: bytes
    """The XML that describes the image; empty where there is none that can be read."""


def read_contents(file: SlideFile) -> Contents:
    """Return what a file holds.

    Raises
    ------
    SlideReadError
        It cannot be read, is cut short, or is damaged.
    FinalRefusalError
        It is one part of several files, or claims more tiles than any slide has.
    """
    if file.size < HEAD_BYTES + _FILE.size:
        raise SlideReadError("it is a Zeiss CZI, but cut short; copy it again from its source")
    fields = _FILE.unpack(file.read(HEAD_BYTES, _FILE.size))
    part, directory_at, metadata_at = fields[6:9]
    if part:
        raise FinalRefusalError(
            f"it is part {part} of an image in several files: save the image as one file"
        )
    if not directory_at:
        raise SlideReadError("it has no list of its tiles: it was not written to its end")
    data = read_segment(file, directory_at, b"ZISRAWDIRECTORY", _LARGEST_DIRECTORY_BYTES)
    if len(data) < _DIRECTORY_HEAD_BYTES:
        raise SlideReadError("the list of its tiles is damaged")
    return Contents(
        count=int.from_bytes(data[:4], "little"),
        directory=data[_DIRECTORY_HEAD_BYTES:],
        metadata=_metadata(file, metadata_at),
    )


def read_segment(file: SlideFile, at: int, name: bytes, most_bytes: int) -> bytes:
    """Return the content of a segment.

    Raises
    ------
    SlideReadError
        It is not there, or reaches beyond the file.
    FinalRefusalError
        It is longer than ``most_bytes``.
    """
    what = name.decode()
    if not 0 < at <= file.size - HEAD_BYTES:
        raise SlideReadError(
            f"its segment {what} would begin at byte {at}, and it has {file.size}: it is cut short "
            "or damaged, copy it again"
        )
    found, room, used = _SEGMENT.unpack(file.read(at, HEAD_BYTES))
    used = used or room  # early writers left it out
    if found.rstrip(b"\0") != name:
        raise SlideReadError(f"its segment {what} is damaged: copy it again")
    if not 0 <= used <= file.size - HEAD_BYTES - at:
        raise SlideReadError(
            f"its segment {what} claims {used} bytes from byte {at + HEAD_BYTES}, and it has "
            f"{file.size}: it is cut short or damaged, copy it again"
        )
    if used > most_bytes:
        raise FinalRefusalError(
            f"its segment {what} has {used} bytes, more than the {most_bytes >> 20} MiB that a "
            "slide's can have"
        )
    return file.read(at + HEAD_BYTES, used)


def _metadata(file: SlideFile, at: int) -> bytes:
    """Return the XML; pixels are read without it, too."""
    try:
        data = read_segment(file, at, b"ZISRAWMETADATA", LARGEST_METADATA_BYTES)
    except (SlideReadError, FinalRefusalError):
        file.state.check(file.path, file.path)
        return b""
    return data[_METADATA_HEAD_BYTES:][: int.from_bytes(data[:4], "little")]
