"""What a run would take, against what it took."""

import json
import shutil

import numpy as np
import pytest
from known_tissue import sample_tissue

import slidetile as st
from slidetile.writing import _copying
from slidetile.writing.estimate import Estimate, estimate


@pytest.fixture(scope="module")
def planned(sample):
    with st.open_slide(sample) as slide:
        yield slide, st.plan_tiles(slide, sample_tissue(slide), st.TileSpec(size=512))


def chunk_bytes(store):
    """Bytes of all levels' chunks, as zarr-python stores them: without indexes of shards."""
    total = 0
    for level in range(len(store.levels)):
        for path in (store.path / str(level) / "c").rglob("*"):
            if path.is_file():
                entries = np.frombuffer(path.read_bytes()[-_index_bytes(store, level) : -4], "<u8")
                lengths = entries.reshape(-1, 2)[:, 1]
                total += int(lengths[lengths != np.iinfo(np.uint64).max].sum())
    return total


def _index_bytes(store, level):
    array = store.zarr[str(level)]
    return int(np.prod(array.shards)) // int(np.prod(array.chunks)) * 16 + 4


def test_native_is_known_beforehand(planned, tmp_path):
    slide, plan = planned
    expected = estimate(slide, plan, tmp_path / "x.zarr")
    store = st.write_tiles(slide, plan, tmp_path / "x.zarr")
    assert (expected.codec, expected.tiles) == ("native", len(plan))
    # What the file holds, exactly; a copied tile gains the tables it shares with others there.
    assert 0.95 < expected.bytes / chunk_bytes(store) <= 1
    assert expected.seconds > 0


@pytest.mark.parametrize("codec", ["native", "zstd"])
def test_what_went_before_counts(planned, tmp_path, codec):
    slide, plan = planned
    alone = estimate(slide, plan, tmp_path / "x.zarr", codec=codec)
    assert estimate(slide, plan, tmp_path / "x.zarr", codec=codec, begun_s=1000).seconds > 1000
    assert 0 < alone.seconds < 1000


def test_the_command_counts_from_its_start(command, sample):
    told = json.loads(command("plan", sample, "--json").stdout)
    assert told["seconds"] > 0.1  # no machine loads the libraries in less


@pytest.mark.parametrize("codec", ["zstd", "jxl", "jpeg"])
def test_encoded_is_guessed_from_samples(planned, tmp_path, codec):
    slide, plan = planned
    expected = estimate(slide, plan, tmp_path / "x.zarr", codec=codec)
    store = st.write_tiles(slide, plan, tmp_path / "x.zarr", codec=codec)
    assert expected.codec == codec
    assert 1 / 1.5 < expected.bytes / chunk_bytes(store) < 1.5


def test_nothing_is_written_and_the_folder_need_not_exist(planned, tmp_path):
    slide, plan = planned
    cost = estimate(slide, plan, tmp_path / "not" / "there" / "x.zarr")
    assert list(tmp_path.iterdir()) == []
    assert cost.free_bytes == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.2)


def test_a_path_under_a_file_still_gets_its_disk(planned, tmp_path):
    (tmp_path / "file").touch()
    assert estimate(*planned, tmp_path / "file" / "x.zarr").free_bytes > 0


def test_auto_falls_back_and_native_insists(tmp_path):
    slide = st.ArraySlide(np.full((600, 700, 3), 90, np.uint8), mpp=0.5)
    tissue = st.find_tissue(slide, detector=lambda image: np.ones(image.shape[:2], np.bool_))
    plan = st.plan_tiles(slide, tissue)
    assert estimate(slide, plan, tmp_path).codec == "zstd"
    with pytest.raises(st.NotNativeError):
        estimate(slide, plan, tmp_path, codec="native")


def test_no_tiles_take_nothing(tmp_path):
    slide = st.ArraySlide(np.full((600, 700, 3), 255, np.uint8), mpp=0.5)
    cost = estimate(slide, st.plan_tiles(slide, st.find_tissue(slide)), tmp_path)
    assert (cost.tiles, cost.bytes, cost.fits) == (0, 0, True)


def test_whether_it_fits():
    facts = {"codec": "raw", "tiles": 1, "seconds": 1.0}
    assert Estimate(**facts, bytes=10, free_bytes=10).fits
    assert not Estimate(**facts, bytes=11, free_bytes=10).fits


@pytest.mark.parametrize("codec", ["native", "auto"])
def test_copied_tiles_are_checked_as_the_run_would(planned, tmp_path, monkeypatch, codec):
    decoded = []
    monkeypatch.setattr(_copying, "checked", lambda stream, _: decoded.append(stream) or stream)
    slide, plan = planned
    estimate(slide, plan, tmp_path / "x.zarr", codec=codec)
    assert not decoded
    estimate(slide, plan, tmp_path / "x.zarr", codec=codec, check="decode")
    assert decoded
