"""Which of the tiles that lie over each other show, and what none of them covers.

Knows rectangles. Does not know files.
"""

from collections.abc import Iterable, Iterator

from slidetile.raster.region import Region


def uncovered(region: Region, covers: Iterable[Region]) -> list[Region]:
    """Return the parts of a region that no cover covers."""
    left = [region]
    for cover in covers:
        left = [part for each in left for part in _without(each, cover)]
    return left


def visible(region: Region, tiles: Iterable[tuple[int, Region]]) -> tuple[list[int], list[Region]]:
    """Return which tiles show in a region, and the parts of it that none covers.

    Parameters
    ----------
    region
        The region.
    tiles
        Number and place of each, the highest first.

    Returns
    -------
    list of int, list of Region
        The numbers of those that show, the lowest first; the parts that are left.
    """
    left, shown = [region], []
    for number, place in tiles:
        if not left:
            break
        if any(part.intersection(place) for part in left):
            shown.append(number)
            left = [rest for part in left for rest in _without(part, place)]
    return shown[::-1], left


def _without(region: Region, cover: Region) -> Iterator[Region]:
    """Yield the parts of a region beside a cover: above, below, left and right of it."""
    met = region.intersection(cover)
    if met is None:
        yield region
        return
    if met.y > region.y:
        yield Region.from_edges(region.x, region.y, region.right, met.y)
    if met.bottom < region.bottom:
        yield Region.from_edges(region.x, met.bottom, region.right, region.bottom)
    if met.x > region.x:
        yield Region.from_edges(region.x, met.y, met.x, met.bottom)
    if met.right < region.right:
        yield Region.from_edges(met.right, met.y, region.right, met.bottom)
