"""Pictures of tissue masks side by side, with what was dropped, and why.

Knows tissue masks. Does not know how they were made.
"""

import math
from collections.abc import Mapping

from slidetile.counts import how_many
from slidetile.raster import drawing
from slidetile.raster.drawing import Colour
from slidetile.raster.panels import Panel, side_by_side
from slidetile.raster.pixels import Pixels
from slidetile.tissue.filters import TOO_SMALL
from slidetile.tissue.left_out import PEN, LeftOut
from slidetile.tissue.mask import TissueMask

MOST_PANELS = 16
"""Most masks in one picture."""

_SHEET_PX = 4000
_MOST_IN_A_ROW = 4

_COLOURS: Mapping[str, Colour] = {TOO_SMALL: (255, 120, 0), PEN: (230, 0, 200)}
_OTHER_COLOURS: tuple[Colour, ...] = (
    *((30, 90, 255), (120, 70, 0), (0, 160, 190), (110, 0, 160)),
    *((200, 160, 0), (200, 0, 0)),
)


def tissue_picture(
    tissues: Mapping[str, TissueMask], *, longest_side_px: int | None = None
) -> Pixels:
    """Draw tissue masks side by side over their overviews, with what was dropped, and why.

    Tissue is outlined in green. What a filter dropped is tinted and outlined in a colour that the
    legend explains by the filter's reason, the numbers and the option that decides it.

    Parameters
    ----------
    tissues
        The masks by their titles, such as the names of detectors; 1 to 16.
    longest_side_px
        Longest side of each picture of a slide. None is 2000, or less where several stand side by
        side.

    Returns
    -------
    uint8 array [row, column, 3]

    Raises
    ------
    ValueError
        There is no mask, or there are more than 16.

    Examples
    --------
    >>> import slidetile as st
    >>> with st.open_slide("data_samples/sample.svs") as slide:
    ...     otsu = st.find_tissue(slide, detector=st.OtsuDetector())
    ...     picture = tissue_picture({"default": st.find_tissue(slide), "otsu": otsu})
    >>> picture.ndim
    3
    """
    if not 1 <= len(tissues) <= MOST_PANELS:
        raise ValueError(f"A picture shows 1 to {MOST_PANELS} masks, but these are {len(tissues)}.")
    columns = min(len(tissues), _MOST_IN_A_ROW)
    side = longest_side_px or min(drawing.LARGEST_SIDE_PX, _SHEET_PX // columns)
    colours = _colours_of(tissues)
    panels = [_panel(title, tissue, side, colours) for title, tissue in tissues.items()]
    return side_by_side(panels, columns=columns)


def _panel(title: str, tissue: TissueMask, side: int, colours: Mapping[str, Colour]) -> Panel:
    dropped = [each for each in tissue.left_out if each.where is not None]
    return Panel(
        picture=drawing.draw(
            tissue.overview.seen,
            mask=tissue.mask,
            others=[(each.where.mask, colours[each.reason]) for each in dropped if each.where],
            longest_side_px=side,
        ),
        title=[_heading(title, tissue), _numbers(tissue)],
        legend=[
            (drawing.OUTLINE_COLOUR, "tissue"),
            *((colours[each.reason], _told(each)) for each in dropped),
        ],
    )


def _heading(title: str, tissue: TissueMask) -> str:
    detector = tissue.parameters.get("detector")
    name = detector.get("name") if isinstance(detector, dict) else None
    return title if name is None or name == title else f"{title}: {name}"


def _numbers(tissue: TissueMask) -> str:
    pieces = how_many(len(tissue.pieces), "pieces")
    return f"{pieces}, {tissue.area} ({tissue.tissue_fraction:.1%} of the slide)"


def _told(left_out: LeftOut) -> str:
    of = "" if left_out.of is None else f" of {left_out.of:,}"
    area = left_out.large
    option = "" if left_out.flag is None else f" ({left_out.flag})"
    return f"{left_out.reason}: {left_out.count:,}{of}{'' if area is None else f', {area}'}{option}"


def _colours_of(tissues: Mapping[str, TissueMask]) -> dict[str, Colour]:
    """Return a colour for each reason, the same in all panels."""
    reasons = {each.reason: None for tissue in tissues.values() for each in tissue.left_out}
    others = [reason for reason in reasons if reason not in _COLOURS]
    repeated = _OTHER_COLOURS * math.ceil(len(others) / len(_OTHER_COLOURS))
    return {**_COLOURS, **dict(zip(others, repeated, strict=False))}
