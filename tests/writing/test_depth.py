"""Stores of any number of channels and of 16 bits: what is read back is what the slide has."""

import json

import numpy as np
import pytest
import zarr
from channel_files import NAMES, ome_tiff, signal

import slidetile as st
from slidetile.choices import UnfitChoiceError
from slidetile.raster.channels import Channel
from slidetile.recipe.done import done_before
from slidetile.writing.estimate import estimate

TILES = st.TileSpec(size=256, min_tissue_fraction=0)


def slide_of(count, bits, **options):
    pixels = signal(700, 900, count, bits=bits)
    return st.ArraySlide(pixels, mpp=0.5, background=(0, 0, 0), **options), pixels


def stored(slide, path, codec="zstd"):
    plan = st.plan_tiles(slide, st.find_tissue(slide), TILES)
    return st.write_tiles(slide, plan, path, codec=codec)


CASES = [
    (5, 16, "zstd"),
    (2, 16, "raw"),
    (1, 16, "jxl"),
    (3, 16, "jxl"),
    (1, 16, "zstd"),
    (4, 8, "zstd"),
    (2, 8, "raw"),
]


@pytest.mark.parametrize(("channels", "bits", "codec"), CASES)
def test_a_store_holds_the_slides_samples(tmp_path, channels, bits, codec):
    slide, pixels = slide_of(channels, bits)
    store = stored(slide, tmp_path / "a.zarr", codec)
    assert store.dtype == pixels.dtype
    assert len(store.channels) == channels
    for index in range(len(store)):
        region = store.tile_region(index)
        np.testing.assert_array_equal(store[index], slide.read_region(region))
    assert st.verify_store(store.path, slide=slide, deep=True) == ()
    canvas = zarr.open_group(store.path, mode="r")["0"]
    assert canvas.dtype == pixels.dtype
    np.testing.assert_array_equal(np.moveaxis(canvas[...], 0, -1), pixels)
    windows = store.windows(size=64, mpp=0.9, min_tissue_fraction=0)
    assert windows[0].dtype == pixels.dtype
    assert windows[0].shape == (64, 64, channels)
    assert "<img" in store._repr_html_()


def test_a_store_of_fewer_bits_says_so(tmp_path):
    pixels = signal(400, 500, 2, bits=12)
    slide = st.ArraySlide(pixels, mpp=0.5, background=(255, 255, 255), bits=12)
    store = stored(slide, tmp_path / "a.zarr")
    assert store.attributes["bits"] == 12
    assert store.metadata.fill == 4095
    outside = store.read_region(st.Region(x=-9, y=0, width=4, height=4))
    assert set(outside.ravel().tolist()) == {4095}


def test_names_colours_and_windows_are_in_omero(tmp_path):
    channels = [
        Channel(name="DAPI", colour=(0, 0, 255), window=(300, 4000)),
        Channel(name="CD3", colour=(0, 255, 0)),
    ]
    slide, pixels = slide_of(2, 16, channels=channels)
    store = stored(slide, tmp_path / "a.zarr")
    omero = json.loads((store.path / "zarr.json").read_text())["attributes"]["ome"]["omero"]
    assert [channel["label"] for channel in omero["channels"]] == ["DAPI", "CD3"]
    assert [channel["color"] for channel in omero["channels"]] == ["0000FF", "00FF00"]
    windows = [channel["window"] for channel in omero["channels"]]
    assert windows[0] == {"start": 300, "end": 4000, "min": 0, "max": 65535}
    assert 0 < windows[1]["start"] < windows[1]["end"] <= pixels.max()
    assert store.channels[0] == channels[0]


def test_three_channels_of_fluorescence_are_no_colours(tmp_path):
    path = ome_tiff(tmp_path / "a.ome.tif", signal(700, 900, 3, bits=8))
    store = st.tile_slide(path, tmp_path / "a.zarr", st.Recipe(tile=TILES))
    assert [channel.name for channel in store.channels] == list(NAMES[:3])
    assert not store.metadata.is_plain
    assert store.codec == "zstd"
    names = store.tiles.column_names[13:]
    assert names[:4] == ["mean_0", "mean_1", "mean_2", "saturated_fraction"]
    assert store.metadata.parameters.tissue.detector["name"] == "DarkBackgroundDetector"


def test_the_quality_of_channels_is_that_of_their_pixels(tmp_path):
    slide, pixels = slide_of(4, 16)
    store = stored(slide, tmp_path / "a.zarr")
    row = store.tiles.to_pylist()[0]
    blocks = pixels[:256, :256].astype(np.int64).reshape(32, 8, 32, 8, 4).sum((1, 3))
    averaged = (blocks + 32) // 64  # at 4 µm, of 0.5
    for channel in range(4):
        assert row[f"mean_{channel}"] == pytest.approx(averaged[..., channel].mean(), rel=1e-6)
    assert (row["saturated_fraction"], row["pen_fraction"]) == (0, 0)


