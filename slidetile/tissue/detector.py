"""Tissue detectors: which one a slide gets, how it is called, and what it must return.

Knows detectors and overviews. Does not know what their masks are used for.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import numpy as np

from slidetile.choices import UnfitChoiceError
from slidetile.raster.masks import Mask
from slidetile.raster.pixels import Pixels
from slidetile.runtime.foreign import foreign
from slidetile.slides.overview import Overview
from slidetile.slides.slide import Slide
from slidetile.tissue.channels import detection_image
from slidetile.tissue.imaging import is_dark as looks_dark
from slidetile.tissue.optical_density import OpticalDensityDetector
from slidetile.tissue.plain import DarkBackgroundDetector, OtsuDetector

Detector = Callable[[Pixels], Mask]
"""Any function that takes an image, uint8 [row, column, channel], and returns a mask of its
tissue, bool [row, column]."""


@runtime_checkable
class ScaledDetector(Protocol):
    """A detector that measures in micrometres and therefore takes the image's resolution."""

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
            As high and as wide as the image.
        """
        ...


@runtime_checkable
class SlideDetector(Protocol):
    """A detector that reads the slide itself, at its own resolution."""

    def detect_slide(self, slide: Slide, overview: Overview) -> Mask:
        """Return where the tissue is.

        Parameters
        ----------
        slide
            The slide. Read it part by part, so that memory stays flat.
        overview
            The slide's overview; the mask has the same pixel grid.

        Returns
        -------
        bool array [row, column]
            As high and as wide as the overview.
        """
        ...


AnyDetector = Detector | ScaledDetector | SlideDetector
"""What `find_tissue` takes as a detector."""


def check_detector(detector: object) -> None:
    """Check that an object can be used as a detector.

    Raises
    ------
    TypeError
        It is a class instead of an instance, or it is not a detector of any of the three kinds.
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
    """Return the detectors that `choose_detector` chooses from: for dark, grey, stained slides."""
    stains = OpticalDensityDetector(keep_pen=keep_pen)
    return DarkBackgroundDetector(), OtsuDetector(), stains


def choose_detector(
    image: Pixels, *, keep_pen: bool = False, is_dark: bool | None = None
) -> AnyDetector:
    """Return the detector that suits an overview.

    `DarkBackgroundDetector` where the overview is dark, as in fluorescence; `OtsuDetector` where
    it is grey; else `OpticalDensityDetector`. ``is_dark`` says whether it is; None looks.
    """
    dark, grey, stains = default_detectors(keep_pen=keep_pen)
    if looks_dark(image) if is_dark is None else is_dark:
        return dark
    return grey if image.shape[2] == 1 else stains


def run_detector(
    detector: AnyDetector, slide: Slide, overview: Overview, image: Pixels | None = None
) -> Mask:
    """Call a detector by the method it has, and check the mask it returns.

    Parameters
    ----------
    detector, slide, overview
        What is called, and with what.
    image
        What is given to one that takes an image, uint8 [row, column, channel]; None is the
        overview's `detection_image`.

    Raises
    ------
    ForeignExitError
        The detector wanted to end the process.
    """
    if image is None:
        image = detection_image(overview.image, overview.channels)
    with foreign(f"The detector {_name(detector)}"):
        if isinstance(detector, SlideDetector):
            mask = detector.detect_slide(slide, overview)
        elif isinstance(detector, ScaledDetector):
            mpp = None if overview.mpp is None else math.sqrt(math.prod(overview.mpp))
            mask = detector.detect(image, mpp=mpp)
        else:
            mask = detector(image)
    return checked_mask(mask, overview, f"The mask returned by {_name(detector)}")


def checked_mask(mask: Any, overview: Overview, what: str) -> Mask:
    """Check that a mask fits an overview, and return it.

    Raises
    ------
    TypeError
        The mask is not an array, or its dtype is not bool.
    ValueError
        The mask does not have the overview's height and width.
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
        raise UnfitChoiceError(
            f"{what} must have the overview's {expected[0]} rows and {expected[1]} columns, but "
            f"its shape is {mask.shape}."
        )
    return mask


def describe_detector(detector: Any) -> dict[str, Any]:
    """Return a detector's name and options, JSON-serialisable, as a mask's parameters record them.

    The options are the detector's own ``parameters``, where that is a dict, else the fields of a
    dataclass.
    """
    options = getattr(detector, "parameters", None)
    if not isinstance(options, dict):
        options = {}
        if dataclasses.is_dataclass(detector) and not isinstance(detector, type):
            options = dataclasses.asdict(detector)
    return {"name": _name(detector), **options}


def _name(detector: object) -> str:
    return str(getattr(detector, "__qualname__", type(detector).__qualname__))
