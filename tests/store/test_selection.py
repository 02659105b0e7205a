"""Some tiles of a store, as a sequence of their own."""

import pickle

import numpy as np
import pyarrow.compute as pc
import pytest
from known_tissue import drawn

import slidetile as st


@pytest.fixture(scope="module")
def store(sample, tmp_path_factory):
    recipe = st.Recipe(tile=st.TileSpec(size=512), detector=drawn)
    return st.tile_slide(sample, tmp_path_factory.mktemp("store") / "s.zarr", recipe)


def test_tiles_are_chosen_by_an_expression(store):
    least = float(np.median(store.tiles["laplacian_variance"].to_numpy()))
    sharp = store.select(pc.field("laplacian_variance") > least)
    expected = [
        row["tile_id"] for row in store.tiles.to_pylist() if row["laplacian_variance"] > least
    ]
    assert sharp.tile_ids.tolist() == expected
    assert 0 < len(sharp) < len(store)
    assert sharp.tiles == store.tiles.filter(pc.field("laplacian_variance") > least)
    for place, tile in enumerate(expected):
        assert sharp.tile_region(place) == store.tile_region(tile)
    np.testing.assert_array_equal(sharp[0], store[expected[0]])
    np.testing.assert_array_equal(sharp[-1], store[expected[-1]])
    assert f"of the {len(store)} tiles of TileStore(" in repr(sharp)


def test_a_selection_is_a_sequence_in_the_order_asked_for(store):
    chosen = store.select([5, 3, 3, 8])
    assert chosen.tiles["tile_id"].to_pylist() == [5, 3, 3, 8]
    assert [tile.mean() for tile in chosen] == [store[tile].mean() for tile in (5, 3, 3, 8)]
    assert chosen[1:].tile_ids.tolist() == [3, 3, 8]
    assert chosen[::-2].tile_ids.tolist() == [8, 3]
    assert len(store.select([])) == 0
    assert list(store.select([])) == []
    with pytest.raises(ValueError, match="read-only"):
        chosen.tile_ids[0] = 1


def test_a_selection_pickles(store):
    chosen = store.select([7, 2])
    again = pickle.loads(pickle.dumps(chosen))  # noqa: S301  our own bytes
    assert again.tile_ids.tolist() == [7, 2]
    np.testing.assert_array_equal(again[1], store[2])


def test_wrong_selections_are_refused(store):
    count = len(store)
    for tile in (count, -1):
        with pytest.raises(IndexError, match=f"has {count} tiles, so there is no tile {tile}"):
            store.select([tile])
    for tiles in ([0.5], None, {"tissue_fraction": 0.5}, lambda tile: tile, slice(0, 2), "abc"):
        with pytest.raises(TypeError, match=r"pc\.field\(\"tissue_fraction\"\) > 0\.5"):
            store.select(tiles)
    with pytest.raises(IndexError, match=f"mask of 2 values does not fit {count} tiles"):
        store.select([True, False])
    with pytest.raises(
        ValueError, match=r"has no column sharpness, but, the most alike first, .*status"
    ):
        store.select(pc.field("sharpness") > 1)
    with pytest.raises(TypeError, match=r"tissue_fraction does not choose tiles: .* to bool"):
        store.select(pc.field("tissue_fraction"))
    chosen = store.select([7, 2])
    for index in (2, -3):
        with pytest.raises(IndexError, match="The selection has 2 tiles"):
            chosen[index]
        with pytest.raises(IndexError, match="The selection has 2 tiles"):
            chosen.tile_region(index)


def test_a_store_takes_slices_lists_and_arrays(store):
    count = len(store)
    assert store[0:2].tile_ids.tolist() == [0, 1]
    assert store[::-1].tile_ids.tolist() == list(range(count))[::-1]
    assert store[[2, -1]].tile_ids.tolist() == [2, count - 1]
    assert store[np.arange(count) > count - 3].tile_ids.tolist() == [count - 2, count - 1]
    assert store[np.array([1, 0])][[-1]].tile_ids.tolist() == [0]
    assert np.array_equal(store[[1]][0], store[1])
    with pytest.raises(IndexError, match=f"no tile {count}"):
        store[[count]]
    with pytest.raises(TypeError):
        store["a"]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("laplacian_variance>100", 'pc.field("laplacian_variance") > 100.'),
        ("status == 'ok'", "pc.field(\"status\") == 'ok'."),
        ("SELECT * FROM tiles", 'pc.field("tissue_fraction") > 0.5.'),
        ("a < 1 & b > 2", 'pc.field("tissue_fraction") > 0.5.'),
    ],
)
def test_text_is_refused_with_the_expression_that_is_meant(store, text, meant):
    for choose in (store.select, lambda where: store.windows(where=where)):
        with pytest.raises(TypeError, match="by an expression, not by the text") as refused:
            choose(text)
        assert str(refused.value).endswith(f"import pyarrow.compute as pc, then {meant}")


def test_a_mask_and_a_selection_choose_tiles(store):
    mask = np.arange(len(store)) % 3 == 1
    chosen = store.select(mask)
    assert chosen.tile_ids.tolist() == np.flatnonzero(mask).tolist()
    for same in (chosen, mask, chosen.tile_ids, chosen.tile_ids.tolist()):
        windows = store.windows(size=64, where=same)
        assert np.array_equal(windows.corners, store.windows(size=64, where=chosen).corners)
        assert store.select(same).tile_ids.tolist() == chosen.tile_ids.tolist()
    assert 0 < len(windows) < len(store.windows(size=64))
    with pytest.raises(ValueError, match="selected from another store"):
        store.windows(where=st.open_store(store.path).select([0]))
