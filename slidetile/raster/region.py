"""Rectangles of pixels and their integer arithmetic."""

from dataclasses import dataclass
from operator import index
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A rectangle of pixels, right and bottom exclusive.

    In every public call its coordinates are level-0 pixels of the slide. It may lie partly or
    wholly outside the slide: what is there reads as the slide's background.

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
            for name in ("x", "y", "width", "height"):  # numpy's integers, say
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
        return self.intersection(other) == other

    def relative_to(self, other: "Region") -> "Region":
        """Return this region in coordinates that begin at the top left corner of ``other``."""
        return Region(x=self.x - other.x, y=self.y - other.y, width=self.width, height=self.height)

    def rescaled(self, source: tuple[int, int], target: tuple[int, int]) -> "Region":
        """Return the smallest region that covers this one on another grid over the same area.

        ``source`` and ``target`` are (width, height) of the whole area on either grid. The
        arithmetic is exact, and the edges are rounded outward.
        """
        (from_width, from_height), (to_width, to_height) = source, target
        return Region.from_edges(
            self.x * to_width // from_width,
            self.y * to_height // from_height,
            -(-self.right * to_width // from_width),
            -(-self.bottom * to_height // from_height),
        )
