"""Every way of storing pixels in a TIFF, against the array it was written from."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pictures import pattern

from slidetile.errors import DamagedPixelsError, SlideReadError, UnsupportedSlideError
from slidetile.raster.region import Region
from slidetile.slides.array import ArraySlide
from slidetile.slides.opening import open_slide

APERIO = "Aperio Image Library v11\r\n421x300 (64x64) |AppMag = 20|MPP = 0.4990|Left = 1.5"
LOSSLESS = {
    "raw tiles": {"tile": (64, 64)},
    "raw strips": {"rowsperstrip": 16},
    "one strip": {"rowsperstrip": 300},
    "deflate tiles": {"tile": (64, 64), "compression": "deflate"},
    "deflate strips": {"rowsperstrip": 7, "compression": "deflate"},
    "old deflate": {"tile": (64, 64), "compression": 32946},
    "deflate predictor": {"tile": (64, 64), "compression": "deflate", "predictor": 2},
    "lzw tiles": {"tile": (64, 64), "compression": "lzw"},
    "lzw strips predictor": {"rowsperstrip": 16, "compression": "lzw", "predictor": 2},
    "webp": {"tile": (64, 64), "compression": "webp", "compressionargs": {"lossless": True}},
    "jpeg 2000": {"tile": (64, 64), "compression": "jpeg2000"},
    "big endian": {"tile": (64, 64), "byteorder": ">", "compression": "deflate"},
    "bigtiff": {"tile": (64, 64), "bigtiff": True},
    "planar tiles": {"tile": (64, 64), "planarconfig": "separate"},
    "planar strips": {"rowsperstrip": 50, "planarconfig": "separate", "compression": "lzw"},
    "planar predictor": {
        "tile": (64, 64),
        "planarconfig": "separate",
        "compression": "deflate",
        "predictor": 2,
    },
}
GREY = ["raw tiles", "raw strips", "deflate predictor", "lzw strips predictor", "jpeg 2000"]


def write(path, pixels, **options):
    opening = {key: options.pop(key) for key in ("byteorder", "bigtiff") if key in options}
    options.setdefault("photometric", "rgb" if pixels.shape[2] > 2 else "minisblack")
    if options.get("planarconfig") == "separate":
        pixels = np.ascontiguousarray(pixels.transpose(2, 0, 1))
    elif pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    with tifffile.TiffWriter(path, **opening) as writer:
        writer.write(pixels, metadata=None, **options)
    return path


def assert_reads(path, expected, **options):
    """Compare the whole, and regions over the edges, to a slide held in memory."""
    twin = ArraySlide(expected, background=(255, 255, 255))
    with open_slide(path, reader="tiff", **options) as slide:
        assert slide.channels == expected.shape[2]
        regions = [slide.bounds, Region(x=-9, y=130, width=100, height=90)]
        regions.append(Region(x=slide.width - 30, y=slide.height - 20, width=50, height=50))
        for region in regions:
            np.testing.assert_array_equal(slide.read_region(region), twin.read_region(region))


@pytest.mark.parametrize("kind", LOSSLESS)
def test_lossless_colour(tmp_path, kind):
    pixels = pattern(300, 421)
    assert_reads(write(tmp_path / "slide.tiff", pixels, **LOSSLESS[kind]), pixels)


@pytest.mark.parametrize("kind", GREY)
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_lossless_grey(tmp_path, kind, photometric):
    pixels = pattern(300, 421, 1) // 2 + 100
    stored = 255 - pixels if photometric == "miniswhite" else pixels
    path = write(tmp_path / "slide.tiff", stored, photometric=photometric, **LOSSLESS[kind])
    assert_reads(path, pixels)


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("layout", [{"tile": (64, 64)}, {"rowsperstrip": 16}])
def test_jpeg_as_tifffile_decodes_it(tmp_path, grey, layout):
    pixels = pattern(300, 421, 1 if grey else 3)
    path = write(tmp_path / "slide.tiff", pixels, compression="jpeg", **layout)
    assert_reads(path, tifffile.imread(path).reshape(pixels.shape))


def test_jpeg_2000_of_aperio_is_converted_as_openslide_converts_it(tmp_path):
    path = tmp_path / "aperio.svs"
    tiles = [pattern(128, 128, seed=seed)[..., [2, 0, 1]] for seed in range(4)]
    for number, photometric in ((33003, "ycbcr"), (33005, "rgb")):
        encoded = [imagecodecs.jpeg2k_encode(t, level=0, codecformat="j2k", mct=0) for t in tiles]
        with tifffile.TiffWriter(path) as writer:
            writer.write(
                iter(encoded),
                shape=(256, 256, 3),
                dtype="uint8",
                tile=(128, 128),
                compression=33005,
                photometric="rgb",
                description=APERIO,
                metadata=None,
            )
        with tifffile.TiffFile(path, mode="r+") as tiff:
            tiff.pages.first.tags[259].overwrite(number)
            tiff.pages.first.tags[262].overwrite(6 if photometric == "ycbcr" else 2)
        with (
            open_slide(path, reader="tiff") as ours,
            open_slide(path, reader="openslide") as oracle,
        ):
            mine = ours.read_region(ours.bounds)
            np.testing.assert_array_equal(mine, oracle.read_region(ours.bounds))
            assert (ours.native_tiles(0) is None) == (number == 33003)


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("extra", ["unassalpha", "assocalpha", "unspecified"])
def test_alpha_shows_the_background_never_black(tmp_path, planar, extra):
    pixels = pattern(300, 421, 4)
    pixels[:100, :, :3], pixels[:100, :, 3] = 0, 0
    pixels[100:200, :, 3] = 255
    if extra == "assocalpha":
        pixels[..., :3] = np.minimum(pixels[..., :3], pixels[..., 3:])
    options = {"tile": (64, 64), "planarconfig": planar, "extrasamples": [extra]}
    path = write(tmp_path / "slide.tiff", pixels, **options)
    colours, alpha = pixels[..., :3].astype(float), pixels[..., 3:] / 255.0
    laid = {
        "unassalpha": colours * alpha + 255 * (1 - alpha),
        "assocalpha": colours + 255 * (1 - alpha),
        "unspecified": colours,
    }[extra]
    assert_reads(path, np.floor(laid + 0.5).astype(np.uint8))


def test_missing_tiles_are_background(tmp_path):
    pixels = pattern(300, 421)
    path = write(tmp_path / "slide.tiff", pixels, tile=(64, 64), compression="jpeg")
    with tifffile.TiffFile(path, mode="r+") as tiff:
        counts = list(tiff.pages.first.databytecounts)
        counts[8] = 0
        tiff.pages.first.tags[325].overwrite(counts)
    with open_slide(path) as slide:
        place = Region(x=64, y=64, width=64, height=64)
        assert (slide.read_region(place) == 255).all()
        native = slide.native_tiles(0)
        streams = native.fetch([(1, 1), (0, 0)]).streams()
        assert streams[0] is None
        assert streams[1].startswith(b"\xff\xd8")
        assert native.stored_bytes([(1, 1)]) == 0
        with pytest.raises(IndexError, match="7×5 tiles"):
            native.fetch([(7, 0)])


def test_dark_slides_have_a_black_background(tmp_path):
    path = write(tmp_path / "dark.tiff", np.full((300, 421, 3), 11, np.uint8), tile=(64, 64))
    with open_slide(path) as slide:
        assert slide.background == (0, 0, 0)
        assert not slide.read_region(Region(x=-10, y=-10, width=5, height=5)).any()


def test_a_large_coarsest_level_is_sampled(tmp_path):
    pixels = np.zeros((4100, 4100, 3), np.uint8)
    path = write(tmp_path / "dark.tiff", pixels, tile=(512, 512), compression="deflate")
    with open_slide(path) as slide:
        assert slide.background == (0, 0, 0)


def test_ome_tiff_with_subifds(tmp_path):
    path = tmp_path / "slide.ome.tif"
    levels = [pattern(300, 421), pattern(150, 210, seed=1), pattern(75, 105, seed=2)]
    metadata = {"axes": "YXS", "PhysicalSizeX": 500.0, "PhysicalSizeXUnit": "nm"}
    metadata |= {"PhysicalSizeY": 0.25, "PhysicalSizeYUnit": "µm"}
    options = {"photometric": "rgb", "tile": (64, 64), "compression": "deflate"}
    with tifffile.TiffWriter(path, ome=True) as writer:
        writer.write(levels[0], subifds=2, metadata=metadata, **options)
        for level in levels[1:]:
            writer.write(level, subfiletype=1, metadata=None, **options)
        writer.write(
            pattern(100, 140), photometric="rgb", tile=(64, 64), metadata={"Name": "macro"}
        )
    with open_slide(path) as slide:
        assert slide.vendor == "ome"
        assert slide.mpp == (0.5, 0.25)
        assert [level.size for level in slide.levels] == [(421, 300), (210, 150), (105, 75)]
        for index, level in enumerate(levels):
            np.testing.assert_array_equal(slide.read_region(slide.bounds, level=index), level)


def test_label_macro_and_thumbnail_are_no_levels(tmp_path):
    path = tmp_path / "slide.svs"
    tiles = {"photometric": "rgb", "tile": (64, 64), "compression": "jpeg", "metadata": None}
    strips = {"photometric": "rgb", "rowsperstrip": 16, "metadata": None}
    with tifffile.TiffWriter(path) as writer:
        writer.write(pattern(600, 842), description=APERIO, **tiles)
        writer.write(pattern(300, 421), description=APERIO, **strips)  # the thumbnail
        writer.write(pattern(150, 210), description=APERIO, **tiles)
        writer.write(pattern(150, 150), description="Aperio label", subfiletype=1, **tiles)
        writer.write(pattern(100, 300), description="Aperio macro", subfiletype=9, **strips)
    with open_slide(path) as slide, open_slide(path, reader="openslide") as oracle:
        assert slide.vendor == "aperio"
        assert slide.objective_power == 20
        assert slide.mpp == (0.499, 0.499)
        assert [level.size for level in slide.levels] == [(842, 600), (210, 150)]
        assert slide.levels[1].downsample == oracle.levels[1].downsample
        assert slide.native_tiles(0).tile_width_px == 64


@pytest.mark.parametrize("rows", [1000, 1001, 4001])
@pytest.mark.parametrize("channels", [1, 3])
def test_large_uncompressed_strips_are_read_in_parts(tmp_path, rows, channels):
    pixels = np.resize(pattern(301, 421, channels), (4001, 3203 * 4 // channels, channels))
    path = write(tmp_path / "slide.tiff", pixels, rowsperstrip=rows)
    with open_slide(path) as slide:
        assert slide.levels[0].tile_height_px * slide.width * channels <= 1 << 20
        region = Region(x=17, y=900, width=70, height=3101)
        assert slide.fetch(region).nbytes < pixels.nbytes
        np.testing.assert_array_equal(slide.read_region(region), pixels[region.slices])
        last = Region(x=0, y=3990, width=slide.width, height=11)
        np.testing.assert_array_equal(slide.read_region(last), pixels[last.slices])


def bytes_read():
    """What this process has asked the system to read, from whatever file."""
    found = Path("/proc/self/io").read_text().splitlines()[0]
    return int(found.removeprefix("rchar: "))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a process has read")
@pytest.mark.parametrize(
    "layout", [{"rowsperstrip": 600}, {"tile": (2304, 2304)}, {"tile": (256, 256)}], ids=str
)
@pytest.mark.parametrize(("channels", "order"), [(3, "<"), (1, ">")])
def test_of_uncompressed_blocks_no_more_is_read_than_a_region_needs(
    tmp_path, layout, channels, order
):
    kind = np.uint8 if order == "<" else np.uint16
    largest = np.iinfo(kind).max
    pixels = np.random.default_rng(3).integers(0, largest, (600, 50_000, channels), kind)
    path = write(tmp_path / "slide.tiff", pixels, byteorder=order, bigtiff=True, **layout)
    region = Region(x=30_011, y=101, width=300, height=290)
    with open_slide(path) as slide:
        assert slide.fetch(region).nbytes < 4 << 20
        before = bytes_read()
        np.testing.assert_array_equal(slide.read_region(region), pixels[region.slices])
        assert bytes_read() - before < 4 << 20 < path.stat().st_size / 10
        wide = Region(x=0, y=550, width=50_000, height=50)
        np.testing.assert_array_equal(slide.read_region(wide), pixels[wide.slices])
        edge = Region(x=49_900, y=500, width=100, height=100)
        np.testing.assert_array_equal(slide.read_region(edge), pixels[edge.slices])


RESIDENT = """
import re, sys
from pathlib import Path
import slidetile as st

