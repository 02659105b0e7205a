"""Annotations as tissue: in place of detected tissue, or to cut it.

Knows annotations and tissue masks. Does not know files.
"""

import logging
from typing import Any, Literal

import numpy as np

from slidetile.annotations.annotations import Annotations
from slidetile.annotations.reading import check_choice, counted
from slidetile.choices import AnnotationsMode
from slidetile.errors import AnnotationError
from slidetile.raster.masks import Mask, count_pixels
from slidetile.raster.packed import PackedMask
from slidetile.slides.overview import overview_mpp, read_overview
from slidetile.slides.slide import Slide
from slidetile.tissue.found import TissueArea
from slidetile.tissue.left_out import LeftOut, tell
from slidetile.tissue.mask import TissueMask

_log = logging.getLogger(__name__)

_INSTEAD = "{option} replace takes them for tissue"
_UNCUT = "without annotations, or with another {option}, they are kept"
_NO_TISSUE = "without tissue"
_OF_CLASS = "areas of the class "

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
    left_out = (
        *_cut(tissue, before & ~mask, mode),
        *_left_out(annotations, mode, len(cover.areas)),
    )
    tell(left_out, annotations.name)
    return TissueMask.from_mask(
        mask,
        tissue.overview,
        parameters=parameters,
        left_out=(*tissue.left_out, *left_out),
        found=tissue.found,
        areas=tuple(area.rings for area in cover.areas) if is_inside else tissue.areas,
    )


def _cut(tissue: TissueMask, dropped: Mask, mode: str) -> tuple[LeftOut, ...]:
    """Return what is cut off the tissue; nothing where all of it is kept."""
    if not dropped.any():
        return ()
    reason = f"{'outside' if mode == 'intersect' else 'inside'} the annotations"
    touched = np.count_nonzero(count_pixels(tissue.labels, dropped)[1:])
    area = TissueArea.of(int(np.count_nonzero(dropped)), tissue.overview)
    cut = LeftOut(
        what="pieces of tissue",
        reason=reason,
        count=int(touched),
        of=len(tissue.pieces),
        area_um2=area.um2,
        area_px=area.px,
        why=f"lie {reason}, wholly or in part",
        option="annotations_mode",
        limit=mode,
        keeps=_UNCUT,
        where=PackedMask.of(dropped),
    )
    return (cut,)


def _left_out(annotations: Annotations, mode: AnnotationsMode, holding: int) -> tuple[LeftOut, ...]:
    """Return what of a file is not used; ``holding`` areas hold tissue."""
    name, total = annotations.name, len(annotations.areas)
    objects = [_unused(kind, count, name) for kind, count in sorted(annotations.left_out.items())]
    if mode != "exclude" and holding < total:
        reasons = {
            "replace": ("cover no pixel of the tissue mask", "tissue_mpp", "a finer {option} does"),
            "intersect": ("hold no tissue that was found", "annotations_mode", _INSTEAD),
        }
        why, option, keeps = reasons[mode]
        missing = LeftOut(
            what="annotated areas",
            reason=_NO_TISSUE,
            count=total - holding,
            of=total,
            why=f"lie in {name} and {why}",
            option=option,
            keeps=keeps,
            is_notable=mode == "intersect",  # in the place of tissue, another warning says it
        )
        return (*objects, missing)
    return tuple(objects)


def _unused(kind: str, count: int, name: str) -> LeftOut:
    """Return that objects of a file are not used; their class stays out of what stores record."""
    _, is_class, class_name = kind.partition(_OF_CLASS)
    return LeftOut(
        what="annotated areas" if is_class else kind,
        reason="class that is not used" if is_class else "no areas",
        count=count,
        why=f"{f'have the class {class_name}, ' if is_class else ''}lie in {name} and are not used",
        option="annotations_class" if is_class else None,
        keeps="{option}, by its name, uses it" if is_class else "only drawn areas are",
    )


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
