"""OME-Zarr folders as slides: the pixels are those that zarr-python reads."""

import json
import shutil

import numpy as np
import pytest
import zarr
from numcodecs import Blosc
from ome_zarr import RGB, channels, image_metadata, write_image
from pictures import pattern

import slidetile as st
from slidetile.raster.region import Region

LEVELS = (pattern(300, 421), pattern(150, 210, seed=1), pattern(75, 105, seed=2))

KINDS = {
    "0.5": {},
    "0.5 sharded": {"shards": 128},
    "0.5 tczyx": {"axes": "tczyx", "chunks": 100},
    "0.5 yxc": {"axes": "yxc"},
    "0.5 xcy sharded": {"axes": "xcy", "shards": 192},
    "0.5 in planes": {"planes": 1},
    "0.5 in planes, sharded": {"planes": 1, "shards": 128},
    "0.5 uncompressed": {"compressors": None},
    "0.4": {"zarr_format": 2},
    "0.4 tczyx": {"zarr_format": 2, "axes": "tczyx"},
    "0.4 yxc": {"zarr_format": 2, "axes": "yxc"},
    "0.4 blosc": {"zarr_format": 2, "compressors": Blosc(cname="lz4")},
    "0.4 flat": {"zarr_format": 2, "chunk_key_encoding": {"name": "v2", "separator": "."}},
}


@pytest.mark.parametrize("kind", KINDS)
def test_its_pixels_are_those_of_zarr(tmp_path, kind):
    folder = write_image(tmp_path / "slide.zarr", LEVELS, **KINDS[kind])
    with st.open_slide(folder) as slide:
        assert (slide.reader, slide.vendor, slide.mpp) == ("ome-zarr", "ome-zarr", (0.5, 0.5))
        assert [level.downsample for level in slide.levels] == [(1, 1), (2, 2), (4, 4)]
        for number, level in enumerate(LEVELS):
            np.testing.assert_array_equal(slide.read_region(slide.bounds, level=number), level)
        part = Region(x=61, y=57, width=140, height=130)
        np.testing.assert_array_equal(slide.read_region(part), LEVELS[0][part.slices])


@pytest.mark.parametrize("axes", ["yx", "cyx", "zyx"])
def test_one_channel_is_grey(tmp_path, axes):
    grey = LEVELS[0][..., :1]
    with st.open_slide(write_image(tmp_path / "grey.zarr", [grey], axes=axes)) as slide:
        assert slide.channels == 1
        np.testing.assert_array_equal(slide.read_region(slide.bounds), grey)


def test_our_own_store_without_its_mark_reads_as_its_levels(tmp_path, sample):
    recipe = st.Recipe(tile=st.TileSpec(size=512), codec="zstd")
    store = st.tile_slide(sample, tmp_path / "store.zarr", recipe)
    with pytest.raises(st.UnsupportedSlideError, match=r"store that slidetile made.*open_store"):
        st.open_slide(store.path)
    copy = tmp_path / "copy.zarr"
    shutil.copytree(store.path, copy)
    root = copy / "zarr.json"
    node = json.loads(root.read_text())
    del node["attributes"]["slidetile"]
    root.write_text(json.dumps(node))
    with st.open_slide(copy) as slide:
        assert slide.mpp == store.mpp
        array = zarr.open_array(copy / "0", mode="r")
        whole = slide.read_region(slide.bounds)
        np.testing.assert_array_equal(whole, np.asarray(array[...]).transpose(1, 2, 0))
        x, y = (store[0].shape[1], store[0].shape[0])
        assert (x, y) == (512, 512)
        row = store.tiles.slice(0, 1).to_pylist()[0]
        tile = Region(x=row["x"], y=row["y"], width=512, height=512)
        np.testing.assert_array_equal(slide.read_region(tile), store[0])


@pytest.mark.parametrize(
    ("scale", "units", "mpp"),
    [
        ((0.25, 0.5), ("micrometer", "micrometer"), (0.25, 0.5)),
        ((0.00025, 500), ("millimeter", "nanometer"), (0.25, 0.5)),
        ((2500, 0.00001), ("angstrom", "inch"), (0.25, 0.254)),
        ((0.25, 0.25), ("µm", "micrometre"), (0.25, 0.25)),
        ((0.25, 0.25), (None, "micrometer"), None),
        ((0.25, 0.25), ("second", "micrometer"), None),
        ((0.25, 0.25), ("meter", "meter"), None),
    ],
)
def test_micrometres_follow_from_scale_and_unit(tmp_path, scale, units, mpp):
    folder = write_image(tmp_path / "a.zarr", LEVELS[:1], scale=scale, units=units)
    with st.open_slide(folder) as slide:
        assert slide.mpp == mpp
    with st.open_slide(folder, mpp=0.7) as slide:
        assert slide.mpp == (0.7, 0.7)


