"""`verify_store`: an intact store has no findings, and whatever is done to one gives some."""

import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
from paths import SAMPLE
from tampering import CODECS, TABLE, change_row, pixels, repack, shards, slide_of, small_slide, told

import slidetile as st
from slidetile.format.names import MANIFEST


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("deep", [False, True])
def test_an_intact_store_has_no_findings(intact, codec, deep):
    path = intact / f"{codec}.zarr"
    assert st.verify_store(path, deep=deep) == ()
    with slide_of(codec) as slide:
        assert st.verify_store(str(path), slide=slide, deep=deep) == ()


@pytest.mark.parametrize("name", ["CMU-1-small.tiff", "petebankhead-OS-1-detail.ome.tif"])
def test_intact_stores_of_real_slides(shared_slides, tmp_path, name):
    for codec in ("native", "zstd", "jxl", "jpeg"):
        path = tmp_path / f"{codec}.zarr"
        st.tile_slide(
            shared_slides / name, path, st.Recipe(codec=codec, tile=st.TileSpec(size=256))
        )
        with st.open_slide(shared_slides / name) as slide:
            assert st.verify_store(path, slide=slide, deep=True) == ()


def test_a_store_without_tiles_has_no_findings(tmp_path):
    slide = st.ArraySlide(np.full((300, 400, 3), 250, np.uint8), mpp=1.0)
    st.write_tiles(slide, st.plan_tiles(slide, st.find_tissue(slide)), tmp_path / "s.zarr")
    assert st.verify_store(tmp_path / "s.zarr", slide=slide, deep=True) == ()


def test_a_grey_store_has_no_findings(tmp_path):
    grey = np.random.default_rng(0).integers(0, 255, (700, 900, 1), np.uint8)
    slide = st.ArraySlide(grey, icc_profile=b"profile")
    for codec in CODECS[1:]:
        path = tmp_path / f"{codec}.zarr"
        plan = st.plan_tiles(slide, st.find_tissue(slide), st.TileSpec(min_tissue_fraction=0))
        st.write_tiles(slide, plan, path, codec=codec)
        assert st.verify_store(path, slide=slide, deep=True) == ()


def test_what_is_found_and_its_order_do_not_depend_on_the_workers(tmp_path):
    rng = np.random.default_rng(0)
    slide = st.ArraySlide(rng.integers(0, 40, (2048, 4096, 3), np.uint8))
    plan = st.plan_tiles(slide, st.find_tissue(slide), st.TileSpec(min_tissue_fraction=0))
    path = tmp_path / "s.zarr"
    st.write_tiles(slide, plan, path, codec="zstd")

    def change(planes):
        planes[1, 5, 9] ^= 1

    for name in shards(path, 1):
        repack(path, name, change, all_chunks=True)
    found = [st.verify_store(path, deep=True, workers=workers) for workers in (1, 2, 7)]
    assert found[0] == found[1] == found[2]
    places = [(finding.path, finding.what) for finding in found[0]]
    assert len(places) > 8
    assert places == sorted(places)
    for name in shards(path):
        repack(path, name, change, all_chunks=True)
    (path / shards(path)[3]).write_bytes(b"short")
    (path / shards(path)[5]).unlink()
    found = [st.verify_store(path, slide=slide, workers=workers) for workers in (1, 2, 7)]
    assert found[0] == found[1] == found[2]
    assert len(found[0]) > 16
    with pytest.raises(ValueError, match="workers must be at least 1, but it is 0"):
        st.verify_store(path, workers=0)


def test_another_slide_is_not_compared(intact):
    other = pixels()
    other[0, 0, 0] ^= 1
    (finding,) = st.verify_store(intact / "zstd.zarr", slide=small_slide(other))
    assert "their pixels were not compared" in finding.what
    with st.open_slide(SAMPLE) as slide:
        (finding,) = st.verify_store(intact / "jpeg.zarr", slide=slide, deep=True)
    assert "sample.svs" in finding.what


