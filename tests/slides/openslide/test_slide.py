"""What is laid over OpenSlide's pixels: compared with OpenSlide and Pillow doing the same."""

import gc

import numpy as np
import openslide
import pytest
import tifffile
from PIL import Image

from slidetile.raster.region import Region
from slidetile.slides.opening import open_slide
from slidetile.slides.openslide._pixels import VendorPixels
from slidetile.slides.openslide.slide import pixels_of

TILE = 256


@pytest.fixture(scope="module")
def sparse(tmp_path_factory):
    """A pyramid with holes: OpenSlide makes them transparent, and their edges partly so."""
    path = tmp_path_factory.mktemp("sparse") / "sparse.tiff"
    rng = np.random.default_rng(0)
    with tifffile.TiffWriter(path) as tiff:
        for number, side in enumerate((5 * TILE, 3 * TILE - 100)):
            across = -(-side // TILE)

            def tiles(count=across * across):
                for index in range(count):
                    hole = index % 3 == 1
                    yield None if hole else rng.integers(0, 256, (TILE, TILE, 3), np.uint8)

            tiff.write(
                tiles(), shape=(side, side, 3), dtype=np.uint8, tile=(TILE, TILE),
                photometric="rgb", subfiletype=min(number, 1), compression="zlib",
            )  # fmt: skip
    return path


def by_openslide(path, region, level, size, background):
    """The slide's pixels on its background, in floating point."""
    with openslide.OpenSlide(path) as source:
        rgba = np.asarray(source.read_region((region.x, region.y), level, size)).astype(float)
    alpha = rgba[..., 3:] / 255
    return rgba[..., :3] * alpha + np.array(background) * (1 - alpha), rgba[..., 3]


@pytest.mark.parametrize("level", [0, 1])
def test_transparency_is_laid_over_the_background(sparse, level):
    with open_slide(sparse, reader="openslide") as slide:
        assert len(slide.levels) == 2
        region = Region(x=0, y=0, width=slide.width, height=slide.height)
        size = slide.levels[level].size
        exact, alpha = by_openslide(sparse, region, level, size, slide.background)
        found = slide.read_region(region, level=level)
        assert (alpha == 0).any()
        assert (found[alpha == 0] == slide.background).all()
        assert np.abs(found - exact).max() <= 0.5
        np.testing.assert_array_equal(found[alpha == 255], exact[alpha == 255])


@pytest.mark.parametrize("planar", [True, False])
def test_what_is_partly_transparent_too(planar):
    rgba = np.random.default_rng(1).integers(0, 256, (150, 70, 4), np.uint8)
    colour = (255, 0, 200)
    region = VendorPixels(
        width=90,
        height=150,
        rgba=rgba,
        at=Region(x=20, y=0, width=70, height=150),
        background=colour,
    )
    out = np.empty((3, 150, 90), np.uint8).transpose(1, 2, 0) if planar else None
    found = region.pixels(out)
    alpha = rgba[..., 3:] / 255
    exact = rgba[..., :3] * alpha + np.array(colour) * (1 - alpha)
    assert np.abs(found[:, 20:] - exact).max() <= 0.5
    assert (found[:, :20] == colour).all()
    assert found.dtype == np.uint8


@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize(
    "region",
    [
        Region(x=0, y=0, width=257, height=130),
        Region(x=-30, y=-20, width=300, height=90),
        Region(x=1200, y=1100, width=300, height=400),
        Region(x=5000, y=5000, width=10, height=20),
    ],
)
def test_into_planes_as_into_pixels(sparse, region, level):
    with open_slide(sparse, reader="openslide") as slide:
        expected = slide.read_region(region, level=level)
        planes = np.full((3, *expected.shape[:2]), 7, np.uint8)
        fetched = slide.fetch(region, level=level)
        assert fetched.nbytes >= 0
        filled = fetched.pixels(out=planes.transpose(1, 2, 0))
        np.testing.assert_array_equal(planes.transpose(1, 2, 0), expected)
        np.testing.assert_array_equal(filled, expected)
        height, width = expected.shape[:2]
        for part in (
            Region(x=0, y=0, width=1, height=1),
            Region(x=width // 3, y=height // 2, width=width // 2, height=height // 2),
            Region(x=width - 3, y=height - 2, width=3, height=2),
        ):
            cropped = fetched.crop(part).pixels()
            np.testing.assert_array_equal(cropped, expected[part.slices])


def test_openslides_pixels_are_the_images_and_not_copied(sparse):
    with openslide.OpenSlide(sparse) as source:
        for size in ((1, 1), (64, 32), (2048, 2048), (2500, 2100)):
            image = source.read_region((3, 5), 0, size)
            one, other = pixels_of(image), pixels_of(image)
            assert np.shares_memory(one, other)
            assert not one.flags.writeable
            np.testing.assert_array_equal(one, np.asarray(image))


@pytest.mark.parametrize("is_mapped", [True, False])  # memory of its own, or of a buffer
@pytest.mark.parametrize("side", [1, 3, 2048])
def test_pixels_outlive_their_image(side, is_mapped):
    rgba = np.random.default_rng(side).integers(0, 256, (side, side, 4), np.uint8)
    image = Image.frombuffer("RGBA", (side, side), bytearray(rgba), "raw", "RGBA", 0, 1)
    pixels = pixels_of(image if is_mapped else image.copy())
    del image
    gc.collect()
    reused = [Image.new("RGBA", (side, side), "red") for _ in range(8)]
    np.testing.assert_array_equal(pixels, rgba)
    del reused
