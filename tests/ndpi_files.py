"""Hamamatsu NDPI files made from pictures: levels that are one JPEG each, cut into stripes.

Pillow encodes the stripes. Knows how NDPI lays them and its directories; nothing of how it is read.
"""

import io
import struct
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

SHORT, LONG, RATIONAL, SLONG, FLOAT = 3, 4, 5, 9, 11
SIZES = {SHORT: "H", LONG: "I", SLONG: "i", FLOAT: "f"}
EOI = b"\xff\xd9"


@dataclass(kw_only=True)
class Level:
    """One image of an NDPI, of which each part may be made wrong before it is written."""

    pixels: np.ndarray
    stripe: int
    """Columns of a stripe; 0 for none."""

    lens: float = 20.0
    depth: int = 0
    subsampling: int = 0
    header: bytes = b""
    stripes: list[bytes] = field(default_factory=list)
    """The scan data of each stripe, without markers."""

    markers: list[bytes] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    """Where each stripe begins in the JPEG."""

    tags: dict[int, tuple[int, list[int]]] = field(default_factory=dict)
    """Tags that are added, or replace others: the type and the values."""

    hole: tuple[int, int] = (0, 0)
    """Bytes that nothing uses, before a stripe and its marker: its number, and how many."""

    def __post_init__(self):
        height, width = self.pixels.shape[:2]
        if not self.stripe:
            self.header, self.stripes, self.markers = encoded(self.pixels, 0, 0), [b""], [b""]
            self.starts = [0]
            return
        columns = [
            split(encoded(self.pixels[:, left : left + self.stripe], self.stripe, self.subsampling))
            for left in range(0, width, self.stripe)
        ]
        self.header = with_size(columns[0][0], width, height)
        rows = zip(*(stripes for _, stripes in columns), strict=True)
        self.stripes = [stripe for row in rows for stripe in row]
        self.markers = [bytes((0xFF, 0xD0 + n % 8)) for n in range(len(self.stripes) - 1)] + [EOI]
        self.restart()

    def restart(self):
        """List the stripes anew where they begin."""
        sizes = [len(self.header)]
        sizes += [len(a) + len(b) for a, b in zip(self.stripes, self.markers, strict=True)]
        starts = np.cumsum(sizes)[:-1].tolist()
        before, hole = self.hole
        self.starts = [start + hole * (n >= before) for n, start in enumerate(starts)]
        if hole:
            self.tags[65426] = LONG, [start & 0xFFFF_FFFF for start in self.starts]
            self.tags[65432] = LONG, [start >> 32 for start in self.starts]
            self.tags[279] = LONG, [len(self.jpeg) + hole]

    @property
    def jpeg(self):
        """The whole JPEG."""
        pairs = zip(self.stripes, self.markers, strict=True)
        return self.header + b"".join(part for pair in pairs for part in pair)


def encoded(pixels, stripe, subsampling):
    """Encode with Pillow, with a restart marker behind each row of units of a stripe's width."""
    file = io.BytesIO()
    unit = 16 if subsampling else 8
    options = {"restart_marker_blocks": stripe // unit} if stripe else {}
    Image.fromarray(pixels).save(file, "JPEG", quality=85, subsampling=subsampling, **options)
    return file.getvalue()


def split(jpeg):
    """Return a JPEG's header, and its scan data between the markers."""
    begin = jpeg.index(b"\xff\xda")
    begin += 2 + int.from_bytes(jpeg[begin + 2 : begin + 4])
    parts, at = [], begin
    for place in range(begin, len(jpeg) - 1):
        if jpeg[place] == 0xFF and (0xD0 <= jpeg[place + 1] <= 0xD7 or jpeg[place + 1] == 0xD9):
            parts.append(jpeg[at:place])
            at = place + 2
    return jpeg[:begin], parts


def with_size(header, width, height):
    """Return a JPEG's header with another size; what has more than 16 bits becomes 0."""
    at = header.index(b"\xff\xc0")
    sides = (side if side < 1 << 16 else 0 for side in (height, width))
    return header[: at + 5] + struct.pack(">HH", *sides) + header[at + 9 :]


def levels_of(pixels, stripe, factors=(1, 4)):
    """Return levels of every so manieth pixel; their stripes are as many, and narrower."""
    return [
        Level(pixels=np.ascontiguousarray(pixels[::f, ::f]), stripe=stripe // f, lens=20.0 / f)
        for f in factors
    ]


def write_ndpi(path, levels, *, begin=12, per_cm=20_000):
    """Write a file whose first JPEG begins at a byte, perhaps beyond 4 GiB; the gap is a hole."""
    with path.open("wb") as file:
        file.write(b"II*\0" + bytes(8))
        link = 4
        for level in levels:
            at = max(begin, file.seek(0, 2))
            file.seek(at)
            before, hole = level.hole
            cut = level.starts[before] - hole - 2 if hole else 0
            file.write(level.jpeg[:cut])
            file.seek(hole, 1)
            file.write(level.jpeg[cut:])
            directory = file.seek(0, 2)
            file.write(_directory(level, at, directory, per_cm))
            file.seek(link)
            file.write(struct.pack("<Q", directory))
            link = directory + 2 + 12 * len(_tags(level, at, per_cm))
    return path


def _tags(level, at, per_cm):
    height, width = level.pixels.shape[:2]
    tags = {
        256: (LONG, [width]),
        257: (LONG, [height]),
        258: (SHORT, [8, 8, 8]),
        259: (SHORT, [7]),
        262: (SHORT, [6]),
        273: (LONG, [at]),
        277: (SHORT, [3]),
        278: (LONG, [height]),
        279: (LONG, [len(level.jpeg)]),
        282: (RATIONAL, [int(per_cm * abs(level.lens) / 20), 1]),
        283: (RATIONAL, [int(per_cm * abs(level.lens) / 20), 1]),
        296: (SHORT, [3]),
        65420: (LONG, [1]),
        65421: (FLOAT, [level.lens]),
        65424: (SLONG, [level.depth]),
    }
    if level.stripe:
        tags[65426] = (LONG, level.starts)
    return dict(sorted((tags | level.tags).items()))


def _directory(level, at, place, per_cm):
    """Return a directory, the upper 32 bits of its numbers, and the values that do not fit."""
    tags = _tags(level, at, per_cm)
    behind = place + 2 + 12 * len(tags) + 8 + 4 * len(tags)
    entries, highs, values = [], [], b""
    for tag, (kind, numbers) in tags.items():
        count = len(numbers) // 2 if kind == RATIONAL else len(numbers)
        form = f"<{len(numbers)}{SIZES.get(kind, 'I')}"
        high = numbers[0] >> 32 if (kind, count) == (LONG, 1) else 0
        data = struct.pack(form, *(n & 0xFFFF_FFFF if kind == LONG else n for n in numbers))
        if len(data) > 4:
            where = behind + len(values)
            values += data
            data, high = struct.pack("<I", where & 0xFFFF_FFFF), where >> 32
        entries.append(struct.pack("<HHI4s", tag, kind, count, data))
        highs.append(struct.pack("<I", high))
    return struct.pack("<H", len(tags)) + b"".join(entries) + bytes(8) + b"".join(highs) + values
