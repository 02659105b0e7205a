"""A store whose overview or tissue is damaged: opened, drawn from its levels, and told."""

import shutil

import numpy as np
import pytest
from tampering import shards

import slidetile as st
from slidetile.errors import StoreError
from slidetile.viewer.doors.files.archive import MOST_JOINED, archived
from slidetile.viewer.doors.files.saved import save_page
from slidetile.viewer.pictures.rungs import OverviewRung
from slidetile.viewer.views.opened import OpenedView
from slidetile.viewer.views.store import StoreView

DAMAGE = {
    "pixels": lambda path: next((path / "overview").rglob("c/*/*/*")).write_bytes(b"x" * 99),
    "metadata": lambda path: (path / "overview" / "zarr.json").write_text("{"),
    "lost": lambda path: shutil.rmtree(path / "overview"),
}


@pytest.fixture(params=sorted(DAMAGE))
def damaged(store_copy, request):
    """A store that has lost its overview, in one way or another."""
    DAMAGE[request.param](store_copy)
    return store_copy


def told(view):
    """Return all that a page says of a view."""
    return "\n".join(view.scene().overlay.notes)


def test_it_opens_with_the_picture_of_its_levels(damaged, stores):
    view, whole = OpenedView(damaged), st.open_store(stores / "native.zarr")
    scene = view.scene()
    assert "The overview of the store is damaged" in told(view)
    assert scene.levels[-1].is_one_tile
    assert scene.overlay.tiles.facts["count"] == len(whole)
    picture = view.opened().picture
    assert not any(isinstance(rung, OverviewRung) for rung in picture.rungs)
    column, row = (int(whole.tiles[name][40].as_py()) for name in ("column", "row"))
    assert view.tile(0, column, row).data == whole.read_chunk_bytes(column, row)
    small = picture.rungs[-1].pixels(0, 0).astype(int)
    assert (small.min(), small.max()) < (200, 256)
    under = picture.levels[-1].region(0, 0)
    assert small.shape[:2] == (under.height, under.width)


def test_one_file_to_mail_is_made_of_it(damaged, tmp_path, needs_page):  # noqa: ARG001
    saved = save_page(OpenedView(damaged), tmp_path / "page.html")
    assert saved.downsample == 1


def test_pages_beside_it_take_its_chunks_and_save_the_coarsest(damaged):
    found = archived(st.open_store(damaged), damaged)
    parts = found.scene["archive"]["parts"]
    assert any(
        "overview of the store is damaged" in note for note in found.scene["overlay"]["notes"]
    )
    assert all(part["by"] <= MOST_JOINED for part in parts if part["kind"] == "stored")
    kinds = [part["kind"] for part in parts]
    assert kinds == sorted(kinds, reverse=True)  # what is saved is coarser than what is stored


def test_pages_cannot_show_another_codec_without_it(stores, tmp_path):
    path = shutil.copytree(stores / "zstd.zarr", tmp_path / "x.zarr")
    DAMAGE["pixels"](path)
    with pytest.raises(StoreError, match="all that pages could show of its zstd"):
        archived(st.open_store(path), path)


@pytest.mark.parametrize("how", sorted(DAMAGE))
def test_samples_of_many_bits_are_shown_in_the_windows_of_their_tiles(tmp_path, how):
    values = np.random.default_rng(5).integers(0, 3000, (1200, 1200, 2)).astype(np.uint16)
    slide = st.ArraySlide(values, mpp=0.5)
    tissue = st.TissueMask.from_mask(np.ones((75, 75), np.bool_), st.read_overview(slide, mpp=8.0))
    plan = st.plan_tiles(slide, tissue, st.TileSpec(size=256))
    st.write_tiles(slide, plan, tmp_path / "x.zarr", codec="zstd")
    as_it_was = whole_tile(tmp_path / "x.zarr")
    DAMAGE[how](tmp_path / "x.zarr")
    assert np.abs(whole_tile(tmp_path / "x.zarr") - as_it_was).mean() < 8


def whole_tile(path):
    return StoreView(st.open_store(path)).picture.rungs[0].pixels(1, 1).astype(int)


def test_damaged_tissue_has_no_outline_and_is_told(store_copy):
    folder = store_copy / "labels" / "tissue" / "0"
    next(folder.rglob("c/*/*")).write_bytes(b"x" * 99)
    view = OpenedView(store_copy)
    assert view.scene().overlay.outlines == ()
    assert told(view).startswith("The outline of the tissue cannot be drawn: ")
    assert "overview of the store" not in told(view)


def test_a_store_that_was_replaced_is_not_taken_for_a_damaged_one(store_copy, stores):
    view = StoreView(st.open_store(store_copy))
    shutil.rmtree(store_copy)
    shutil.copytree(stores / "raw.zarr", store_copy)
    with pytest.raises(StoreError, match="replaced"):
        view.scene()
    assert shards(store_copy)
