"""Zeiss CZI files made from pictures: tiles of any level, compression and place.

pylibCZIrw writes no pyramids, and no JPEG XR. Knows how CZI lays its segments (ZISRAW, version
1.0); nothing of how they are read.
"""

import struct
from dataclasses import dataclass, field

import imagecodecs
import numpy as np

RAW, JPEG, LZW, JPEG_XR, ZSTD0, ZSTD1 = 0, 1, 2, 4, 5, 6
GRAY8, GRAY16, BGR24, BGR48 = 0, 1, 3, 4
_PIXEL_TYPES = {("|u1", 1): GRAY8, ("<u2", 1): GRAY16, ("|u1", 3): BGR24, ("<u2", 3): BGR48}


@dataclass(kw_only=True)
class Tile:
    """A subblock, of which each part may be made wrong before it is written."""

    pixels: np.ndarray
    """[row, column, channel], grey or RGB."""

    x: int
    """Column of its left edge at level 0, on a canvas that may begin below 0."""

    y: int

    downsample: int = 1
    compression: int = RAW
    dimensions: dict[str, int] = field(default_factory=dict)
    """Where it begins along C, Z, T, S and others."""

    mosaic: int | None = None
    """Its place in the stack of tiles: the highest is on top."""

    size: tuple[int, int] | None = None
    """Level-0 pixels that it covers; those of its own pixels otherwise."""

    stored: bytes | None = None
    """Its compressed bytes; those of its pixels otherwise."""

    metadata: bytes = b""
    position: int | None = None
    """Where the directory says that it begins, if not where it does."""

    pixel_type: int | None = None
    entry: dict[str, int] = field(default_factory=dict)
    """What its own entry says in place of what the directory says."""

    def __post_init__(self):
        if self.stored is None:
            self.stored = encoded(self.pixels, self.compression)
        if self.pixel_type is None:
            self.pixel_type = _PIXEL_TYPES[self.pixels.dtype.str, self.pixels.shape[2]]
        if self.size is None:
            height, width = self.pixels.shape[:2]
            self.size = width * self.downsample, height * self.downsample

    def described(self, position, **changes):
        """Return its entry in a directory (schema DV)."""
        height, width = self.pixels.shape[:2]
        said = {"width": width, "height": height, "compression": self.compression} | changes
        sizes = {"X": (self.x, self.size[0], said["width"])}
        sizes["Y"] = self.y, self.size[1], said["height"]
        sizes |= {name: (start, 1, 1) for name, start in self.dimensions.items()}
        if self.mosaic is not None:
            sizes["M"] = self.mosaic, 1, 1
        head = "DV", self.pixel_type, position, 0, said["compression"], int(self.downsample > 1)
        return struct.pack("<2siqiiB5xi", head[0].encode(), *head[1:], len(sizes)) + b"".join(
            struct.pack("<4siifi", name.encode(), start, size, 0.0, stored)
            for name, (start, size, stored) in sizes.items()
        )


def encoded(pixels, compression):
    """Return pixels as CZI stores them: blue first, but for JPEG XR."""
    turned = np.ascontiguousarray(pixels[..., ::-1])
    if compression == JPEG_XR:
        return imagecodecs.jpegxr_encode(pixels if pixels.shape[2] == 3 else pixels[..., 0])
    if compression == ZSTD0:
        return imagecodecs.zstd_encode(turned)
    if compression == ZSTD1:
        return b"\x01" + imagecodecs.zstd_encode(turned)
    return turned.tobytes()


def described(mpp=0.5, objective=20, *, size=None, scenes=1, extra=""):
    """Return the metadata of a slide; ``mpp`` is one number, or (x, y), or None.

    OpenSlide needs its ``size``.
    """
    pair = (mpp, mpp) if isinstance(mpp, float) else mpp
    distances = (
        ""
        if pair is None
        else "".join(
            f'<Distance Id="{axis}"><Value>{value * 1e-6!r}</Value></Distance>'
            for axis, value in zip("XY", pair, strict=True)
        )
    )
    stated = f"<SizeS>{scenes}</SizeS>"
    if size is not None:
        stated += f"<SizeX>{size[0]}</SizeX><SizeY>{size[1]}</SizeY>"
    return (
        f"<ImageDocument><Metadata><Information><Image>{stated}<ObjectiveSettings>"
        '<ObjectiveRef Id="Objective:1"/></ObjectiveSettings></Image><Instrument><Objectives>'
        f'<Objective Id="Objective:0"><NominalMagnification>5</NominalMagnification></Objective>'
        f'<Objective Id="Objective:1"><NominalMagnification>{objective}</NominalMagnification>'
        f"</Objective></Objectives></Instrument></Information><Scaling><Items>{distances}</Items>"
        f"</Scaling>{extra}</Metadata></ImageDocument>"
    ).encode()


def segment(name, data):
    """Return a segment, whose length is a multiple of 32."""
    space = -(-len(data) // 32) * 32
    return struct.pack("<16sqq", name, space, len(data)) + data.ljust(space, b"\0")


def subblock(tile, position):
    """Return the segment of a tile."""
    entry = tile.described(position, **tile.entry)
    head = struct.pack("<iiq", len(tile.metadata), 0, len(tile.stored)) + entry
    data = head.ljust(max(256, len(head)), b"\0") + tile.metadata + tile.stored
    return segment(b"ZISRAWSUBBLOCK", data)


def write_czi(path, tiles, *, metadata=None, entries=None, attachment=b""):
    """Write a file; ``entries`` replaces the number of tiles that its directory claims."""
    body, at = [], 32 + 512

    def add(part):
        nonlocal at
        body.append(part)
        at += len(part)
        return at - len(part)

    positions = [add(subblock(tile, at)) for tile in tiles]
    xml = described() if metadata is None else metadata
    metadata_at = add(segment(b"ZISRAWMETADATA", struct.pack("<ii248x", len(xml), 0) + xml))
    if attachment:
        add(segment(b"ZISRAWATTACH", attachment))
    listed = b"".join(
        tile.described(position if tile.position is None else tile.position)
        for tile, position in zip(tiles, positions, strict=True)
    )
    count = len(tiles) if entries is None else entries
    directory_at = add(segment(b"ZISRAWDIRECTORY", struct.pack("<i124x", count) + listed))
    attachments_at = add(segment(b"ZISRAWATTDIR", struct.pack("<i252x", 0)))
    head = struct.pack(
        "<iiii16s16siqqiq",
        1,
        0,
        0,
        0,
        b"primary".ljust(16),
        b"file".ljust(16),
        0,
        directory_at,
        metadata_at,
        0,
        attachments_at,
    )
    path.write_bytes(segment(b"ZISRAWFILE", head.ljust(512, b"\0")) + b"".join(body))
    return path


def mosaic(levels, *, tile=128, origin=(0, 0), overlap=0, **options):
    """Return the tiles of a pyramid, given as arrays, each half of the one before.

    Those of level 0 overlap; each shows the same picture there.
    """
    tiles = []
    for number, level in enumerate(levels):
        downsample, step = 1 << number, tile - (0 if number else overlap)
        for y in range(0, level.shape[0], step):
            for x in range(0, level.shape[1], step):
                place = {"x": origin[0] + x * downsample, "y": origin[1] + y * downsample}
                part = level[y : y + tile, x : x + tile]
                tiles.append(
                    Tile(pixels=part, downsample=downsample, mosaic=len(tiles), **place, **options)
                )
    return tiles