def kilobytes(key):  # of this very program: what else tells a peak counts its parent's, too
    return int(re.search(key + r":\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])

with st.open_slide(sys.argv[1]) as slide:
    region = st.Region(x=1500, y=2000, width=1024, height=1024)
    slide.read_region(st.Region(x=0, y=0, width=1024, height=1024))
    before = kilobytes("VmRSS")
    held = [slide.read_region(region) for _ in range(2)]
    print(kilobytes("VmRSS") - before, kilobytes("VmHWM") - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the resident memory")
def test_of_one_huge_strip_only_the_region_is_in_memory(tmp_path):
    pixels = np.resize(pattern(64, 64), (5000, 8000, 3))  # 120 MB
    path = write(tmp_path / "slide.tiff", pixels, rowsperstrip=5000)
    line = [sys.executable, "-c", RESIDENT, str(path)]
    done = subprocess.run(line, check=True, capture_output=True, text=True)
    grown, peak = (1024 * int(number) for number in done.stdout.split())
    region_bytes = 1024 * 1024 * 3
    assert region_bytes < grown < 5 * region_bytes
    assert peak < 10 * region_bytes < pixels.nbytes / 3


def test_a_large_tile_that_is_cut_short_is_damage(tmp_path):
    pixels = np.resize(pattern(64, 64), (2048, 4096, 3))
    path = write(tmp_path / "slide.tiff", pixels, tile=(2048, 2048))
    os.truncate(path, path.stat().st_size - (1 << 20))
    with open_slide(path) as slide:
        sound = Region(x=0, y=0, width=4096, height=1024)
        np.testing.assert_array_equal(slide.read_region(sound), pixels[sound.slices])
        with pytest.raises(DamagedPixelsError, match="beyond the end of the file"):
            slide.read_region(Region(x=4000, y=2000, width=9, height=9))


def test_a_large_compressed_strip_is_refused_with_what_converts_it(tmp_path):
    path = tmp_path / "my slide.tif"
    pixels = np.zeros((9500, 9500, 3), np.uint8)
    write(path, pixels, rowsperstrip=9500, compression="deflate")
    with pytest.raises(UnsupportedSlideError, match="its strips are 9500×9500") as caught:
        open_slide(path)
    command = str(caught.value).split('"')[1]
    converted = tmp_path / "my slide-tiled.tif"
    options = ["--tile", "--pyramid", "--bigtiff", "--compression", "jpeg"]
    assert shlex.split(command) == ["vips", "tiffsave", str(path), str(converted), *options]


@pytest.mark.parametrize(
    ("unit", "per_unit", "mpp"),
    [
        ("µm", 4, 0.25),
        (r"\u00B5m", 4, 0.25),
        ("micron", 4, 0.25),
        ("um", 2, 0.5),
        ("nm", 0.004, 0.25),
        ("mm", 4000, 0.25),
        ("cm", 40_000, 0.25),
        ("inch", 101_600, 0.25),
    ],
)
def test_the_unit_that_imagej_writes_is_used(tmp_path, unit, per_unit, mpp, caplog):
    path = imagej(tmp_path / "slide.tif", unit, per_unit)
    with open_slide(path) as slide:
        assert slide.mpp == pytest.approx((mpp, mpp))
    assert not caplog.records


@pytest.mark.parametrize("unit", ["pixel", "foot"])
def test_a_unit_that_is_no_length_is_told(tmp_path, unit, caplog):
    with open_slide(imagej(tmp_path / "slide.tif", unit, 4)) as slide:
        assert slide.mpp is None
    assert f"“{unit}”" in caplog.text
    assert "--slide-mpp" in caplog.text


def imagej(path, unit, per_unit):
    text = f"ImageJ=1.54f\nunit={unit}\nmin=0.0\nmax=255.0\n".encode("latin-1")
    scale = {"resolution": (per_unit, per_unit), "resolutionunit": "NONE"}
    return write(path, pattern(100, 130), rowsperstrip=100, description=text, **scale)


def test_images_that_imagej_puts_behind_the_first_are_not_lost(tmp_path):
    path = tmp_path / "stack.tif"
    text = "ImageJ=1.54f\nimages=5\nslices=5\n"
    write(path, np.zeros((64, 64, 1), np.uint8), rowsperstrip=64, description=text)
    with pytest.raises(UnsupportedSlideError, match="spread over 5 depths"):
        open_slide(path)


@pytest.mark.parametrize(
    ("power", "mpp", "words"),
    [
        (20, 0.2325, ("20×", "0.2325", "2.15 times")),
        (40, 2.5, ("40×", "2.5", "10 times")),
        (40, 0.5, ("40×", "0.5", "2 times")),
        (40, 0.25, None),
        (40, 0.17, None),
        (20, 0.3448, None),
        (2, 5, None),
    ],
)
@pytest.mark.parametrize("reader", ["tiff", "openslide"])
def test_a_power_that_contradicts_the_mpp_is_told(tmp_path, power, mpp, words, caplog, reader):
    text = f"Aperio Image Library v11\r\n421x300|AppMag = {power}|MPP = {mpp}"
    options = {"tile": (64, 64), "compression": "jpeg", "description": text}
    path = write(tmp_path / "slide.svs", pattern(300, 421), **options)
    with open_slide(path, reader=reader) as slide:
        assert slide.mpp == (mpp, mpp)
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == (words is not None)
    for word in words or ():
        assert word in told[0]
        assert "--slide-mpp" in told[0]
    caplog.clear()
    open_slide(path, reader=reader, mpp=mpp).close()
    assert not caplog.records


def test_half_a_resolution_is_told(tmp_path, caplog):
    scale = {"resolution": ((20_000, 1), (0, 1)), "resolutionunit": "CENTIMETER"}
    path = write(tmp_path / "slide.tif", pattern(100, 130), tile=(64, 64), **scale)
    with open_slide(path) as slide:
        assert slide.mpp is None
    assert "20000 × 0 pixels per cm" in caplog.text
    assert "--slide-mpp" in caplog.text


def test_a_pyramid_whose_pages_are_all_marked_full_size(shared_slides, caplog):
    with open_slide(shared_slides / "made" / "motic.svs") as slide:
        assert [level.size for level in slide.levels] == [(2048, 2048), (1024, 1024), (512, 512)]
        assert [level.downsample for level in slide.levels] == [(1, 1), (2, 2), (4, 4)]
        for number in range(3):
            pixels = tifffile.imread(slide.path, key=number)
            np.testing.assert_array_equal(slide.read_region(slide.bounds, level=number), pixels)
        assert (slide.vendor, slide.objective_power) == ("motic", 40)
        assert slide.mpp == (0.260417, 0.260417)
    assert not caplog.records


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 2, 0]])
@pytest.mark.parametrize("marks", ["reduced", "none"])
def test_the_largest_image_is_the_slide_wherever_it_stands(tmp_path, order, marks, caplog):
    levels = [pattern(300, 421), pattern(150, 211, seed=1), pattern(75, 106, seed=2)]
    path = tmp_path / "slide.tif"
    with tifffile.TiffWriter(path) as writer:
        for number in order:
            scale = 20_000 / 2**number
            writer.write(
                levels[number],
                photometric="rgb",
                tile=(64, 64),
                metadata=None,
                subfiletype=int(number > 0 and marks == "reduced"),
                resolution=(scale, scale),
                resolutionunit="CENTIMETER",
            )
    with open_slide(path) as slide:
        assert slide.mpp == (0.5, 0.5)
        assert [level.size for level in slide.levels] == [(421, 300), (211, 150), (106, 75)]
        for number, level in enumerate(levels):
            np.testing.assert_array_equal(slide.read_region(slide.bounds, level=number), level)
    assert not caplog.records


