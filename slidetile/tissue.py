"""Where the tissue is on a slide: a mask over its overview, and the regions it falls into.

Knows overviews and masks. Does not know files, tiles or how any one detector works.
"""

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from slidetile import preview
from slidetile.detectors import (
    ASSUMED_MPP,
    DarkBackgroundDetector,
    Detector,
    OtsuDetector,
    ScaledDetector,
    is_dark,
)
from slidetile.geometry import Region
from slidetile.optical_density import OpticalDensityDetector
from slidetile.overview import Overview, overview_mpp, read_overview
from slidetile.pieces import Labels, Mask, count_pixels, number_pieces, without_small_pieces
from slidetile.pixels import Pixels
from slidetile.slide import Slide

MIN_REGION_AREA_UM2 = 50_000.0
MIN_HOLE_AREA_UM2 = 250_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TissueRegion:
    """One connected piece of tissue."""

    label: int
    """Its number in `TissueMask.labels`, from 1."""

    bounds: Region
    """The smallest rectangle around it, in level-0 pixels, within the slide."""

    area_px: int
    """Its area in level-0 pixels; overview pixels that reach beyond the slide count whole."""

    area_um2: float | None
    """Its area in µm², or None where the slide's mpp is unknown."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TissueMask:
    """Where the tissue is, on the overview's grid. Made by `find_tissue` or `from_mask`."""

    labels: Labels
    """uint8, 16 or 32 [row, column], read-only: 0 is glass, k the region ``regions[k - 1]``.

    Pixels that touch, even by a corner, are one region. Regions are numbered in the order of
    their first pixel, row by row. The type is the smallest that holds their number.
    """

    overview: Overview
    """The image the mask was made from."""

    regions: tuple[TissueRegion, ...]
    """The connected pieces, in the order of their labels."""

    parameters: dict[str, Any] = field(default_factory=dict)
    """How the mask was made; fit for JSON."""

    @classmethod
    def from_mask(
        cls, mask: Mask, overview: Overview, *, parameters: dict[str, Any] | None = None
    ) -> Self:
        """Make a tissue mask of any mask drawn over an overview.

        Parameters
        ----------
        mask
            bool [row, column], of the overview's height and width. It is not kept.
        overview
            The image it belongs to.
        parameters
            How it was made, fit for JSON, to be kept beside it.

        Raises
        ------
        TypeError
            The mask is no array, or not of type bool.
        ValueError
            The mask is not of the overview's height and width.
        """
        labels = number_pieces(_checked(mask, overview, "A tissue mask"))
        labels.flags.writeable = False
        return cls(
            labels=labels,
            overview=overview,
            regions=_regions(labels, overview),
            parameters=dict(parameters or {}),
        )

    @property
    def mask(self) -> Mask:
        """Where any region is: bool [row, column], made anew of the labels."""
        return np.asarray(self.labels != 0)

    @property
    def downsample(self) -> float:
        """Level-0 pixels per mask pixel, the mean of both axes."""
        return self.overview.downsample

    @property
    def mpp(self) -> tuple[float, float] | None:
        """Micrometres per mask pixel as (x, y), or None where unknown."""
        return self.overview.mpp

    @property
    def tissue_fraction(self) -> float:
        """The share of the overview that is tissue, 0–1."""
        return float(self.mask.mean())

    def __eq__(self, other: object) -> bool:
        """Compare contents; regions follow from the labels."""
        if not isinstance(other, TissueMask):
            return NotImplemented
        return (
            np.array_equal(self.labels, other.labels)
            and self.parameters == other.parameters
            and self.overview == other.overview
        )

    __hash__ = None  # type: ignore[assignment]  # compared by content, and arrays have no hash

    def _repr_html_(self) -> str:
        detector = self.parameters.get("detector", "unknown")
        facts = {
            "tissue": f"{self.tissue_fraction:.1%} of the slide",
            "regions": len(self.regions),
            "resolution": "unknown" if self.mpp is None else f"{self.mpp[0]:.4g} µm per pixel",
            "found by": detector["name"] if isinstance(detector, dict) else detector,
        }
        picture = preview.draw(
            self.overview.image, mask=self.mask, longest_side_px=preview.NOTEBOOK_SIDE_PX
        )
        return preview.card("Tissue", facts, picture)


