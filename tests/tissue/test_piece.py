"""What is measured of each piece: here its stain, by other programs' way to reckon it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stained import glass

from slidetile.raster.channels import Channel
from slidetile.slides.array import ArraySlide
from slidetile.slides.overview import Overview
from slidetile.tissue.finding import find_tissue
from slidetile.tissue.mask import TissueMask


def pieces_of(image, mask, **more):
    height, width = mask.shape
    overview = Overview(
        image=image, slide_width=width, slide_height=height, downsample=(1.0, 1.0), **more
    )
    return TissueMask.from_mask(mask, overview).pieces


def on_glass(seed, colour=(243, 241, 244)):
    """Two blocks of noise on plain glass, and where they are."""
    random = np.random.default_rng(seed)
    image = np.full((60, 90, 3), colour, np.uint8)
    mask = np.zeros(image.shape[:2], bool)
    for columns in (slice(10, 30), slice(50, 85)):
        mask[20:50, columns] = True
        image[20:50, columns] = random.integers(0, 230, (30, mask[20:50, columns].shape[1], 3))
    return image, mask


@given(seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_mean_stain_is_the_mean_optical_density(seed):
    image, mask = on_glass(seed)
    found = pieces_of(image, mask)
    for piece, columns in zip(found, (slice(10, 30), slice(50, 85)), strict=True):
        values = np.maximum(image[20:50, columns].reshape(-1, 3).astype(float), 1)
        density = np.log10(np.array([243, 241, 244]) / values).mean(axis=0)
        np.testing.assert_allclose(piece.mean_stain, density, atol=1e-5)


def test_the_glass_is_the_slides_own():
    """On grey glass the same light is less stain."""
    white, mask = on_glass(0)
    grey, _ = on_glass(0, (200, 200, 200))
    for light, dark in zip(pieces_of(white, mask), pieces_of(grey, mask), strict=True):
        less = np.log10(np.array([243, 241, 244]) / 200)
        np.testing.assert_allclose(np.array(light.mean_stain) - dark.mean_stain, less, atol=1e-5)


def test_stains_are_told_apart():
    """A piece of haematoxylin absorbs red, one of eosin hardly any."""
    image = np.full((200, 300, 3), 243, np.uint8)
    image[50:150, 40:120], image[50:150, 180:260] = (95, 75, 150), (235, 130, 190)
    mask = image[..., 1] < 200
    blue, pink = (piece.mean_stain for piece in pieces_of(image, mask))
    assert blue[0] > 0.35
    assert pink[0] < 0.05
    assert pink[1] > 0.25


@pytest.mark.parametrize(
    ("image", "more"),
    [
        (np.full((60, 90, 1), 90, np.uint8), {}),
        (np.full((60, 90, 3), 5, np.uint8), {}),
        (
            np.full((60, 90, 2), 200, np.uint16),
            {"channels": tuple(Channel(name=name, colour=(0, 0, 255)) for name in ("a", "b"))},
        ),
    ],
    ids=["grey", "colours on black", "channels"],
)
def test_what_is_not_in_colours_on_glass_has_no_stain(image, more):
    _, mask = on_glass(0)
    assert [piece.mean_stain for piece in pieces_of(image, mask, **more)] == [None, None]


def test_sixteen_bits_have_the_stain_of_eight():
    image, mask = on_glass(0)
    deep = image.astype(np.uint16) << 8
    for one, other in zip(pieces_of(image, mask), pieces_of(deep, mask), strict=True):
        assert one.mean_stain == other.mean_stain


def test_found_tissue_has_it():
    image = glass()
    image[100:300, 200:400] = (170, 90, 160)
    random = np.random.default_rng(0).integers(-20, 20, image.shape)
    tissue = find_tissue(ArraySlide(np.clip(image + random, 0, 255).astype(np.uint8), mpp=8.0))
    (piece,) = tissue.pieces
    red, green, blue = piece.mean_stain
    assert green > red
    assert green > blue
    assert piece.area_um2 == piece.area_px * 64
