"""Writers of TIFF files: a scanner's, plain ones, and ways to spoil what they hold."""

import numpy as np
import tifffile
from cases.made.pictures import shrink

TILE_PX = 256
COUNTS, OFFSETS = 325, 324
"""Tags: the length of each tile, and where it begins."""


def resolution(x_mpp, y_mpp=None, *, inches=False):
    """Return tifffile's options for so many µm per pixel."""
    unit_um, unit = (25_400, "INCH") if inches else (10_000, "CENTIMETER")
    return {"resolution": (unit_um / x_mpp, unit_um / (y_mpp or x_mpp)), "resolutionunit": unit}


def write_svs(path, image, factors=(4,), *, mpp=0.25, power=40, **options):
    """Write a slide as Aperio's scanners do: level 0, a thumbnail in strips, coarser levels."""
    height, width = image.shape[:2]
    head = f"Aperio Image Library v12.0.0\r\n{width}x{height} [0,0 {width}x{height}]"
    common = {"photometric": "rgb", "compression": "jpeg", "compressionargs": {"level": 90}}
    common |= {"metadata": None, "software": None}
    tiled = {"tile": (TILE_PX, TILE_PX), **common}
    with tifffile.TiffWriter(path, **options) as file:
        text = f"{head} (256x256) JPEG/RGB Q=90|AppMag = {power}|MPP = {mpp}"
        file.write(image, description=text, **tiled)
        file.write(shrink(image, 8), description=f"{head} -> thumbnail", rowsperstrip=16, **common)
        for factor in factors:
            file.write(shrink(image, factor), description=f"{head} -> 1/{factor}", **tiled)


def write_tiff(path, image, **options):
    """Write one page of JPEG tiles."""
    usual = {"tile": (TILE_PX, TILE_PX), "compression": "jpeg", "photometric": "rgb"}
    tifffile.imwrite(path, image, **{**usual, "metadata": None, **options})


def write_streams(path, streams, shape, *, photometric, **options):
    """Write one page of JPEG tiles that are encoded already."""
    tifffile.imwrite(
        path,
        iter(streams),
        shape=shape,
        dtype="uint8",
        tile=(TILE_PX, TILE_PX),
        photometric=photometric,
        compression=7,
        metadata=None,
        **options,
    )


def cells(image):
    """Yield the tiles of a picture, row by row."""
    for y in range(0, image.shape[0], TILE_PX):
        for x in range(0, image.shape[1], TILE_PX):
            yield np.ascontiguousarray(image[y : y + TILE_PX, x : x + TILE_PX])


def empty_tiles(path, page, numbers, *, offsets=False):
    """Say of some tiles of a page that they take no bytes."""
    counts, places = extents(path, page)
    for number in numbers:
        counts[number] = 0
        places[number] = 0 if offsets else places[number]
    _point(path, page, counts, places)


def spoil_tile(path, page, number):
    """Fill a tile's bytes with zeros."""
    counts, places = extents(path, page)
    with path.open("r+b") as file:
        file.seek(places[number])
        file.write(bytes(counts[number]))


def rewrite_tiles(path, page, change, *, at=None):
    """Write all tiles of a page once more, changed, at the end of the file or from a byte on.

    ``change`` is called with a tile's bytes and its number.
    """
    counts, places = extents(path, page)
    with path.open("r+b") as file:
        old = []
        for place, count in zip(places, counts, strict=True):
            file.seek(place)
            old.append(file.read(count))
        file.seek(*((0, 2) if at is None else (at,)))
        for number, data in enumerate(old):
            places[number] = file.tell()
            counts[number] = file.write(change(data, number))
    _point(path, page, counts, places)


def extents(path, page=0):
    """Return the length of each tile of a page, and where it begins."""
    with tifffile.TiffFile(path) as file:
        found = file.pages[page].aspage()
        return list(found.databytecounts), list(found.dataoffsets)


def stored(path, number, page=0):
    """Return the bytes of a tile as they are in the file."""
    counts, places = extents(path, page)
    with path.open("rb") as file:
        file.seek(places[number])
        return file.read(counts[number])


def _point(path, page, counts, places):
    with tifffile.TiffFile(path, mode="r+b") as file:
        tags = file.pages[page].aspage().tags
        tags[COUNTS].overwrite(counts)
        tags[OFFSETS].overwrite(places)
