"""Make a large Hamamatsu NDPI of a small one's real stripes.

    python benchmarks/striped_slide.py SMALL.ndpi LARGE.ndpi

Half of it is tissue, in blocks like a chessboard's; the other half is white glass. It has levels at
1/1, 1/4 and 1/16, whose stripes are those of the small slide's two levels, over and over.
"""

import io
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

WIDTH, HEIGHT = 49_152, 36_864
FACTORS = 1, 4, 16
BLOCKS_ACROSS, BLOCKS_DOWN = 3, 6
SHORT, LONG, RATIONAL, SLONG, FLOAT = 3, 4, 5, 9, 11
FORMS = {SHORT: "H", LONG: "I", RATIONAL: "I", SLONG: "i", FLOAT: "f"}
EOI = b"\xff\xd9"


@dataclass(frozen=True, slots=True)
class Stripes:
    """The stripes of one level of the small slide."""

    width: int
    header: bytes
    """Of their JPEG."""

    tissue: list[bytes]
    """The scan data of each stripe."""

    glass: bytes
    """That of a white one, coded with the same tables."""


def main() -> None:
    source, target = map(Path, sys.argv[1:])
    write(source, target)


def write(source: Path, target: Path) -> None:
    """Write the large slide."""
    fine, coarse = stripes_of(source)
    with target.open("wb") as file:
        file.write(b"II*\0" + bytes(8))
        link = 4
        for factor in FACTORS:
            stripes = fine if factor == 1 else coarse
            at = file.tell()
            starts = write_jpeg(file, stripes, WIDTH // factor, HEIGHT // factor)
            directory = file.tell()
            tags = tags_of(factor, at, directory - at, starts)
            file.write(packed(tags, directory))
            file.seek(link)
            file.write(struct.pack("<Q", directory))
            file.seek(0, 2)
            link = directory + 2 + 12 * len(tags)


def stripes_of(source: Path) -> list[Stripes]:
    """Return the stripes of the levels of a small slide."""
    import tifffile
    from PIL import Image

    data, found = source.read_bytes(), []
    with tifffile.TiffFile(source) as tiff:
        pages = [page.aspage() for page in tiff.pages]
        for page in pages:
            begin = page.tags[273].value[0]
            end = begin + page.tags[279].value[0]
            starts = [begin + int(start) for start in page.tags[65426].value]
            header = data[begin : starts[0]]
            at = header.index(b"\xff\xdd")
            width = 8 * int.from_bytes(header[at + 4 : at + 6])
            with Image.open(io.BytesIO(data[begin:end])) as whole:
                tables = whole.quantization
            white = io.BytesIO()
            plain = Image.new("RGB", (width, 8), "white")
            plain.save(white, "JPEG", qtables=tables, subsampling=0)
            glass = white.getvalue()
            scan = glass.index(b"\xff\xda")
            scan += 2 + int.from_bytes(glass[scan + 2 : scan + 4])
            ends = [*starts[1:], end]
            tissue = [data[a : b - 2] for a, b in zip(starts, ends, strict=True)]
            found.append(Stripes(width, header, tissue, glass[scan:-2]))
    return found


def write_jpeg(file: io.BufferedWriter, stripes: Stripes, width: int, height: int) -> np.ndarray:
    """Write a level's JPEG; return where its stripes begin."""
    at = stripes.header.index(b"\xff\xc0")
    size = struct.pack(">HH", height, width)
    header = stripes.header[: at + 5] + size + stripes.header[at + 9 :]
    file.write(header)
    columns, rows = width // stripes.width, height // 8
    starts = np.empty(columns * rows, np.int64)
    place = len(header)
    for row in range(rows):
        parts = []
        for column in range(columns):
            number = row * columns + column
            block = column * BLOCKS_ACROSS // columns + row * BLOCKS_DOWN // rows
            chosen = (row + 37 * column) % len(stripes.tissue)
            marker = bytes((0xFF, 0xD0 + number % 8)) if number + 1 < len(starts) else EOI
            starts[number] = place
            parts.append((stripes.glass if block % 2 else stripes.tissue[chosen]) + marker)
            place += len(parts[-1])
        file.write(b"".join(parts))
    return starts


def tags_of(factor: int, at: int, nbytes: int, starts: np.ndarray) -> dict[int, tuple[int, list]]:
    width, height = WIDTH // factor, HEIGHT // factor
    per_cm = [43_877 // factor, 1]
    return {
        256: (LONG, [width]), 257: (LONG, [height]), 258: (SHORT, [8, 8, 8]), 259: (SHORT, [7]),
        262: (SHORT, [6]), 273: (LONG, [at]), 277: (SHORT, [3]), 278: (LONG, [height]),
        279: (LONG, [nbytes]), 282: (RATIONAL, per_cm), 283: (RATIONAL, per_cm), 296: (SHORT, [3]),
        65420: (LONG, [1]), 65421: (FLOAT, [40 / factor]), 65424: (SLONG, [0]),
        65426: (LONG, starts.tolist()),
    }  # fmt: skip


def packed(tags: dict[int, tuple[int, list]], place: int) -> bytes:
    """Return a directory, the upper 32 bits of its numbers (none), and the values behind it."""
    behind = place + 2 + 16 * len(tags) + 8
    entries, values = [], b""
    for tag, (kind, numbers) in tags.items():
        data = struct.pack(f"<{len(numbers)}{FORMS[kind]}", *numbers)
        if len(data) > 4:
            data, values = struct.pack("<I", behind + len(values)), values + data
        count = len(numbers) // 2 if kind == RATIONAL else len(numbers)
        entries.append(struct.pack("<HHI4s", tag, kind, count, data))
    return struct.pack("<H", len(tags)) + b"".join(entries) + bytes(8 + 4 * len(tags)) + values


if __name__ == "__main__":
    main()
