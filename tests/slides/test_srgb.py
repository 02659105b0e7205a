"""Slides in sRGB: what changes, and what stays the slide's."""

import pickle
from io import BytesIO

import numpy as np
import pytest
import tifffile
from icc_profiles import matrix_profile, table_profile
from PIL import Image, ImageCms

import slidetile as st
from slidetile.raster.channels import Channel
from slidetile.slides.srgb import SrgbSlide

PROFILE = table_profile()


def noise(height=300, width=410, channels=3):
    return np.random.default_rng(7).integers(0, 256, (height, width, channels), np.uint8)


def by_pillow(pixels, profile=PROFILE):
    source = ImageCms.ImageCmsProfile(BytesIO(profile))
    image = Image.fromarray(np.ascontiguousarray(pixels))
    intent = ImageCms.getDefaultIntent(source)
    return np.asarray(
        ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), intent)
    )


def test_every_way_to_read_is_converted_and_the_slides_own_array_is_not():
    pixels = noise()
    own = [pixels.copy(), pixels[::2, ::2].copy()]
    slide = SrgbSlide(st.ArraySlide(own, icc_profile=PROFILE, background=(240, 200, 250)))
    region = st.Region(x=-5, y=3, width=60, height=40)
    outside = by_pillow(np.full((1, 1, 3), (240, 200, 250), np.uint8))[0, 0]
    assert slide.background == tuple(outside.tolist())
    read = slide.read_region(region)
    np.testing.assert_array_equal(read[:, 5:], by_pillow(pixels[3:43, :55]))
    assert (read[:, :5] == outside).all()
    out = np.empty((3, 40, 60), np.uint8).transpose(1, 2, 0)
    fetched = slide.fetch(region)
    np.testing.assert_array_equal(fetched.pixels(out=out), read)
    part = st.Region(x=10, y=5, width=20, height=9)
    np.testing.assert_array_equal(fetched.crop(part).pixels(), read[part.slices])
    block = st.Region(x=2, y=4, width=30, height=20)
    coarse = by_pillow(own[1][block.slices])
    np.testing.assert_array_equal(slide.fetch_shown(block, level=1).pixels(), coarse)
    np.testing.assert_array_equal(slide.read_block(block, level=1), coarse)
    np.testing.assert_array_equal(own[0], pixels)


def test_all_else_is_the_slides(sample):
    with st.open_slide(sample) as slide:
        slide.icc_profile = matrix_profile()
        view = SrgbSlide(slide)
        for name in ("levels", "source", "name", "reader", "vendor", "mpp", "objective_power"):
            assert getattr(view, name) == getattr(slide, name)
        assert (view.original, view.icc_profile) == (slide, None)
        assert (view.conversion.profile, view.conversion.intent) == (matrix_profile(), "perceptual")
        assert view.native_tiles(0) is None
        assert slide.native_tiles(0) is not None
        assert view.native_obstacle(0).startswith("its colours are converted to sRGB")


def test_a_slide_without_a_profile_is_taken_for_srgb_and_that_is_told(sample, caplog):
    with st.Recipe(color="srgb").open(sample) as slide, st.open_slide(sample) as own:
        assert "has no colour profile: its colours are taken for sRGB" in caplog.text
        assert (slide.conversion.profile, slide.conversion.intent) == (None, None)
        region = st.Region(x=900, y=700, width=300, height=200)
        np.testing.assert_array_equal(slide.read_region(region), own.read_region(region))
        assert slide.native_tiles(0) is not None
        assert slide.native_obstacle(0) is None


def test_it_survives_pickling_and_closes_its_slide(tmp_path):
    path = tmp_path / "picture.png"
    Image.fromarray(noise()).save(path, icc_profile=PROFILE)
    slide = st.Recipe(color="srgb").open(path)
    region = st.Region(x=9, y=8, width=70, height=60)
    with pickle.loads(pickle.dumps(slide)) as copy:  # noqa: S301 - our own bytes
        np.testing.assert_array_equal(copy.read_region(region), slide.read_region(region))
    np.testing.assert_array_equal(slide.read_region(region), by_pillow(noise()[region.slices]))
    slide.close()
    with pytest.raises(ValueError, match="is closed"):
        slide.read_region(region)


