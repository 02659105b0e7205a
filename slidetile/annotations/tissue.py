"""Tissue by somebody's hand: drawn regions in the place of detected tissue, or cut out of it."""

import logging
from typing import Any, Literal

from slidetile.annotations.drawn import DrawnRegions
from slidetile.annotations.reading import check_choice, counted
from slidetile.errors import RegionFileError
from slidetile.raster.masks import Mask
from slidetile.slides.overview import overview_mpp, read_overview
from slidetile.slides.slide import Slide
from slidetile.tissue.mask import TissueMask

_log = logging.getLogger(__name__)

RegionsMode = Literal["replace", "intersect", "exclude"]

DETECTOR = {"name": "regions"}
"""What stands for the detector where regions replace it."""


def draw_tissue(slide: Slide, regions: DrawnRegions, *, mpp: float | None = None) -> TissueMask:
    """Take drawn regions for a slide's tissue; none is looked for.

    Parameters
    ----------
    slide
        The slide they were drawn on.
    regions
        What `read_regions` read.
    mpp
        Resolution of the mask, in µm per pixel; None is 8, coarser on large slides, see
        `overview_mpp`.

    Returns
    -------
    TissueMask
        What `DrawnRegions.mask_on` says, pieces and holes of any size.

    Raises
    ------
    RegionFileError
        There are no regions.
    SlideReadError, ValueError
        As in `read_overview`.
    """
    _check_any(regions, mode="replace")
    overview = read_overview(slide, mpp=mpp)
    mask = regions.mask_on(overview)
    if not mask.any():
        _log.warning(
            "%s: its regions hold no pixel of the mask, each of which is %.4g×%.4g level-0 "
            "pixels: nothing is left to tile.",
            *(regions.name, *overview.scale),
        )
    parameters = {
        "detector": DETECTOR,
        "mpp": overview_mpp(slide, mpp),
        "regions": [_told(regions, "replace")],
    }
    return TissueMask.from_mask(mask, overview, parameters=parameters)


def cut_tissue(
    tissue: TissueMask,
    regions: DrawnRegions,
    *,
    mode: Literal["intersect", "exclude"] = "intersect",
) -> TissueMask:
    """Keep the tissue inside drawn regions, or that outside them.

    Parameters
    ----------
    tissue
        What `find_tissue` found.
    regions
        What `read_regions` read, for the same slide.
    mode
        "intersect" keeps what lies inside, "exclude" what lies outside.

    Returns
    -------
    TissueMask
        On the same overview. Where nothing is left, a warning says so with the numbers.

    Raises
    ------
    RegionFileError
        There are no regions, and the mode is "intersect".
    ValueError
        There is no such mode.
    """
    check_choice("mode", mode, ("intersect", "exclude"))
    _check_any(regions, mode=mode)
    drawn = regions.mask_on(tissue.overview)
    before = tissue.mask
    mask: Mask = before & (drawn if mode == "intersect" else ~drawn)
    if before.any() and not mask.any():
        _log.warning(
            "%s: the tissue has %d pixels of the mask and the regions %d, but %s: nothing is left "
            "to tile.",
            *(regions.name, before.sum(), drawn.sum()),
            "none is in both" if mode == "intersect" else "none of the tissue is outside",
        )
    told = [*tissue.parameters.get("regions", ()), _told(regions, mode)]
    parameters = {**tissue.parameters, "regions": told}
    return TissueMask.from_mask(mask, tissue.overview, parameters=parameters)


def _told(regions: DrawnRegions, mode: RegionsMode) -> dict[str, Any]:
    return {"mode": mode, **regions.parameters}


def _check_any(regions: DrawnRegions, *, mode: RegionsMode) -> None:
    """Refuse to go on with nothing; to exclude nothing is worth a warning only."""
    if not regions.is_empty:
        return
    wanted = ", ".join(regions.parameters.get("classes", ()))
    there = ", ".join(f"{name} ({count:,})" for name, count in regions.classes.items())
    what = f"no area of the class {wanted}; its classes are {there}" if wanted else "no areas"
    if wanted and not there:
        what = "no areas of any class"
    if regions.left_out:
        what += f"; left out were {counted(dict(regions.left_out))}"
    if mode != "exclude":
        raise RegionFileError(f"{regions.name} holds {what}.")
    _log.warning("%s holds %s: nothing is excluded.", regions.name, what)
