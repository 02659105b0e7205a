"""Levels of a store as lazy arrays, and the store as a table and as layers: the same pixels."""

import pickle
import subprocess
import sys

import dask
import dask.array
import numpy as np
import pytest
from tampering import damage_chunk

import slidetile as st
from slidetile.raster.channels import Channel


@pytest.fixture(scope="module", params=["native", "zstd"])
def store(request, sample, tmp_path_factory):
    path = tmp_path_factory.mktemp(request.param) / "sample.zarr"
    return st.tile_slide(sample, path, st.Recipe(codec=request.param))


@pytest.fixture
def own_store(sample, tmp_path):
    return st.tile_slide(sample, tmp_path / "own.zarr")


class Recorded:
    """A store that notes which regions are read."""

    def __init__(self, store):
        self.store, self.regions = store, []

    def read_level_region(self, region, *, level):
        self.regions.append(region)
        return self.store.read_level_region(region, level=level)


def whole(store, level):
    grid = store.grid(level)
    region = st.Region(x=0, y=0, width=grid.width, height=grid.height)
    return store.read_level_region(region, level=level).transpose(2, 0, 1)


def test_every_pixel_of_every_level_is_the_stores(store):
    for level in range(len(store.levels)):
        lazy = store.to_dask(level)
        assert lazy.dtype == store.dtype
        np.testing.assert_array_equal(lazy.compute(), whole(store, level))
        np.testing.assert_array_equal(lazy, np.asarray(store.zarr[str(level)]))


def test_its_chunks_are_the_stores(store):
    grid = store.grid(0)
    assert store.to_dask().chunksize == (3, grid.chunk_height, grid.chunk_width)


def test_a_slice_reads_the_one_chunk_it_lies_in(store):
    array = store._lazy(0)
    recorded = Recorded(store)
    object.__setattr__(array, "store", recorded)
    lazy = dask.array.from_array(array, chunks=array.chunks, fancy=False, asarray=False)
    assert recorded.regions == []
    tile = store.tile_region(3)
    part = lazy[:, tile.y + 3 : tile.y + 13, tile.x + 5 : tile.x + 25].compute()
    (region,) = recorded.regions
    assert (region.width, region.height) == store._lazy(0).chunks[:0:-1]
    assert (region.x, region.y) == (tile.x, tile.y)
    expected = st.Region(x=tile.x + 5, y=tile.y + 3, width=20, height=10)
    np.testing.assert_array_equal(part.transpose(1, 2, 0), store.read_region(expected))


def test_what_is_not_stored_takes_no_read_and_damage_raises(own_store):
    columns, rows = own_store.grid(0).chunk_columns, own_store.grid(0).chunk_rows
    cells = [(column, row) for row in range(rows) for column in range(columns)]
    stored = [cell for cell in cells if own_store.read_chunk_bytes(*cell) is not None]
    absent = sorted(set(cells) - set(stored))
    assert stored
    assert absent
    for cell in stored:
        damage_chunk(own_store.path, *cell)
    blocks = st.open_store(own_store.path).to_dask().blocks
    for column, row in absent:
        assert (blocks[0, row, column].compute() == 255).all()
    for column, row in stored[:3]:
        with pytest.raises(st.StoreError, match="is damaged"):
            blocks[0, row, column].compute()


def test_a_replaced_store_raises(sample, own_store):
    lazy = own_store.to_dask(1)
    recipe, options = st.Recipe(tile=st.TileSpec(size=512)), st.WriteOptions(existing="overwrite")
    st.tile_slide(sample, own_store.path, recipe, options=options)
    with pytest.raises(st.StoreError, match="replaced"):
        lazy.compute()


def test_the_same_store_has_the_same_name_for_dask(store):
    again = st.open_store(store.path)
    assert store.to_dask(1).name == again.to_dask(1).name
    assert store.to_dask(1).name != store.to_dask(0).name


def test_processes_read_it_too(store):
    lazy = pickle.loads(pickle.dumps(store.to_dask(1)))  # noqa: S301  of ours
    np.testing.assert_array_equal(lazy, whole(store, 1))


def test_levels_are_numbered_from_the_end_too_and_others_are_none(store):
    assert store.to_dask(-1).name == store.to_dask(len(store.levels) - 1).name
    with pytest.raises(IndexError):
        store.to_dask(len(store.levels))


def test_xarray_has_the_places_that_ome_says(store):
    scales = store.zarr.attrs["ome"]["multiscales"][0]["datasets"]
    for level, scale in enumerate(scales):
        steps = {step["type"]: step[step["type"]] for step in scale["coordinateTransformations"]}
        image = store.to_xarray(level)
        assert image.dims == ("c", "y", "x")
        assert image.c.values.tolist() == ["red", "green", "blue"]
        for place, name in ((1, "y"), (2, "x")):
            begin = steps.get("translation", [0, 0, 0])[place]
            expected = begin + np.arange(image.sizes[name]) * steps["scale"][place]
            np.testing.assert_allclose(image[name], expected)
            assert image[name].attrs == {"units": "micrometer"}
        assert isinstance(image.data, dask.array.Array)
        np.testing.assert_array_equal(image, whole(store, level))