def test_the_transformation_of_the_whole_image_counts(tmp_path):
    ome = image_metadata(1)
    ome["multiscales"][0]["coordinateTransformations"] = [{"type": "scale", "scale": [1, 2, 3]}]
    with st.open_slide(write_image(tmp_path / "a.zarr", LEVELS[:1], ome=ome)) as slide:
        assert slide.mpp == (1.5, 1.0)


@pytest.mark.parametrize(("shift", "is_told"), [(0.25, False), (0, False), (40, True)])
def test_a_translation_is_told_unless_it_centres_pixels(tmp_path, caplog, shift, is_told):
    ome = image_metadata(2)
    steps = ome["multiscales"][0]["datasets"][1]["coordinateTransformations"]
    steps.append({"type": "translation", "translation": [0, shift, shift]})
    with st.open_slide(write_image(tmp_path / "a.zarr", LEVELS[:2], ome=ome)):
        assert ("its level 1 lies beside level 0" in caplog.text) == is_told


def test_the_first_image_of_bioformats2raw_is_the_slide(tmp_path, caplog):
    root = tmp_path / "raw.zarr"
    group = zarr.open_group(root, mode="w", zarr_format=2)
    group.attrs["bioformats2raw.layout"] = 3
    for number in range(2):
        write_image(root / str(number), LEVELS[number : number + 1], zarr_format=2)
    with st.open_slide(root) as slide:
        assert slide.name == "raw.zarr"
        np.testing.assert_array_equal(slide.read_region(slide.bounds), LEVELS[0])
    assert "holds 1 more images" in caplog.text
    with st.open_slide(root / "1") as slide:
        np.testing.assert_array_equal(slide.read_region(slide.bounds), LEVELS[1])


@pytest.mark.parametrize(
    ("ome", "is_colour"),
    [
        ({}, True),
        (channels(*RGB), True),
        (channels("ff0000", "00ff00", "0000ff"), True),
        (channels("FFFFFF", "FFFFFF", "FFFFFF"), True),
        (channels("0000FF", "00FF00", "FF0000"), False),
        (channels("00FFFF", "FF00FF", "FFFF00"), False),
    ],
)
def test_three_channels_are_colours_unless_they_are_drawn_in_others(tmp_path, ome, is_colour):
    folder = write_image(tmp_path / "a.zarr", LEVELS[:1], ome=ome)
    with st.open_slide(folder) as slide:
        assert slide.is_plain == is_colour


def test_a_missing_chunk_is_the_fill_value(tmp_path):
    folder = write_image(tmp_path / "a.zarr", LEVELS[:1], fill_value=240)
    shutil.rmtree(folder / "0" / "c" / "0" / "1")
    expected = LEVELS[0].copy()
    expected[64:128] = 240
    with st.open_slide(folder) as slide:
        np.testing.assert_array_equal(slide.read_region(slide.bounds), expected)


def test_a_coarse_chunk_that_is_missing_hides_no_finer_one(tmp_path):
    folder = write_image(tmp_path / "a.zarr", [np.full((256, 256, 3), 90, np.uint8)] * 2)
    shutil.rmtree(folder / "1")
    write_image(tmp_path / "b.zarr", [np.full((128, 128, 3), 90, np.uint8)])
    shutil.copytree(tmp_path / "b.zarr" / "0", folder / "1")
    (folder / "1" / "c" / "0" / "1" / "1").unlink()
    with st.open_slide(folder) as slide:
        assert (slide.read_region(slide.bounds, level=1) == 90).all()
        assert slide.replaced.counts == {1: 1}


