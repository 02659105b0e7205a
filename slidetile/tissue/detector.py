"""Which detector looks for tissue on a slide, and what it must return.

Knows detectors and overviews. Does not know what becomes of their masks.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import numpy as np

from slidetile.raster.masks import Mask
from slidetile.raster.pixels import Pixels
from slidetile.slides.overview import Overview
from slidetile.slides.slide import Slide
from slidetile.tissue.imaging import is_dark
from slidetile.tissue.optical_density import OpticalDensityDetector
from slidetile.tissue.plain import DarkBackgroundDetector, OtsuDetector

Detector = Callable[[Pixels], Mask]
"""Any function from an image, uint8 [row, column, channel], to tissue, bool [row, column]."""


@runtime_checkable
class ScaledDetector(Protocol):
    """A detector that measures in micrometres and so wants to know the image's resolution."""

    def detect(self, image: Pixels, *, mpp: float | None) -> Mask:
        """Return where the tissue is.

        Parameters
        ----------
        image
            uint8 [row, column, channel].
        mpp
            Micrometres per pixel, or None where unknown.

        Returns
        -------
        bool array [row, column]
            Of the image's height and width.
        """
        ...


@runtime_checkable
class SlideDetector(Protocol):
    """A detector that reads the slide itself, at a resolution of its own."""

    def detect_slide(self, slide: Slide, overview: Overview) -> Mask:
        """Return where the tissue is.

        Parameters
        ----------
        slide
            To be read in pieces, so that memory stays flat.
        overview
            Its overview, on whose grid the mask is to be.

        Returns
        -------
        bool array [row, column]
            Of the overview's height and width.
        """
        ...


AnyDetector = Detector | ScaledDetector | SlideDetector
"""What `find_tissue` takes as a detector."""


def check_detector(detector: object) -> None:
    """Make sure something can be used as a detector.

    Raises
    ------
    TypeError
        It is a class, or has none of the three ways to be called.
    """
    if isinstance(detector, type):
        raise TypeError(
            f"A detector is called with the image: pass {detector.__name__}(), not the class."
        )
    if not (callable(detector) or isinstance(detector, ScaledDetector | SlideDetector)):
        raise TypeError(
            "A detector is a function from the overview to an array of bool, or has a method "
            f"detect or detect_slide, but this is a {type(detector).__name__}."
        )


def default_detectors(*, keep_pen: bool = False) -> tuple[AnyDetector, ...]:
    """Return the detectors that `choose_detector` chooses from."""
    stains = OpticalDensityDetector(keep_pen=keep_pen)
    return DarkBackgroundDetector(), OtsuDetector(), stains


def choose_detector(image: Pixels, *, keep_pen: bool = False) -> AnyDetector:
    """Return the detector for an overview: for fluorescence if dark, Otsu's if grey, or stains."""
    dark, grey, stains = default_detectors(keep_pen=keep_pen)
    if is_dark(image):
        return dark
    return grey if image.shape[2] == 1 else stains


def run_detector(detector: AnyDetector, slide: Slide, overview: Overview) -> Mask:
    """Call a detector the way it wants to be called, and check what it returns."""
    if isinstance(detector, SlideDetector):
        mask = detector.detect_slide(slide, overview)
    elif isinstance(detector, ScaledDetector):
        mpp = None if overview.mpp is None else math.sqrt(math.prod(overview.mpp))
        mask = detector.detect(overview.image, mpp=mpp)
    else:
        mask = detector(overview.image)
    return checked_mask(mask, overview, f"What {_name(detector)} returned")


def checked_mask(mask: Any, overview: Overview, what: str) -> Mask:
    """Return ``mask`` if it is one for this overview.

    Raises
    ------
    TypeError
        It is no array, or not of type bool.
    ValueError
        It is not of the overview's height and width.
    """
    if not isinstance(mask, np.ndarray):
        raise TypeError(f"{what} must be an array of bool, but it is a {type(mask).__name__}.")
    if mask.dtype != np.bool_:
        raise TypeError(
            f"{what} must be an array of bool, but its type is {mask.dtype}: compare it with a "
            "threshold first."
        )
    expected = overview.image.shape[:2]
    if mask.shape != expected:
        raise ValueError(
            f"{what} must have the overview's {expected[0]} rows and {expected[1]} columns, but "
            f"its shape is {mask.shape}."
        )
    return mask


def describe_detector(detector: Any) -> dict[str, Any]:
    """Return a detector's name and options, fit for JSON, as they stand in a mask's parameters.

    Options are what it says itself in ``parameters``, a dict, else a dataclass's fields.
    """
    options = getattr(detector, "parameters", None)
    if not isinstance(options, dict):
        options = {}
        if dataclasses.is_dataclass(detector) and not isinstance(detector, type):
            options = dataclasses.asdict(detector)
    return {"name": _name(detector), **options}


def _name(detector: object) -> str:
    return str(getattr(detector, "__qualname__", type(detector).__qualname__))
