"""A slide tiled twice is done already; what could not be read can be tried again."""

import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from batches import tile_here

import slidetile as st
from slidetile.cohort.job import MADE_ANEW
from slidetile.recipe.done import changed_since, done_before
from slidetile.runtime._holder import Holder

SMALL = st.Recipe(tile=st.TileSpec(size=512))
RETRY = st.WriteOptions(retry_unreadable=True)
LINE = ("--tile-size", "512")


@pytest.fixture
def slide(tmp_path, damaged_sample):
    """A slide of which one tile is unreadable, until it is mended."""
    return shutil.copy(damaged_sample, tmp_path / "sample.svs")


def mend(slide, sample):
    """Write the slide anew with its damage mended: same size, same first and last MiB, perhaps."""
    slide.write_bytes(sample.read_bytes())


def stamps(folder):
    return {path: path.stat().st_ino for path in folder.rglob("*")}


@pytest.mark.parametrize("more", [(), ("--restart",), ("--retry-unreadable",)])
def test_the_same_command_twice(cli, sample, tmp_path, more):
    path = tmp_path / "x.zarr"
    first = json.loads(cli("tile", sample, "-o", path, *LINE, "--json").stdout)
    before = stamps(path)
    again = cli("tile", sample, "-o", path, *LINE, *more)
    assert (again.exit_code, again.stderr) == (0, "")
    assert again.stdout.startswith("already done")
    told = json.loads(cli("tile", sample, "-o", path, *LINE, *more, "--json").stdout)
    assert (told["store"], told["already_done"], told["memory"]) == (first["store"], True, None)
    assert not first["already_done"]
    assert stamps(path) == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.zarr"]


def test_a_store_of_no_tiles_is_done_like_any_other(cli, tmp_path):
    white = np.full((256, 256, 3), 255, np.uint8)
    glass = tmp_path / "glass.tiff"
    tifffile.imwrite(glass, white, tile=(64, 64), photometric="rgb", metadata=None)
    path = tmp_path / "x.zarr"
    assert cli("tile", glass, "-o", path).exit_code == 0
    before = stamps(path)
    assert cli("tile", glass, "-o", path).stdout.startswith("already done")
    assert len(st.tile_slide(glass, path)) == 0
    for _ in range(2):
        (result,) = tile_here([glass], tmp_path / "out").results
    assert (result.status, result.tiles) == ("already done", 0)
    assert stamps(path) == before


def test_through_a_link_it_is_done_too(sample, tmp_path):
    st.tile_slide(sample, tmp_path / "real.zarr", SMALL)
    (tmp_path / "x.zarr").symlink_to(tmp_path / "real.zarr")
    assert st.tile_slide(sample, tmp_path / "x.zarr", SMALL).tile_size == 512


OTHERS = {
    "tile_size is 512 there, and 256 is asked for": ("--tile-size", "256"),
    "codec is native there, and zstd is asked for": (*LINE, "--codec", "zstd"),
    "anonymous is off there, and on is asked for": (*LINE, "--anonymous"),
    "mpp is none there, and 1 is asked for": (*LINE, "--mpp", "1"),
    "edge is keep there, and drop is asked for; cores is off there, and on is asked for": (
        *LINE,
        *("--cores", "--edge", "drop"),
    ),
    "min_piece_area_um2 is 50000 there, and 10 is asked for": (
        *LINE,
        *("--min-piece-area-um2", "10"),
    ),
    "slide_mpp is 0.5, 0.5 there, and 0.3, 0.3 is asked for": (*LINE, "--slide-mpp", "0.3"),
}


@pytest.mark.parametrize("told", OTHERS)
def test_other_settings_are_an_error_that_names_them(cli, sample, tree, tmp_path, told):
    options = OTHERS[told]
    path = tmp_path / "x.zarr"
    assert cli("tile", sample, "-o", path, *LINE).exit_code == 0
    before = tree(path)
    for more in ((), ("--retry-unreadable",)):
        result = cli("tile", sample, "-o", path, *options, *more)
        assert result.exit_code == 1
        assert f"exists already, and was made with other settings: {told}" in result.stderr
        assert "--overwrite" in result.stderr
        assert 'existing="overwrite"' in result.stderr
    assert tree(path) == before


