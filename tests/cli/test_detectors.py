"""Detectors by name, margins, pen and areas: from the command line to the store and back."""

import json
import sys

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as hs

import slidetile as st
from slidetile.cli.search_path import current_folder_searched
from slidetile.raster.masks import with_margin
from slidetile.tissue.named import load_detector

MODULE = """
import numpy as np
from dataclasses import dataclass
from slidetile import OtsuDetector

def redless(image):
    return image[..., 0] < 200

@dataclass(frozen=True)
class Redless:
    below: int = 200
    def __call__(self, image):
        return image[..., 0] < self.below

class Needy:
    def __init__(self, option): ...

strict = Redless(below=150)
number = 5
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    yield
    sys.path[:] = before
    sys.modules.pop("mine", None)


@pytest.mark.usefixtures("module")
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("otsu", {"name": "OtsuDetector"}),
        ("slidetile:DarkBackgroundDetector", {"name": "DarkBackgroundDetector"}),
        ("mine:redless", {"name": "redless"}),
        ("mine:Redless", {"name": "Redless", "below": 200}),
        ("mine:strict", {"name": "Redless", "below": 150}),
    ],
)
def test_a_detector_is_found_by_name(name, told):
    with current_folder_searched():
        detector = load_detector(name)
    slide = st.ArraySlide(np.full((40, 40, 3), 240, np.uint8), mpp=8.0)
    tissue = st.find_tissue(slide, detector=detector)
    assert told.items() <= tissue.parameters["detector"].items()


@pytest.mark.usefixtures("module")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nonsense", "'nonsense' is not a detector: give otsu, dark, density, or MODULE:OBJECT"),
        ("nowhere:here", "nowhere cannot be imported: No module named 'nowhere'"),
        ("mine:nothing", "mine:nothing: module 'mine' has no attribute 'nothing'"),
        ("mine:number", "mine:number is not a detector"),
        ("mine:Needy", "mine:Needy cannot be made without options"),
        ("slidetile.tissue:OnnxDetector", "cannot be made without options"),
    ],
)
def test_what_is_no_detector_is_wrong_usage(cli, sample, name, message):
    result = cli("plan", sample, "--detector", name)
    assert result.exit_code == 2
    assert message in " ".join(result.output.replace("│", " ").split())


@pytest.mark.slow
@pytest.mark.usefixtures("module")
def test_a_detector_of_ones_own_travels_to_a_batchs_processes(command, sample, tmp_path):
    line = ["batch", sample, "-o", tmp_path / "out", "--tile-size", 512, "--json"]
    done = command(*line, "--detector", "mine:strict", "--processes", 2)
    assert done.exit_code == 0, done.stderr
    store = st.open_store(tmp_path / "out" / "sample.zarr")
    told = store.attributes["parameters"]["tissue"]["detector"]
    assert told == {"name": "Redless", "below": 150}
    again = command(*line, "--detector", "mine:strict")
    assert json.loads(again.stdout)["slides"][0]["status"] == "already done"
    other = command(*line, "--detector", "mine:Redless")
    assert json.loads(other.stdout)["slides"][0]["note"].startswith("made anew")
    chosen = command(*line)
    assert json.loads(chosen.stdout)["slides"][0]["note"].startswith("made anew")


def test_tissue_options_are_recorded(cli, sample, tmp_path):
    line = ["tile", sample, "-o", tmp_path / "s.zarr", "--keep-pen", "--json"]
    line += ["--min-piece-area-um2", 1000, "--min-hole-area-um2", 0, "--tissue-margin-um", 40]
    assert cli(*line).exit_code == 0
    told = st.open_store(tmp_path / "s.zarr").attributes["parameters"]["tissue"]
    assert told["detector"]["keep_pen"] is True
    assert told["keep_pen"] is True
    assert told["min_region_area_um2"] == 1000
    assert told["min_hole_area_um2"] == 0
    assert told["region_margin_um"] == 40


def test_keep_pen_is_for_the_detector_that_is_chosen(cli, sample):
    result = cli("plan", sample, "--keep-pen", "--detector", "otsu")
    assert result.exit_code == 2
    assert "keep_pen applies to the detector that is chosen" in " ".join(result.output.split())


@pytest.mark.parametrize("value", [-1, float("inf"), float("nan")])
def test_impossible_margins_are_refused(value):
    with pytest.raises(ValueError, match="tissue_margin_um must be 0 or more"):
        st.Recipe(tissue_margin_um=value)


@given(
    seed=hs.integers(0, 30),
    margin=hs.floats(0, 9),
    pixel=hs.tuples(hs.floats(0.5, 3), hs.floats(0.5, 3)),
)
@settings(max_examples=40, deadline=None)
def test_a_margin_is_a_disk(seed, margin, pixel):
    mask = np.random.default_rng(seed).random((24, 17)) < 0.01
    rows, columns = np.nonzero(mask)
    down, across = np.mgrid[:24, :17]
    expected = np.zeros_like(mask)
    for row, column in zip(rows, columns, strict=True):
        far = np.hypot((down - row) * pixel[1], (across - column) * pixel[0])
        expected |= far <= margin
    assert np.array_equal(with_margin(mask, margin, pixel), expected)


def test_a_margin_crosses_bands_without_a_seam():
    mask = np.zeros((900, 700), bool)  # several bands
    mask[::97, 350] = True
    whole = with_margin(mask, 30, (1, 1))
    for top in range(0, 900, 97):
        around = whole[max(0, top - 40) : top + 40, 310:390]
        assert around.any()
    assert np.array_equal(whole[::-1], with_margin(mask[::-1], 30, (1, 1)))
    assert whole.sum() == pytest.approx(10 * np.pi * 30**2, rel=0.1)


def test_margins_widen_after_specks_are_dropped_and_before_holes_are_filled():
    drawn = np.zeros((200, 300), bool)
    drawn[60:140, 60:140] = True
    drawn[90:110, 90:110] = False  # 20 pixels wide: 12 remain, 9,216 µm²
    drawn[20, 280] = True
    slide = st.ArraySlide(np.zeros((*drawn.shape, 3), np.uint8), mpp=8.0)
    options = {"detector": lambda _: drawn, "tissue_margin_um": 32}
    tissue = st.find_tissue(slide, min_piece_area_um2=1000, min_hole_area_um2=10_000, **options)
    assert not tissue.mask[:50].any()
    assert tissue.mask[56:144, 60:140].all()
    assert not tissue.mask[55].any()


def test_stains_are_not_looked_for_in_grey(cli, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((64, 64), np.uint16), tile=(64, 64))
    result = cli("plan", tmp_path / "a.tif", "--detector", "density")
    assert result.exit_code == 2
    assert "has 1 channel: choose dark (DarkBackgroundDetector) for fluorescence" in result.stderr


def test_channels_without_a_name_are_wrong_usage(cli, sample):
    result = cli("plan", sample, "--channels", "")
    assert result.exit_code == 2
    assert "--channels names none" in result.stderr
    result = cli("plan", sample, "--channels", '"DA,PI')
    assert result.exit_code == 2
    assert "a quotation mark is left open" in result.stderr


def test_tiles_that_are_not_copied_are_not_checked(cli, sample, tmp_path):
    line = ("tile", sample, "-o", tmp_path / "a.zarr", "--codec", "reference")
    result = cli(*line, "--check", "decode")
    assert result.exit_code == 2
    assert "slidetile verify --deep decodes them" in result.stderr
