"""Where the tissue is on a slide: a mask over its overview, and its connected pieces.

Knows overviews and masks. Does not know files, tiles or how a detector works.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from slidetile.choices import MIN_HOLE_AREA_UM2, MIN_PIECE_AREA_UM2, TISSUE_MARGIN_UM
from slidetile.raster import drawing as preview
from slidetile.raster.channels import are_colours
from slidetile.raster.masks import (
    Labels,
    Mask,
    measure_pieces,
    number_pieces,
    with_margin,
    without_small_pieces,
)
from slidetile.raster.pixels import BLACK
from slidetile.slides.overview import Overview, overview_mpp, read_overview
from slidetile.slides.slide import Slide
from slidetile.tissue.channels import detection_image, tissue_channel_name
from slidetile.tissue.detector import (
    AnyDetector,
    SlideDetector,
    check_detector,
    checked_mask,
    choose_detector,
    describe_detector,
    run_detector,
)
from slidetile.tissue.imaging import ASSUMED_MPP
from slidetile.tissue.left_out import LeftOut, tell
from slidetile.tissue.piece import TissuePiece, measured

_STORED_NAMES = {
    "min_piece_area_um2": "min_region_area_um2",
    "tissue_margin_um": "region_margin_um",
}
"""What format version 1 of a store calls these options; its names do not change."""


_NOTABLE_SHARE = 0.01
"""A warning tells of dropped tissue from this share of the tissue that is left on."""

DrawnArea = tuple[NDArray[np.float64], ...]
"""What somebody drew: its outline, then its holes, float64 [corner, (x, y)] in level-0 pixels."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TissueMask:
    """Where the tissue is, on the overview's pixels. Made by `find_tissue` or `from_mask`."""

    labels: Labels
    """uint8, 16 or 32 [row, column], read-only: 0 is glass, k is the piece ``pieces[k - 1]``.

    Pixels that touch, even by a corner, are one piece. Pieces are numbered in the order of
    their first pixel, row by row. The dtype is the smallest that holds the number of pieces.
    """

    overview: Overview
    """The image the mask was made from."""

    pieces: tuple[TissuePiece, ...]
    """The connected pieces, in the order of their labels."""

    parameters: dict[str, Any] = field(default_factory=dict)
    """How the mask was made; JSON-serialisable."""

    left_out: tuple[LeftOut, ...] = ()
    """What was dropped on the way to this mask; masks are compared without it."""

    areas: tuple[DrawnArea, ...] = field(default=(), repr=False)
    """The drawn areas that hold tissue, if tissue is what somebody drew; `plan_tiles` counts those
    without a tile. Masks are compared without them."""

    @classmethod
    def from_mask(
        cls,
        mask: Mask,
        overview: Overview,
        *,
        parameters: dict[str, Any] | None = None,
        left_out: tuple[LeftOut, ...] = (),
        areas: tuple[DrawnArea, ...] = (),
    ) -> Self:
        """Make a tissue mask from any mask over an overview.

        Parameters
        ----------
        mask
            bool [row, column], as high and as wide as the overview. The array itself is not kept.
        overview
            The image the mask belongs to.
        parameters
            How the mask was made, JSON-serialisable; recorded with it.
        left_out, areas
            As the mask has them.

        Raises
        ------
        TypeError
            The mask is not an array, or its dtype is not bool.
        ValueError
            The mask does not have the overview's height and width.
        """
        checked = checked_mask(mask, overview, "A tissue mask")
        labels, pixels, boxes = measure_pieces(checked)
        labels.flags.writeable = False
        return cls(
            labels=labels,
            overview=overview,
            pieces=measured(labels, pixels, boxes, overview),
            parameters=dict(parameters or {}),
            left_out=left_out,
            areas=areas,
        )

    @property
    def mask(self) -> Mask:
        """Where any piece is: bool [row, column], computed from the labels at each access."""
        return np.asarray(self.labels != 0)

    @property
    def downsample(self) -> tuple[float, float]:
        """Level-0 pixels per mask pixel, as (x, y)."""
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
        """Compare contents; pieces follow from the labels."""
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
            "pieces": len(self.pieces),
            "resolution": "unknown" if self.mpp is None else f"{self.mpp[0]:.4g} µm per pixel",
            "found by": detector["name"] if isinstance(detector, dict) else detector,
        }
        picture = preview.draw(
            self.overview.seen, mask=self.mask, longest_side_px=preview.NOTEBOOK_SIDE_PX
        )
        return preview.card("Tissue", facts, picture)