def test_a_damaged_store_is_not_done(sample, tmp_path):
    path = st.tile_slide(sample, tmp_path / "x.zarr", SMALL).path
    (path / "1" / "zarr.json").unlink()
    with pytest.raises(st.StoreExistsError, match=r"1/zarr.json could not be read.*--overwrite"):
        st.tile_slide(sample, path, SMALL)


def lose(shard):
    shard.unlink()


def cut(shard):
    shard.write_bytes(shard.read_bytes()[:-1])


def link(shard):
    shard.rename(shard.with_suffix(".moved"))
    shard.symlink_to(shard.with_suffix(".moved"))


HARM = {lose: "it is missing", cut: "bytes instead of", link: "it is a symbolic link"}


@pytest.mark.parametrize("harm", HARM, ids=lambda harm: harm.__name__)
def test_a_store_that_has_lost_a_file_is_not_done(cli, sample, tree, tmp_path, harm):
    out = tmp_path / "out"
    path = st.tile_slide(sample, out / "sample.zarr", SMALL).path
    whole = tree(path)
    harm(path / "1" / "c" / "0" / "0" / "0")
    harmed = tree(path)
    result = cli("tile", sample, "-o", path, *LINE)
    assert result.exit_code == 1
    assert "so it is not done: 1/c/0/0/0: it " in result.stderr
    assert HARM[harm] in result.stderr
    assert "--overwrite" in result.stderr
    assert tree(path) == harmed
    (row,) = tile_here([sample], out, SMALL).results
    assert (row.status, row.note) == ("ok", MADE_ANEW)
    assert tree(path) == whole


def test_a_store_without_its_list_of_files_is_not_done(sample, tmp_path):
    path = st.tile_slide(sample, tmp_path / "x.zarr", SMALL).path
    (path / "tiles" / "checksums.txt").unlink()
    with pytest.raises(st.StoreExistsError, match=r"tiles/checksums.txt.*--overwrite"):
        st.tile_slide(sample, path, SMALL)


def test_files_that_somebody_has_added_leave_a_store_done(sample, tmp_path):
    path = st.tile_slide(sample, tmp_path / "x.zarr", SMALL).path
    (path / ".DS_Store").touch()
    assert st.tile_slide(sample, path, SMALL).path == path


def test_several_lost_files_are_counted(sample, tmp_path):
    path = st.tile_slide(sample, tmp_path / "x.zarr", SMALL).path
    shutil.rmtree(path / "0" / "c")
    shutil.rmtree(path / "1" / "c")
    with pytest.raises(st.StoreExistsError, match=r"0/c/0/0/0: it is missing, and \d+ more"):
        st.tile_slide(sample, path, SMALL)


def test_a_store_that_another_run_has_just_finished_is_done(sample, tmp_path):
    path = st.tile_slide(sample, tmp_path / "x.zarr", SMALL).path
    (tmp_path / "x.zarr.owner").write_bytes(Holder.me().to_json())
    assert st.tile_slide(sample, path, SMALL).path == path
    overwrite = st.WriteOptions(existing="overwrite")
    with pytest.raises(st.StoreBusyError):
        st.tile_slide(sample, path, SMALL, options=overwrite)


def test_unreadable_tiles_are_tried_again_when_asked_and_only_then(
    cli, slide, sample, tree, tmp_path
):
    path = tmp_path / "x.zarr"
    assert cli("tile", slide, "-o", path, *LINE).exit_code == 3
    mend(slide, sample)
    before = stamps(path)
    result = cli("tile", slide, "-o", path, *LINE)
    assert result.exit_code == 3 or "--overwrite" in result.stderr
    assert stamps(path) == before
    result = cli("tile", slide, "-o", path, *LINE, "--retry-unreadable")
    assert result.exit_code == 0, result.stderr
    whole = st.tile_slide(slide, tmp_path / "whole.zarr", SMALL).path
    assert tree(path) == tree(whole)
    assert not {p.name for p in tmp_path.iterdir()} & {"x.zarr.partial", "x.zarr.replaced"}


