"""Labels of windows: from a column of the tile table, or each class's share."""

import itertools

import numpy as np
import pytest
import torch
from known_tissue import drawn

import slidetile as st
from slidetile.store.window_source import WindowSpec
from slidetile.torch import TileDataset
from slidetile.torch._labels import tiles_under


def under(store, tiles, number):
    """The tiles that hold a window's centre, by brute force."""
    region = store.windows(**SPEC).region(number)
    x, y = region.x + region.width // 2, region.y + region.height // 2
    width, height = store.levels[0].size
    centre = st.Region(x=min(x, width - 1), y=min(y, height - 1), width=1, height=1)
    return [n for n in tiles if store.tile_region(n).contains(centre)]


SPEC = {"size": 100, "stride": 70, "min_tissue_fraction": 0.0}


def test_a_window_has_the_number_of_the_tile_under_its_centre(native):
    tiles = TileDataset(native, **SPEC, labels="tissue_fraction")
    values = native.tiles["tissue_fraction"].to_numpy()
    assert tiles.labels.dtype == np.float32
    assert tiles.classes == ("tissue_fraction",)
    for number in range(0, len(tiles), 11):
        (tile,) = under(native, range(len(native)), number)
        assert tiles.labels[number] == values[tile]
        assert tiles[number]["label"] == pytest.approx(values[tile])
    both = TileDataset(native, **SPEC, labels=["row", "tissue_fraction"])
    assert both.classes == ("row", "tissue_fraction")
    assert torch.equal(both[5]["label"], torch.from_numpy(both.labels[5]))
    assert np.array_equal(both.labels[:, 1], tiles.labels)


@pytest.mark.parametrize("edge", ["keep", "drop", "shift"])
def test_the_tile_under_a_window_whatever_the_edges(sample, tmp_path, edge):
    recipe = st.Recipe(tile=st.TileSpec(size=608, edge=edge), codec="zstd", detector=drawn)
    store = st.tile_slide(sample, tmp_path / "x.zarr", recipe)
    width, height = store.levels[0].size
    for window_edge in ("keep", "drop", "shift"):
        spec = WindowSpec(size=100, stride=70, min_tissue_fraction=0.0, edge=window_edge)
        source = store.window_source(spec)
        found = tiles_under(store, source)
        for number, tile in itertools.islice(enumerate(found.tolist()), 0, None, 13):
            x, y = (source.plan.coordinates[number] + 50).tolist()
            centre = st.Region(x=min(x, width - 1), y=min(y, height - 1), width=1, height=1)
            assert store.tile_region(tile).contains(centre)


def test_words_become_classes(native):
    tiles = TileDataset(native, size=100, labels="status")
    assert tiles.classes == ("ok",)
    assert tiles.labels.tolist() == [0] * len(tiles)
    assert tiles[3]["label"] == 0


