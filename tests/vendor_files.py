"""Slides as makers lay them out that OpenSlide alone reads, made of pixels that are given.

Each has no more than OpenSlide asks of its format.
"""

import io
import itertools
import struct

import numpy as np
import tifffile
from PIL import Image

ISCAN = '<?xml version="1.0"?><Metadata><iScan Magnification="20" ScanRes="0.465"/></Metadata>'
VENTANA_PACKET = 700
"""The TIFF tag in which Ventana keeps its XML."""


def write_vms(path, pixels):
    """Write a Hamamatsu VMS of one JPEG, and its map; no macro. Sides are multiples of 128 px."""
    with Image.fromarray(pixels) as image:
        for kind, factor in (("image", 1), ("map", 8)):
            # OpenSlide cuts at restart markers, which must divide a row of blocks of 8 px.
            options = {"quality": 90, "subsampling": 0, "restart_marker_blocks": 16 // factor}
            image.reduce(factor).save(path.with_name(f"{path.stem}_{kind}.jpg"), "JPEG", **options)
    fields = {
        "NoLayers": 1,
        "NoJpegColumns": 1,
        "NoJpegRows": 1,
        "ImageFile": f"{path.stem}_image.jpg",
        "MapFile": f"{path.stem}_map.jpg",
        "PhysicalWidth": pixels.shape[1] * 500,  # nm
        "PhysicalHeight": pixels.shape[0] * 500,
        "SourceLens": 20,
    }
    lines = ["[Virtual Microscope Specimen]", *(f"{key}={value}" for key, value in fields.items())]
    path.write_text("\n".join(lines) + "\n")
    return path


def write_mirax(path, pixels, *, side=256):
    """Write a MIRAX slide of one level, of JPEG images of ``side`` pixels that do not overlap."""
    folder = path.with_suffix("")
    folder.mkdir()
    path.write_bytes(b"\xff\xd8\xff\xe0")  # the preview, which OpenSlide does not read
    rows, columns = (-(-length // side) for length in pixels.shape[:2])
    folder.joinpath("Slidedat.ini").write_text(_slidedat(rows, columns, side))
    data, places = bytearray(b"01.02" + _SLIDE_ID), []
    for row in range(rows):
        for column in range(columns):
            cell = pixels[row * side : (row + 1) * side, column * side : (column + 1) * side]
            beyond = (0, side - cell.shape[0]), (0, side - cell.shape[1]), (0, 0)
            jpeg = io.BytesIO()
            Image.fromarray(np.pad(cell, beyond, mode="edge")).save(jpeg, "JPEG", quality=90)
            places.append((row * columns + column, len(data), jpeg.tell()))
            data += jpeg.getvalue()
    folder.joinpath("Data0000.dat").write_bytes(data)
    folder.joinpath("Index.dat").write_bytes(_index(places))
    return path


_SLIDE_ID = b"0123456789ABCDEF0123456789ABCDEF"


def _slidedat(rows, columns, side):
    sections = {
        "GENERAL": {
            "SLIDE_VERSION": "01.02",
            "SLIDE_ID": _SLIDE_ID.decode(),
            "IMAGENUMBER_X": columns,
            "IMAGENUMBER_Y": rows,
            "OBJECTIVE_MAGNIFICATION": 20,
        },
        "HIERARCHICAL": {
            "INDEXFILE": "Index.dat",
            "HIER_COUNT": 1,
            "NONHIER_COUNT": 0,
            "HIER_0_NAME": "Slide zoom level",
            "HIER_0_COUNT": 1,
            "HIER_0_VAL_0_SECTION": "LEVEL_0",
        },
        "DATAFILE": {"FILE_COUNT": 1, "FILE_0": "Data0000.dat"},
        "LEVEL_0": {
            "OVERLAP_X": 0,
            "OVERLAP_Y": 0,
            "MICROMETER_PER_PIXEL_X": 0.5,
            "MICROMETER_PER_PIXEL_Y": 0.5,
            "IMAGE_FILL_COLOR_BGR": 0xFFFFFF,
            "DIGITIZER_WIDTH": side,
            "DIGITIZER_HEIGHT": side,
            "IMAGE_FORMAT": "JPEG",
            "IMAGE_CONCAT_FACTOR": 0,
        },
    }
    return "\n".join(
        f"[{name}]\n" + "\n".join(f"{key} = {value}" for key, value in fields.items())
        for name, fields in sections.items()
    )


def _index(places):
    """Return Index.dat: roots, the list of levels, an empty first page, and one page of images."""
    head = b"01.02" + _SLIDE_ID
    levels = len(head) + 8
    first, page = levels + 4, levels + 12
    entries = b"".join(struct.pack("<4i", *place, 0) for place in places)
    return b"".join(
        (
            head,
            struct.pack("<2i", levels, 0),
            struct.pack("<i", first),
            struct.pack("<2i", 0, page),
            struct.pack("<2i", len(places), 0),
            entries,
        )
    )


def write_trestle(path, pixels):
    """Write a Trestle TIFF whose tiles do not overlap."""
    tifffile.imwrite(
        path, pixels, tile=(256, 256), compression="jpeg", photometric="rgb", metadata=None,
        software="MedScan v1", resolution=(20_000, 20_000), resolutionunit="CENTIMETER",
        description="Objective Power=20;Background Color=FFFFFF;Overlaps X=0 0",
    )  # fmt: skip
    return path


def write_bif(path, pixels, *, side=256):
    """Write a Ventana BIF, whose tiles OpenSlide joins by their overlaps, here of no pixel."""
    rows, columns = (length // side for length in pixels.shape[:2])
    joint = {"FlagJoined": 1, "Confidence": 100, "OverlapX": 0, "OverlapY": 0}
    numbers = np.arange(rows * columns).reshape(rows, columns)
    numbers[1::2] = numbers[1::2, ::-1]  # the scanner goes to and fro
    numbers = numbers[::-1] + 1  # from the bottom
    joints = [("RIGHT", *pair) for row in numbers for pair in itertools.pairwise(row)]
    joints += [("UP", low, high) for each in numbers.T for high, low in itertools.pairwise(each)]
    area = _element(
        "ImageInfo",
        {"AOIScanned": 1, "AOIIndex": 0, "NumRows": rows, "NumCols": columns, "Width": side,
         "Height": side, "Pos-X": 0, "Pos-Y": 0},
        *(_element("TileJointInfo", joint | {"Direction": way, "Tile1": one, "Tile2": other})
          for way, one, other in joints),
    )  # fmt: skip
    origin = _element("AoiOrigin", {}, _element("AOI0", {"OriginX": 0, "OriginY": 0}))
    xml = _element("EncodeInfo", {"Ver": 2}, _element("SlideStitchInfo", {}, area), origin)
    return write_ventana(path, pixels, packet=xml, side=side)


def write_ventana(
    path, pixels, *, packet=None, names=("level=0 mag=20 quality=90", "level=1 mag=10"), side=256
):
    """Write what OpenSlide takes for a Ventana TIFF: a macro with XML, and numbered levels."""
    macro = np.full((64, 64, 3), 200, np.uint8)
    halved = np.ascontiguousarray(pixels[::2, ::2])
    texts = ("Label Image", *names)
    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        for number, page in enumerate((macro, pixels, halved)):
            xml = (ISCAN, packet, None)[number]
            writer.write(
                page,
                tile=(side, side) if number else None,
                photometric="ycbcr" if number else "rgb",
                compression="jpeg" if number else None,
                compressionargs={"level": 90},
                subsampling=(1, 1),
                description=texts[number],
                software="ScanOutputManager 1.1",
                metadata=None,
                extratags=[(VENTANA_PACKET, 1, len(xml), xml.encode(), True)] if xml else [],
            )
    return path


def _element(name, attributes, *inside):
    stated = "".join(f' {key}="{value}"' for key, value in attributes.items())
    return f"<{name}{stated}>{''.join(inside)}</{name}>"
