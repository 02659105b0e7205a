"""What may be a detector, what it is told, and what it must return."""

import json
import tracemalloc

import numpy as np
import pytest
from stained import BODY, draw, glass

from slidetile.slides.array import ArraySlide
from slidetile.tissue.detector import ScaledDetector
from slidetile.tissue.finding import find_tissue
from slidetile.tissue.optical_density import OpticalDensityDetector
from slidetile.tissue.plain import DarkBackgroundDetector, OtsuDetector


def test_detection_takes_little_more_memory_than_the_image():
    image = np.tile(draw("red pen"), (3, 2, 1))  # 1.8 megapixels: more than all bands hold
    for detector in (OpticalDensityDetector(), OtsuDetector(), DarkBackgroundDetector()):
        detector(image[:64, :64])  # what is imported then is not counted
        tracemalloc.start()
        detector(image)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 14 * 2**20 + 6 * image.shape[0] * image.shape[1]


def some_colour(image):
    return np.ptp(image, axis=2) > 20


def test_any_callable_is_a_detector():
    slide = ArraySlide(draw("dirty"), mpp=8.0)
    tissue = find_tissue(slide, detector=some_colour)
    assert tissue.parameters == {
        "detector": {"name": "some_colour"},
        "mpp": 8.0,
        "keep_pen": False,
        "min_region_area_um2": 50_000.0,
        "min_hole_area_um2": 250_000.0,
        "region_margin_um": 0.0,
    }
    assert tissue.mask[BODY].mean() > 0.9


def test_parameters_tell_the_options_and_survive_json():
    slide = ArraySlide(draw("blank"), mpp=8.0)
    parameters = find_tissue(slide).parameters
    assert json.loads(json.dumps(parameters)) == parameters
    assert parameters["detector"] == {
        "name": "OpticalDensityDetector",
        "min_density": 0.05,
        "min_grey_density": 0.05,
        "min_spread_density": 0.005,
        "min_texture": 0.25,
        "window_um": 500.0,
        "keep_pen": False,
    }
    assert find_tissue(slide) == find_tissue(slide)


def test_detectors_that_measure_are_told_the_resolution():
    class Recorder:
        def detect(self, image, *, mpp):
            self.mpp = mpp
            return np.zeros(image.shape[:2], bool)

    recorder = Recorder()
    assert isinstance(recorder, ScaledDetector)
    find_tissue(ArraySlide(draw("blank"), mpp=(4.0, 9.0)), mpp=6, detector=recorder)
    assert recorder.mpp == pytest.approx(6)


@pytest.mark.parametrize(
    ("detector", "error", "message"),
    [
        (lambda image: image[..., 0], TypeError, "its type is uint8"),
        (lambda image: image[1:, :, 0] > 5, ValueError, r"480 rows.*\(479, 640\)"),
        (lambda _: None, TypeError, "it is a NoneType"),
        (OtsuDetector, TypeError, r"pass OtsuDetector\(\)"),
    ],
)
def test_what_a_detector_returns_is_checked(detector, error, message):
    with pytest.raises(error, match=message):
        find_tissue(ArraySlide(glass().astype(np.uint8), mpp=8.0), detector=detector)


@pytest.mark.parametrize(
    "make",
    [
        lambda: OpticalDensityDetector(min_density=0),
        lambda: OpticalDensityDetector(window_um=-1),
        lambda: OpticalDensityDetector(min_texture=0),
        lambda: DarkBackgroundDetector(min_signal=0),
    ],
)
def test_impossible_options_are_refused(make):
    with pytest.raises(ValueError, match="must be greater than 0, but it is"):
        make()
