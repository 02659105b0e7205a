"""Annotations as tissue: in place of detected tissue, or to cut it.

Knows annotations and tissue masks. Does not know files.
"""

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
"""The recorded detector where annotations replace it, in the words of format version 1."""


def draw_tissue(slide: Slide, annotations: Annotations, *, mpp: float | None = None) -> TissueMask:
    """Make a tissue mask from annotations, instead of detecting tissue.

    Parameters
    ----------
    slide
        The slide that the annotations were drawn on.
    annotations
        The result of `read_annotations`.
    mpp
        Resolution of the mask, in µm per pixel. None is 8 µm, or coarser on large slides; see
        `overview_mpp`.

    Returns
    -------
    TissueMask
        The mask of `Annotations.mask_on`, with pieces and holes of any size.

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
            "%s: its annotations cover no pixel of the mask, each of which is %.4g×%.4g "
            "level-0 pixels: nothing is left to tile.",
            *(annotations.name, *overview.downsample),
        )
    parameters = {
        "detector": DETECTOR,
        "mpp": overview_mpp(slide, mpp),
        "regions": [_recorded(annotations, "replace")],
    }
    return TissueMask.from_mask(mask, overview, parameters=parameters)


def cut_tissue(
    tissue: TissueMask,
    annotations: Annotations,
    *,
    mode: Literal["intersect", "exclude"] = "intersect",
) -> TissueMask:
    """Keep the tissue inside annotations, or the tissue outside them.

    Parameters
    ----------
    tissue
        The result of `find_tissue`.
    annotations
        The result of `read_annotations`, for the same slide.
    mode
        "intersect" keeps the tissue inside, "exclude" the tissue outside.

    Returns
    -------
    TissueMask
        The tissue that is left, on the same overview. Where none is left, a warning says so with
        the numbers.

    Raises
    ------
    AnnotationError
        There are no annotations, and the mode is "intersect".
    ValueError
        The mode is not one of these.
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
    recorded = [*tissue.parameters.get("regions", ()), _recorded(annotations, mode)]
    parameters = {**tissue.parameters, "regions": recorded}
    return TissueMask.from_mask(mask, tissue.overview, parameters=parameters)


def _recorded(annotations: Annotations, mode: AnnotationsMode) -> dict[str, Any]:
    return {"mode": mode, **annotations.parameters}


def _check_any(annotations: Annotations, *, mode: AnnotationsMode) -> None:
    """Refuse empty annotations; where they would only exclude, warn."""
    if not annotations.is_empty:
        return
    wanted = ", ".join(annotations.parameters.get("classes", ()))
    present = ", ".join(f"{name} ({count:,})" for name, count in annotations.classes.items())
    what = f"no area of the class {wanted}; its classes are {present}" if wanted else "no areas"
    if wanted and not present:
        what = "no areas of any class"
    if annotations.left_out:
        what += f"; left out: {counted(dict(annotations.left_out))}"
    if mode != "exclude":
        raise AnnotationError(f"{annotations.name} holds {what}.")
    _log.warning("%s holds %s: nothing is excluded.", annotations.name, what)