def test_a_label_and_a_macro_larger_than_the_slide_are_not_the_slide(tmp_path):
    path = tmp_path / "slide.tif"
    common = {"photometric": "rgb", "metadata": None, "rowsperstrip": 16}
    with tifffile.TiffWriter(path) as writer:
        writer.write(pattern(500, 900), description="Macro image", **common)
        writer.write(pattern(300, 421), tile=(64, 64), photometric="rgb", metadata=None)
        writer.write(pattern(700, 700), description="label", **common)
    with open_slide(path) as slide:
        assert slide.levels[0].size == (421, 300)


def test_other_images_are_told(tmp_path, caplog):
    path = tmp_path / "slide.tif"
    with tifffile.TiffWriter(path) as writer:
        for shape in ((300, 421), (128, 200), (99, 60)):
            writer.write(pattern(*shape), tile=(64, 64), photometric="rgb", metadata=None)
    with open_slide(path) as slide:
        assert [level.size for level in slide.levels] == [(421, 300)]
    assert "2 more images that are not the slide's levels" in caplog.text
    assert "421×300" in caplog.text


def test_the_scene_that_is_read_is_the_largest(tmp_path, caplog):
    path = tmp_path / "scenes.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as writer:
        for name, mpp, shape in (
            ("macro", 9.0, (600, 600)),
            ("small", 0.5, (64, 128)),
            ("large", 0.25, (300, 421)),
        ):
            metadata = {"axes": "YXS", "Name": name, "PhysicalSizeX": mpp, "PhysicalSizeY": mpp}
            writer.write(pattern(*shape), photometric="rgb", tile=(64, 64), metadata=metadata)
    with open_slide(path) as slide:
        assert slide.levels[0].size == (421, 300)
        assert slide.mpp == (0.25, 0.25)
    assert "2 scenes: only “large”, the largest, is read, not “small”" in caplog.text


