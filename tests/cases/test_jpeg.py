"""Reports of JPEG tiles that end, begin, or say their colours otherwise than most."""

import re

import imagecodecs
import numpy as np
import pytest
from cases.judging import assert_pixels, grid_cells, openslide_pixels, sentence
from cases.made.tiff import stored
from cases.origins import OURS

import slidetile as st

pytestmark = pytest.mark.slow

SIZE = (2048, 1536)
ODD_TILE = (1, 0)
"""The tile of 1024 px that holds native tile 20, at column 4 and row 2."""

END = r"end marker|premature end|without an end|\bEOI\b(?!\.svs)"
BEGIN = r"start marker|(begin|start)s? with|\bSOI\b(?!\.svs)"
WHY = {"one-no-eoi": END, "no-eoi": END, "ff-before-soi": BEGIN}
"""What the reason names; the files' names do not count."""

CODECS = pytest.mark.parametrize("codec", ["native", "zstd"])


def tile(run, slide, out, *options):
    """Tile a slide; return how it ended, and its store where there is one."""
    ended = run("tile", slide, "-o", out, *options)
    return ended, st.open_store(out) if out.exists() else None


def everything(store):
    return [
        store.read_region(st.Region(x=0, y=0, width=SIZE[0], height=SIZE[1]), level=number)
        for number in range(len(store.levels))
    ]


