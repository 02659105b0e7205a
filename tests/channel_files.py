"""Slides of several channels and of 16 bits, as other programs write them."""

import numpy as np
import tifffile

NAMES = ("DAPI", "CD3", "CD8", "CK", "AF")
COLOURS = ((0, 0, 255), (0, 255, 0), (255, 0, 0), (255, 255, 255), (0, 255, 255))


def signal(height, width, channels, *, bits=16, seed=0):
    """Cells on a dark background, [row, column, channel]: every pixel of every channel differs."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    inside = ((y - height / 2) / (height / 3)) ** 2 + ((x - width / 2) / (width / 3)) ** 2 < 1
    largest = (1 << bits) - 1
    planes = []
    for channel in range(channels):
        light = random.normal(largest / 300, largest / 3000, (height, width))
        light += inside * random.random((height, width)) * largest * (channel + 1) / (2 * channels)
        planes.append(light.clip(0, largest))
    return np.stack(planes, axis=2).astype(np.uint8 if bits == 8 else np.uint16)


def halved(pixels):
    """Every other pixel."""
    return np.ascontiguousarray(pixels[::2, ::2])


def ome_colour(colour):
    """A colour as OME-XML has it: a signed number of red, green, blue and alpha."""
    return int.from_bytes(bytes((*colour, 255)), signed=True)


def ome_tiff(path, pixels, *, levels=1, mpp=0.5, names=NAMES, significant=None, **options):
    """Write an OME-TIFF with a directory for each channel, and its levels in SubIFDs.

    ``pixels`` is [row, column, channel], or [z, row, column, channel], or [t, z, …].
    """
    planes = np.moveaxis(pixels, -1, -3)
    axes = "TZCYX"[5 - planes.ndim :]
    count = planes.shape[-3]
    described = {
        "axes": axes,
        "PhysicalSizeX": mpp,
        "PhysicalSizeY": mpp,
        "Channel": {
            "Name": list(names[:count]),
            "Color": [ome_colour(colour) for colour in COLOURS[:count]],
        },
    }
    if significant:
        described["SignificantBits"] = significant
    common = {"photometric": "minisblack", "tile": (64, 64), **options}
    byteorder = common.pop("byteorder", None)
    with tifffile.TiffWriter(path, ome=True, byteorder=byteorder) as writer:
        writer.write(planes, metadata=described, subifds=levels - 1, **common)
        for level in range(1, levels):
            step = 2**level
            writer.write(np.ascontiguousarray(planes[..., ::step, ::step]), subfiletype=1, **common)
    return path


QPI = (
    '<?xml version="1.0" encoding="utf-16"?>\r\n<PerkinElmer-QPI-ImageDescription>\r\n'
    "<DescriptionVersion>2</DescriptionVersion>\r\n<ImageType>{}</ImageType>\r\n"
    "<Name>{}</Name>\r\n<Color>{},{},{}</Color>\r\n<Objective>20x</Objective>\r\n"
    "</PerkinElmer-QPI-ImageDescription>"
)


def qptiff(path, pixels):
    """Write a QPTIFF as PerkinElmer orders it: bands, a thumbnail, then each level's bands."""
    scale = {"resolution": (20_000, 20_000), "resolutionunit": "CENTIMETER"}
    common = {"metadata": None, "software": "PerkinElmer-QPI", "compression": "lzw", **scale}
    tiles = {"tile": (64, 64), "photometric": "minisblack"}
    thumbnail = np.zeros((50, 70, 3), np.uint8)
    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        for kind, level in (("FullResolution", pixels), ("ReducedResolution", halved(pixels))):
            for channel in range(pixels.shape[2]):
                text = QPI.format(kind, NAMES[channel], *COLOURS[channel])
                plane = np.ascontiguousarray(level[..., channel])
                reduced = {"subfiletype": 1} if kind == "ReducedResolution" else {}
                writer.write(plane, description=text, **tiles, **reduced, **common)
            if kind == "FullResolution":
                text = QPI.format("Thumbnail", "", 0, 0, 0)
                writer.write(thumbnail, description=text, photometric="rgb", **common)
    return path