@pytest.mark.parametrize(
    ("options", "mpp"),
    [
        ({"resolution": (20000, 40000), "resolutionunit": "CENTIMETER"}, (0.5, 0.25)),
        ({"resolution": (50800, 50800), "resolutionunit": "INCH"}, (0.5, 0.5)),
        ({"resolution": (20000, 20000), "resolutionunit": "NONE"}, None),
        ({"resolution": (72, 72), "resolutionunit": "INCH"}, None),
        ({}, None),
    ],
)
def test_resolution_tags(tmp_path, options, mpp):
    path = write(tmp_path / "slide.tiff", pattern(100, 100), tile=(64, 64), **options)
    with open_slide(path) as slide:
        assert slide.mpp == (mpp and pytest.approx(mpp))
    with open_slide(path, mpp=(0.3, 0.4)) as slide:
        assert slide.mpp == (0.3, 0.4)


def test_colour_profile(tmp_path):
    path = tmp_path / "slide.tiff"
    write(path, pattern(64, 64), tile=(64, 64), iccprofile=b"profile" * 30)
    with open_slide(path) as slide:
        assert slide.icc_profile == b"profile" * 30


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    x=st.integers(-500, 900),
    y=st.integers(-500, 900),
    width=st.integers(1, 600),
    height=st.integers(1, 500),
    level=st.integers(0, 2),
)
def test_any_region_equals_the_same_region_of_the_array(pyramid, x, y, width, height, level):
    path, levels = pyramid
    twin = ArraySlide(levels)
    region = Region(x=x, y=y, width=width, height=height)
    with open_slide(path) as slide:
        pixels = slide.read_region(region, level=level)
    np.testing.assert_array_equal(pixels, twin.read_region(region, level=level))


