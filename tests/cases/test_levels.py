"""Reports of slides whose levels are empty, garbled, out of order or of unusual scale."""

import json

import numpy as np
import pytest
import tifffile
from cases.judging import assert_pixels, assert_tiles, grid_cells, sentence
from cases.made.pictures import shrink
from cases.made.slides import FAR_DISCS
from cases.origins import SLOW_SCRIPT

import slidetile as st

pytestmark = pytest.mark.slow

FAR_SIZE = (6144, 4096)
FAR_CORNER = st.Region(x=4608, y=2816, width=1024, height=1024)
"""Inside the second disc's bounds."""
SQUARE_PX = 512
TINY_RATIO = 1e-9


def info(run, path, *options):
    """Return what `slidetile info` tells, and its warnings."""
    ended = run("info", path, "--json", *options)
    assert ended.exit_code == 0, ended.stderr
    told = json.loads(ended.stdout)
    facts = {"mpp": told["mpp_um"], "objective_power": told["objective_power"]}
    facts["size_px"] = f"{told['width_px']}×{told['height_px']}"
    facts["levels"] = [
        f"{each['width_px']}×{each['height_px']} (1/{each['downsample'][0]:g})"
        for each in told["levels"]
    ]
    return facts, ended.stderr


def assert_levels_agree(store, region):
    """Compare each coarser level, where the tiles are, with level 0 averaged."""
    fine = store.read_region(region)
    for number, level in enumerate(store.levels[1:], 1):
        factor = round(level.downsample[0])
        coarse = store.read_region(region, level=number).astype(int)
        # The slide's own coarse tiles, being JPEG, are up to 4.5 apart; white ones 30.
        assert np.abs(coarse - shrink(fine, factor)).mean() < 6, f"level {number}"


@pytest.mark.parametrize("codec", ["native", "zstd"])
def test_02_tiles_that_are_not_stored_are_white(made, run, tmp_path, codec):
    slide = made("02-sparse-generic") / "sparse.tif"
    out = tmp_path / "a.zarr"
    ended = run("tile", slide, "-o", out, "--tile-size", SQUARE_PX, "--codec", codec)
    assert ended.exit_code == 0, ended.stderr
    truth = tifffile.imread(slide, key=0)
    for row, column in ((0, 0), (0, 1), (0, 2), (3, 3)):
        truth[row * 256 : row * 256 + 256, column * 256 : column * 256 + 256] = 255
    store = st.open_store(out)
    cells = grid_cells(store)
    assert (1, 1) in cells["ok"]
    assert not cells["unreadable"]
    assert_pixels(store, truth)
    assert run("verify", out, "--deep", "--slide", slide).exit_code == 0


@SLOW_SCRIPT
@pytest.mark.parametrize("reader", ["tiff", "openslide"])
def test_03_an_empty_coarse_tile_hides_no_tissue(made, plan, reader):
    planned = plan(made("03-svs-empty-coarse-tile") / "s.svs", "--reader", reader)
    assert planned.exit_code == 0, planned.stderr
    assert planned.facts["tissue_pieces"] == 2
    assert_tiles(planned.tiles, FAR_DISCS, FAR_SIZE)
    if reader == "tiff":  # OpenSlide fills it itself, without a word
        sentence(planned.stderr, r"\d", r"\blevel", r"empty|not stored|0 bytes")


@SLOW_SCRIPT
@pytest.mark.parametrize("codec", ["native", "zstd"])
@pytest.mark.parametrize("tissue_mpp", [8, 1])
def test_03_no_level_of_the_store_is_white_for_it(made, run, tmp_path, codec, tissue_mpp):
    slide, out = made("03-svs-empty-coarse-tile") / "s.svs", tmp_path / "a.zarr"
    ended = run("tile", slide, "-o", out, "--codec", codec, "--tissue-mpp", tissue_mpp)
    assert ended.exit_code == 0, ended.stderr
    store = st.open_store(out)
    assert_tiles(grid_cells(store)["ok"], FAR_DISCS, FAR_SIZE)
    assert_levels_agree(store, FAR_CORNER)
    for tile, red in zip(store, store.tiles["mean_red"].to_pylist(), strict=True):
        assert abs(tile[..., 0].mean() - red) < 3
    assert run("verify", out, "--deep", "--slide", slide).exit_code == 0