def test_pixels_are_averaged_first_and_then_converted(tmp_path):
    path = tmp_path / "picture.png"
    Image.fromarray(noise()).save(path, icc_profile=PROFILE, dpi=(50_800, 50_800))
    with st.Recipe(mpp=1.3).open(path) as own, st.Recipe(mpp=1.3, color="srgb").open(path) as slide:
        np.testing.assert_array_equal(
            slide.read_region(slide.bounds), by_pillow(own.read_region(own.bounds))
        )


def test_a_slide_in_srgb_stays_so_at_another_resolution():
    slide = st.ArraySlide(noise(), icc_profile=PROFILE, mpp=0.5)
    view = st.rescale_slide(SrgbSlide(slide), mpp=1.3)
    own = st.rescale_slide(slide, mpp=1.3)
    np.testing.assert_array_equal(
        view.read_region(view.bounds), by_pillow(own.read_region(own.bounds))
    )
    assert view.conversion.profile == PROFILE


@pytest.mark.parametrize(
    ("name", "profile"),
    [("dicom-CMU-1-Small-Region", "sRGB built-in"), ("sm_image.dcm", "sRGB IEC61966-2.1")],
)
def test_real_profiles_are_applied_as_pillow_applies_them(shared_slides, name, profile):
    path = shared_slides / name
    with st.open_slide(path) as own, st.Recipe(color="srgb").open(path) as slide:
        region = st.Region(x=0, y=0, width=min(700, own.width), height=min(600, own.height))
        read = slide.read_region(region)
        np.testing.assert_array_equal(read, by_pillow(own.read_region(region), own.icc_profile))
        source = ImageCms.ImageCmsProfile(BytesIO(own.icc_profile))
        assert ImageCms.getProfileDescription(source).strip() == profile


@pytest.mark.parametrize(
    ("profile", "message"),
    [
        (b"profile", "its colour profile is damaged: it does not have the header"),
        (matrix_profile(space=b"CMYK"), "its colour profile is of the colour space CMYK"),
        (matrix_profile()[:-9], "its colour profile is cut short"),
        (PROFILE + bytes(13_000_000), "its colour profile has 13.0 MB, more than the 12 MB"),
    ],
)
def test_a_profile_that_cannot_be_applied_is_an_error_with_a_way_out(profile, message):
    slide = st.ArraySlide(noise(), icc_profile=profile, name="odd")
    with pytest.raises(st.ColourProfileError, match=rf"^odd: {message}.*Without color=\"srgb\""):
        SrgbSlide(slide)


DEEP = noise().astype(np.uint16) * 257


@pytest.mark.parametrize(
    ("slide", "message"),
    [
        (st.ArraySlide(noise(channels=1), name="odd"), "1 channel, and sRGB has three"),
        (st.ArraySlide(noise(channels=5), name="odd"), "5 channels, and sRGB has three"),
        (
            st.ArraySlide(
                noise(),
                name="odd",
                channels=[Channel(name=name, colour=(0, 0, 255)) for name in ("DAPI", "CD3", "AF")],
            ),
            "the channels DAPI, CD3, AF, which are not red, green and blue",
        ),
        (st.ArraySlide(DEEP, name="odd"), "samples of 16 bits, and only those of 8 are converted"),
        (
            st.map_slide(st.ArraySlide(DEEP, name="odd"), window="full"),
            "samples that a window mapped onto 8 bits, which no profile knows",
        ),
    ],
)
def test_what_is_no_colour_of_8_bits_is_refused(slide, message):
    with pytest.raises(st.ColourProfileError, match=f"^odd has {message}.*leave color"):
        SrgbSlide(slide)


def test_nothing_is_mapped_and_converted_at_once(tmp_path, cli):
    path, out = tmp_path / "deep.tif", tmp_path / "out.zarr"
    options = {"tile": (64, 64), "photometric": "rgb", "metadata": None}
    tifffile.imwrite(path, DEEP, iccprofile=PROFILE, **options)
    for more in ([], ["--dtype", "uint8"]):
        result = cli("tile", path, "-o", out, "--color", "srgb", *more)
        assert result.exit_code == 1
        assert "error: deep.tif has samples of 16 bits, and only those of 8" in result.output
    assert not out.exists()


def test_channels_that_are_colours_still_are_converted(tmp_path):
    path = tmp_path / "picture.png"
    Image.fromarray(noise()).save(path, icc_profile=PROFILE)
    picked = st.Recipe(color="srgb", channels=["red", "green", "blue"])
    with picked.open(path) as slide:
        np.testing.assert_array_equal(slide.read_region(slide.bounds), by_pillow(noise()))