def find_tissue(
    slide: Slide,
    *,
    mpp: float | None = None,
    detector: Detector | ScaledDetector | None = None,
    min_region_area_um2: float = MIN_REGION_AREA_UM2,
    min_hole_area_um2: float = MIN_HOLE_AREA_UM2,
) -> TissueMask:
    """Find the tissue on a slide.

    Parameters
    ----------
    slide
        The slide to look at.
    mpp
        Resolution to look at it, in µm per pixel; None is 8, coarser on large slides, see
        `overview_mpp`.
    detector
        Any function from the overview, uint8 [row, column, channel], to bool [row, column]. One
        with a ``detect(image, mpp=...)``, a `ScaledDetector`, is told the resolution too. None
        chooses by the overview: `DarkBackgroundDetector` where it is dark, `OtsuDetector` where
        it is grey, else `OpticalDensityDetector`.
    min_region_area_um2
        Smaller pieces of tissue are dropped; 0 keeps all.
    min_hole_area_um2
        Smaller holes in tissue are filled; 0 fills none.

        Both areas, in µm², are at most a 1000th (pieces) and a 200th (holes) of the overview, so
        that a small crop keeps its small pieces; a slide without mpp is taken for 8 µm per
        overview pixel.

    Returns
    -------
    TissueMask
        Without any region where there is no tissue; that is no error.

    Raises
    ------
    TypeError
        The detector is a class, or returned something other than an array of bool.
    ValueError
        The detector returned another shape than the overview's, an area is negative, or the
        overview would be too large (see `read_overview`).
    SlideReadError
        Part of the slide could not be read.
    """
    for name, area in (("region", min_region_area_um2), ("hole", min_hole_area_um2)):
        if not area >= 0:
            raise ValueError(f"min_{name}_area_um2 is 0 or more, but this one is {area}.")
    if isinstance(detector, type):
        raise TypeError(
            f"A detector is called with the image: pass {detector.__name__}(), not the class."
        )
    overview = read_overview(slide, mpp=mpp)
    chosen = _choose(overview.image) if detector is None else detector
    mask = _run(chosen, overview)
    pixel_um2 = ASSUMED_MPP**2 if overview.mpp is None else math.prod(overview.mpp)
    region_px = min(min_region_area_um2 / pixel_um2, mask.size / 1000)
    hole_px = min(min_hole_area_um2 / pixel_um2, mask.size / 200)
    mask = without_small_pieces(mask, region_px, corners=True)
    mask = ~without_small_pieces(~mask, hole_px, corners=False)
    parameters = {
        "detector": describe_detector(chosen),
        "mpp": overview_mpp(slide, mpp),
        "min_region_area_um2": float(min_region_area_um2),
        "min_hole_area_um2": float(min_hole_area_um2),
    }
    return TissueMask.from_mask(mask, overview, parameters=parameters)


def _choose(image: Pixels) -> Detector:
    if is_dark(image):
        return DarkBackgroundDetector()
    return OtsuDetector() if image.shape[2] == 1 else OpticalDensityDetector()


def _run(detector: Detector | ScaledDetector, overview: Overview) -> Mask:
    if isinstance(detector, ScaledDetector):
        mpp = None if overview.mpp is None else math.sqrt(math.prod(overview.mpp))
        mask = detector.detect(overview.image, mpp=mpp)
    else:
        mask = detector(overview.image)
    return _checked(mask, overview, f"What {_name(detector)} returned")


def _checked(mask: Any, overview: Overview, what: str) -> Mask:
    """Return ``mask`` if it is one for this overview."""
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


def describe_detector(detector: object) -> dict[str, Any]:
    """Return a detector's name and options, fit for JSON, as they stand in a mask's parameters."""
    options: dict[str, Any] = {}
    if dataclasses.is_dataclass(detector) and not isinstance(detector, type):
        options = dataclasses.asdict(detector)
    return {"name": _name(detector), **options}


def _name(detector: object) -> str:
    return str(getattr(detector, "__qualname__", type(detector).__qualname__))


def _regions(labels: Labels, overview: Overview) -> tuple[TissueRegion, ...]:
    from scipy.ndimage import find_objects

    counts = count_pixels(labels)
    pixel_px = math.prod(overview.scale)
    regions = []
    for number, (rows, columns) in enumerate(find_objects(labels), start=1):
        box = Region.from_edges(columns.start, rows.start, columns.stop, rows.stop)
        count = int(counts[number])
        regions.append(
            TissueRegion(
                label=number,
                bounds=overview.to_slide(box),
                area_px=round(count * pixel_px),
                area_um2=None if overview.mpp is None else count * math.prod(overview.mpp),
            )
        )
    return tuple(regions)