def find_tissue(
    slide: Slide,
    *,
    mpp: float | None = None,
    detector: AnyDetector | None = None,
    keep_pen: bool = False,
    channel: str | None = None,
    min_piece_area_um2: float = MIN_PIECE_AREA_UM2,
    min_hole_area_um2: float = MIN_HOLE_AREA_UM2,
    tissue_margin_um: float = TISSUE_MARGIN_UM,
) -> TissueMask:
    """Find the tissue on a slide.

    Lengths and areas on a slide without mpp are measured as if an overview pixel were 8 µm.

    Parameters
    ----------
    slide
        The slide.
    mpp
        Resolution of the overview, in µm per pixel. None is 8 µm, or coarser on large slides; see
        `overview_mpp`.
    detector
        A function from the overview, uint8 [row, column, channel], to bool [row, column]; or a
        `ScaledDetector`, whose method ``detect(image, mpp=...)`` is given the resolution too; or
        a `SlideDetector`, whose method ``detect_slide(slide, overview)`` reads the slide itself.
        None chooses by the overview: `DarkBackgroundDetector` where it is dark, `OtsuDetector`
        where it is grey, else `OpticalDensityDetector`.
    keep_pen
        Whether pen strokes may count as tissue, where the detector is chosen by the overview.
    channel
        The name or number of the only channel to look at; None looks at all. Detectors are given
        8 bits, whatever the slide has: see `slidetile.tissue.channels`.
    min_piece_area_um2
        Pieces of tissue smaller than this, in µm², are dropped; 0 keeps all. The limit is at most
        a 1000th of the overview, so that a small crop keeps its small pieces.
    min_hole_area_um2
        Holes in tissue smaller than this, in µm², are filled; 0 fills none. The limit is at most
        a 200th of the overview.
    tissue_margin_um
        How far tissue is widened on all sides, in µm: after small pieces are dropped and before
        holes are filled.

    Returns
    -------
    TissueMask
        Without pieces where there is no tissue; that is not an error.

    Raises
    ------
    TypeError
        The detector is not a detector, or returned something other than an array of bool.
    ValueError
        The detector returned a shape other than the overview's, or is given together with
        ``keep_pen``; an area or the margin is negative or not finite; there is no such channel; or
        the overview would be too large (see `read_overview`).
    MissingResolutionError
        The detector needs the slide's mpp, which is unknown.
    SlideReadError
        Part of the slide could not be read.
    """
    lengths = {
        "min_piece_area_um2": min_piece_area_um2,
        "min_hole_area_um2": min_hole_area_um2,
        "tissue_margin_um": tissue_margin_um,
    }
    check_tissue_options(detector=detector, keep_pen=keep_pen, channel=channel, **lengths)
    looked_at = {} if channel is None else stored_channel(slide, channel)
    overview = read_overview(slide, mpp=mpp)
    image = detection_image(overview.image, overview.channels, channel)
    chosen = detector
    if chosen is None:
        chosen = choose_detector(image, keep_pen=keep_pen, is_dark=_has_dark_background(slide))
    mask = run_detector(chosen, slide, overview, image)
    pixel = overview.mpp or (ASSUMED_MPP, ASSUMED_MPP)
    piece_px = min(min_piece_area_um2 / math.prod(pixel), mask.size / 1000)
    hole_px = min(min_hole_area_um2 / math.prod(pixel), mask.size / 200)
    found = mask
    mask = without_small_pieces(found, piece_px, corners=True)
    dropped = _dropped(found, mask, piece_px, math.prod(pixel))
    mask = with_margin(mask, tissue_margin_um, pixel)
    mask = ~without_small_pieces(~mask, hole_px, corners=False)
    parameters = {
        "detector": describe_detector(chosen),
        "mpp": overview_mpp(slide, mpp),
        "keep_pen": keep_pen,
        **looked_at,
        **stored_lengths(lengths),
    }
    tell(dropped, slide.name)
    return TissueMask.from_mask(mask, overview, parameters=parameters, left_out=dropped)


