"""Stores at an asked resolution: what they hold, say and survive."""

import json
from fractions import Fraction

import numpy as np
import pytest
import tifffile
from batches import tile_here
from geojson_features import unmeasured

import slidetile as st
from slidetile.format.manifest import FileSum, pack_manifest
from slidetile.format.metadata.node import to_json
from slidetile.format.names import MANIFEST
from slidetile.raster.averaging import Resampling

SMALL = st.TileSpec(size=512)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def at(mpp, **others):
    return st.Recipe(mpp=mpp, tile=SMALL, **others)


def level_0(store):
    return store.attributes["level_0"]


def ome_scale(store):
    root = json.loads((store.path / "zarr.json").read_bytes())
    dataset = root["attributes"]["ome"]["multiscales"][0]["datasets"][0]
    return dataset["coordinateTransformations"][0]["scale"]


@pytest.fixture(scope="module")
def averaged(sample, tmp_path_factory):
    return st.tile_slide(sample, tmp_path_factory.mktemp("averaged") / "s.zarr", at(0.7))


@pytest.fixture(scope="module")
def as_it_is(sample, tmp_path_factory):
    return st.tile_slide(sample, tmp_path_factory.mktemp("level") / "s.zarr", at(1.97))


def test_an_averaged_store_is_at_the_resolution_asked_for(sample, averaged):
    assert (averaged.codec, averaged.mpp, averaged.slide_scale) == ("zstd", (0.7, 0.7), (1.4, 1.4))
    assert ome_scale(averaged) == [1.0, 0.7, 0.7]
    assert averaged.levels[0].size == (-(-38400 // 14), -(-25600 // 14))
    with st.open_slide(sample) as slide:
        view = st.rescale_slide(slide, mpp=0.7)
        whole = view.read_region(view.bounds)
    for number in range(len(averaged)):
        region = averaged.tile_region(number)
        inside = region.intersection(st.Region.from_edges(0, 0, *averaged.levels[0].size))
        tile = averaged[number][: inside.height, : inside.width]
        np.testing.assert_array_equal(tile, whole[inside.slices])


def test_a_native_level_stays_native(sample, as_it_is):
    assert as_it_is.codec == "native"
    assert (as_it_is.mpp, as_it_is.slide_scale) == ((2.0, 2.0), (4.0, 4.0))
    assert ome_scale(as_it_is) == [1.0, 2.0, 2.0]
    with st.open_slide(sample) as slide:
        level = slide.read_region(slide.bounds, level=1)
    assert as_it_is.levels[0].size == level.shape[1::-1]
    tile = as_it_is.tile_region(0)
    inside = tile.intersection(st.Region.from_edges(0, 0, *level.shape[1::-1]))
    np.testing.assert_array_equal(
        as_it_is[0][: inside.height, : inside.width], level[inside.slices]
    )


def test_a_store_says_how_its_level_0_came_about(averaged, as_it_is):
    for store, asked in ((averaged, 0.7), (as_it_is, 1.97)):
        source = store.attributes["source"]
        assert (source["width"], source["height"], source["mpp"]) == (3840, 2560, [0.5, 0.5])
        assert source["level_downsamples"] == [1.0, 4.0]
        assert store.attributes["parameters"]["mpp"] == asked
    told = {"mpp": [0.7, 0.7], "slide_level": 0, "factor": [1.4, 1.4], "scale": [1.4, 1.4]}
    assert level_0(averaged) == told
    told = {"mpp": [2.0, 2.0], "slide_level": 1, "factor": [1.0, 1.0], "scale": [4.0, 4.0]}
    assert level_0(as_it_is) == told


def test_edges_are_those_of_the_resampled_slide(sample, tmp_path):
    spec = st.TileSpec(size=512, edge="shift", min_tissue_fraction=0)
    store = st.tile_slide(sample, tmp_path / "s.zarr", st.Recipe(mpp=0.7, tile=spec))
    width, height = store.levels[0].size
    with st.open_slide(sample) as slide:
        whole = st.rescale_slide(slide, mpp=0.7).read_region(
            st.Region.from_edges(0, 0, width, height)
        )
        assert st.verify_store(store.path, slide=slide, deep=True) == ()
    last = store.tile_region(len(store) - 1)
    assert (last.right, last.bottom) == (width, height)
    np.testing.assert_array_equal(store[len(store) - 1], whole[last.slices])


def test_exports_are_in_pixels_of_the_file(sample, averaged, tmp_path):
    with st.open_slide(sample) as slide:
        view = st.rescale_slide(slide, mpp=0.7)
        plan = st.plan_tiles(view, st.find_tissue(view), SMALL)
        st.export_plan(view, plan, tmp_path / "plan.geojson")
        drawn = st.draw_tissue(view, st.read_annotations(tmp_path / "plan.geojson", view))
    assert (drawn.mask == plan.tissue.mask).all()
    st.export_store(averaged, tmp_path / "store.geojson")
    features = json.loads((tmp_path / "store.geojson").read_text())["features"]
    assert unmeasured(tmp_path / "store.geojson") == unmeasured(tmp_path / "plan.geojson")
    tiles = [f for f in features if f["properties"]["objectType"] == "tile"]
    first = averaged.tile_region(0)
    corner = tiles[0]["geometry"]["coordinates"][0][0]
    assert corner == pytest.approx([first.x * 1.4, first.y * 1.4])


def test_windows_of_a_store_at_another_resolution_go_by_its_own_mpp(averaged):
    windows = averaged.windows(size=128, stride=128, mpp=1.4)
    assert len(windows)
    grid = Resampling(source_size=averaged.levels[0].size, factor=(Fraction(2), Fraction(2)))
    whole = st.Region.from_edges(0, 0, *grid.size)
    canvas = averaged.read_region(grid.source_region(whole))
    twin = grid.average(canvas, grid.source_region(whole), whole)
    x, y = windows.coordinates[0] // 2
    np.testing.assert_array_equal(windows[0], twin[y : y + 128, x : x + 128])


@pytest.mark.parametrize(
    ("name", "codec", "times"),
    [
        ("CMU-1-small.tiff", "auto", 0.99),
        ("CMU-1-small.tiff", "jpeg", 1.6),
        ("CMU-1-small.tiff", "auto", 2.02),
        ("CMU-1-small.tiff", "raw", 5.5),
        ("CMU-1-Small-Region.svs", "auto", 1.4),
        ("CMU-1-Small-Region.svs", "jpeg", 5.5),
    ],
)
def test_stores_of_real_slides_verify(shared_slides, tmp_path, name, codec, times):
    with st.open_slide(shared_slides / name) as slide:
        mpp = slide.mpp[0] * times
        store = st.tile_slide(shared_slides / name, tmp_path / "s.zarr", at(mpp, codec=codec))
        assert len(store)
        assert st.verify_store(store.path, slide=slide, deep=True) == ()
        view = st.rescale_slide(slide, mpp=mpp)
        assert st.verify_store(store.path, slide=view, deep=True) == ()
    is_level = times in (0.99, 2.02)
    if codec == "auto":
        assert store.codec == ("native" if is_level else "zstd")
    if not is_level:
        assert store.mpp == (mpp, mpp)


def test_verifying_needs_no_mpp_of_the_slide(shared_slides, tmp_path):
    """The slide's own is missing; that which was given is in the store."""
    path = shared_slides / "wsic-CMU-1-Small-Region.jpeg.tiff"
    store = st.tile_slide(path, tmp_path / "s.zarr", at(0.9, slide_mpp=0.499))
    with st.open_slide(path, mpp=0.25) as slide:
        assert st.verify_store(store.path, slide=slide) == ()


def test_pixels_that_are_not_the_slides_are_found(averaged, as_it_is, sample):
    class Other(st.ArraySlide):
        @property
        def source(self):
            return st.Source(name="x", size_bytes=1, fingerprint=fingerprint)

    with st.open_slide(sample) as slide:
        fingerprint = slide.source.fingerprint
        levels = [slide.read_region(slide.bounds, level=n).copy() for n in range(2)]
    for store in (averaged, as_it_is):
        assert st.verify_store(store.path, slide=Other(levels)) == ()
    for level in levels:
        level[1000:] ^= 128
        level[300:] ^= 128
    for store in (averaged, as_it_is):
        findings = st.verify_store(store.path, slide=Other(levels))
        assert findings
        assert all("are not the slide's" in finding.what for finding in findings)


LIES = {
    "mpp": lambda told: told["level_0"].update(mpp=[0.5, 0.5]),
    "level": lambda told: told["level_0"].update(slide_level=1),
    "negative level": lambda told: told["level_0"].update(slide_level=-1),
    "factor": lambda told: told["level_0"].update(factor=[1.5, 1.4]),
    "scale": lambda told: told["level_0"].update(scale=[1.4, 1.41]),
    "no scale": lambda told: told["level_0"].update(scale=[0.0, 0.0]),
    "no level 0": lambda told: told.pop("level_0"),
    "not asked": lambda told: told["parameters"].update(mpp=None),
    "asked otherwise": lambda told: told["parameters"].update(mpp=0.71),
    "asked for too much": lambda told: told["parameters"].update(mpp=0.3),
    "asked for nonsense": lambda told: told["parameters"].update(mpp="x"),
    "slide's width": lambda told: told["source"].update(width=3830),
    "slide's mpp": lambda told: told["source"].update(mpp=[0.5, 0.51]),
    "slide without mpp": lambda told: told["source"].update(mpp=None),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_store_that_lies_about_level_0_is_found_out(averaged, lie):
    path = averaged.path / "zarr.json"
    before = {name: (averaged.path / name).read_bytes() for name in ("zarr.json", MANIFEST)}
    node = json.loads(before["zarr.json"])
    lie(node["attributes"]["slidetile"])
    try:
        path.write_bytes(to_json(node))
        files = (file for file in averaged.path.rglob("*") if file.is_file())
        names = {str(file.relative_to(averaged.path)): file for file in files}
        sums = {n: FileSum.of(file.read_bytes()) for n, file in names.items() if n != MANIFEST}
        (averaged.path / MANIFEST).write_bytes(pack_manifest(sums))
        assert st.verify_store(averaged.path)
    finally:
        for name, data in before.items():
            (averaged.path / name).write_bytes(data)
    assert st.verify_store(averaged.path) == ()


def interrupt(path, store_path, recipe):
    def stop(progress):
        if progress.shards_done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        st.tile_slide(path, store_path, recipe, on_progress=stop)


def test_an_interrupted_run_goes_on_at_the_same_resolution_only(sample, averaged, tmp_path, tree):
    path = tmp_path / "s.zarr"
    interrupt(sample, path, at(0.7))
    with pytest.raises(st.StoreMismatchError, match=r"parameters|level_0"):
        st.tile_slide(sample, path, at(0.8))
    with pytest.raises(st.StoreMismatchError, match=r"parameters|level_0"):
        st.tile_slide(sample, path, st.Recipe(tile=SMALL))
    done = st.tile_slide(sample, path, at(0.7), workers=3)
    assert tree(done.path) == tree(averaged.path)


def test_a_batch_knows_its_stores_again(sample, tmp_path):
    def status(recipe):
        (result,) = tile_here([sample], tmp_path, recipe).results
        return result.status

    assert status(at(0.7)) == "ok"
    assert status(at(0.7)) == "already done"
    assert status(at(0.7, slide_mpp=0.5)) == "already done"
    for other in (at(0.71), at(None), at(0.7, slide_mpp=0.45)):
        assert status(other) == "ok"  # made anew
        assert status(other) == "already done"


def test_a_slide_that_cannot_be_had_so_fails_alone(sample, shared_slides, tmp_path):
    slides = [sample, shared_slides / "CMU-1-small.tiff"]
    good, bad = tile_here(slides, tmp_path, at(1.0)).results
    assert (good.status, bad.status) == ("ok", "failed")
    assert "3.195×3.195 µm per pixel: at 1 its pixels would be made up" in bad.reason


def test_what_cannot_be_read_is_unreadable_at_any_resolution(damaged_sample, tmp_path):
    store = st.tile_slide(damaged_sample, tmp_path / "s.zarr", at(0.7))
    statuses = store.tiles["status"].to_pylist()
    assert 0 < statuses.count("unreadable") < len(statuses)
    with st.open_slide(damaged_sample) as slide:
        findings = st.verify_store(store.path, slide=slide, deep=True)
    assert findings == ()


def test_native_cannot_be_averaged(sample, tmp_path):
    why = r"at 0.7 µm per pixel the store is averaged from level 0.*ask for 0.5 or 2 µm"
    with pytest.raises(st.NotNativeError, match=why):
        st.tile_slide(sample, tmp_path / "s.zarr", at(0.7, codec="native"))


def test_a_level_that_cannot_be_copied_is_said_to_be_so(tmp_path):
    image = np.zeros((512, 512, 3), np.uint8)
    path = tmp_path / "plain.tif"
    with tifffile.TiffWriter(path) as file:
        for level in (image, image[::2, ::2]):
            options = {"photometric": "rgb", "metadata": None, "subfiletype": len(level) < 512}
            file.write(level, tile=(64, 64), resolution=(20_000, 20_000), **options)
    with pytest.raises(st.NotNativeError, match="level 1 of the slide is not made of tiles"):
        st.tile_slide(path, tmp_path / "s.zarr", st.Recipe(mpp=1, slide_mpp=0.5, codec="native"))
    with pytest.raises(st.NotNativeError, match=r"no compressed tiles to copy; use the codec"):
        st.tile_slide(path, tmp_path / "s.zarr", st.Recipe(mpp=2, slide_mpp=0.5, codec="native"))


def test_the_command_line_asks_by_mpp_or_by_objective(cli, sample, averaged, tree):
    assert cli("tile", sample, "--tile-size", 512, "--mpp", "0.7", "-o", "mpp.zarr").exit_code == 0
    assert tree(st.open_store("mpp.zarr").path) == tree(averaged.path)
    for power in ("5x", "5X", "5", "5.0x"):
        told = json.loads(cli("plan", sample, "--objective", power, "--json").stdout)
        assert told["codec"] == "native"
        assert (told["level_0"]["slide_level"], told["mpp_um"]) == (1, [2.0, 2.0])
    assert "level 1 of the slide, unchanged" in cli("plan", sample, "--objective", "5x").stdout
    told = json.loads(cli("plan", sample, "--objective", "14×", "--json").stdout)
    assert told["level_0"]["slide_level"] == 0
    assert told["level_0"]["averaging_factor"] == pytest.approx([10 / 7] * 2)
    assert "level 0" not in cli("plan", sample, "--objective", "20x").stdout
    averaging = "level 0 of the slide, 1.4×1.4 pixels averaged into one"
    assert averaging in cli("info", "mpp.zarr").stdout
    assert cli("verify", "mpp.zarr", "--slide", sample, "--deep").exit_code == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--mpp 0.5 --objective 20x", "give one of them"),
        ("--objective high", "'high' is not a power such as 20x"),
        ("--objective 0x", "is not a power such as 20x"),
        ("--objective 1000x", "between 0.05 and 200 µm per pixel, but this one is 0.01"),
        ("--mpp 0", "between 0.05 and 200"),
        ("--mpp nan", "between 0.05 and 200 µm per pixel, but this one is not a number (nan)."),
        ("--slide-mpp nan", "but this one is not a number (nan)."),
        ("--slide-mpp inf", "but this one is inf. Is it given in µm"),
        ("--mpp 0.25", "The slide has 0.5×0.5 µm per pixel"),
    ],
)
def test_what_makes_no_sense_is_wrong_usage(cli, sample, options, message):
    result = cli("tile", sample, *options.split())
    assert result.exit_code == 2
    assert message in result.stderr


def test_an_objective_needs_a_known_mpp(cli, shared_slides):
    path = shared_slides / "wsic-CMU-1-Small-Region.jpeg.tiff"
    result = cli("tile", path, "--objective", "10x")
    assert result.exit_code == 1
    assert "does not say its mpp" in result.stderr
    assert "--slide-mpp" in result.stderr
    assert cli("plan", path, "--objective", "10x", "--slide-mpp", "0.499").exit_code == 0
