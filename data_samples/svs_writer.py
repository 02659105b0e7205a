"""Write Aperio-like TIFF files: JPEG pages whose tables live in tag 347, as scanners do.

It knows bytes and tags; what the pictures show is the painter's business.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal, Self

import imagecodecs
import numpy as np

Photometric = Literal["rgb", "ycbcr"]

# TIFF field types: number in the file, struct letter.
SHORT, LONG, LONG8, ASCII, UNDEFINED = (3, "H"), (4, "I"), (16, "Q"), (2, "s"), (7, "s")

# The first 16 bytes are the header of a BigTIFF. A classic header needs 8: which of the two
# it is shows only at the end, when the size is known.
HEADER_BYTES = 16
STRIP_ROWS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class JpegEncoder:
    """Encode pictures to abbreviated baseline JPEG that share one set of tables."""

    quality: int
    """libjpeg's quality, 1-100."""
    photometric: Photometric
    """What the three components hold; `rgb` is the old Aperio way, with no marker saying so."""

    def encode(self, rgb: np.ndarray) -> bytes:
        """Return the frame and scan of `rgb` (height, width, 3), without tables or APPn."""
        _, frame = self._split(rgb)
        return b"\xff\xd8" + frame

    def tables(self) -> bytes:
        """Return tag 347: the quantisation and Huffman tables between SOI and EOI."""
        tables, _ = self._split(np.zeros((8, 8, 3), np.uint8))
        return b"\xff\xd8" + tables + b"\xff\xd9"

    def _split(self, rgb: np.ndarray) -> tuple[bytes, bytes]:
        is_rgb = self.photometric == "rgb"
        data = imagecodecs.jpeg8_encode(
            np.ascontiguousarray(rgb),
            level=self.quality,
            colorspace="RGB",
            outcolorspace="RGB" if is_rgb else "YCBCR",
            subsampling="444" if is_rgb else "422",
            optimize=False,
        )
        tables, frame = [], []
        start = 2
        while True:
            marker, size = struct.unpack_from(">BH", data, start + 1)
            segment = data[start : start + 2 + size]
            start += 2 + size
            if marker in (0xDB, 0xC4):
                tables.append(segment)
            elif marker in (0xC0, 0xDA):
                frame.append(_number_components(segment) if is_rgb else segment)
            if marker == 0xDA:
                return b"".join(tables), b"".join(frame) + data[start:]


def _number_components(segment: bytes) -> bytes:
    """Rename libjpeg's components "R", "G", "B" to Aperio's 0, 1, 2.

    So nothing in the stream betrays its colour space: a reader must heed TIFF tag 262.
    """
    first, step = (10, 3) if segment[1] == 0xC0 else (5, 2)
    renamed = bytearray(segment)
    for number in range(3):
        renamed[first + step * number] = number
    return bytes(renamed)