def _has_dark_background(slide: Slide) -> bool | None:
    """Return whether a slide's background is known to be dark; None where its pixels tell."""
    if not are_colours(slide.channel_info):
        return True
    is_deep = slide.bits > 8 or slide.mapping is not None
    return True if is_deep and slide.background == BLACK else None


def stored_channel(slide: Slide, channel: str) -> dict[str, str]:
    """Return the only channel that is looked at under the name that a store records.

    Raises
    ------
    UnfitChoiceError
        There is no such channel.
    """
    return {"channel": tissue_channel_name(slide.channel_info, channel)}


def _dropped(found: Mask, kept: Mask, smallest_px: float, pixel_um2: float) -> tuple[LeftOut, ...]:
    """Return which pieces of tissue were too small; none where all were kept."""
    if found is kept:
        return ()
    small = np.asarray(found & ~kept)
    pixels = int(small.sum())
    if not pixels:
        return ()
    limit = smallest_px * pixel_um2
    dropped = LeftOut(
        what="pieces of tissue",
        count=int(number_pieces(small).max()),
        area_um2=pixels * pixel_um2,
        why=f"are smaller than {limit:,.0f} µm²",
        option="min_piece_area_um2",
        limit=limit,
        is_notable=pixels > _NOTABLE_SHARE * int(kept.sum()),
    )
    return (dropped,)


def pixel_centres(overview: Overview) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the level-0 x of each column of an overview and the y of each row.

    They are the centres of the part inside the slide: the last column and row may reach beyond it.
    """
    centres = []
    sizes = (overview.slide_width, overview.slide_height)
    for count, scale, size in zip(
        (overview.width, overview.height), overview.downsample, sizes, strict=True
    ):
        edges = np.minimum(np.arange(count + 1) * scale, size)
        centres.append((edges[:-1] + edges[1:]) / 2)
    return centres[0], centres[1]


def stored_lengths(lengths: Mapping[str, float]) -> dict[str, float]:
    """Return the lengths and areas of `find_tissue` under the names that a store records."""
    return {_STORED_NAMES.get(name, name): float(value) for name, value in lengths.items()}


def check_tissue_options(
    *,
    detector: AnyDetector | None = None,
    keep_pen: bool = False,
    channel: str | None = None,
    **lengths: float,
) -> None:
    """Check the options of `find_tissue` before a slide is opened.

    Raises
    ------
    TypeError
        The detector is not a detector.
    ValueError
        An area or a length is negative or not finite, ``keep_pen`` is set together with a
        detector, or a channel together with one that reads the slide itself.
    """
    for name, value in lengths.items():
        if not (value >= 0 and math.isfinite(value)):
            raise ValueError(f"{name} must be 0 or more and finite, but it is {value}.")
    if detector is None:
        return
    check_detector(detector)
    if channel is not None and isinstance(detector, SlideDetector):
        raise ValueError(
            "The detector reads the slide itself, so a channel for tissue has no effect: leave it "
            "out, and have the detector look at that channel."
        )
    if keep_pen:
        raise ValueError(
            "keep_pen applies to the detector that is chosen by the overview. Leave out the "
            "detector, or set the option on it: OpticalDensityDetector(keep_pen=True)."
        )
