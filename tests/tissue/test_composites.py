"""Tissue detection on slides composed of real tissue, of seeds that nobody tuned to."""

import composites
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slidetile.slides.array import ArraySlide
from slidetile.tissue.finding import find_tissue
from slidetile.tissue.optical_density import OpticalDensityDetector
from slidetile.tissue.plain import DarkBackgroundDetector

pytestmark = pytest.mark.slow  # each by itself takes a second or two, all of them a minute

# Fat without any colour is mostly missed; cores of 5 pixels' distance are partly joined.
OTHERS_FAINT_AT_LEAST = {"silver": 0.35}
OTHERS_BACKGROUND_AT_MOST = {"cores": 0.2}

# Where heavy compression, noise or blur has taken most of the fat itself, this much is found.
FAINT_AT_LEAST = {"fat, JPEG 40": 0.6, "JPEG 40": 0.8, "fat, noise of 4": 0.8}


@pytest.fixture(scope="module")
def pieces(shared_slides, shared_truth):
    return composites.load_pieces(shared_slides, shared_truth)


def mean_scores(pieces, challenge, mpp=composites.TRUE_MPP):
    """Score two held-out composites; every class that either has is in the result."""
    found = {}
    for seed in (composites.HELD_OUT, composites.HELD_OUT + 1):
        made, image = composites.compose(challenge, seed, pieces)
        mask = find_tissue(ArraySlide(image, mpp=mpp), mpp=mpp).mask
        for name, score in composites.scores(made, mask).items():
            found.setdefault(name, []).append(score)
    return {name: np.mean(scores) for name, scores in found.items()}


@pytest.mark.parametrize("challenge", composites.CHALLENGES)
def test_held_out_composites(pieces, challenge):
    scores = mean_scores(pieces, challenge)
    assert scores.get("tissue", 1) >= 0.985
    assert scores.get("faint", 1) >= FAINT_AT_LEAST.get(challenge, 0.85)
    assert scores["background"] <= 0.005


@pytest.mark.parametrize("challenge", list(composites.OTHERS))
def test_tissue_of_any_colour_and_what_only_looks_like_it(pieces, challenge):
    scores = mean_scores(pieces, challenge)
    assert scores.get("tissue", 1) >= 0.985
    assert scores.get("faint", 1) >= OTHERS_FAINT_AT_LEAST.get(challenge, 0.85)
    assert scores["background"] <= OTHERS_BACKGROUND_AT_MOST.get(challenge, 0.005)


@pytest.mark.parametrize(("challenge", "mpp"), [("fat", 3.0), ("blue pen", 3.0), ("mosaic", 8.0)])
def test_a_resolution_wrong_by_ten_does_little_harm(pieces, challenge, mpp):
    scores = mean_scores(pieces, challenge, mpp)
    assert scores["tissue"] >= 0.985
    assert scores.get("faint", 1) >= 0.85
    assert scores["background"] <= 0.02


@pytest.mark.parametrize("ink", ["blue", "red"])
def test_tissue_under_translucent_pen_is_kept(pieces, ink):
    scores = mean_scores(pieces, f"under {ink} pen")
    assert scores["under pen"] >= 0.5
    assert scores["background"] <= 0.005


@pytest.fixture(scope="module")
def picture(pieces):
    return composites.compose("mosaic", composites.HELD_OUT + 4, pieces)[1][60:460, 100:660]


# Dense bodies are judged piece by piece, so that more of them may be found with higher thresholds.
OPTIONS = {
    "min_spread_density": (0.001, 0.05),
    "min_texture": (0.05, 0.95),
}


@given(option=st.sampled_from(sorted(OPTIONS)), shares=st.tuples(st.floats(0, 1), st.floats(0, 1)))
@settings(max_examples=8, deadline=None)
def test_higher_thresholds_never_add_tissue(picture, option, shares):
    low, high = (OPTIONS[option][0] + s * np.ptp(OPTIONS[option]) for s in sorted(shares))
    slide = ArraySlide(picture, mpp=30.0)
    more, less = (
        find_tissue(slide, mpp=30.0, detector=OpticalDensityDetector(**{option: value})).mask
        for value in (low, high)
    )
    assert not (less & ~more).any()


@given(signals=st.tuples(st.floats(0.5, 30), st.floats(0.5, 30)))
@settings(max_examples=8, deadline=None)
def test_more_light_asked_for_never_adds_tissue(picture, signals):
    glowing = 255 - picture[..., 1:2]
    low, high = sorted(signals)
    more, less = (DarkBackgroundDetector(min_signal=signal)(glowing) for signal in (low, high))
    assert not (less & ~more).any()


@given(
    option=st.sampled_from(["min_piece_area_um2", "min_hole_area_um2", "tissue_margin_um"]),
    values=st.tuples(st.floats(0, 400), st.floats(0, 400)),
)
@settings(max_examples=8, deadline=None)
def test_areas_and_margins_act_one_way(picture, option, values):
    slide = ArraySlide(picture, mpp=30.0)
    power = 1 if option == "tissue_margin_um" else 2
    low, high = (
        find_tissue(slide, mpp=30.0, **{option: value**power}).mask for value in sorted(values)
    )
    if option == "min_piece_area_um2":
        low, high = high, low
    assert not (low & ~high).any()


@pytest.mark.parametrize("axis", [0, 1, (0, 1)])
def test_mirrored_composites_give_mirrored_masks(pieces, axis):
    for challenge in ("under blue pen", "mosaic"):
        image = composites.compose(challenge, composites.HELD_OUT, pieces)[1]
        detector = OpticalDensityDetector()
        mirrored = detector.detect(np.flip(image, axis), mpp=30.0)
        assert np.array_equal(mirrored, np.flip(detector.detect(image, mpp=30.0), axis))


def test_the_same_image_gives_the_same_mask_again(picture):
    slide = ArraySlide(picture, mpp=30.0)
    assert find_tissue(slide) == find_tissue(ArraySlide(picture.copy(), mpp=30.0))