@SLOW_SCRIPT
@pytest.mark.parametrize("reader", ["tiff", "openslide"])
def test_29_a_garbled_coarse_tile_ends_no_slide(made, plan, reader):
    planned = plan(made("29-corrupt-coarse-tile") / "coarse.svs", "--reader", reader)
    assert planned.exit_code == 0, planned.stderr
    assert planned.facts["tissue_pieces"] == 2
    assert_tiles(planned.tiles, FAR_DISCS, FAR_SIZE)
    sentence(planned.stderr, r"\d", r"\blevel", r"decode|damaged|garbled|read")


@SLOW_SCRIPT
@pytest.mark.parametrize("codec", ["native", "zstd"])
def test_29_a_store_of_it_has_sound_levels(made, run, tmp_path, codec):
    slide, out = made("29-corrupt-coarse-tile") / "coarse.svs", tmp_path / "a.zarr"
    ended = run("tile", slide, "-o", out, "--codec", codec)
    assert ended.exit_code == 0, ended.stderr
    store = st.open_store(out)
    assert_tiles(grid_cells(store)["ok"], FAR_DISCS, FAR_SIZE)
    assert_pixels(store, tifffile.imread(slide, key=0))
    assert_levels_agree(store, FAR_CORNER)
    assert run("verify", out, "--deep", "--slide", slide).exit_code == 0


@SLOW_SCRIPT
@pytest.mark.parametrize("codec", ["native", "zstd"])
def test_29_one_bad_tile_of_the_only_level_costs_one_tile(made, run, tmp_path, codec):
    slide, out = made("29-corrupt-coarse-tile") / "single.svs", tmp_path / "a.zarr"
    ended = run("tile", slide, "-o", out, "--codec", codec)
    assert ended.exit_code == 3, ended.stderr
    sentence(ended.stderr, r"\b1\b", "unreadable")
    store = st.open_store(out)
    cells = grid_cells(store)
    assert cells["unreadable"] == {(1, 1)}
    assert_tiles(cells["ok"] | cells["unreadable"], FAR_DISCS, FAR_SIZE)
    truth = st.open_store(whole_store(made, run, tmp_path))
    compared = 0
    for column, row in sorted(cells["ok"]):
        region = st.Region(x=column * 1024, y=row * 1024, width=1024, height=1024)
        np.testing.assert_array_equal(store.read_region(region), truth.read_region(region))
        compared += 1
    assert compared
    assert run("verify", out, "--deep", "--slide", slide).exit_code == 0


def whole_store(made, run, tmp_path):
    """Make a store of the same picture, no tile of whose level 0 is damaged."""
    out = tmp_path / "whole.zarr"
    slide = made("29-corrupt-coarse-tile") / "coarse.svs"
    assert run("tile", slide, "-o", out, "--codec", "native", "--tissue-mpp", 1).exit_code == 0
    return out


def test_04_power_and_mpp_disagree_by_two(made, run):
    facts, told = info(run, made("04-mag-mpp-disagree") / "s.svs")
    assert facts["mpp"] == [0.2325, 0.2325]
    assert facts["objective_power"] == 20
    sentence(told, r"\b20\b", r"0\.2325", r"\b2(\.\d+)? times|\btwice\b|factor (of )?2")


@pytest.mark.parametrize("wanted", [("--objective", "20x"), ("--mpp", "0.5")])
def test_04_the_mpp_decides_not_the_power(made, run, tmp_path, wanted):
    out = tmp_path / "a.zarr"
    ended = run("tile", made("04-mag-mpp-disagree") / "s.svs", "-o", out, *wanted)
    assert ended.exit_code == 0, ended.stderr
    store = st.open_store(out)
    assert store.mpp == (0.5, 0.5)
    assert store.slide_scale == pytest.approx((0.5 / 0.2325,) * 2, rel=TINY_RATIO)
    assert store.attributes["level_0"]["factor"] == pytest.approx([0.5 / 0.2325] * 2, rel=1e-6)
    width, height = 3072 * 0.2325 / 0.5, 2048 * 0.2325 / 0.5
    assert store.levels[0].size == (np.ceil(width), np.ceil(height))


@pytest.mark.parametrize(
    ("name", "value"), [("tenth", r"0\.025"), ("dpi72", r"352(\.\d+)?"), ("dpi300", r"84\.67?")]
)
def test_10_a_resolution_no_scanner_has_is_refused(made, run, name, value):
    facts, told = info(run, made("10-mpp-by-ten") / f"{name}.tif")
    assert facts["mpp"] is None
    sentence(told, value, r"0\.05", r"\b50\b", "--slide-mpp")