@dataclass(slots=True, kw_only=True)
class Page:
    """One TIFF directory under construction."""

    width: int
    height: int
    description: str
    """Tag 270."""
    encoder: JpegEncoder
    tile: int | None = None
    """Tile edge in pixels; None for strips of `STRIP_ROWS` rows."""
    subfile_type: int = 0
    """Tag 254: Aperio writes 1 for the label and 9 for the macro."""
    offsets: list[int] = field(default_factory=list)
    """Where each tile or strip begins."""
    counts: list[int] = field(default_factory=list)
    """Its size in bytes."""

    @property
    def block_count(self) -> int:
        """How many tiles or strips the page's size asks for."""
        if self.tile is None:
            return -(-self.height // STRIP_ROWS)
        return -(-self.height // self.tile) * -(-self.width // self.tile)

    def tags(self, offset_type: tuple[int, str]) -> list[tuple[int, tuple[int, str], list | bytes]]:
        """Return (tag, type, values), in the ascending order TIFF asks for."""
        is_rgb = self.encoder.photometric == "rgb"
        tags = [
            (254, LONG, [self.subfile_type]),
            (256, LONG, [self.width]),
            (257, LONG, [self.height]),
            (258, SHORT, [8, 8, 8]),
            (259, SHORT, [7]),
            (262, SHORT, [2 if is_rgb else 6]),
            (270, ASCII, self.description.encode("ascii") + b"\0"),
            (277, SHORT, [3]),
            (284, SHORT, [1]),
            (347, UNDEFINED, self.encoder.tables()),
        ]
        if not is_rgb:
            tags.append((530, SHORT, [2, 1]))
        if self.tile is None:
            tags += [(273, offset_type, self.offsets), (278, SHORT, [STRIP_ROWS])]
            tags.append((279, LONG, self.counts))
        else:
            tags += [(322, SHORT, [self.tile]), (323, SHORT, [self.tile])]
            tags += [(324, offset_type, self.offsets), (325, LONG, self.counts)]
        return sorted(tags, key=lambda tag: tag[0])


class SvsWriter:
    """Append encoded tiles to a file, then its directories; BigTIFF only when over 4 GiB."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._partial = path.with_name(path.name + ".partial")
        self._file: BinaryIO = self._partial.open("wb")
        self._file.write(bytes(HEADER_BYTES))
        self._pages: list[Page] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._write_directories()
        self._file.close()
        if kind is None:
            self._partial.replace(self._path)
        else:
            self._partial.unlink()

    def add(self, page: Page, blocks: Iterable[bytes]) -> None:
        """Write `blocks`, the tiles or strips of `page` in reading order."""
        for block in blocks:
            page.offsets.append(self._file.tell())
            page.counts.append(len(block))
            self._file.write(block)
        if len(page.offsets) != page.block_count:
            raise ValueError(f"{len(page.offsets)} blocks for a page of {page.block_count}")
        self._pages.append(page)

    def add_picture(self, page: Page, rgb: np.ndarray) -> None:
        """Write `rgb` as a page of strips."""
        strips = (rgb[top : top + STRIP_ROWS] for top in range(0, page.height, STRIP_ROWS))
        self.add(page, (page.encoder.encode(strip) for strip in strips))

    def _write_directories(self) -> None:
        tags_bytes = sum(16 * len(page.offsets) + 4096 for page in self._pages)
        big = self._file.tell() + tags_bytes >= 2**32
        links = [0 if big else 4]
        if big:
            header = struct.pack("<2sHHHQ", b"II", 43, 8, 0, 0)
            links = [8]
        else:
            header = struct.pack("<2sHI", b"II", 42, 0)
        self._file.seek(0)
        self._file.write(header)
        for page in self._pages:
            links.append(self._write_directory(page, links[-1], big=big))

    def _write_directory(self, page: Page, link: int, *, big: bool) -> int:
        """Write one directory, point `link` at it; return where its own link lies."""
        word, count_word = ("Q", "Q") if big else ("I", "H")
        inline_bytes = struct.calcsize(word)
        tags = page.tags(LONG8 if big else LONG)
        start = self._align(self._file.seek(0, 2))
        entries_bytes = len(tags) * (4 + 2 * inline_bytes)
        extra_at = start + struct.calcsize(count_word) + entries_bytes + inline_bytes
        entries, extra = [struct.pack("<" + count_word, len(tags))], bytearray()
        for tag, (number, letter), values in tags:
            count = len(values)
            raw = values if isinstance(values, bytes) else struct.pack(f"<{count}{letter}", *values)
            entries.append(struct.pack("<HH" + word, tag, number, count))
            if len(raw) <= inline_bytes:
                entries.append(raw.ljust(inline_bytes, b"\0"))
            else:
                entries.append(struct.pack("<" + word, extra_at + len(extra)))
                extra += raw + bytes(len(raw) % 2)
        self._file.write(b"".join(entries) + bytes(inline_bytes) + extra)
        self._file.seek(link)
        self._file.write(struct.pack("<" + word, start))
        return extra_at - inline_bytes

    def _align(self, position: int) -> int:
        """Pad to an even offset, where TIFF wants directories."""
        self._file.write(bytes(position % 2))
        return position + position % 2
