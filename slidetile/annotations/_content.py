"""The bytes and the text of an annotation file: unpacked, within a limit, and decoded.

Knows compression and encodings. Does not know what the text means.
"""

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from slidetile.annotations._accepted import ACCEPTED
from slidetile.errors import AnnotationError

LARGEST_CONTENT_BYTES = 256 << 20
"""Most bytes of a file, and of what it unpacks to."""

_GZIP = b"\x1f\x8b"
_BLOCK_BYTES = 1 << 20

_OTHERS = {
    b"PK\x03\x04": "it is a zip archive: unpack it, and give the file in it",
    b"\x89HDF": f"it is HDF5, as CLAM writes it; {ACCEPTED}",
    b"\xac\xed\x00\x05": f"it is QuPath's own data (qpdata); {ACCEPTED}",
    b"BZh": "it is packed by bzip2: unpack it first",
    b"\xfd7zXZ": "it is packed by xz: unpack it first",
    b"\x28\xb5\x2f\xfd": "it is packed by zstd: unpack it first",
    b"\xff\xd8\xff": "it is a JPEG, whose loss would change a mask's numbers: save it as PNG",
}


@contextmanager
def open_content(path: Path) -> Iterator[io.BufferedReader]:
    """Open a file to read it; what gzip has packed, as in ``.geojson.gz``, is unpacked.

    Raises
    ------
    AnnotationError
        While it is read: it is damaged, or longer than `LARGEST_CONTENT_BYTES`.
    """
    with path.open("rb") as file:
        packed = file.peek(2)[:2] == _GZIP
        source = gzip.GzipFile(fileobj=file) if packed else file
        with io.BufferedReader(_Limited(cast(BinaryIO, source)), _BLOCK_BYTES) as content:
            yield cast(io.BufferedReader, content)


class _Limited(io.RawIOBase):
    """Passes on bytes up to the limit."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._source.read(min(len(buffer), _BLOCK_BYTES))
        except (gzip.BadGzipFile, zlib.error, EOFError) as error:
            raise AnnotationError(
                f"what gzip packed in it is damaged ({error}): copy or pack it again"
            ) from error
        self._count += len(data)
        if self._count > LARGEST_CONTENT_BYTES:
            raise AnnotationError(
                f"it unpacks to more than {LARGEST_CONTENT_BYTES >> 20} MiB: export only the "
                "annotations you need, or simplify their outlines"
            )
        buffer[: len(data)] = data
        return len(data)


def text_encoding(head: bytes) -> str:
    """Return the encoding of a text from its byte order mark, or from its zero bytes."""
    for mark, encoding in (
        (b"\xff\xfe\0\0", "utf-32"),
        (b"\0\0\xfe\xff", "utf-32"),
        (b"\xff\xfe", "utf-16"),
        (b"\xfe\xff", "utf-16"),
    ):
        if head.startswith(mark):
            return encoding
    zeros = [not byte for byte in head[:4]]
    for pattern, encoding in (
        ([False, True, True, True], "utf-32-le"),
        ([True, True, True, False], "utf-32-be"),
        ([False, True, False, True], "utf-16-le"),
        ([True, False, True, False], "utf-16-be"),
    ):
        if zeros == pattern:
            return encoding
    return "utf-8-sig"


class DecodedText:
    """The text of a file, read from its beginning to its end."""

    def __init__(self, content: io.BufferedReader, encoding: str) -> None:
        self._content = content
        self._encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._count = 0

    def read(self, size: int, /) -> str:
        """Return the next characters, of about as many bytes; none at the end.

        Raises
        ------
        AnnotationError
            The bytes are no text of the encoding.
        """
        while True:
            block = self._content.read(size)
            pending = len(self._decoder.getstate()[0])
            try:
                text = self._decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                name = self._encoding.removesuffix("-sig").upper()
                place = self._count - pending + error.start
                raise AnnotationError(
                    f"it is not {name} text: its byte {place:,} is "
                    f"0x{error.object[error.start]:02x}: save it as UTF-8"
                ) from error
            self._count += len(block)
            if text or not block:
                return text


def unknown_kind(head: bytes) -> str:
    """Return what a file is that is neither GeoJSON, nor XML, nor a mask, and what to do."""
    for magic, what in _OTHERS.items():
        if head.startswith(magic):
            return what
    return f"it begins with {head[:8]!r}; {ACCEPTED}"