def test_10_a_resolution_ten_times_too_coarse_is_called_out(made, run):
    facts, told = info(run, made("10-mpp-by-ten") / "mag40-mpp2.5.svs")
    assert facts["mpp"] == [2.5, 2.5]
    sentence(told, r"\b40\b", r"\b2\.5\b", r"\b10 times|ten times|factor (of )?10", "--slide-mpp")


def test_10_a_plausible_resolution_is_believed(made, run):
    facts, told = info(run, made("10-mpp-by-ten") / "tenfold.tif")
    assert facts["mpp"] == [2.5, 2.5]
    assert not told


def test_16_a_crop_of_an_svs_in_strips_of_a_row(made, run, tmp_path):
    slide, out = made("16-cropped-svs") / "core.tif", tmp_path / "a.zarr"
    facts, told = info(run, slide)
    assert facts["mpp"] == [0.497, 0.497]
    assert facts["objective_power"] == 20
    assert facts["size_px"] == "2942×2942"
    assert not told
    assert run("tile", slide, "-o", out).exit_code == 0
    store = st.open_store(out)
    assert_tiles(grid_cells(store)["ok"], [(883, 1177, 647), (2118, 1765, 588)], (2942, 2942))
    assert_pixels(store, tifffile.imread(slide))
    ended = run("verify", out, "--slide", slide)
    assert (ended.exit_code, ended.stdout) == (0, "findings: 0\n")


@SLOW_SCRIPT
@pytest.mark.parametrize(
    ("name", "factors"),
    [("strip-first", [1, 2, 4]), ("coarse-first", [1, 2, 4, 16]), ("unmarked", [1, 16])],
)
def test_17_a_thumbnail_first_is_not_the_slide(made, run, plan, name, factors):
    slide = made("17-thumbnail-first") / f"{name}.tif"
    facts, _ = info(run, slide)
    assert facts["size_px"] == "6144×4096"
    assert facts["mpp"] == [0.25, 0.25]
    levels = [f"{6144 // factor}×{4096 // factor} (1/{factor})" for factor in factors]
    assert facts["levels"][: len(levels)] == levels
    planned = plan(slide)
    assert planned.exit_code == 0, planned.stderr
    assert_tiles(planned.tiles, [(1843, 1638, 901), (4424, 2458, 819)], FAR_SIZE)


@pytest.mark.parametrize(
    ("name", "channels", "dtype"), [("dapi12in16", 1, "uint16"), ("five", 5, "uint8")]
)
def test_25_deep_pixels_and_many_channels_are_stored_whole(
    made, run, tmp_path, name, channels, dtype
):
    slide, out = made("25-fluorescence-16bit") / f"{name}.tif", tmp_path / "a.zarr"
    truth = tifffile.imread(slide).reshape(2048, 3072, channels)
    assert truth.dtype == dtype
    assert run("tile", slide, "-o", out).exit_code == 0
    store = st.open_store(out)
    assert store[0].dtype == dtype
    assert_pixels(store, truth)


def test_25_what_would_be_lost_is_refused(made, run, tmp_path):
    slide = made("25-fluorescence-16bit") / "pages.tif"
    for ended in (run("info", slide), run("tile", slide, "-o", tmp_path / "a.zarr")):
        assert ended.exit_code == 1, ended.stdout
        sentence(ended.stderr, "^error: ", r"\b3 images\b")
    assert not list(tmp_path.glob("*.zarr*"))


@pytest.mark.parametrize(
    ("name", "mpp", "factor", "size"),
    [
        ("aniso", (0.25, 0.5), (4, 2), (768, 1024)),
        ("slightly", (0.25, 0.2521), (4, 1 / 0.2521), (768, 517)),
        ("rational", (0.249_997_5,) * 2, (4.000_04,) * 2, (768, 512)),
        ("inch", (0.5, 0.5), (2, 2), (1536, 1024)),
    ],
)
def test_36_a_resolution_a_direction(made, run, tmp_path, name, mpp, factor, size):
    slide, out = made("36-anisotropic-mpp") / f"{name}.tif", tmp_path / "a.zarr"
    facts, told = info(run, slide)
    assert facts["mpp"] == pytest.approx(mpp, rel=1e-6)
    assert not told
    assert run("tile", slide, "--mpp", 1, "-o", out).exit_code == 0
    store = st.open_store(out)
    assert store.mpp == (1, 1)
    assert store.slide_scale == pytest.approx(factor, rel=1e-6)
    assert store.levels[0].size == size
    assert len(store)