def damaged_tiles(damaged):
    """Return the tiles of 1024 px that hold damaged native tiles."""
    return {(column // 4, row // 4) for column, row in damaged}


@CODECS
@pytest.mark.parametrize("name", ["zeros", "fill", "junk"])
def test_20_bytes_after_the_end_change_nothing(made, run, tmp_path, name, codec):
    folder = made("20-jpeg-ends")
    _, clean = tile(run, folder / "clean.svs", tmp_path / "clean.zarr", "--codec", codec)
    slide, out = folder / f"{name}.svs", tmp_path / "a.zarr"
    ended, store = tile(run, slide, out, "--codec", codec)
    assert ended.exit_code == 0, ended.stderr
    assert grid_cells(store) == grid_cells(clean)
    for mine, theirs in zip(everything(store), everything(clean), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    truth, damaged = openslide_pixels(slide, SIZE)
    assert not damaged
    assert_pixels(store, truth)
    assert run("verify", out, "--deep", "--slide", slide).exit_code == 0


def test_20_such_slides_stay_native(made, run, tmp_path):
    for name in ("zeros", "fill", "junk"):
        slide = made("20-jpeg-ends") / f"{name}.svs"
        assert tile(run, slide, tmp_path / f"{name}.zarr")[1].codec == "native"


def test_20_what_is_behind_the_end_reaches_no_store(made, run, tmp_path):
    slide, out = made("20-jpeg-ends") / "junk.svs", tmp_path / "a.zarr"
    behind = stored(slide, 20).rpartition(b"\xff\xd9")[2]
    assert len(behind) > 20
    tile(run, slide, out, "--codec", "native")
    assert not [path for path in out.rglob("*") if path.is_file() and behind in path.read_bytes()]


@CODECS
@pytest.mark.parametrize("name", ["one-no-eoi", "ff-before-soi"])
def test_20_one_tile_that_openslide_refuses(made, run, tmp_path, name, codec):
    slide = made("20-jpeg-ends") / f"{name}.svs"
    truth, damaged = openslide_pixels(slide, SIZE)
    assert damaged_tiles(damaged) == {ODD_TILE}
    ended, store = tile(run, slide, tmp_path / "a.zarr", "--codec", codec)
    assert ended.exit_code == 3, ended.stderr
    assert grid_cells(store)["unreadable"] == {ODD_TILE}
    assert len(store) == 4
    assert_pixels(store, truth)
    sentence(ended.stderr, r"\b1\b", "unreadable")
    assert re.search(WHY[name], ended.stderr)


@CODECS
def test_20_no_tile_with_an_end(made, run, tmp_path, codec):
    name = "no-eoi"
    slide = made("20-jpeg-ends") / f"{name}.svs"
    _, damaged = openslide_pixels(slide, SIZE)
    assert len(damaged) >= 47  # the scan of one ends where OpenSlide needs no more bytes
    ended, _ = tile(run, slide, tmp_path / "a.zarr", "--codec", codec, "--tissue-mpp", 1)
    # Of a slide without a readable tile there may be a store, or none.
    assert ended.exit_code in (1, 3)
    sentence(ended.stderr, r"\b4 tiles|tiles: 4\b", r"unreadable|could be read")
    assert re.search(WHY[name], ended.stderr)


@OURS
@CODECS
def test_zeros_in_a_scan_are_damage(made, run, tmp_path, codec):
    slide, out = made("broken-scan") / "zeros-in-scan.svs", tmp_path / "a.zarr"
    truth, damaged = openslide_pixels(slide, SIZE)
    assert damaged == {(4, 2)}
    ended, store = tile(run, slide, out, "--codec", codec)
    if codec == "native" and ended.exit_code == 0:  # then the cheap check did not see it
        ended = run("verify", out, "--deep", "--slide", slide)
        assert ended.exit_code == 1
        sentence(ended.stdout, "column 1, row 0|tile 1|4, row 2")
        return
    assert ended.exit_code == 3, ended.stderr
    assert grid_cells(store)["unreadable"] == {ODD_TILE}
    assert_pixels(store, truth)


COLOURS = [
    "rgb-ids123-tag2-bare",
    "rgb-idsRGB-tag6-bare",
    "ycc-ids123-tag6-bare",
    "ycc-ids012-tag6-bare",
    "ycc-jfif-tag2",
    "rgb-adobe-tag6",
]


@pytest.mark.parametrize("name", COLOURS)
def test_21_colours_are_the_true_ones_or_openslides(made, run, tmp_path, name):
    folder = made("21-jpeg-colour")
    slide, true = folder / f"{name}.tif", np.load(folder / "true.npy")
    openslides, damaged = openslide_pixels(slide, (1024, 1024))
    assert not damaged
    pixels = {}
    ways = {"native": ("--codec", "native"), "zstd": ("--codec", "zstd")}
    ways["openslide"] = ("--reader", "openslide")
    for way, options in ways.items():
        ended, store = tile(run, slide, tmp_path / f"{way}.zarr", *options)
        assert ended.exit_code == 0, ended.stderr
        assert len(store) == 1
        pixels[way] = store[0]
    np.testing.assert_array_equal(pixels["native"], pixels["zstd"])
    np.testing.assert_array_equal(pixels["openslide"], openslides)
    is_openslides = (pixels["native"] == openslides).all()
    off = np.abs(pixels["native"].astype(int) - true)
    assert is_openslides or off.mean() < 3


@pytest.mark.parametrize("name", ["subsampling", "restart"])
def test_27_other_subsampling_and_restarts_stay_native(made, run, tmp_path, name):
    slide = made("27-mixed-subsampling") / f"{name}.tif"
    ended, store = tile(run, slide, tmp_path / "a.zarr")
    assert ended.exit_code == 0, ended.stderr
    assert store.codec == "native"
    truth, damaged = openslide_pixels(slide, SIZE)
    assert not damaged
    assert not grid_cells(store)["unreadable"]
    assert_pixels(store, truth)
    assert run("verify", store.path, "--deep", "--slide", slide).exit_code == 0


def test_27_one_progressive_tile_is_decoded(made, run, tmp_path):
    slide = made("27-mixed-subsampling") / "progressive.tif"
    assert b"\xff\xc2" in stored(slide, 20)
    ended, store = tile(run, slide, tmp_path / "a.zarr")
    assert ended.exit_code == 0, ended.stderr
    assert store.codec == "zstd"
    truth, damaged = openslide_pixels(slide, SIZE)
    assert not damaged
    assert grid_cells(store) == {"ok": {(0, 0), (1, 0), (0, 1), (1, 1)}, "unreadable": set()}
    assert_pixels(store, truth)


@pytest.mark.parametrize("codec", ["auto", "zstd"])
@pytest.mark.parametrize("name", ["grey", "small", "png"])
def test_27_a_tile_of_another_kind_is_unreadable(made, run, tmp_path, name, codec):
    slide = made("27-mixed-subsampling") / f"{name}.tif"
    truth, damaged = openslide_pixels(slide, SIZE)
    assert damaged == {(4, 2)}
    ended, store = tile(run, slide, tmp_path / "a.zarr", "--codec", codec)
    assert ended.exit_code == 3, ended.stderr
    assert grid_cells(store) == {"ok": {(0, 0), (0, 1), (1, 1)}, "unreadable": {ODD_TILE}}
    assert_pixels(store, truth)
    sentence(ended.stderr, r"\b1\b", "unreadable")


@OURS
def test_the_written_tiles_are_what_they_claim(made):
    """The inputs above show nothing unless their tile 20 is what its name says."""
    folder = made("27-mixed-subsampling")
    assert stored(folder / "png.tif", 20).startswith(b"\x89PNG")
    assert imagecodecs.jpeg8_decode(stored(folder / "grey.tif", 20)).ndim == 2
    assert imagecodecs.jpeg8_decode(stored(folder / "small.tif", 20)).shape == (248, 248, 3)
