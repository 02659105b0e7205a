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
from slidetile.tissue.left_out import LeftOut, tell
from slidetile.tissue.mask import TissueMask

_log = logging.getLogger(__name__)

_KEEPS = "{option}, by its name, uses it"
_INSTEAD = "{option} replace takes them for tissue"

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
    cover = annotations.cover(overview)
    if not cover.mask.any():
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
    return TissueMask.from_mask(
        cover.mask,
        overview,
        parameters=parameters,
        left_out=_left_out(annotations, "replace", len(cover.areas)),
        areas=tuple(area.rings for area in cover.areas),
    )


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
    before = tissue.mask
    cover = annotations.cover(tissue.overview, before)
    drawn, is_inside = cover.mask, mode == "intersect"
    mask: Mask = before & (drawn if is_inside else ~drawn)
    if before.any() and not mask.any():
        _log.warning(
            "%s: the tissue has %d pixels of the mask and the annotations %d, but %s: nothing is "
            "left to tile.",
            *(annotations.name, before.sum(), drawn.sum()),
            "none is in both" if is_inside else "none of the tissue is outside",
        )
    recorded = [*tissue.parameters.get("regions", ()), _recorded(annotations, mode)]
    parameters = {**tissue.parameters, "regions": recorded}
    left_out = _left_out(annotations, mode, len(cover.areas))
    tell(left_out, annotations.name)
    return TissueMask.from_mask(
        mask,
        tissue.overview,
        parameters=parameters,
        left_out=(*tissue.left_out, *left_out),
        areas=tuple(area.rings for area in cover.areas) if is_inside else tissue.areas,
    )


def _left_out(annotations: Annotations, mode: AnnotationsMode, holding: int) -> tuple[LeftOut, ...]:
    """Return what of a file is not used; ``holding`` areas hold tissue."""
    name, total = annotations.name, len(annotations.areas)
    objects = [
        LeftOut(
            what=kind,
            count=count,
            why=f"lie in {name} and are not used",
            option="annotations_class" if kind.startswith("areas of") else None,
            keeps=_KEEPS if kind.startswith("areas of") else "only drawn areas are",
        )
        for kind, count in sorted(annotations.left_out.items())
    ]
    if mode != "exclude" and holding < total:
        reasons = {
            "replace": ("cover no pixel of the tissue mask", "tissue_mpp", "a finer {option} does"),
            "intersect": ("hold no tissue that was found", "annotations_mode", _INSTEAD),
        }
        why, option, keeps = reasons[mode]
        areas = f"annotated areas of {name}"
        missing = LeftOut(
            what=areas,
            count=total - holding,
            of=total,
            why=why,
            option=option,
            keeps=keeps,
            is_notable=mode == "intersect",  # in the place of tissue, another warning says it
        )
        return (*objects, missing)
    return tuple(objects)


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
