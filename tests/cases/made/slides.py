"""Slides as people have reported them, written anew: a folder of each, by the report's name.

The files have the names and the tissue the places that the scripts of the reports give them, so
one test serves both.
"""

import io

import imagecodecs
import numpy as np
import tifffile
from cases.made.pictures import blank, shrink, stained
from cases.made.tiff import (
    cells,
    empty_tiles,
    resolution,
    rewrite_tiles,
    spoil_tile,
    write_streams,
    write_svs,
    write_tiff,
)
from PIL import Image

SMALL_DISCS = [(922, 819, 450), (2212, 1229, 410)]
"""On 3072×2048 px."""
FAR_DISCS = [(1229, 1024, 532), (5100, 3277, 532)]
"""On 6144×4096 px; the second lies at the bottom right."""

TRAILER = b" 39 bytes that the scanner put behind"


def small():
    return stained(3072, 2048, SMALL_DISCS)


def far():
    return stained(6144, 4096, FAR_DISCS)


def one_disc():
    return stained(2048, 1536, [(1024, 768, 614)])


def sparse_generic(folder):
    path = folder / "sparse.tif"
    options = {"tile": (256, 256), "photometric": "rgb", "compression": "jpeg", "metadata": None}
    with tifffile.TiffWriter(path, bigtiff=True) as file:
        for factor in (1, 4):
            scale = resolution(0.25 * factor)
            page = shrink(small(), factor)
            file.write(page, subfiletype=int(factor > 1), subsampling=(2, 2), **options, **scale)
    empty_tiles(path, 0, [0, 1, 2, 3 * 12 + 3], offsets=True)


def empty_coarse_tile(folder):
    path = folder / "s.svs"
    write_svs(path, far(), (4, 16), mpp=0.5, power=20)
    empty_tiles(path, 3, [1])
    empty_tiles(path, 2, [23])


def power_and_mpp_disagree(folder):
    write_svs(folder / "s.svs", small(), mpp=0.2325, power=20)


def mpp_by_ten(folder):
    scales = {
        "tenth": resolution(0.025),
        "tenfold": resolution(2.5),
        "dpi72": resolution(25_400 / 72, inches=True),
        "dpi300": resolution(25_400 / 300, inches=True),
    }
    for name, scale in scales.items():
        write_tiff(folder / f"{name}.tif", small(), **scale)
    write_svs(folder / "mag40-mpp2.5.svs", small(), (), mpp=2.5, power=40)


def cropped_svs(folder):
    text = (
        "Aperio Image Library v8.0.0\r\n81713x37331 [70791,733 2942x2942] (0x0) RAW"
        "|AppMag = 20|MPP = 0.4970|OriginalWidth = 81713|OriginalHeight = 37331"
    )
    image = stained(2942, 2942, [(883, 1177, 647), (2118, 1765, 588)])
    options = {"photometric": "rgb", "rowsperstrip": 1, "metadata": None}
    tifffile.imwrite(folder / "core.tif", image, description=text, **options)


def thumbnail_first(folder):
    tiled = {"tile": (256, 256)}
    image = stained(6144, 4096, [(1843, 1638, 901), (4424, 2458, 819)])
    orders = {
        "strip-first": [(16, {"rowsperstrip": 16, "subfiletype": 1}), (1, tiled)]
        + [(factor, {**tiled, "subfiletype": 1}) for factor in (2, 4)],
        "coarse-first": [(factor, {**tiled, "subfiletype": 1}) for factor in (16, 4, 2)]
        + [(1, tiled)],
        "unmarked": [(16, tiled), (1, tiled)],
    }
    common = {"photometric": "rgb", "compression": "jpeg", "metadata": None}
    for name, pages in orders.items():
        with tifffile.TiffWriter(folder / f"{name}.tif", bigtiff=True) as file:
            for factor, layout in pages:
                scale = {} if "rowsperstrip" in layout else resolution(0.25 * factor)
                file.write(shrink(image, factor), **layout, **common, **scale)


