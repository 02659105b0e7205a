"""What is copied: shards that readers accept, or none."""

import numpy as np
import pytest
import tifffile

import slidetile as st
from slidetile.errors import NotNativeError
from slidetile.format.shard import LARGEST_SHARD_BYTES
from slidetile.writing import _copying
from slidetile.writing._copying import Copying

TILE, COUNTS, OFFSETS, TABLES = 64, 325, 324, 347

QUANTISATION = b"\xff\xd8\xff\xdb\0\x43\0" + b"\1" * 64 + b"\xff\xd9"
"""Tables of the file, which each tile gets when it is copied."""


def slide_of(path, side, *, stored=None):
    """Write a slide of native tiles of 64 px, of which each claims ``stored`` bytes."""
    image = np.full((side, side, 3), 128, np.uint8)
    options = {"tile": (TILE, TILE), "compression": "jpeg", "photometric": "rgb"}
    scale = {"resolution": (20_000, 20_000), "resolutionunit": "CENTIMETER"}
    extra = [(TABLES, 7, len(QUANTISATION), QUANTISATION, True)]
    tifffile.imwrite(path, image, metadata=None, extratags=extra, **options, **scale)
    if stored is not None:
        with tifffile.TiffFile(path, mode="r+b") as file:
            tags = file.pages.first.tags
            counts = len(tags[COUNTS].value)
            tags[COUNTS].overwrite([stored] * counts)
            tags[OFFSETS].overwrite([tags[OFFSETS].value[0]] * counts)
        with path.open("ab") as file:
            file.write(bytes(stored))
    return path


def plan_of(slide):
    overview = st.read_overview(slide, mpp=16.0)
    tissue = st.TissueMask.from_mask(np.ones(overview.image.shape[:2], bool), overview)
    return st.plan_tiles(slide, tissue, st.TileSpec(size=256))


def test_a_shard_that_readers_would_refuse_is_not_copied(tmp_path):
    stored = 100_000
    with st.open_slide(slide_of(tmp_path / "a.tif", 4096, stored=stored)) as slide:
        with pytest.raises(
            NotNativeError, match=r"4096 of its tiles.* more than the 268435456"
        ) as e:
            Copying(slide, plan_of(slide))
        assert 4096 * stored > LARGEST_SHARD_BYTES
        assert "use the codec zstd" in str(e.value)


def test_what_damaged_tiles_claim_does_not_count(tmp_path):
    with st.open_slide(slide_of(tmp_path / "a.tif", 4096, stored=1_000_000)) as slide:
        blank = st.ArraySlide(np.full((4096, 4096, 3), 128, np.uint8), mpp=0.5)
        assert Copying(slide, plan_of(blank)).stored_bytes() == 0


def test_tables_that_each_tile_gets_count_and_auto_is_zstd_then(tmp_path, monkeypatch):
    path = slide_of(tmp_path / "a.tif", 512)
    with st.open_slide(path) as slide:
        plan = plan_of(slide)
        index_and_sums = 4096 * 16 + 4 + 64 * 4
        most = Copying(slide, plan).stored_bytes() + index_and_sums
        monkeypatch.setattr(_copying, "LARGEST_SHARD_BYTES", most)
        with pytest.raises(NotNativeError, match=f"more than the {most}"):
            st.write_tiles(slide, plan, tmp_path / "a.zarr", codec="native")
        assert st.write_tiles(slide, plan, tmp_path / "a.zarr", codec="auto").codec == "zstd"


def test_a_level_of_more_tiles_than_a_store_can_have_is_not_copied(tmp_path, monkeypatch):
    with st.open_slide(slide_of(tmp_path / "a.tif", 512)) as slide:
        monkeypatch.setattr(_copying, "MOST_CHUNKS", 63)
        with pytest.raises(NotNativeError, match="level 0 has 64 tiles, more than the 63 chunks"):
            Copying(slide, plan_of(slide))