@pytest.mark.parametrize("codec", ["native", "zstd"])
def test_unreadable_tiles_are_no_findings(damaged_sample, tmp_path, cli, codec):
    path = tmp_path / "s.zarr"
    st.tile_slide(damaged_sample, path, st.Recipe(codec=codec, tile=st.TileSpec(size=512)))
    with st.open_slide(damaged_sample) as slide:
        assert st.verify_store(path, slide=slide, deep=True) == ()
    result = cli("verify", path)
    assert (result.exit_code, result.stdout) == (0, "findings: 0\n")
    assert "tiles that could not be read from the slide: 1" in result.stderr
    row = pq.read_table(path / TABLE)["status"].to_pylist().index("unreadable")
    change_row(path, row, "status", "ok")
    assert "not all its chunks are stored" in (found := told(st.verify_store(path))) or (
        codec == "native" and "it has 0 unreadable tiles, but damage has 1" in found
    )


class SlideWithABug(st.ArraySlide):
    def fetch(self, _region, **_level):
        raise self.bug


@pytest.mark.parametrize("bug", [AttributeError("x"), TypeError("x"), KeyError("x")], ids=repr)
def test_an_error_of_a_program_is_not_taken_for_damage(intact, bug):
    slide = SlideWithABug(pixels(), mpp=(0.5, 0.25), name="small")
    slide.bug = bug
    with pytest.raises(type(bug), match="x"):
        st.verify_store(intact / "zstd.zarr", slide=slide)


def test_what_is_no_finished_store_is_refused(intact, tmp_path):
    with pytest.raises(st.StoreError, match="does not exist"):
        st.verify_store(tmp_path / "none.zarr")
    with pytest.raises(st.IncompleteStoreError):
        st.verify_store(tmp_path)
    (tmp_path / "zarr.json").write_text('{"attributes": {}}')
    with pytest.raises(st.StoreError, match="not a slidetile store"):
        st.verify_store(tmp_path)
    path = shutil.copytree(intact / "raw.zarr", tmp_path / "cut.zarr")
    (path / "unfinished.json").write_text("{}")
    assert told(st.verify_store(path)) == "unfinished.json: it is not a file of this store"
    (path / "zarr.json").unlink()
    with pytest.raises(st.IncompleteStoreError):
        st.verify_store(path)


class Interrupted(Exception):  # noqa: N818  no error: a test's way to stop
    """Stops a run."""


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["native", "zstd"])
def test_a_continued_store_has_no_findings(tmp_path, long_slide, codec):
    recipe = st.Recipe(codec=codec, tile=st.TileSpec(size=512))
    path = tmp_path / "s.zarr"

    def stop(progress):
        if progress.shards_done >= 3:
            raise Interrupted

    with pytest.raises(Interrupted):
        st.tile_slide(long_slide, path, recipe, on_progress=stop)
    partial = tmp_path / "s.zarr.partial"
    for stray in ("0.tmp", ".0123456789abcdef.tmp"):
        (partial / "0" / "c" / "0" / stray).write_bytes(b"left")
    shard = partial / shards(partial)[0]
    shard.write_bytes(shard.read_bytes()[:-1])
    st.tile_slide(long_slide, path, recipe)
    assert st.verify_store(path, deep=True) == ()
    st.tile_slide(long_slide, tmp_path / "whole.zarr", recipe)
    assert (path / MANIFEST).read_bytes() == (tmp_path / "whole.zarr" / MANIFEST).read_bytes()


def test_the_command_says_that_all_is_well(cli, intact):
    path = intact / "native.zarr"
    for arguments in ((), ("--deep",), ("--slide", SAMPLE, "--deep", "--workers", "3")):
        result = cli("verify", path, *arguments)
        assert (result.exit_code, result.stdout, result.stderr) == (0, "findings: 0\n", "")
    assert json.loads(cli("verify", path, "--json").stdout)["findings"] == []


def test_the_command_lists_what_it_finds(cli, copied):
    path = copied("native")
    (path / "b").write_bytes(b"")
    (path / "a").write_bytes(b"")
    result = cli("verify", path)
    assert result.exit_code == 1
    lines = [
        "a: it is not a file of this store",
        "b: it is not a file of this store",
        "findings: 2",
    ]
    assert result.stdout.splitlines() == lines
    result = cli("verify", path, "--json")
    assert result.exit_code == 1
    expected = {"path": "a", "what": "it is not a file of this store", "tile": None}
    assert json.loads(result.stdout)["findings"][0] == expected


def test_the_command_on_what_is_no_store(cli, copied, tmp_path):
    result = cli("verify", tmp_path / "none")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "does not exist" in result.stderr
    result = cli("verify", copied("native"), "--slide", tmp_path / "none.svs")
    assert (result.exit_code, result.stdout) == (1, "")
