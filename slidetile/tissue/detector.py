"""Tissue detectors: which one a slide gets, how it is called, and what it must return.

Knows detectors and overviews. Does not know what their masks are used for.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
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

MOST_REASONS = 16
"""Most reasons that a detector may give for what it left out."""

LONGEST_REASON = 60
"""Most letters of such a reason."""

RESERVED_REASONS = frozenset({"too small", "outside the annotations", "inside the annotations"})
"""What filters of slidetile call theirs; see `LeftOut.reason`."""

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


@runtime_checkable
class ExplainingDetector(Protocol):
    """A detector, of any kind, that also says what it left out by itself, and why."""

    def left_out(self, image: Pixels, *, mpp: float | None) -> Mapping[str, Mask]:
        """Return where something is that the detector recognised as no tissue, by reason.

        Parameters
        ----------
        image, mpp
            As for `ScaledDetector.detect`, which was called with the same before.

        Returns
        -------
        mapping of str to bool arrays [row, column]
            At most 16 reasons in a word or two, such as "pen", and for each a mask as high and as
            wide as the image. Bare glass needs no reason.
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
            mask = detector.detect(image, mpp=_mean_mpp(overview))
        else:
            mask = detector(image)
    return checked_mask(mask, overview, f"The mask returned by {_name(detector)}")


def _mean_mpp(overview: Overview) -> float | None:
    return None if overview.mpp is None else math.sqrt(math.prod(overview.mpp))


def areas_left_out(detector: object, overview: Overview, image: Pixels) -> dict[str, Mask]:
    """Return what a detector left out by itself, by reason; nothing of one that does not say it.

    Parameters
    ----------
    detector, overview, image
        As in `run_detector`, which was called with them before.

    Raises
    ------
    TypeError, ValueError
        A reason is no text of 1 to 60 letters or is one of slidetile's own, there are more than
        16, or a mask does not fit.
    ForeignExitError
        The detector wanted to end the process.
    """
    if not isinstance(detector, ExplainingDetector):
        return {}
    name = _name(detector)
    with foreign(f"The detector {name}"):
        areas: dict[Any, Any] = dict(detector.left_out(image, mpp=_mean_mpp(overview)))
    if len(areas) > MOST_REASONS:
        raise UnfitChoiceError(
            f"{name}.left_out must give at most {MOST_REASONS} reasons, but it gives {len(areas)}."
        )
    for reason, mask in areas.items():
        if not isinstance(reason, str):
            raise TypeError(f"{name}.left_out must give reasons as text, but one is {reason!r}.")
        _check_reason(reason, name)
        checked_mask(mask, overview, f"The mask of {reason!r} returned by {name}.left_out")
    return areas


def _check_reason(reason: str, name: str) -> None:
    if reason != reason.strip() or not 0 < len(reason) <= LONGEST_REASON:
        raise UnfitChoiceError(
            f"{name}.left_out must give reasons of 1 to {LONGEST_REASON} letters without blanks "
            f"around them, but one has {len(reason)}: {reason[:LONGEST_REASON]!r}."
        )
    if reason in RESERVED_REASONS:
        raise UnfitChoiceError(
            f"{name}.left_out gives the reason {reason!r}, which is what slidetile calls a filter "
            "of its own: choose other words."
        )


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