def two_images(path, names):
    """Write an image, and one of half its sides, each with its description."""
    with tifffile.TiffWriter(path) as writer:
        for factor, name in zip((1, 2), names, strict=True):
            pixels = np.ascontiguousarray(pattern(256, 256)[::factor, ::factor])
            writer.write(pixels, tile=(64, 64), compression="jpeg", description=name, metadata=None)
    return path


@pytest.mark.parametrize("name", ["Label-free SRS, 40x", "thumbnail-quality scan"])
def test_a_word_within_a_name_is_no_label(tmp_path, name):
    with open_slide(two_images(tmp_path / "a.tif", (name, "second"))) as slide:
        assert slide.levels[0].size == (256, 256)


def test_a_label_that_is_larger_than_the_slide_is_told(tmp_path, caplog):
    with open_slide(two_images(tmp_path / "a.tif", ("label", "second"))) as slide:
        assert slide.levels[0].size == (128, 128)
    assert "its image 0, of 256×256 pixels, is called a label, macro or thumbnail" in caplog.text


@pytest.mark.parametrize("tag", [256, 257])
def test_an_image_without_pixels_is_damage(tmp_path, tag):
    path = two_images(tmp_path / "a.tif", (APERIO, APERIO))
    with tifffile.TiffFile(path, mode="r+b") as tiff:
        tiff.pages[0].tags[tag].overwrite(0)
    with pytest.raises(SlideReadError, match=r"its image 0 claims .* pixels: it may be"):
        open_slide(path)


def test_a_first_image_smaller_than_a_level_is_told(tmp_path, caplog):
    path = two_images(tmp_path / "a.svs", (APERIO, APERIO))
    with tifffile.TiffFile(path, mode="r+b") as tiff:
        tiff.pages[0].tags[257].overwrite(20)
    with open_slide(path):
        assert "its first image has 256×20 pixels, fewer than image 1 with 128×128" in caplog.text