@pytest.mark.parametrize(
    ("channels", "bits", "codec", "words"),
    [
        (1, 16, "jpeg", "grey or colour of 8 bits, but the slide has 1 channel of 16 bits"),
        (2, 8, "jxl", "stores grey or colour, but the slide has 2 channels of 8 bits"),
        (30, 16, "raw", "more than 48 MiB"),
    ],
)
def test_a_codec_that_cannot_hold_it_says_so_before_anything_is_written(
    tmp_path, channels, bits, codec, words
):
    slide = st.ArraySlide(np.ones((64, 64, channels), np.uint8 if bits == 8 else np.uint16))
    with pytest.raises(UnfitChoiceError, match=words):
        stored(slide, tmp_path / "a.zarr", codec)
    assert not list(tmp_path.iterdir())


WINDOWS = ["percentile:0.1,99.9", "200,4000", "full"]


@pytest.mark.parametrize("window", WINDOWS)
def test_mapped_stores_take_half_and_are_undone_to_within_one_step(tmp_path, window):
    pixels = signal(700, 900, 3)
    path = ome_tiff(tmp_path / "a.ome.tif", pixels)
    raw = {"tile": TILES, "codec": "raw"}
    whole = st.tile_slide(path, tmp_path / "whole.zarr", st.Recipe(**raw))
    recipe = st.Recipe(dtype="uint8", window=window, **raw)
    mapped = st.tile_slide(path, tmp_path / "mapped.zarr", recipe)
    assert mapped.tile_bytes * 2 == whole.tile_bytes
    assert mapped.metadata.parameters.window == window
    undone = mapped.mapping.undo(mapped[0]).astype(int)
    for channel, (low, high) in enumerate(mapped.mapping.windows):
        expected = whole[0][..., channel].astype(int).clip(low, high)
        assert np.abs(undone[..., channel] - expected).max() <= mapped.mapping.steps[channel]
    with st.open_slide(path) as slide:
        assert st.verify_store(mapped.path, slide=slide, deep=True) == ()
        assert st.verify_store(whole.path, slide=slide, deep=True) == ()
    assert done_before(path, mapped.path, recipe) is not None
    with pytest.raises(st.StoreExistsError):
        done_before(path, mapped.path, st.Recipe(**raw))


def test_a_percentile_is_that_of_the_overviews_level():
    pixels = signal(1400, 1800, 2)
    slide = st.ArraySlide([pixels, pixels[::4, ::4]], mpp=0.5)
    with st.map_slide(slide, window="percentile:1,99") as mapped:
        for channel, window in enumerate(mapped.mapping.windows):
            values = pixels[::4, ::4, channel].ravel()
            expected = np.percentile(values, (1, 99), method="inverted_cdf")
            assert window == tuple(expected)


def test_colours_share_a_window_so_that_white_stays_white():
    white = np.full((300, 300, 3), 60_000, np.uint16)
    white[100:200, 100:200] = (20_000, 9_000, 30_000)
    with st.map_slide(st.ArraySlide(white, mpp=0.5)) as mapped:
        assert mapped.mapping.windows == ((9_000, 60_000),) * 3
        pixels = mapped.read_region(mapped.bounds)
    assert (pixels[0, 0] == 255).all()
    assert pixels[150, 150].tolist() == [55, 0, 105]


def test_mapping_and_resampling_go_together(tmp_path):
    pixels = signal(700, 900, 2)
    path = ome_tiff(tmp_path / "a.ome.tif", pixels)
    recipe = st.Recipe(mpp=0.9, dtype="uint8", window="0,30000", tile=TILES)
    store = st.tile_slide(path, tmp_path / "a.zarr", recipe)
    with st.open_slide(path) as slide:
        coarse = st.rescale_slide(slide, mpp=0.9)
        expected = coarse.read_region(store.tile_region(0))
        np.testing.assert_array_equal(store[0], store.mapping.apply(expected))
        assert st.verify_store(store.path, slide=slide, deep=True) == ()


def test_chosen_channels_are_recorded_and_verified(tmp_path):
    pixels = signal(700, 900, 4)
    path = ome_tiff(tmp_path / "a.ome.tif", pixels)
    recipe = st.Recipe(channels=["CD8", "DAPI"], tissue_channel="DAPI", tile=TILES)
    store = st.tile_slide(path, tmp_path / "a.zarr", recipe)
    region = store.tile_region(0)
    np.testing.assert_array_equal(store[0][..., 1], pixels[region.slices][..., 0])
    parameters = store.attributes["parameters"]
    assert parameters["planes"] == {"channels": ["CD8", "DAPI"]}
    assert parameters["tissue"]["channel"] == "DAPI"
    with st.open_slide(path, channels=["CD8", "DAPI"]) as slide:
        assert st.verify_store(store.path, slide=slide) == ()
    with st.open_slide(path) as slide:
        (finding,) = st.verify_store(store.path, slide=slide)
    assert "opened with DAPI, CD3, CD8, CK of 16" in str(finding)
    assert done_before(path, store.path, recipe) is not None
    for other in ({"channels": ["CD8"]}, {"tissue_channel": None}):
        changed = {"channels": ["CD8", "DAPI"], "tissue_channel": "DAPI", "tile": TILES, **other}
        with pytest.raises(st.StoreExistsError):
            done_before(path, store.path, st.Recipe(**changed))


