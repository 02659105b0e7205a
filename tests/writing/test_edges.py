"""Stores whose tiles are kept, dropped or shifted at the edges, or chosen among many."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

import slidetile as st
from slidetile.format.manifest import FileSum, pack_manifest
from slidetile.format.metadata.node import to_json
from slidetile.format.names import MANIFEST
from slidetile.recipe.comparing import matches

SPECS = {
    "keep": st.TileSpec(size=1008, min_tissue_fraction=0),
    "drop": st.TileSpec(size=1008, min_tissue_fraction=0, edge="drop"),
    "shift": st.TileSpec(size=1008, min_tissue_fraction=0, edge="shift"),
    "large": st.TileSpec(size=4096, min_tissue_fraction=0, edge="shift"),
    "fullest": st.TileSpec(size=512, max_tiles=5, edge="shift"),
    "sample": st.TileSpec(size=512, sample=5, seed=9),
}


@pytest.fixture(scope="module")
def stores(sample, tmp_path_factory):
    folder = tmp_path_factory.mktemp("edges")
    return {
        (name, codec): st.tile_slide(
            sample, folder / f"{name}.{codec}", st.Recipe(tile=spec, codec=codec)
        )
        for name, spec in SPECS.items()
        for codec in ("native", "zstd")
    }


@pytest.mark.parametrize("codec", ["native", "zstd"])
@pytest.mark.parametrize("name", SPECS)
def test_every_tile_is_the_slides_and_nothing_is_wrong(stores, sample, name, codec):
    store, spec = stores[name, codec], SPECS[name]
    with st.open_slide(sample) as slide:
        plan = st.plan_tiles(slide, st.find_tissue(slide), spec)
        assert len(store) == len(plan) > 0
        for tile in plan:
            assert store.tile_region(tile.tile_id) == tile.region
            assert np.array_equal(store[tile.tile_id], slide.read_region(tile.region))
        rows = store.tiles.select(["column", "row", "x", "y", "width", "height"]).to_pylist()
        expected = [(t.column, t.row, *_sides(t.inside)) for t in plan]
        assert [tuple(row.values()) for row in rows] == expected
        assert st.verify_store(store.path, slide=slide, deep=True) == ()


@pytest.mark.parametrize(
    ("name", "codec"),
    [("CMU-1-Small-Region.svs", "native"), ("petebankhead-OS-1-detail.ome.tif", "native")],
)
def test_shifted_tiles_of_real_slides_are_the_slides(shared_slides, tmp_path, name, codec):
    """Native tiles of 240 and 512: a shifted tile of 496 lies on the borders of neither."""
    recipe = st.Recipe(tile=st.TileSpec(size=496, edge="shift"), codec=codec)
    store = st.tile_slide(shared_slides / name, tmp_path / "s.zarr", recipe)
    with st.open_slide(shared_slides / name) as slide:
        regions = [store.tile_region(index) for index in range(len(store))]
        assert any(region.x % 496 for region in regions)
        assert all(slide.bounds.contains(region) for region in regions)
        for pixels, region in zip(store, regions, strict=True):
            assert np.array_equal(pixels, slide.read_region(region))
        windows = store.windows(size=200, stride=170)
        assert len(windows) > 10
        for number, pixels in enumerate(windows):
            assert np.array_equal(pixels, slide.read_region(windows.region(number)))
        assert st.verify_store(store.path, slide=slide, deep=True) == ()


def _sides(region):
    return region.x, region.y, region.width, region.height


def test_edges_are_what_they_are_called(stores):
    """The slide has 3840×2560 pixels: 3.8 by 2.5 tiles."""
    corners = {
        edge: sorted(
            zip(*(stores[edge, "native"].tiles[name].to_pylist() for name in "xy"), strict=True)
        )
        for edge in ("keep", "drop", "shift", "large")
    }
    assert corners["keep"] == [(x, y) for x in (0, 1008, 2016, 3024) for y in (0, 1008, 2016)]
    assert corners["drop"] == [(x, y) for x in (0, 1008, 2016) for y in (0, 1008)]
    assert corners["shift"] == [(x, y) for x in (0, 1008, 2016, 2832) for y in (0, 1008, 1552)]
    assert corners["large"] == [(0, 0)]


@pytest.mark.parametrize("name", SPECS)
def test_stores_tell_how_their_tiles_were_chosen(stores, sample, name):
    spec = SPECS[name]
    told = stores[name, "native"].attributes["parameters"]
    assert {key: told.get(key) for key in spec.parameters} == spec.parameters
    others = [replace(spec, edge=edge) for edge in ("keep", "drop", "shift")]
    others += [replace(spec, max_tiles=None, sample=6, seed=seed) for seed in (9, 10)]
    others += [replace(spec, sample=None, seed=0, max_tiles=6), *SPECS.values()]
    with st.open_slide(sample) as slide:
        for other in others:
            made = matches(st.Recipe(tile=other, codec="native"), stores[name, "native"], slide)
            assert made == (other == spec), other


def test_an_unfinished_store_with_another_edge_is_not_continued(sample, tmp_path):
    path = tmp_path / "s.zarr"

    def stop(progress):
        if progress.shards_done:
            raise KeyboardInterrupt

    def tile(**choices):
        recipe = st.Recipe(tile=st.TileSpec(size=1024, **choices), codec="zstd")
        return st.tile_slide(sample, path, recipe, on_progress=stop if not choices else None)

    with pytest.raises(KeyboardInterrupt):
        tile()
    for choices in ({"edge": "shift"}, {"max_tiles": 3}, {"sample": 3, "seed": 1}):
        with pytest.raises(st.StoreMismatchError):
            tile(**choices)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("shift", {"edge": "keep"}),
        ("keep", {"edge": "shift"}),
        ("keep", {"edge": "drop"}),
        ("keep", {"edge": "pad"}),
        ("fullest", {"max_tiles": 4}),
        ("sample", {"sample": 4}),
        ("sample", {"seed": 10}),
        ("sample", {"sample": 6}),
        ("sample", {"sample": None, "seed": 0, "max_tiles": 5}),
        ("fullest", {"max_tiles": None, "sample": 5}),
        ("fullest", {"max_tiles": None}),
        ("keep", {"min_tissue_fraction": 0.3}),
        ("keep", {"max_tiles": 5}),
        ("sample", {"seed": -1}),
    ],
)
def test_a_store_that_tells_another_edge_or_number_is_found_out(stores, tmp_path, name, change):
    path = shutil.copytree(stores[name, "native"].path, tmp_path / "s.zarr")
    node = json.loads((path / "zarr.json").read_bytes())
    node["attributes"]["slidetile"]["parameters"] |= change
    (path / "zarr.json").write_bytes(to_json(node))
    files = {str(f.relative_to(path)): f for f in path.rglob("*") if f.is_file()}
    del files[MANIFEST]
    sums = {name: FileSum.of(file.read_bytes()) for name, file in files.items()}
    (path / MANIFEST).write_bytes(pack_manifest(sums))
    assert st.verify_store(path) != ()