class Halves:
    """The slide's left half is of one class, its upper half of another."""

    def __init__(self, size, names=("left", "upper")):
        self.names = names
        self._halves = [length // 2 for length in size]

    def fractions(self, regions):
        middle, half = self._halves
        left = [np.clip(middle - r.x, 0, r.width) / r.width for r in regions]
        upper = [np.clip(half - r.y, 0, r.height) / r.height for r in regions]
        return np.stack([left, upper], axis=1)


def test_a_window_has_the_share_of_each_class(native):
    halves = Halves(native.levels[0].size)
    tiles = TileDataset(native, size=64, mpp=1.0, labels=halves)
    assert tiles.classes == ("left", "upper")
    regions = [native.windows(size=64, mpp=1.0).region(n) for n in range(len(tiles))]
    assert np.array_equal(tiles.labels, halves.fractions(regions).astype(np.float32))
    assert torch.equal(tiles[9]["label"], torch.from_numpy(tiles.labels[9]))
    assert 0 < tiles.labels.mean() < 1


def test_classes_of_several_slides_are_joined(cohort):
    size = st.open_store(cohort / "a.zarr").levels[0].size
    given = {
        "a": Halves(size),
        "b": Halves(size, names=("down", "left")),
        "c": Halves(st.open_store(cohort / "c.zarr").levels[0].size),
    }
    tiles = TileDataset(cohort, size=64, mpp=1.0, labels=given)
    assert tiles.classes == ("down", "left", "upper")
    of_b = tiles.slide_numbers == 1
    assert tiles.labels[of_b, 2].sum() == 0 == tiles.labels[~of_b, 0].sum()
    with pytest.raises(ValueError, match="Nothing knows the classes of c"):
        TileDataset(cohort, size=64, mpp=1.0, labels={"a": given["a"], "b": given["b"]})
    with pytest.raises(ValueError, match="One slide's classes do not fit 3 stores"):
        TileDataset(cohort, size=64, mpp=1.0, labels=given["a"])


def test_labels_that_no_window_has_are_told(native):
    with pytest.raises(ValueError, match="no column tissue; it has, the most alike first, tissue_"):
        TileDataset(native, size=100, labels="tissue")
    with pytest.raises(ValueError, match="labels names no column of the tile table"):
        TileDataset(native, size=100, labels=[])
    with pytest.raises(ValueError, match="No window has any of pen_fraction"):
        TileDataset(native, size=100, labels="pen_fraction")
    with pytest.raises(ValueError, match="No window has any of pen_fraction"):
        TileDataset(native, size=100, labels=["row", "pen_fraction"])
    with pytest.raises(ValueError, match="The column status of native holds words"):
        TileDataset(native, size=100, labels=["row", "status"])
    with pytest.raises(ValueError, match="No window has any of the classes left, upper"):
        TileDataset(native, size=100, labels=Halves((0, 0)))


@pytest.fixture(scope="module")
def labelled(sample, tmp_path_factory):
    """The sample's store, tiled with the labels that somebody drew, Stroma and Tumor."""
    labels = st.LabelsSpec(path=sample.with_suffix(".geojson"))
    recipe = st.Recipe(tile=st.TileSpec(size=512), labels=labels, detector=drawn)
    return st.tile_slide(sample, tmp_path_factory.mktemp("labelled") / "l.zarr", recipe)


@pytest.mark.parametrize("how", [{"size": 100, "stride": 60}, {"size": 64, "mpp": 0.7}])
def test_a_window_has_its_own_share_of_what_was_drawn(labelled, how):
    windows = labelled.windows(**how)
    shares = TileDataset(labelled, **how, labels="classes")
    assert shares.classes == windows.class_names == ("Stroma", "Tumor")
    expected = windows.class_fractions()
    assert np.array_equal(shares.labels, expected.astype(np.float32))
    assert 0 < expected.mean() < 1
    winners = TileDataset(labelled, **how, labels="class")
    assert winners.classes == shares.classes
    assert np.array_equal(winners.labels, labelled.class_areas.winning(expected))
    assert set(winners.labels.tolist()) == {-1, 0, 1}
    assert winners[4]["label"] == winners.labels[4]


def test_labels_that_a_store_lacks_are_told(labelled, native):
    with pytest.raises(ValueError, match="native of the 2 stores has no labels"):
        TileDataset([labelled, native], size=100, labels="classes")
    with pytest.raises(ValueError, match=r"no column class_tumour; it has, .* first, class_tumor,"):
        TileDataset(labelled, size=100, labels="class_tumour")
    with pytest.raises(ValueError, match=r"of native has no column classes; .* without labels"):
        TileDataset(native, size=100, labels="classes")
    columns = TileDataset(labelled, size=100, labels=["class_stroma", "class_tumor"])
    rows = labelled.tiles["class_tumor"].to_numpy()
    (tile,) = {
        n
        for n in range(len(labelled))
        if labelled.tile_region(n).contains(
            st.Region(x=columns[0]["x"] + 50, y=columns[0]["y"] + 50, width=1, height=1)
        )
    }
    assert columns.labels[0, 1] == np.float32(rows[tile])