def test_what_is_still_unreadable_stays_so(cli, slide, tree, tmp_path):
    path = tmp_path / "x.zarr"
    assert cli("tile", slide, "-o", path, *LINE).exit_code == 3
    again = cli("tile", slide, "-o", path, *LINE)
    assert again.exit_code == 3
    assert again.stderr.startswith("warning: unreadable tiles: 1")
    assert "--retry-unreadable tries them again" in again.stderr
    before, stamp = tree(path), stamps(path)
    assert cli("tile", slide, "-o", path, *LINE, "--retry-unreadable").exit_code == 3
    assert tree(path) == before
    assert stamps(path) != stamp


def test_a_batch_tries_again_where_the_slide_has_changed(slide, sample, tree, tmp_path):
    out = tmp_path / "out"
    seen = [tile_here([slide], out, SMALL).results[0] for _ in range(2)]
    assert [result.status for result in seen] == ["unreadable tiles", "already done"]
    assert not changed_since(slide, out / "sample.zarr")
    mend(slide, sample)
    assert changed_since(slide, out / "sample.zarr")
    (result,) = tile_here([slide], out, SMALL).results
    assert (result.status, result.unreadable) == ("ok", 0)
    assert tile_here([slide], out, SMALL).results[0].status == "already done"
    whole = st.tile_slide(slide, tmp_path / "whole.zarr", SMALL).path
    assert tree(out / "sample.zarr") == tree(whole)


def test_a_batch_makes_the_store_of_a_changed_slide_anew(sample, tree, tmp_path):
    slide, out = tmp_path / "sample.svs", tmp_path / "out"
    shutil.copy(sample, slide)
    assert tile_here([slide], out, SMALL).results[0].status == "ok"
    before = tree(out / "sample.zarr")
    os.utime(slide)
    assert tile_here([slide], out, SMALL).results[0].status == "already done"
    slide.write_bytes(slide.read_bytes() + b"more")
    (result,) = tile_here([slide], out, SMALL).results
    assert (result.status, result.note) == ("ok", MADE_ANEW)
    assert tree(out / "sample.zarr") != before
    fresh = st.tile_slide(slide, tmp_path / "fresh.zarr", SMALL)
    assert tree(out / "sample.zarr") == tree(fresh.path)


def test_another_slide_of_the_same_name_is_no_change(slide, tmp_path):
    path = st.tile_slide(slide, tmp_path / "x.zarr", SMALL).path
    slide.unlink()
    pixels = np.zeros((2560, 3841, 3), np.uint8)
    tifffile.imwrite(slide, pixels, tile=(256, 256), photometric="rgb", resolution=(20000, 20000))
    with pytest.raises(st.StoreExistsError, match="another slide"):
        st.tile_slide(slide, path, SMALL, options=RETRY)


def test_done_before_says_what_is_to_be_written(sample, tmp_path):
    path = tmp_path / "x.zarr"
    assert done_before(sample, path, SMALL) is None
    st.tile_slide(sample, path, SMALL)
    assert len(done_before(sample, path, SMALL))
    assert len(done_before(sample, path, SMALL, options=RETRY))
    assert done_before(sample, path, SMALL, options=st.WriteOptions(existing="overwrite")) is None
    (tmp_path / "folder").mkdir()
    assert done_before(sample, tmp_path / "folder", SMALL) is None


def test_the_claim_of_a_run_that_was_killed_when_it_had_finished_goes(sample, tmp_path):
    path = st.tile_slide(sample, tmp_path / "x.zarr", SMALL).path
    ended = replace(Holder.me(), process_start="7")
    (tmp_path / "x.zarr.owner").write_bytes(ended.to_json())
    assert st.tile_slide(sample, path, SMALL).path == path
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.zarr"]