def test_36_half_a_resolution_is_unknown(made, run, tmp_path):
    slide, out = made("36-anisotropic-mpp") / "x-zero.tif", tmp_path / "a.zarr"
    facts, told = info(run, slide)
    assert facts["mpp"] is None
    sentence(told, r"resolution|mpp", r"\b0\b|zero", "--slide-mpp")
    ended = run("tile", slide, "--mpp", 1, "-o", out)
    assert ended.exit_code == 1
    sentence(ended.stderr, "^error: ", "--slide-mpp")
    assert not out.exists()


@pytest.mark.parametrize("name", ["white", "black", "grey240"])
def test_37_no_tissue_is_told(made, run, tmp_path, name):
    slide, out = made("37-wide-thin") / f"{name}.tif", tmp_path / "a.zarr"
    ended = run("tile", slide, "-o", out)
    assert ended.exit_code == 0, ended.stderr
    sentence(ended.stderr, "no tissue")
    assert len(st.open_store(out)) == 0
    assert run("verify", out, "--slide", slide).exit_code == 0


@pytest.mark.parametrize(
    ("name", "discs"),
    [("full", [(1536, 1024, 4000)]), ("border", [(0, 0, 1229), (3072, 2048, 1229)])],
)
def test_37_tissue_up_to_the_border(made, run, plan, tmp_path, name, discs):
    slide, out = made("37-wide-thin") / f"{name}.tif", tmp_path / "a.zarr"
    planned = plan(slide)
    assert_tiles(planned.tiles, discs, (3072, 2048))
    assert planned.facts["tissue_pieces"] == len(discs)
    width, height = 3072, 2048
    corners = {"full": [(0, 0, width, height)]}.get(
        name, [(0, 0, 1229, 1229), (width - 1229, height - 1229, width, height)]
    )
    for box, expected in zip(sorted(planned.boxes), corners, strict=True):
        assert box == pytest.approx(expected, abs=64)
    assert run("tile", slide, "-o", out).exit_code == 0
    assert grid_cells(st.open_store(out))["ok"] == planned.tiles


@pytest.mark.parametrize(("name", "columns"), [("thin", 3), ("tiny", 1)])
def test_37_a_slide_of_a_row_and_one_smaller_than_a_tile(made, run, tmp_path, name, columns):
    slide, out = made("37-wide-thin") / f"{name}.tif", tmp_path / "a.zarr"
    ended = run("tile", slide, "-o", out)
    assert ended.exit_code == 0, ended.stderr
    store = st.open_store(out)
    assert grid_cells(store)["ok"] == {(column, 0) for column in range(columns)}
    assert_pixels(store, tifffile.imread(slide))


@pytest.mark.slow
def test_39_one_strip_is_read_in_parts_or_its_conversion_told(made, run, tmp_path):
    slide, out = made("39-one-strip") / "imagej.tif", tmp_path / "a.zarr"
    ended = run("tile", slide, "-o", out)
    if ended.exit_code:
        assert ended.exit_code == 1
        sentence(ended.stderr, "^error: ", r"\bvips tiffsave \S*imagej\.tif \S+\.tif\S* .*--tile")
        assert not out.exists()
        return
    store = st.open_store(out)
    assert len(store)
    assert_pixels(store, tifffile.memmap(slide, mode="r"))
    assert ended.peak_bytes < 300 << 20


@pytest.mark.slow
def test_45_tiles_beyond_4_gib(made, run, tmp_path):
    folder = made("45-beyond-4gb")
    slide, out = folder / "big.svs", tmp_path / "a.zarr"
    assert run("tile", slide, "-o", out).exit_code == 0
    store = st.open_store(out)
    assert_tiles(grid_cells(store)["ok"], [(1024, 768, 614)], (2048, 1536))
    assert_pixels(store, np.load(folder / "true.npy"))
    ended = run("verify", out, "--slide", slide)
    assert (ended.exit_code, ended.stdout) == (0, "findings: 0\n")