def test_xarray_cuts_by_micrometres(store):
    part = store.to_xarray(0).sel(x=slice(400, 500), y=slice(300, 350))
    region = st.Region(x=800, y=600, width=201, height=101)  # both ends are pixels
    np.testing.assert_array_equal(part, store.read_region(region).transpose(2, 0, 1))


def test_without_an_mpp_places_are_pixels(tmp_path):
    image = bare_store(tmp_path).to_xarray()
    assert image.x.attrs == {"units": "pixel"}
    assert image.x.values[[0, -1]].tolist() == [0, 511]


def test_the_table_is_a_frame(store):
    frame = store.to_pandas()
    assert list(frame.columns) == store.tiles.column_names
    assert frame["x"].tolist() == store.tiles["x"].to_pylist()


def test_layers_of_napari_lie_on_each_other(store):
    (levels, drawn, _), (tissue, label, _), (shapes, tiles, _) = store.to_napari()
    assert drawn["rgb"]
    for number, level in enumerate(levels):
        np.testing.assert_array_equal(level, whole(store, number).transpose(1, 2, 0))
    np.testing.assert_array_equal(tissue, store.tissue)
    assert drawn["scale"] == tiles["scale"] == (0.5, 0.5)
    assert label["scale"] == pytest.approx(tuple(s * 0.5 for s in store.overview_scale))
    # napari's pixels have their centres at integers: a layer's first edge is half a pixel before.
    corner = [t - s / 2 for t, s in zip(label["translate"], label["scale"], strict=True)]
    assert corner == pytest.approx([-0.25, -0.25])
    x, y, width, height = (store.tiles[n][3].as_py() for n in ("x", "y", "width", "height"))
    left, top, right, bottom = x - 0.5, y - 0.5, x + width - 0.5, y + height - 0.5
    assert shapes[3].tolist() == [[top, left], [top, right], [bottom, right], [bottom, left]]
    assert tiles["features"].keys() == set(store.tiles.column_names)


def test_channels_are_layers_in_their_colours_and_windows(tmp_path):
    channels = (
        Channel(name="DAPI", colour=(0, 0, 255), window=(100, 3000)),
        Channel(name="CD3", colour=(255, 128, 0), window=(0, 900)),
    )
    store = bare_store(tmp_path, np.uint16, channels)
    levels, drawn, _ = store.to_napari()[0]
    assert levels[0].shape == (2, 512, 512)
    assert drawn["channel_axis"] == 0
    assert drawn["name"] == ["DAPI", "CD3"]
    assert drawn["contrast_limits"] == [(100, 3000), (0, 900)]
    assert drawn["colormap"][1] == [[0, 0, 0], [1, 128 / 255, 0]]


def bare_store(folder, dtype=np.uint8, channels=()):
    count = len(channels) or 3
    pixels = np.random.default_rng(0).integers(60, 200, (512, 512, count), dtype)
    slide = st.ArraySlide(pixels, **({"channels": channels} if channels else {}))
    overview = st.read_overview(slide)
    tissue = st.TissueMask.from_mask(np.ones(overview.image.shape[:2], bool), overview)
    plan = st.plan_tiles(slide, tissue, st.TileSpec(size=64))
    return st.write_tiles(slide, plan, folder / "bare.zarr")


@pytest.mark.parametrize(
    ("module", "call", "extra"),
    [
        ("dask.array", "to_dask", "arrays"),
        ("dask.array", "to_napari", "arrays"),
        ("dask.array", "to_xarray", "arrays"),
        ("dask.array", "to_spatialdata", "spatial"),
        ("xarray", "to_xarray", "arrays"),
        ("pandas", "to_pandas", "arrays"),
        ("spatialdata", "to_spatialdata", "spatial"),
    ],
)
def test_what_is_not_installed_is_named_with_its_extra(own_store, module, call, extra):
    """In a process of its own, where the library cannot be imported."""
    script = f"""
import importlib.abc, sys

class Hidden(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == {module!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Hidden())
import slidetile as st
try:
    st.open_store({str(own_store.path)!r}).{call}()
except ImportError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"{call} needs {module.partition('.')[0]}")
    assert f"pip install 'slidetile[{extra}]'" in done.stdout


@pytest.mark.parametrize("method", ["to_dask", "to_xarray"])
def test_a_level_that_is_not_there_is_told_with_those_that_are(own_store, method):
    count = len(own_store.levels)
    for level in (count, -count - 1):
        with pytest.raises(
            IndexError, match=rf"from 0 to {count - 1}, so there is no level {level}"
        ):
            getattr(own_store, method)(level)


def test_opening_a_store_loads_none_of_them(own_store):
    script = f"""
import sys
import slidetile as st
st.open_store({str(own_store.path)!r})
print(*sorted({{"dask", "xarray", "spatialdata", "h5py"}} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
