"""Rectangles of pixels, and how they are carried from one grid of pixels to another."""

import math
from dataclasses import dataclass
from fractions import Fraction
from operator import index
from typing import Literal, Self, overload

Length = int | float | Fraction
"""How long something is on a grid, in its pixels."""

Rounding = Literal["outward", "inward", "nearest"]
"""How edges that fall inside pixels of another grid are rounded.

"outward": the region holds every pixel that it covers, even in part. "inward": it holds only those
that it covers wholly. "nearest": each edge goes to the nearest edge between pixels, and halves to
the even one; the region keeps at least one pixel.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A rectangle of pixels, right and bottom exclusive.

    In every public call its coordinates are level-0 pixels of the slide. It may lie partly or
    wholly outside the slide: pixels there have the background's colour.

    Raises
    ------
    TypeError
        A coordinate is not an integer.
    ValueError
        The width or the height is less than 1.
    """

    x: int
    """Left edge, pixels from the slide's left."""

    y: int
    """Top edge, pixels from the slide's top."""

    width: int
    """Number of columns, at least 1."""

    height: int
    """Number of rows, at least 1."""

    def __post_init__(self) -> None:
        if not type(self.x) is type(self.y) is type(self.width) is type(self.height) is int:
            for name in ("x", "y", "width", "height"):  # it may be one of numpy's integers
                object.__setattr__(self, name, index(getattr(self, name)))
        if self.width < 1 or self.height < 1:
            raise ValueError(
                f"A region is at least 1×1 pixels, but this one is {self.width}×{self.height}."
            )

    @property
    def right(self) -> int:
        """The first column to the right of the region."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """The first row below the region."""
        return self.y + self.height

    @property
    def area(self) -> int:
        """The number of pixels inside."""
        return self.width * self.height

    @property
    def slices(self) -> tuple[slice, slice]:
        """``[rows, columns]``: the one bridge from geometry to arrays."""
        return slice(self.y, self.bottom), slice(self.x, self.right)

    @classmethod
    def from_edges(cls, left: int, top: int, right: int, bottom: int) -> Self:
        """Return the region between the given edges, right and bottom exclusive."""
        return cls(x=left, y=top, width=right - left, height=bottom - top)

    def intersection(self, other: "Region") -> "Region | None":
        """Return the part that lies in both, or None where they do not meet."""
        left, right = max(self.x, other.x), min(self.right, other.right)
        top, bottom = max(self.y, other.y), min(self.bottom, other.bottom)
        if left >= right or top >= bottom:
            return None
        return Region.from_edges(left, top, right, bottom)

    def contains(self, other: "Region") -> bool:
        """Return whether every pixel of ``other`` lies inside."""
        is_within = self.x <= other.x and other.right <= self.right
        return is_within and self.y <= other.y and other.bottom <= self.bottom

    def relative_to(self, other: "Region") -> "Region":
        """Return this region in coordinates that begin at the top left corner of ``other``."""
        return Region(x=self.x - other.x, y=self.y - other.y, width=self.width, height=self.height)

    @overload
    def rescaled(
        self,
        source: tuple[Length, Length],
        target: tuple[Length, Length],
        *,
        rounding: Literal["outward", "nearest"] = "outward",
        tolerance: Fraction | int = 0,
    ) -> "Region": ...
    @overload
    def rescaled(
        self,
        source: tuple[Length, Length],
        target: tuple[Length, Length],
        *,
        rounding: Literal["inward"],
        tolerance: Fraction | int = 0,
    ) -> "Region | None": ...
    def rescaled(
        self,
        source: tuple[Length, Length],
        target: tuple[Length, Length],
        *,
        rounding: Rounding = "outward",
        tolerance: Fraction | int = 0,
    ) -> "Region | None":
        """Return the region on another grid of pixels that begins at the same corner.

        An edge at ``e`` moves to ``e × target / source``. That is exact where both are
        whole numbers or fractions, and rounded as floats are where they are floats.

        Parameters
        ----------
        source, target
            The (width, height) of the same thing on this grid and on the other: of the whole
            image, or of a pixel.
        rounding
            How edges that fall inside pixels are rounded; see `Rounding`.
        tolerance
            How far an edge may lie beyond an edge between pixels and still count as lying on it,
            in pixels of the other grid; for the roundings "outward" and "inward".

        Returns
        -------
        Region or None
            None where it is rounded inward and covers no pixel wholly.
        """
        left, right = _carried(self.x, self.right, source[0], target[0], rounding, tolerance)
        top, bottom = _carried(self.y, self.bottom, source[1], target[1], rounding, tolerance)
        if rounding == "inward" and (left >= right or top >= bottom):
            return None
        return Region.from_edges(left, top, right, bottom)


def _carried(
    first: int,
    last: int,
    source: Length,
    target: Length,
    rounding: Rounding,
    tolerance: Fraction | int,
) -> tuple[int, int]:
    """Return the rounded edges of a span on the other grid."""
    if rounding == "nearest":
        begin = round(first * target / source)
        return begin, max(begin + 1, round(last * target / source))
    if rounding == "inward":
        return -_floor(-first, source, target, tolerance), _floor(last, source, target, tolerance)
    return _floor(first, source, target, tolerance), -_floor(-last, source, target, tolerance)


def _floor(edge: int, source: Length, target: Length, tolerance: Fraction | int) -> int:
    """Return ⌊edge × target / source + tolerance⌋."""
    product: Length = edge * target
    if isinstance(product, int) and isinstance(source, int):
        if not tolerance:
            return product // source
        product = Fraction(product)
    return math.floor(product / source + tolerance)
