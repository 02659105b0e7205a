"""Where the tissue is on a slide: a mask over its overview, and its connected pieces.

Knows overviews and masks. Does not know files, tiles or how a detector works.
"""

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from slidetile import _upward
from slidetile.raster import drawing as preview
from slidetile.raster.masks import Labels, Mask, measure_pieces
from slidetile.slides.overview import Overview
from slidetile.slides.slide import Slide
from slidetile.tissue.detector import checked_mask
from slidetile.tissue.found import FoundTissue, TissueArea
from slidetile.tissue.left_out import LeftOut
from slidetile.tissue.piece import TissuePiece, measured

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

    found: FoundTissue | None = None
    """What the detector found before anything was dropped; None where none was asked. Masks are
    compared without it."""

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
        found: FoundTissue | None = None,
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
        left_out, found, areas
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
            found=found,
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
    def area(self) -> TissueArea:
        """How much tissue there is."""
        return TissueArea.of(int(np.count_nonzero(self.labels)), self.overview)

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

    def view(self, slide: Slide | None = None, *, height: int = 600) -> Any:
        """Look at the tissue in a notebook.

        Parameters
        ----------
        slide
            The slide, open, to zoom into; None shows the overview alone.
        height
            Height in pixels, 200–4,000.

        Returns
        -------
        slidetile.viewer.doors.notebook.widget.ViewWidget
            The widget.

        Raises
        ------
        ImportError
            The extra notebook is not installed.
        SlidetileError
            It cannot be read.
        """
        return _upward.view(self, slide=slide, height=height)

    def _repr_html_(self) -> str:
        detector = self.parameters.get("detector", "unknown")
        facts = {
            "tissue": f"{self.area}, {self.tissue_fraction:.1%} of the slide",
            "pieces": len(self.pieces),
            "resolution": "unknown" if self.mpp is None else f"{self.mpp[0]:.4g} µm per pixel",
            "found by": detector["name"] if isinstance(detector, dict) else detector,
            **({"left out": "; ".join(map(str, self.left_out))} if self.left_out else {}),
        }
        picture = preview.draw(
            self.overview.seen, mask=self.mask, longest_side_px=preview.NOTEBOOK_SIDE_PX
        )
        return preview.card("Tissue", facts, picture)


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