def jpeg_ends(folder):
    changes = {
        "clean": lambda tile, _: tile,
        "zeros": lambda tile, _: tile + bytes(7),
        "fill": lambda tile, _: tile + b"\xff" * 5,
        "junk": lambda tile, _: tile + TRAILER,
        "no-eoi": lambda tile, _: tile[:-2],
        "one-no-eoi": lambda tile, number: tile[:-2] if number == 20 else tile,
        "ff-before-soi": lambda tile, number: b"\xff" + tile if number == 20 else tile,
    }
    image = one_disc()
    for name, change in changes.items():
        path = folder / f"{name}.svs"
        write_svs(path, image)
        rewrite_tiles(path, 0, change)


def jpeg_colour(folder):
    image = stained(1024, 1024, [(512, 512, 460)])
    np.save(folder / "true.npy", image)
    kinds = {
        # name: component ids, colours in the stream, markers kept, tag of the directory
        "rgb-ids123-tag2-bare": ((1, 2, 3), "RGB", False, 2),
        "rgb-idsRGB-tag6-bare": ((82, 71, 66), "RGB", False, 6),
        "ycc-ids123-tag6-bare": ((1, 2, 3), "YCBCR", False, 6),
        "ycc-ids012-tag6-bare": ((0, 1, 2), "YCBCR", False, 6),
        "ycc-jfif-tag2": ((1, 2, 3), "YCBCR", True, 2),
        "rgb-adobe-tag6": ((82, 71, 66), "RGB", True, 6),
    }
    for name, (ids, colours, keeps_markers, tag) in kinds.items():
        streams = [_coloured(cell, ids, colours, keeps_markers) for cell in cells(image)]
        path = folder / f"{name}.tif"
        subsampling = (1, 1) if tag == 6 else None
        options = {"photometric": tag, "subsampling": subsampling, **resolution(0.5)}
        write_streams(path, streams, image.shape, **options)
        with tifffile.TiffFile(path, mode="r+b") as file:
            file.pages.first.tags[262].overwrite(tag)


def _coloured(cell, ids, colours, keeps_markers):
    options = {"colorspace": "RGB", "outcolorspace": colours, "subsampling": "444"}
    segments = list(_segments(imagecodecs.jpeg8_encode(cell, level=92, **options)))
    out = bytearray(b"\xff\xd8")
    for kind, body in segments:
        if kind in (0xE0, 0xEE) and not keeps_markers:
            continue
        if kind in (0xC0, 0xDA):
            begin, step = (8, 3) if kind == 0xC0 else (3, 2)
            for number, component in enumerate(ids):
                body[begin + number * step] = component
        out += bytes([0xFF, kind]) + body
    return bytes(out)