@pytest.mark.parametrize("interrupted", [False, True])
def test_the_bytes_do_not_depend_on_the_workers_or_on_a_stop(tmp_path, interrupted):
    slide, _ = slide_of(3, 16, channels=[Channel(name=n, colour=(9, 9, 9)) for n in "abc"])
    plan = st.plan_tiles(slide, st.find_tissue(slide), TILES)
    st.write_tiles(slide, plan, tmp_path / "one.zarr", codec="raw", workers=1)
    again = tmp_path / "two.zarr"
    if interrupted:

        def stop(progress):
            if progress.shards_done:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            st.write_tiles(slide, plan, again, codec="raw", workers=1, on_progress=stop)
    st.write_tiles(slide, plan, again, codec="raw", workers=3)
    files = {p.relative_to(again): p.read_bytes() for p in again.rglob("*") if p.is_file()}
    for name, data in files.items():
        assert (tmp_path / "one.zarr" / name).read_bytes() == data


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"dtype": "uint8", "window": "4000,200"}, "from a lower to a higher value, not 4000,200"),
        ({"dtype": "uint8", "window": "0,70000"}, "within 0–65535"),
        ({"dtype": "uint8", "window": "percentile:0.1,101"}, "from 0 to 100"),
        ({"dtype": "uint8", "window": "percentile:50,50"}, "from a lower to a higher"),
        ({"dtype": "uint8", "window": "auto"}, "percentile:LOW,HIGH .* or full, not 'auto'"),
        ({"window": "full"}, "needs dtype uint8"),
        ({"dtype": "uint16"}, "uint8 or None"),
        ({"channels": ["DAPI", "DAPI"]}, "chosen once"),
        ({"z": -1}, "counts from 0"),
    ],
)
def test_what_no_slide_could_have_is_refused_at_birth(choices, words):
    with pytest.raises(ValueError, match=words):
        st.Recipe(**choices)


def test_a_window_beyond_the_slides_bits_or_of_one_value_is_refused(tmp_path):
    pixels = signal(300, 400, 2, bits=12)
    with pytest.raises(UnfitChoiceError, match="12 bits go from 0 to 4095"):
        st.map_slide(st.ArraySlide(pixels, bits=12), window="0,5000")
    path = tmp_path / "a.ome.tif"
    pixels[..., 1] = 0
    ome_tiff(path, pixels)
    with pytest.raises(UnfitChoiceError, match="channel CD3 is 0 everywhere, so there is no win"):
        st.tile_slide(path, tmp_path / "a.zarr", st.Recipe(dtype="uint8"))
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.ome.tif"]


def test_a_channel_of_zeros_is_stored_as_it_is(tmp_path):
    pixels = signal(300, 400, 2)
    pixels[..., 0] = 0
    store = stored(st.ArraySlide(pixels, mpp=0.5, background=(0, 0, 0)), tmp_path / "a.zarr")
    assert st.verify_store(store.path, deep=True) == ()


def test_a_slide_of_8_bits_is_stored_as_it_is(tmp_path, sample):
    recipe = st.Recipe(dtype="uint8", tile=st.TileSpec(size=512, max_tiles=2))
    store = st.tile_slide(sample, tmp_path / "a.zarr", recipe)
    assert store.codec == "native"
    assert store.mapping is None
    assert "window" not in store.attributes["parameters"]
    assert done_before(sample, store.path, recipe) is not None


def test_a_plan_of_another_slide_is_refused_before_anything_is_written(tmp_path):
    slide, pixels = slide_of(2, 16)
    plan = st.plan_tiles(slide, st.find_tissue(slide), TILES)
    others = {
        "900×700 pixels and 2 channels of 8 bits": st.map_slide(slide, window="full"),
        "900×700 pixels and 1 channel of 16 bits": st.ArraySlide(pixels[..., :1]),
        "900×600 pixels and 2 channels of 16 bits": st.ArraySlide(pixels[:600]),
    }
    for told, other in others.items():
        for act in (st.write_tiles, estimate):
            with pytest.raises(ValueError, match=f"of 16 bits, but .* has {told}: plan the slide"):
                act(other, plan, tmp_path / "a.zarr")
    assert not list(tmp_path.iterdir())
