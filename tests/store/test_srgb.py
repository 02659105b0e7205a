"""Regions and windows of a store in sRGB, and stores that are sRGB."""

import json
import pickle
import shutil
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
import tifffile
from icc_profiles import matrix_profile, table_profile
from PIL import Image, ImageCms

import slidetile as st

PROFILE = table_profile()
FEW = st.TileSpec(size=256, min_tissue_fraction=0)


def everything(image):
    return np.ones(image.shape[:2], np.bool_)


def by_pillow(pixels, profile=PROFILE):
    source = ImageCms.ImageCmsProfile(BytesIO(profile))
    image = Image.fromarray(np.ascontiguousarray(pixels))
    target = ImageCms.createProfile("sRGB")
    return np.asarray(
        ImageCms.profileToProfile(image, source, target, ImageCms.getDefaultIntent(source))
    )


@pytest.fixture(scope="session")
def scan(tmp_path_factory):
    """A slide of 1333×1111 pixels at 0.5 µm with a scanner's profile."""
    random = np.random.default_rng(5)
    pixels = random.integers(0, 256, (70, 84, 3), np.uint8).repeat(16, 0).repeat(16, 1)
    pixels = pixels[:1111, :1333] ^ random.integers(0, 32, (1111, 1333, 3), np.uint8)
    path = tmp_path_factory.mktemp("scan") / "scan.png"
    Image.fromarray(pixels).save(path, icc_profile=PROFILE, dpi=(50_800, 50_800))
    return path


@pytest.fixture(scope="session")
def stores(scan, tmp_path_factory):
    folder = tmp_path_factory.mktemp("srgb")
    return {
        color: st.tile_slide(
            scan, folder / f"{color}.zarr", st.Recipe(tile=FEW, detector=everything, color=color)
        )
        for color in (None, "srgb")
    }


REGION = st.Region(x=-20, y=301, width=777, height=500)


def test_a_region_in_srgb_is_what_pillow_makes_of_it(stores):
    store = stores[None]
    for level in range(len(store.levels)):
        own = store.read_region(REGION, level=level)
        read = store.read_region(REGION, level=level, color="srgb")
        np.testing.assert_array_equal(read, by_pillow(own))
        assert not np.array_equal(read, own)


def test_windows_in_srgb_are_what_pillow_makes_of_them(stores):
    options = {"size": 96, "stride": 80, "min_tissue_fraction": 0}
    for mpp in (None, 0.8):
        own = stores[None].windows(mpp=mpp, **options)
        windows = stores[None].windows(mpp=mpp, color="srgb", **options)
        assert len(windows) == len(own) > 20
        for number, (one, other) in enumerate(zip(windows, own, strict=True)):
            expected = by_pillow(other)
            np.testing.assert_array_equal(one, expected)
            np.testing.assert_array_equal(windows[number], expected)
        copy = pickle.loads(pickle.dumps(windows))  # noqa: S301 - our own bytes
        np.testing.assert_array_equal(copy[3], windows[3])


def test_a_store_in_srgb_holds_what_the_other_one_shows(stores, scan):
    own, store = stores[None], stores["srgb"]
    for index in range(len(own)):
        region = own.tile_region(index)
        np.testing.assert_array_equal(store[index], own.read_region(region, color="srgb"))
        np.testing.assert_array_equal(store.read_region(region, color="srgb"), store[index])
    assert (own.color, own.icc_profile) == (None, PROFILE)
    assert (store.color, store.icc_profile) == ("srgb", None)
    facts = store.metadata.color
    assert (facts.profile, facts.intent) == (PROFILE, "perceptual")
    with st.open_slide(scan) as slide:
        assert st.verify_store(store.path, slide=slide, deep=True) == ()
        assert st.verify_store(own.path, slide=slide, deep=True) == ()


def test_coarser_levels_of_a_store_in_srgb_are_its_own_halvings(stores):
    whole = st.Region(x=0, y=0, width=1024, height=1024)
    fine, coarse = (stores["srgb"].read_region(whole, level=level) for level in (0, 1))
    sums = fine.reshape(512, 2, 512, 2, 3).sum((1, 3), dtype=np.uint16)
    np.testing.assert_array_equal(coarse, (sums + 2) >> 2)


def test_the_same_tiles_in_other_order_and_number_give_the_same_bytes(scan, tmp_path, tree, stores):
    recipe = st.Recipe(tile=FEW, detector=everything, color="srgb")
    again = st.tile_slide(scan, tmp_path / "again.zarr", recipe, workers=5)
    assert tree(again.path) == tree(stores["srgb"].path)


@pytest.mark.parametrize("codec", ["native", "auto"])
def test_tiles_with_a_profile_are_decoded_and_the_reason_is_told(shared_slides, tmp_path, codec):
    slide = shared_slides / "dicom-CMU-1-Small-Region"
    recipe = st.Recipe(codec=codec, color="srgb", tile=st.TileSpec(size=480, sample=4))
    store = st.tile_slide(slide, tmp_path / "x.zarr", recipe)
    assert store.codec == "zstd"
    told = "its colours are converted to sRGB, for which pixels are decoded"
    assert store.metadata.not_native == told
    assert st.tile_slide(slide, store.path, recipe).path == store.path  # done before
    with pytest.raises(st.StoreExistsError, match="with other settings"):
        st.tile_slide(slide, store.path, st.Recipe(codec="zstd", tile=recipe.tile))


def test_without_a_profile_tiles_are_copied_and_taken_for_srgb(sample, tmp_path):
    store = st.tile_slide(sample, tmp_path / "x.zarr", st.Recipe(color="srgb"))
    assert (store.codec, store.color, store.metadata.color.profile) == ("native", "srgb", None)
    np.testing.assert_array_equal(store.read_region(store.tile_region(0), color="srgb"), store[0])
    with st.open_slide(sample) as slide:
        assert st.verify_store(store.path, slide=slide, deep=True) == ()


