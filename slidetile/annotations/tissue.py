"""Tissue by somebody's hand: annotations in the place of detected tissue, or cut out of it."""

import logging
from typing import Any, Literal

from slidetile.annotations.annotations import Annotations
from slidetile.annotations.reading import check_choice, counted
from slidetile.choices import AnnotationsMode
from slidetile.errors import AnnotationError
from slidetile.raster.masks import Mask
from slidetile.slides.overview import overview_mpp, read_overview
from slidetile.slides.slide import Slide
from slidetile.tissue.mask import TissueMask

_log = logging.getLogger(__name__)

DETECTOR = {"name": "regions"}
"""What stands for the detector where annotations replace it."""


def draw_tissue(slide: Slide, annotations: Annotations, *, mpp: float | None = None) -> TissueMask:
    """Take annotations for a slide's tissue; none is looked for.

    Parameters
    ----------
    slide
        The slide they were drawn on.
    annotations
        What `read_annotations` read.
    mpp
        Resolution of the mask, in µm per pixel; None is 8, coarser on large slides, see
        `overview_mpp`.

    Returns
    -------
    TissueMask
        What `Annotations.mask_on` says, pieces and holes of any size.

    Raises
    ------
    AnnotationError
        There are no annotations.
    SlideReadError, ValueError
        As in `read_overview`.
    """
    _check_any(annotations, mode="replace")
    overview = read_overview(slide, mpp=mpp)
    mask = annotations.mask_on(overview)
    if not mask.any():
        _log.warning(
            "%s: its annotations hold no pixel of the mask, each of which is %.4g×%.4g level-0 "
            "pixels: nothing is left to tile.",
            *(annotations.name, *overview.downsample),
        )
    parameters = {
        "detector": DETECTOR,
        "mpp": overview_mpp(slide, mpp),
        "regions": [_told(annotations, "replace")],
    }
    return TissueMask.from_mask(mask, overview, parameters=parameters)


def cut_tissue(
    tissue: TissueMask,
    annotations: Annotations,
    *,
    mode: Literal["intersect", "exclude"] = "intersect",
) -> TissueMask:
    """Keep the tissue inside annotations, or that outside them.

    Parameters
    ----------
    tissue
        What `find_tissue` found.
    annotations
        What `read_annotations` read, for the same slide.
    mode
        "intersect" keeps what lies inside, "exclude" what lies outside.

    Returns
    -------
    TissueMask
        On the same overview. Where nothing is left, a warning says so with the numbers.

    Raises
    ------
    AnnotationError
        There are no annotations, and the mode is "intersect".
    ValueError
        There is no such mode.
    """
    check_choice("mode", mode, ("intersect", "exclude"))
    _check_any(annotations, mode=mode)
    drawn = annotations.mask_on(tissue.overview)
    before = tissue.mask
    mask: Mask = before & (drawn if mode == "intersect" else ~drawn)
    if before.any() and not mask.any():
        _log.warning(
            "%s: the tissue has %d pixels of the mask and the annotations %d, but %s: nothing is "
            "left to tile.",
            *(annotations.name, before.sum(), drawn.sum()),
            "none is in both" if mode == "intersect" else "none of the tissue is outside",
        )
    told = [*tissue.parameters.get("regions", ()), _told(annotations, mode)]
    parameters = {**tissue.parameters, "regions": told}
    return TissueMask.from_mask(mask, tissue.overview, parameters=parameters)


def _told(annotations: Annotations, mode: AnnotationsMode) -> dict[str, Any]:
    return {"mode": mode, **annotations.parameters}


def _check_any(annotations: Annotations, *, mode: AnnotationsMode) -> None:
    """Refuse to go on with nothing; to exclude nothing is worth a warning only."""
    if not annotations.is_empty:
        return
    wanted = ", ".join(annotations.parameters.get("classes", ()))
    there = ", ".join(f"{name} ({count:,})" for name, count in annotations.classes.items())
    what = f"no area of the class {wanted}; its classes are {there}" if wanted else "no areas"
    if wanted and not there:
        what = "no areas of any class"
    if annotations.left_out:
        what += f"; left out were {counted(dict(annotations.left_out))}"
    if mode != "exclude":
        raise AnnotationError(f"{annotations.name} holds {what}.")
    _log.warning("%s holds %s: nothing is excluded.", annotations.name, what)
