"""The levels of a CZI: which of its tiles make each, and where they lie in it.

Tiles lie where they were scanned: they overlap, keep to no grid, and leave out the glass between
scenes. Knows places. Does not know how tiles are stored.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from slidetile.counts import how_many
from slidetile.errors import SlideReadError
from slidetile.raster.region import Region
from slidetile.slides.czi._coverage import uncovered, visible
from slidetile.slides.czi._decoding import CHANNELS, check_encoding
from slidetile.slides.czi._directory import Directory, Subblock
from slidetile.slides.limits import check_block, check_size
from slidetile.slides.reader import FinalRefusalError

_MOST_LEVELS = 32


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TileLevel:
    """One level, and its tiles."""

    factor: int
    """Level-0 pixels per pixel."""

    width: int
    """Columns."""

    height: int
    """Rows."""

    tiles: Sequence[Subblock]
    """Its tiles, from the lowest to the highest: as Zeiss's own library lays them, scene by scene,
    and by their place in the stack of the scene's."""

    edges: NDArray[np.int64] = field(repr=False)
    """Left, top, right and bottom of each, in pixels of the level."""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return self.width, self.height

    @property
    def bounds(self) -> Region:
        """The whole level."""
        return Region(x=0, y=0, width=self.width, height=self.height)

    def place(self, number: int) -> Region:
        """Return where a tile lies, in pixels of the level."""
        return Region.from_edges(*self.edges[number].tolist())

    def visible(self, region: Region) -> tuple[list[int], list[Region]]:
        """Return the tiles that show in a region, the lowest first, and what none covers of it."""
        inside = region.intersection(self.bounds)
        if inside is None:
            return [], [region]
        shown, left = visible(inside, reversed(list(self._met(inside))))
        return shown, left + uncovered(region, [inside])

    def covers(self, region: Region) -> Iterator[Region]:
        """Yield the places of the tiles that meet a region."""
        for _, place in self._met(region):
            yield place

    def _met(self, region: Region) -> Iterator[tuple[int, Region]]:
        left, top, right, bottom = self.edges.T
        is_met = (left < region.right) & (right > region.x)
        is_met &= (top < region.bottom) & (bottom > region.y)
        for number in np.flatnonzero(is_met).tolist():
            yield number, self.place(number)


def make_levels(directory: Directory) -> tuple[TileLevel, ...]:
    """Return the levels that tiles make, finest first.

    Level 0 is the smallest rectangle that holds all of its tiles, of all scenes.

    Raises
    ------
    FinalRefusalError
        They would be read with a loss or in part, or are larger than any slide's.
    SlideReadError
        There is no level 0.
    """
    _check_planes(directory)
    for subblock in directory.subblocks:
        check_encoding(subblock)
        channels = CHANNELS[subblock.pixel_type]
        check_block(subblock.stored_width, subblock.stored_height, channels)
    if len({subblock.pixel_type for subblock in directory.subblocks}) > 1:
        raise FinalRefusalError("some of its tiles are grey, and others in colour")
    by_factor = _by_factor(directory.subblocks)
    if 1 not in by_factor:
        raise SlideReadError("it holds no tile at full resolution: it is damaged, copy it again")
    if len(by_factor) > _MOST_LEVELS:
        raise FinalRefusalError(
            f"it has {len(by_factor)} levels, more than the {_MOST_LEVELS} of any slide"
        )
    whole = _bounds(by_factor[1])
    check_size(whole.width, whole.height)
    return tuple(_level(factor, by_factor[factor], whole) for factor in sorted(by_factor))


def _check_planes(directory: Directory) -> None:
    if directory.planes:
        told = " and ".join(how_many(count, name) for name, count in directory.planes.items())
        raise FinalRefusalError(
            f"its image is spread over {told}; slidetile reads one grey or RGB image: extract the "
            "one you need"
        )


def _by_factor(subblocks: Sequence[Subblock]) -> dict[int, list[Subblock]]:
    """Return the tiles of each level, by its downsample."""
    exact = Counter(filter(None, map(_exact_factor, subblocks)))
    found: dict[int, list[Subblock]] = {}
    for subblock in subblocks:
        factor = _exact_factor(subblock) or _nearest_factor(subblock, exact)
        found.setdefault(factor, []).append(subblock)
    return found


def _exact_factor(subblock: Subblock) -> int | None:
    """Return the whole number by which a tile is reduced; None where its sides were rounded."""
    factor = subblock.width // subblock.stored_width
    whole = factor * subblock.stored_width, factor * subblock.stored_height
    return factor if factor and whole == (subblock.width, subblock.height) else None


def _nearest_factor(subblock: Subblock, exact: Counter[int]) -> int:
    """Return the factor from which the rounded sides of a tile follow.

    Those of the other tiles are asked first: 6350 pixels in 100 are 64 to 1, rounded, not 63.
    """
    sides = (
        (subblock.width, subblock.stored_width),
        (subblock.height, subblock.stored_height),
    )
    longest = max(sides, key=lambda side: side[1])
    ratio = longest[0] / longest[1]
    for factor in (*sorted(exact, key=lambda each: abs(each - ratio)), round(ratio)):
        if factor > 1 and all(abs(side - factor * own) < factor for side, own in sides):
            return factor
    raise FinalRefusalError(
        f"a tile of it covers {subblock.width}×{subblock.height} pixels and is stored as "
        f"{subblock.stored_width}×{subblock.stored_height}, which is no level of a pyramid: "
        "export it as a pyramid of whole steps"
    )


def _bounds(subblocks: Sequence[Subblock]) -> Region:
    return Region.from_edges(
        min(each.x for each in subblocks),
        min(each.y for each in subblocks),
        max(each.x + each.width for each in subblocks),
        max(each.y + each.height for each in subblocks),
    )


def _level(factor: int, subblocks: Sequence[Subblock], whole: Region) -> TileLevel:
    """Return a level; where a scene begins between its pixels, its tiles go to the nearest.

    A pixel at the edge that level 0 fills in part only is left out.
    """
    tiles = sorted(subblocks, key=lambda each: each.layer)
    corners = np.array([(each.x - whole.x, each.y - whole.y) for each in tiles], np.int64)
    corners = (2 * corners + factor) // (2 * factor)
    sizes = np.array([(each.stored_width, each.stored_height) for each in tiles], np.int64)
    return TileLevel(
        factor=factor,
        width=max(1, whole.width // factor),
        height=max(1, whole.height // factor),
        tiles=tuple(tiles),
        edges=np.hstack([corners, corners + sizes]),
    )