def _segments(stream):
    """Yield the segments of a JPEG stream, the scan with all that follows it."""
    at = 2
    while stream[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(stream[at + 2 : at + 4])
        yield stream[at + 1], bytearray(stream[at + 2 : end])
        at = end
    yield 0xDA, bytearray(stream[at + 2 :])


def microarray(folder):
    """64 places, one of which is empty, on yellowish glass; every fourth core is faint."""
    side, pitch = 6144, 730
    glass = np.array([238, 226, 188.0])
    strong, faint = [], []
    for row in range(8):
        for column in range(8):
            kind = faint if (row + column) % 4 == 0 else strong
            if (row, column) != (3, 3):
                kind.append((500 + column * pitch, 500 + row * pitch, 150))
    image = stained(side, side, strong, glass=glass)
    paler = stained(side, side, faint, glass=glass)
    mixed = image.astype(np.int16)
    mixed += ((paler.astype(np.int16) - mixed) * 5) // 16 * _within(faint, side)[..., None]
    mixed -= np.linspace(0, 12, side).astype(np.int16)[None, :, None]
    write_svs(folder / "tma.svs", mixed.clip(0, 255).astype(np.uint8), mpp=2.0, power=5)


def _within(discs, side):
    inside = np.zeros((side, side), np.int16)
    y, x = np.ogrid[-150:151, -150:151]
    for across, down, radius in discs:
        part = inside[down - radius : down + radius + 1, across - radius : across + radius + 1]
        part[x**2 + y**2 < radius**2] = 1
    return inside


def cytology(folder):
    random = np.random.default_rng(5)
    for name, count, sizes_um in (("smear", 1500, (12, 40)), ("clumps", 60, (70, 120))):
        image = blank(8192, 8192)
        for _ in range(count):
            _draw_cell(image, random, random.uniform(*sizes_um))
        write_svs(folder / f"{name}.svs", image, (4, 16), mpp=0.5, power=20)
    write_svs(folder / "biopsy.svs", _biopsy(), (4, 16), mpp=0.5, power=20)


def _draw_cell(image, random, size_um):
    radius = size_um / 0.5 / 2
    x, y = random.uniform(radius, 8192 - radius, 2)
    rows, columns = (slice(int(n - radius), int(n + radius) + 1) for n in (y, x))
    across, down = np.arange(8192)[columns] - x, np.arange(8192)[rows] - y
    distance = np.hypot(across[None, :], down[:, None]) / radius
    image[rows, columns][distance < 1] = (200, 205, 222)
    image[rows, columns][distance < 0.45] = (105, 80, 150)


def _biopsy():
    """A needle of 0.2 × 3.5 mm, and twelve fragments of 0.18 mm."""
    tissue = stained(8192, 8192, [(4096, 4096, 8192)])
    image = blank(8192, 8192)
    places = [(slice(800, 1200), slice(500, 7500))]
    for number in range(12):
        y, x = 3000 + number % 3 * 1500, 500 + number * 600
        places.append((slice(y, y + 360), slice(x, x + 360)))
    for place in places:
        image[place] = tissue[place]
    return image


def fluorescence(folder):
    """12 bits in 16 of one channel, five channels of 8 bits, and three pages of 16 bits."""
    light = 255 - small()[..., 1].astype(np.uint16)
    deep = (light * 14 + 90).astype(np.uint16)
    options = {"photometric": "minisblack", "compression": "lzw", **resolution(0.5)}
    write_tiff(folder / "dapi12in16.tif", deep, **options)
    write_tiff(folder / "pages.tif", np.stack([deep] * 3), **options)
    five = np.stack([np.roll(light, 300 * n, axis=1) for n in range(5)], axis=-1)
    more = {"planarconfig": "contig", "extrasamples": [0] * 4}
    write_tiff(folder / "five.tif", five.astype(np.uint8), **options, **more)


def mixed_tiles(folder):
    """Tile 20, at column 4 and row 2, is stored otherwise than the rest; or every other one is."""
    image = one_disc()
    usual = {"format": "JPEG", "quality": 90, "subsampling": 0}
    odd = {
        "progressive": lambda cell: _saved(cell, **usual, progressive=True),
        "grey": lambda cell: _saved(cell.mean(axis=2).astype(np.uint8), format="JPEG"),
        "small": lambda cell: _saved(cell[:248, :248], **usual),
        "png": lambda cell: _saved(cell, format="PNG"),
    }
    kinds: dict = {name: [_saved(cell, **usual) for cell in cells(image)] for name in odd}
    for name, save in odd.items():
        kinds[name][20] = save(list(cells(image))[20])
    kinds["restart"] = [_saved(cell, **usual, restart_marker_blocks=4) for cell in cells(image)]
    kinds["subsampling"] = [
        _saved(cell, **{**usual, "subsampling": 2 * (number % 2)})
        for number, cell in enumerate(cells(image))
    ]
    for name, streams in kinds.items():
        options = {"photometric": "ycbcr", "subsampling": (1, 1), **resolution(0.5)}
        write_streams(folder / f"{name}.tif", streams, image.shape, **options)


def _saved(cell, **options):
    file = io.BytesIO()
    Image.fromarray(cell).save(file, **options)
    return file.getvalue()


def corrupt_coarse_tile(folder):
    write_svs(folder / "coarse.svs", far(), (4, 16), mpp=0.5, power=20)
    spoil_tile(folder / "coarse.svs", 3, 1)
    write_svs(folder / "single.svs", far(), (), mpp=0.5, power=20)
    spoil_tile(folder / "single.svs", 0, 100)


def anisotropic_mpp(folder):
    whole = {"resolutionunit": "CENTIMETER"}
    scales = {
        "aniso": resolution(0.25, 0.5),
        "slightly": resolution(0.25, 0.2521),
        "rational": {"resolution": ((4_000_000_000, 99_999),) * 2, **whole},
        "x-zero": {"resolution": ((40_000, 1), (0, 1)), **whole},
        "inch": resolution(0.5, inches=True),
    }
    for name, scale in scales.items():
        write_tiff(folder / f"{name}.tif", small(), **scale)


def wide_and_thin(folder):
    full = stained(3072, 2048, [(1536, 1024, 4000)])
    pictures = {
        "full": full,
        "border": stained(3072, 2048, [(0, 0, 1228.8), (3072, 2048, 1228.8)]),
        "white": np.full((2048, 3072, 3), 255, np.uint8),
        "black": np.zeros((2048, 3072, 3), np.uint8),
        "grey240": np.full((2048, 3072, 3), 240, np.uint8),
        "thin": full[:1],
        "tiny": full[:64, :64],
    }
    for name, image in pictures.items():
        write_tiff(folder / f"{name}.tif", image, **resolution(0.5))


def one_strip(folder):
    """360 MB in one strip, most of which the disk need not hold."""
    options = {"photometric": "rgb", "metadata": None, "rowsperstrip": 10_000}
    shape = (10_000, 12_000, 3)
    image = tifffile.memmap(folder / "imagej.tif", shape=shape, dtype="uint8", **options)
    image[2000:5000, 2000:6000] = stained(4000, 3000, [(2000, 1500, 1200)])
    image.flush()


def beyond_4gb(folder):
    path = folder / "big.svs"
    write_svs(path, one_disc(), bigtiff=True)
    rewrite_tiles(path, 0, lambda tile, _: tile, at=(5 << 30) + 4321)
    np.save(folder / "true.npy", tifffile.imread(path, key=0))


def broken_scan(folder):
    """Zeros in the middle of a tile's scan; all markers, the last one too, are whole."""
    path = folder / "zeros-in-scan.svs"
    write_svs(path, one_disc())
    rewrite_tiles(path, 0, lambda tile, number: _zeros_amid(tile) if number == 20 else tile)


def _zeros_amid(tile):
    third = len(tile) // 3
    return tile[:third] + bytes(third) + tile[2 * third :]


MAKERS = {
    "02-sparse-generic": sparse_generic,
    "03-svs-empty-coarse-tile": empty_coarse_tile,
    "04-mag-mpp-disagree": power_and_mpp_disagree,
    "10-mpp-by-ten": mpp_by_ten,
    "16-cropped-svs": cropped_svs,
    "17-thumbnail-first": thumbnail_first,
    "20-jpeg-ends": jpeg_ends,
    "21-jpeg-colour": jpeg_colour,
    "23-tma-yellow": microarray,
    "24-cytology": cytology,
    "25-fluorescence-16bit": fluorescence,
    "27-mixed-subsampling": mixed_tiles,
    "29-corrupt-coarse-tile": corrupt_coarse_tile,
    "36-anisotropic-mpp": anisotropic_mpp,
    "37-wide-thin": wide_and_thin,
    "39-one-strip": one_strip,
    "45-beyond-4gb": beyond_4gb,
    "broken-scan": broken_scan,
}
