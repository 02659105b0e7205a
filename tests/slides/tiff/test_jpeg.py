import io

import imagecodecs
import numpy as np
import pytest
import tifffile
from pictures import pattern
from PIL import Image

from slidetile.errors import NotNativeError
from slidetile.raster.region import Region
from slidetile.slides.native import DAMAGED
from slidetile.slides.opening import open_slide
from slidetile.slides.tiff._jpeg import JpegTiles, parse_header

NATIVE = [
    "CMU-1-Small-Region.svs",
    "CMU-1-small.tiff",
    "wsic-CMU-1-Small-Region.jpeg.tiff",
    "petebankhead-OS-1-detail.ome.tif",
]


@pytest.mark.parametrize("name", NATIVE)
def test_streams_decode_anywhere_to_the_slides_pixels(shared_slides, name):
    with open_slide(shared_slides / name) as slide:
        native = slide.native_tiles(0)
        width, height = native.tile_width_px, native.tile_height_px
        tiles = [(c, r) for r in range(native.rows) for c in range(native.columns)]
        fetched = native.fetch(tiles)
        assert fetched.nbytes >= native.stored_bytes(tiles)
        for (column, row), stream in zip(tiles, fetched.streams(), strict=True):
            place = Region(x=column * width, y=row * height, width=width, height=height)
            inside = slide.bounds.intersection(place).relative_to(place)
            pixels = slide.read_region(place)[inside.slices]
            decoded = imagecodecs.jpeg8_decode(stream)
            assert decoded.shape == (height, width, 3)
            np.testing.assert_array_equal(decoded[inside.slices], pixels)
            with Image.open(io.BytesIO(stream)) as image:
                np.testing.assert_array_equal(np.asarray(image)[inside.slices], pixels)


def test_the_scan_data_are_the_files_own(shared_slides):
    path = shared_slides / "CMU-1-Small-Region.svs"
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages.first
        start, count = page.dataoffsets[0], page.databytecounts[0]
    stored = path.read_bytes()[start : start + count]
    with open_slide(path) as slide:
        (stream,) = slide.native_tiles(0).fetch([(0, 0)]).streams()
    assert stream.endswith(stored[2:])
    assert stream[2:18] == b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"


@pytest.fixture
def jpeg():
    return imagecodecs.jpeg8_encode(pattern(64, 64), level=90)


def test_what_is_no_whole_jpeg_is_damaged(jpeg):
    tiles = JpegTiles(tables=None, photometric=6)
    assert tiles.native(jpeg, (64, 64)) == jpeg
    nothing = [b"", bytes(500), b"\xff\xd8", b"\xff\xd8\xff\xd9"]
    cut = [jpeg[:100], jpeg[:-2], jpeg[: len(jpeg) // 2], jpeg[2:]]
    overwritten = jpeg[:20] + bytes(20) + jpeg[40:]
    for data in (*nothing, *cut, overwritten):
        assert tiles.native(data, (64, 64)) == DAMAGED


def test_padding_after_the_end_is_tolerated(jpeg):
    padded = jpeg + bytes(7)
    assert JpegTiles(tables=None, photometric=6).native(padded, (64, 64)) == padded


def test_progressive_or_other_sizes_cannot_be_copied(jpeg):
    tiles = JpegTiles(tables=None, photometric=6)
    with pytest.raises(NotNativeError, match="64×64 pixels instead of 128×64"):
        tiles.native(jpeg, (128, 64))
    file = io.BytesIO()
    Image.fromarray(pattern(64, 64)).save(file, "JPEG", progressive=True)
    with pytest.raises(NotNativeError, match="not baseline"):
        tiles.native(file.getvalue(), (64, 64))
    grey = imagecodecs.jpeg8_encode(pattern(64, 64, 1)[..., 0])
    with pytest.raises(NotNativeError, match="1 components instead of 3"):
        tiles.native(grey, (64, 64))


def test_the_remembered_header_does_not_outlive_its_tile(jpeg):
    other = imagecodecs.jpeg8_encode(pattern(64, 64), level=30)
    tiles = JpegTiles(tables=None, photometric=6)
    for data in (jpeg, other, jpeg, other):
        assert tiles.native(b"xx" + data + b"yy", (64, 64), 2, 2 + len(data)) == data


def test_colour_markers_are_added_only_where_missing(jpeg):
    header = parse_header(jpeg)
    assert header.has_colour_marker
    assert JpegTiles(tables=None, photometric=2).standalone(jpeg) == jpeg
    bare = jpeg[:2] + jpeg[20:]  # without its JFIF segment
    assert not parse_header(bare).has_colour_marker
    for photometric, transform in ((2, b"\0"), (6, b"\1")):
        stream = JpegTiles(tables=None, photometric=photometric).standalone(bare)
        assert stream[2:18].endswith(transform)
        assert parse_header(stream).has_colour_marker
        assert stream[18:] == bare[2:]


@pytest.mark.parametrize("count", [1, 3, 17])
def test_damage_never_raises_anything_unexpected(jpeg, count):
    random = np.random.default_rng(count)
    tiles = JpegTiles(tables=None, photometric=6)
    for _ in range(300):
        data = bytearray(jpeg)
        for position in random.integers(0, 700, count):
            data[position] = random.integers(256)
        try:
            stream = tiles.native(bytes(data), (64, 64))
        except NotNativeError:
            continue
        assert stream == DAMAGED or stream == bytes(data) or stream.endswith(data[2:])
