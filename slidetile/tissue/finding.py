"""Find the tissue on a slide: from its overview, through a detector and the filters, to a mask.

Knows slides and the options of detection. Does not know how a detector works, nor tiles.
"""

import math
from collections.abc import Mapping

from slidetile.choices import MIN_HOLE_AREA_UM2, MIN_PIECE_AREA_UM2, TISSUE_MARGIN_UM
from slidetile.raster.channels import are_colours
from slidetile.raster.pixels import BLACK
from slidetile.slides.overview import Overview, overview_mpp, read_overview
from slidetile.slides.slide import Slide
from slidetile.tissue.channels import detection_image, tissue_channel_name
from slidetile.tissue.detector import (
    AnyDetector,
    SlideDetector,
    areas_left_out,
    check_detector,
    choose_detector,
    describe_detector,
    run_detector,
)
from slidetile.tissue.filters import clean, not_tissue
from slidetile.tissue.left_out import tell
from slidetile.tissue.mask import TissueMask

_STORED_NAMES = {
    "min_piece_area_um2": "min_region_area_um2",
    "tissue_margin_um": "region_margin_um",
}
"""What format version 1 of a store calls these options; its names do not change."""


def find_tissue(  # noqa: PLR0913  each says one thing about the tissue
    slide: Slide,
    *,
    mpp: float | None = None,
    overview: Overview | None = None,
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
    overview
        The slide's overview, where it has been read before, at that resolution; None reads it.
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
        Without pieces where there is no tissue; that is not an error. Its ``found`` and
        ``left_out`` say what the detector found, and what was dropped.

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
    if overview is None:
        overview = read_overview(slide, mpp=mpp)
    image = detection_image(overview.image, overview.channels, channel)
    chosen = detector
    if chosen is None:
        chosen = choose_detector(image, keep_pen=keep_pen, is_dark=_has_dark_background(slide))
    found = run_detector(chosen, slide, overview, image)
    described = describe_detector(chosen)
    areas = areas_left_out(chosen, overview, image)
    by_itself = not_tissue(areas, found, overview, described, is_chosen=detector is None)
    cleaned = clean(found, overview, **lengths)
    parameters = {
        "detector": described,
        "mpp": overview_mpp(slide, mpp),
        "keep_pen": keep_pen,
        **looked_at,
        **stored_lengths(lengths),
    }
    left_out = (*by_itself, *cleaned.left_out)
    tell(left_out, slide.name)
    return TissueMask.from_mask(
        cleaned.mask, overview, parameters=parameters, left_out=left_out, found=cleaned.found
    )


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
