"""A picture to zoom into: from the finest level to one tile, whatever levels its source has.

Knows rungs. Does not know who asks for tiles.

Levels are used as they are stored. Where a source leaves a gap (levels of 1, 4 and 16, or one
alone), and above its coarsest level, halvings are made from the next finer level when they are
asked for; an overview, where there is one, ends that, so that no tile needs all pixels of a slide.
"""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import cast

from slidetile.errors import StoreError, explain
from slidetile.raster.channels import Channel, Window, are_plain, shown, usual_windows
from slidetile.raster.pixels import Pixels
from slidetile.runtime.byte_cache import ByteCache
from slidetile.slides.overview import Overview, read_overview
from slidetile.slides.slide import Slide
from slidetile.store.store import TileStore
from slidetile.viewer.pictures.encoding import EncodedTile, encoded
from slidetile.viewer.pictures.halved_rung import HalvedRung
from slidetile.viewer.pictures.rungs import OverviewRung, Rung, Shown, SlideRung
from slidetile.viewer.pictures.stored_rung import StoredRung, some_pixels
from slidetile.viewer.pictures.zoom import ZoomLevel

WIDEST_STEP = 2.0**1.5
"""Where a level is more than so many times as coarse as the one before, halvings fill the gap."""

LEAST_STEP = 2.0**0.5
"""An overview replaces levels that are not at least so many times as fine."""

LARGEST_WHOLE_PX = 1 << 24
"""A slide whose coarsest level has more pixels gets an overview, which is read once."""


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture as a ladder of levels, finest first. Several threads may ask for tiles at once."""

    rungs: tuple[Rung, ...]
    """Its levels."""

    tiles: ByteCache[EncodedTile] = field(default_factory=ByteCache)
    """Tiles that were encoded to be looked at."""

    lost: str | None = None
    """What is wrong with the overview, in words, where it does without; None where it has it."""

    @functools.cached_property
    def levels(self) -> tuple[ZoomLevel, ...]:
        """How each level is cut, finest first."""
        return tuple(rung.level for rung in self.rungs)

    def tile(self, level: int, column: int, row: int) -> EncodedTile | None:
        """Return a tile; None where nothing is stored, and a coarser level shows what is there.

        Raises
        ------
        IndexError
            There is no such tile.
        DamagedTileError
            Its pixels are damaged.
        StoreError
            The store was replaced or deleted.
        """
        if not 0 <= level < len(self.rungs):
            raise IndexError(f"The picture has {len(self.rungs)} levels, so there is no {level}.")
        rung = self.rungs[level]
        rung.level.region(column, row)
        stored = rung.as_stored(column, row)
        if stored is not None:
            return stored
        key = level, column, row, self
        found = self.tiles.get(key)
        if found is None:
            pixels = rung.pixels(column, row)
            if pixels is None:
                return None
            found = encoded(pixels)
            self.tiles.keep(key, found, len(found.data))
        return found


def store_picture(store: TileStore, cache: "PictureCache | None" = None) -> Picture:
    """Return the picture of a store; what is not stored is seen on its overview.

    Where the overview is damaged, the picture is that of the store's levels alone.

    Raises
    ------
    StoreError
        The store was replaced or deleted.
    """
    cache = cache or PictureCache()
    channels, bits = store.channels, store.metadata.bits
    under, lost = None, None
    try:
        windows = _windows(store.overview, channels, bits)
        image = shown(store.overview, channels, bits, windows)
        under = OverviewRung.of(image, store.overview_scale)
    except StoreError as error:
        store.check()
        lost = explain(error)
        is_usual = are_plain(channels) and bits == 8
        windows = None if is_usual else _windows(some_pixels(store), channels, bits)
    own = [StoredRung(store, number, windows) for number in range(len(store.levels))]
    return Picture(tuple(_ladder(own, under, cache.pixels)), cache.tiles, lost)


def slide_picture(
    slide: Slide, overview: Overview | None = None, cache: "PictureCache | None" = None
) -> Picture:
    """Return the picture of a slide.

    Parameters
    ----------
    slide
        The slide, which stays open meanwhile.
    overview
        Its overview, if that was read before; it is read here only where the slide's own levels do
        not reach down to a small one, or its channels have to be looked at for their windows.
    cache
        Where tiles are kept; None is a cache of its own.

    Raises
    ------
    SlideError
        The overview cannot be read.
    """
    cache = cache or PictureCache()
    coarsest = slide.levels[-1]
    is_plain = slide.is_plain and slide.bits == 8
    if overview is None and (coarsest.width * coarsest.height > LARGEST_WHOLE_PX or not is_plain):
        overview = read_overview(slide)
    if overview is None:
        own = [SlideRung(slide, number) for number in range(len(slide.levels))]
        return Picture(tuple(_ladder(own, None, cache.pixels)), cache.tiles)
    windows = _windows(overview.image, overview.channel_info, overview.sample_bits)
    under = overview_rung(overview, windows)
    own = [SlideRung(slide, number, windows) for number in range(len(slide.levels))]
    return Picture(tuple(_ladder(own, under, cache.pixels)), cache.tiles)


def overview_picture(overview: Overview, cache: "PictureCache | None" = None) -> Picture:
    """Return the picture of a slide of which nothing but the overview is at hand."""
    cache = cache or PictureCache()
    windows = _windows(overview.image, overview.channel_info, overview.sample_bits)
    ladder = _ladder([overview_rung(overview, windows)], None, cache.pixels)
    return Picture(tuple(ladder), cache.tiles)


def overview_rung(overview: Overview, windows: tuple[Window, ...] | None) -> OverviewRung:
    """Return the rung of an overview, as people see it."""
    image = shown(overview.image, overview.channel_info, overview.sample_bits, windows)
    return OverviewRung.of(image, overview.downsample)


class PictureCache:
    """What the pictures of one viewer keep together: a bounded number of bytes."""

    def __init__(self) -> None:
        self.tiles: ByteCache[EncodedTile] = ByteCache()
        """Encoded tiles."""
        self.pixels: ByteCache[Shown] = ByteCache()
        """Pixels of halvings."""


def _windows(image: Pixels, channels: Sequence[Channel], bits: int) -> tuple[Window, ...] | None:
    """Return the windows in which all parts of a slide are shown; None of plain 8 bits."""
    if are_plain(channels) and bits == 8:
        return None
    return tuple(usual_windows(image, channels, bits))


def _ladder(
    own: Sequence[Rung], overview: OverviewRung | None, cache: ByteCache[Shown]
) -> Iterator[Rung]:
    """Yield the levels of a picture, finest first, down to one of one tile."""
    wanted: list[Rung] = [own[0]]
    last = None if overview is None else overview.level.scale / LEAST_STEP
    wanted += [rung for rung in own[1:] if last is None or rung.level.scale < last]
    if overview is not None and wanted[-1].level.scale < cast("float", last):
        wanted.append(overview)
    rung = wanted[0]
    yield rung
    for coarser in wanted[1:]:
        while coarser.level.scale > WIDEST_STEP * rung.level.scale:
            rung = HalvedRung(rung, cache, overview)
            yield rung
        rung = coarser
        yield rung
    while not rung.level.is_one_tile:
        rung = HalvedRung(rung, cache, overview)
        yield rung