LAYOUTS = {
    "files": {},
    "shards": {"shards": 128},
    "shards of planes": {"shards": 128, "planes": 1},
    "shards, xcy": {"shards": 128, "axes": "xcy"},
    "shards, yxc": {"shards": 192, "axes": "yxc"},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_chunk_that_is_missing_in_a_shard_hides_no_finer_one_either(tmp_path, layout):
    fine = np.full((500, 620, 3), 90, np.uint8)
    fine[:, 384:] = 0  # nothing is stored there
    coarse = np.full((250, 310, 3), 90, np.uint8)
    coarse[:, 192:] = 0
    lost = Region(x=64, y=128, width=64, height=64)
    coarse[lost.slices] = 0
    folder = write_image(tmp_path / "a.zarr", [fine, coarse], fill_value=0, **LAYOUTS[layout])
    with st.open_slide(folder) as slide:
        whole = Region(x=0, y=0, width=310, height=250)
        assert slide.holes(whole, level=1) == [lost]
        found = slide.read_region(slide.bounds, level=1)
        assert (found[:, :192] == 90).all()
        assert (found[:, 192:] == 0).all()
        assert slide.replaced.counts == {1: 1}
        part = Region(x=100, y=150, width=3, height=2)
        assert slide.holes(part, level=1) == [lost]
        assert slide.holes(Region(x=0, y=0, width=64, height=250), level=1) == []


def write_depths(folder, levels, **options):
    """Write levels, arrays [depth, row, column], as an image; return its folder."""
    group = zarr.open_group(folder, mode="w")
    for number, level in enumerate(levels):
        shape = {"shape": level.shape, "chunks": (1, 64, 64), "dtype": level.dtype}
        group.create_array(str(number), **shape, fill_value=0, **options)[...] = level
    group.attrs["ome"] = {"version": "0.5"} | image_metadata(len(levels), "zyx")
    return folder


@pytest.mark.parametrize("options", [{}, {"shards": (3, 128, 128)}, {"shards": (2, 128, 128)}])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_depth_is_read_and_what_it_lacks_is_averaged_from_its_own_finer_level(
    tmp_path, options, dtype
):
    values = 201 * np.arange(1, 4) * (dtype == np.uint16) + np.arange(20, 23)
    fine, coarse = (
        np.broadcast_to(values[:, None, None], (3, side, side)).astype(dtype) for side in (256, 128)
    )
    lost = Region(x=64, y=0, width=64, height=64)
    coarse[(2, *lost.slices)] = 0  # nothing is stored there
    folder = write_depths(tmp_path / "a.zarr", [fine, coarse], **options)
    fingerprints = set()
    for depth, value in enumerate(values):
        with st.open_slide(folder, z=depth) as slide:
            assert slide.dtype == dtype
            assert (slide.read_region(slide.bounds) == value).all()
            assert (slide.read_region(slide.bounds, level=1) == value).all()
            assert slide.replaced.counts == ({1: 1} if depth == 2 else {})
            fingerprints.add(slide.source.fingerprint)
    assert len(fingerprints) == 1
    with pytest.raises(st.UnsupportedSlideError, match="3 depths"):
        st.open_slide(folder)


def test_where_the_index_of_a_shard_is_damaged_its_chunks_are_averaged(tmp_path):
    levels = [np.full((512, 512, 3), 90, np.uint8), np.full((256, 256, 3), 90, np.uint8)]
    folder = write_image(tmp_path / "a.zarr", levels, shards=128)
    for place, content in (("0/0", b""), ("0/1", b"short"), ("1/1", bytes(5000))):
        (folder / "1" / "c" / "0" / place).write_bytes(content)
    with st.open_slide(folder) as slide:
        assert (slide.read_region(slide.bounds, level=1) == 90).all()
        assert slide.replaced.counts == {1: 12}


def test_a_copy_has_the_same_fingerprint_and_another_slide_has_not(tmp_path):
    folder = write_image(tmp_path / "a.zarr", LEVELS)
    (tmp_path / "other").mkdir()
    copy = shutil.copytree(folder, tmp_path / "other" / "a.zarr")
    other = write_image(tmp_path / "b.zarr", [*LEVELS[:2], LEVELS[2][::-1]])
    found = []
    for path in (folder, copy, other):
        with st.open_slide(path) as slide:
            found.append(slide.source)
    assert found[0] == found[1]
    assert found[0].fingerprint != found[2].fingerprint


def test_it_is_tiled_planned_and_verified_like_any_other(tmp_path, sample):
    with st.open_slide(sample) as slide:
        levels = [slide.read_region(slide.bounds, level=n) for n in range(len(slide.levels))]
        downsamples = [level.downsample for level in slide.levels]
    scales = [{"type": "scale", "scale": [1, 0.5 * d, 0.5 * d]} for d, _ in downsamples]
    ome = image_metadata(len(levels))
    for dataset, scale in zip(ome["multiscales"][0]["datasets"], scales, strict=True):
        dataset["coordinateTransformations"] = [scale]
    folder = write_image(tmp_path / "slide.ome.zarr", levels, chunks=256, shards=1024, ome=ome)
    recipe = st.Recipe(tile=st.TileSpec(size=512), codec="zstd")
    store = st.tile_slide(folder, tmp_path / "out.zarr", recipe)
    twin = st.tile_slide(sample, tmp_path / "twin.zarr", recipe)
    assert store.metadata.source.reader == "ome-zarr"
    assert len(store) == len(twin) > 0
    assert all(np.array_equal(store[n], twin[n]) for n in range(len(twin)))
    with st.open_slide(folder) as slide:
        assert st.verify_store(store.path, slide=slide, deep=True) == ()
