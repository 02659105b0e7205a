"""The command tissue: masks side by side, the reason for what was dropped, and what it refuses."""

import json

import numpy as np
import pytest
import tifffile
from PIL import Image

import slidetile as st
from slidetile.raster.drawing import OUTLINE_COLOUR
from slidetile.tissue.picture import _COLOURS

MODULE = """
import numpy as np

class Careful:
    def detect(self, image, *, mpp):
        return image[..., 0] < 200

    def left_out(self, image, *, mpp):
        return {"fold": image[..., 0] > 210}
"""


@pytest.fixture(autouse=True)
def _in_a_folder_with_a_detector(tmp_path, monkeypatch):
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    (tmp_path / "cwd" / "careful.py").write_text(MODULE)


@pytest.fixture
def clumps(tmp_path):
    """A slide of 11.2×11.2 mm with a piece of 16 mm² and 50 clumps of 10,000 µm²."""
    pixels = np.full((1400, 1400), 255, np.uint8)
    pixels[100:600, 100:600] = 0
    for number in range(50):
        top, left = 700 + 80 * (number // 10), 100 + 120 * (number % 10)
        pixels[top : top + 12, left : left + 13] = 0
    path = tmp_path / "clumps.tiff"
    size = {"resolution": (1250, 1250), "resolutionunit": "CENTIMETER"}
    tifffile.imwrite(path, pixels, tile=(256, 256), photometric="minisblack", **size)
    return path


def test_what_detectors_make_of_a_slide(cli, sample):
    line = ("tissue", sample, "--preview", "mask.png", "--compare", "otsu, careful:Careful,default")
    result = cli(*line)
    assert result.exit_code == 0, result.stderr
    slide, *outcomes = result.stdout.split("\n\n")
    assert "overview  480×320 px; 4 µm per pixel" in slide
    assert "preview   mask.png" in slide
    names = [text.splitlines()[0].split()[-1] for text in outcomes]
    assert names == ["default", "otsu", "careful:Careful"]
    assert "found by  OtsuDetector" in outcomes[1]
    assert "(--min-piece-area-um2)" not in outcomes[1]
    assert "of fold, " in outcomes[2]
    with Image.open("mask.png") as picture:
        image = np.asarray(picture)
    assert (image == OUTLINE_COLOUR).all(axis=2).any()
    assert (image == _COLOURS["too small"]).all(axis=2).any()
    assert image.shape[1] > 3000


def test_the_facts_are_those_of_the_api(cli, sample):
    told = json.loads(cli("tissue", sample, "--json", "--compare", "otsu").stdout)
    with st.open_slide(sample) as slide:
        by_hand = [st.find_tissue(slide), st.find_tissue(slide, detector=st.OtsuDetector())]
    for facts, tissue in zip(told["tissue"], by_hand, strict=True):
        assert facts["tissue_pieces"] == len(tissue.pieces)
        assert facts["tissue_area_um2"] == tissue.area.um2
        assert facts["found_tissue"]["pieces"] == tissue.found.pieces
        assert [each["message"] for each in facts["left_out"]] == list(map(str, tissue.left_out))
    assert told["preview_path"] is None


def test_small_clumps_are_dropped_with_a_word_and_kept_by_zero(cli, clumps):
    result = cli("tissue", clumps)
    assert "50 pieces of tissue, 499,200 µm² (too small, --min-piece-area-um2)" in result.stdout
    assert "WARNING: clumps.tiff: pieces of tissue that are smaller than" in result.stderr
    assert ": 50 of 51 (499,200 µm² together); a smaller --min-piece-area-um2" in result.stderr
    kept = json.loads(cli("tissue", clumps, "--min-piece-area-um2", "0", "--json").stdout)
    (outcome,) = kept["tissue"]
    assert (outcome["tissue_pieces"], outcome["left_out"]) == (51, [])


def test_no_tissue_is_told_with_what_to_do(cli, clumps):
    result = cli("tissue", clumps, "--min-piece-area-um2", "20000000")
    assert result.exit_code == 0
    assert "warning" not in result.stderr  # the limit is at most a 1000th of the overview
    white = np.full((256, 256, 3), 255, np.uint8)
    tifffile.imwrite("white.tiff", white, tile=(64, 64), photometric="rgb")
    result = cli("tissue", "white.tiff", "--compare", "careful:Careful")
    assert "warning: default: no tissue was found: try another --detector" in result.stderr
    assert "warning: careful:Careful: no tissue was found" in result.stderr


def test_annotations_cut_what_each_detector_finds(cli, sample):
    ring = [[0, 0], [1920, 0], [1920, 2560], [0, 2560], [0, 0]]
    with open("left.geojson", "w", encoding="utf-8") as file:  # noqa: PTH123  in a test's folder
        json.dump({"type": "Polygon", "coordinates": [ring]}, file)
    line = ("tissue", sample, "--annotations", "left.geojson", "--json")
    cut = json.loads(cli(*line, "--annotations-mode", "intersect", "--compare", "otsu").stdout)
    for outcome in cut["tissue"]:
        assert "outside the annotations" in [each["reason"] for each in outcome["left_out"]]
    (drawn,) = json.loads(cli(*line).stdout)["tissue"]
    assert (drawn["detector"], drawn["found_tissue"]) == ("annotations", None)
    result = cli(*line, "--compare", "otsu")
    assert result.exit_code == 2
    assert "--compare is of detectors, but the annotations replace them" in result.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--compare", "nope"), "'nope' is not a detector"),
        (("--compare", "otsu,,density"), "names no detector beside a comma"),
        (("--compare", ""), "names no detector beside a comma"),
        (("--compare", ",".join(["otsu"] * 16)), "16 are more than 15"),
        (("--detector", "otsu", "--keep-pen"), "keep_pen applies to the detector that is chosen"),
        (("--tissue-mpp", "-1"), "-1"),
        (("--min-piece-area-um2", "-1"), "min_piece_area_um2 must be 0 or more"),
    ],
)
def test_wrong_usage(cli, sample, options, words):
    result = cli("tissue", sample, *options)
    assert result.exit_code == 2
    assert words in " ".join(result.stderr.split())


def test_pen_may_be_kept_by_the_default_alone(cli, sample):
    line = ("tissue", sample, "--keep-pen", "--compare", "density", "--json")
    assert [each["detector"] for each in json.loads(cli(*line).stdout)["tissue"]] == [
        "default",
        "density",
    ]


def test_no_other_file_is_replaced(cli, sample, tmp_path):
    other = tmp_path / "notes.txt"
    other.write_text("mine")
    result = cli("tissue", sample, "--preview", other)
    assert (result.exit_code, other.read_text()) == (1, "mine")
    assert "is not a PNG picture, so it is not replaced" in result.stderr


def test_the_label_of_a_slide_is_not_shown(cli, shared_slides):
    """Its label is red and its macro has one: nothing of them is on the overview."""
    line = ("tissue", shared_slides / "CMU-1-Small-Region.svs", "--preview", "x.png")
    assert cli(*line).exit_code == 0
    with Image.open("x.png") as picture:
        assert picture.width < 2200