def test_a_store_without_a_profile_is_taken_for_srgb_and_that_is_told(sample, tmp_path, caplog):
    store = st.tile_slide(sample, tmp_path / "x.zarr")
    read = store.read_region(store.tile_region(0), color="srgb")
    np.testing.assert_array_equal(read, store[0])
    store.windows(color="srgb")
    assert caplog.text.count("has no colour profile: its colours are taken for sRGB") == 1


@pytest.mark.parametrize(
    ("profile", "channels", "message"),
    [
        (b"profile", 3, r"cannot be applied: it is damaged: .* Without color=\"srgb\" the slide's"),
        (matrix_profile(space=b"GRAY"), 3, "cannot be applied: it is of the colour space GRAY"),
        (PROFILE + bytes(13_000_000), 3, "profile of 13.0 MB, which was left out of the store"),
        (None, 1, "have 1 channel, and sRGB has three"),
    ],
)
def test_what_cannot_be_converted_is_an_error_and_reads_as_it_is(
    tmp_path, profile, channels, message
):
    pixels = np.random.default_rng(3).integers(0, 256, (200, 300, channels), np.uint8)
    slide = st.ArraySlide(pixels, mpp=0.5, icc_profile=profile)
    tissue = st.find_tissue(slide, detector=everything)
    plan = st.plan_tiles(slide, tissue, st.TileSpec(size=64, min_tissue_fraction=0))
    store = st.write_tiles(slide, plan, tmp_path / "x.zarr")
    with pytest.raises(st.StoreError, match=message):
        store.read_region(store.tile_region(0), color="srgb")
    with pytest.raises(st.StoreError, match=message):
        store.windows(size=32, color="srgb")
    assert store[0].shape == (64, 64, channels)


DEEP = np.random.default_rng(3).integers(0, 1 << 16, (200, 300, 3), np.uint16)


@pytest.mark.parametrize(
    ("slide", "message"),
    [
        (st.ArraySlide(DEEP, mpp=0.5, icc_profile=PROFILE), "samples of 16 bits"),
        (
            st.map_slide(st.ArraySlide(DEEP, mpp=0.5, icc_profile=PROFILE), window="full"),
            "samples that a window mapped onto 8 bits",
        ),
        (
            st.ArraySlide(DEEP[..., [0, 1, 2, 0]], mpp=0.5, icc_profile=PROFILE),
            "4 channels, and sRGB has three",
        ),
    ],
)
def test_a_store_of_other_samples_than_8_bit_colours_is_an_error(tmp_path, slide, message):
    tissue = st.find_tissue(slide, detector=everything)
    plan = st.plan_tiles(slide, tissue, st.TileSpec(size=64, min_tissue_fraction=0))
    store = st.write_tiles(slide, plan, tmp_path / "x.zarr")
    assert store.icc_profile == PROFILE
    with pytest.raises(st.StoreError, match=f"have {message}"):
        store.read_region(store.tile_region(0), color="srgb")


def test_an_unknown_colour_space_is_a_wrong_value(stores):
    message = r"color must be one of \('srgb',\) or None, not 'cmyk'"
    for call in (
        lambda: stores[None].read_region(REGION, color="cmyk"),
        lambda: stores[None].windows(color="cmyk"),
        lambda: st.Recipe(color="cmyk"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.parametrize(
    "profile",
    [b"profile", matrix_profile(space=b"CMYK"), matrix_profile(space=b"Lab "), bytes(13_000_000)],
)
def test_nothing_is_written_where_a_profile_cannot_be_applied(tmp_path, cli, profile):
    path, out = tmp_path / "odd.tif", tmp_path / "out"
    pixels = np.full((300, 300, 3), 90, np.uint8)
    options = {"tile": (128, 128), "photometric": "rgb", "metadata": None}
    tifffile.imwrite(path, pixels, iccprofile=profile, **options)
    for command in ("tile", "plan"):
        result = cli(command, path, "-o", out / "odd.zarr", "--color", "srgb")
        assert result.exit_code == 1
        assert "error: odd.tif: its colour profile " in result.output
    assert not out.exists()
    result = cli("batch", path, "-o", out, "--color", "srgb", "--processes", "0", "--json")
    (told,) = json.loads(result.stdout)["slides"]
    assert (told["status"], told["error"]["type"]) == ("failed", "ColourProfileError")
    assert not list(out.glob("*.zarr*"))


def test_the_command_line_tells_how_colours_were_converted(scan, tmp_path, cli):
    arguments = ["tile", scan, "-o", tmp_path / "x.zarr", "--color", "srgb", "--codec", "native"]
    result = cli(*arguments)
    assert result.exit_code == 0, result.output
    assert "sRGB, by the slide's profile of 29.9 kB" in result.output
    facts = json.loads(cli("info", tmp_path / "x.zarr", "--json").stdout)
    assert (facts["color"], facts["icc_profile_bytes"]) == ("srgb", len(PROFILE))
    planned = cli("plan", scan, "--color", "srgb", "--json")
    assert json.loads(planned.stdout)["codec"] == "zstd"


def test_a_store_that_names_another_profile_than_the_slides_is_found(stores, scan, tmp_path):
    path = tmp_path / "other.zarr"
    shutil.copytree(stores["srgb"].path, path)
    metadata = stores["srgb"].metadata
    color = replace(metadata.color, intent="saturation")
    (path / "zarr.json").write_bytes(replace(metadata, color=color).to_json())
    with st.open_slide(scan) as slide:
        told = [finding.what for finding in st.verify_store(path, slide=slide)]
    assert "attributes.slidetile.color is not what the slide's profile gives" in told
