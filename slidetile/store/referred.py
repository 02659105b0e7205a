"""The slide that a store without pixels refers to, and the blocks of it that are its chunks.

Knows slides and what a store records of its own. Does not know any format of slides.

A store may come from anywhere, and names a path: so nothing at that path is read as a slide before
its fingerprint is that of the store's slide, and where blocks lie in it only its reader says.
"""

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from slidetile.errors import SlideError, SlideReadError, StoreError, explain
from slidetile.format.layout import ChunkGrid
from slidetile.format.metadata.array import LARGEST_CHUNK_BYTES
from slidetile.format.metadata.planes import PlaneFacts
from slidetile.format.metadata.store import StoreMetadata
from slidetile.raster.pixels import Pixels
from slidetile.raster.region import Region
from slidetile.slides.file_slide import read_source
from slidetile.slides.level import Level
from slidetile.slides.opening import open_slide
from slidetile.slides.slide import Slide
from slidetile.store.folder import StoreFolder

_SQUARE_PX = 512
"""Side of a chunk where the slide has no tiles, or no usual ones."""

_SIDES_PX = range(64, 2049)
"""Sides of tiles that become chunks, where they are decoded and not copied."""

_REMEDY = (
    'Put the slide back, or say where it is: --slide PATH (open_store(store, slide="PATH")).'
)


class ReferredSlide:
    """The slide of a store without pixels, found and opened.

    Picklable: another process opens it anew, and compares it anew.

    Parameters
    ----------
    folder
        The store's folder.
    metadata
        The store's record.
    given
        Where the slide is; None looks where the store says.

    Raises
    ------
    StoreError
        The slide is not there, is another one or has changed, or cannot be opened.
    """

    def __init__(
        self, folder: StoreFolder, metadata: StoreMetadata, given: Path | None = None
    ) -> None:
        self._folder = folder
        self._metadata = metadata
        self.path = self._found(given)
        """The file or the folder."""
        self.slide = self._opened()
        """The slide, with the channels, the depth and the time that the store has of it."""

    def __reduce__(self) -> tuple[type[Self], tuple[StoreFolder, StoreMetadata, Path]]:
        return type(self), (self._folder, self._metadata, self.path)

    def _found(self, given: Path | None) -> Path:
        facts = self._metadata.reference
        assert facts is not None, "only stores of the codec reference have such a slide"
        known = facts.paths(self._folder.absolute)
        paths = known if given is None else (Path(os.path.abspath(given)),)  # noqa: PTH100
        reasons = []
        for path in paths:
            reason = self._unlike(path)
            if reason is None:
                return path
            reasons.append(reason)
        raise self._refusal(", and ".join(reasons))

    def _unlike(self, path: Path) -> str | None:
        """Return why a path does not lead to the slide, in words that follow "refers to"."""
        try:
            kind = path.stat().st_mode
            if stat.S_ISDIR(kind):
                return None  # its reader knows which of its files make the fingerprint
            if not stat.S_ISREG(kind):
                return f"{path} is not a regular file"
            return self._other(path, read_source(path).fingerprint)
        except FileNotFoundError:
            return f"{path} does not exist"
        except (OSError, ValueError) as error:
            return f"{path} cannot be read ({explain(error)})"

    def _other(self, path: Path, found: str) -> str | None:
        wanted = self._metadata.source.fingerprint
        if found == wanted:
            return None
        return (
            f"{path} is another one or has changed: its fingerprint is {found:.12}…, that of the "
            f"store's slide {wanted:.12}…"
        )

    def _opened(self) -> Slide:
        source = self._metadata.source
        planes = self._metadata.parameters.planes or PlaneFacts()
        try:
            slide = open_slide(
                self.path,
                reader=source.reader,
                mpp=source.mpp,
                channels=planes.channels or (),
                z=planes.z,
                t=planes.t,
            )
            other = self._other(self.path, slide.source.fingerprint)  # as it was opened
        except (SlideError, OSError, ValueError) as error:
            raise self._refusal(f"it cannot be opened: {explain(error)}") from error
        if other is not None:
            raise self._refusal(other)
        found = _nature(slide.levels, [each.name for each in slide.channel_info], slide.bits)
        names = [each.name for each in self._metadata.channel_info]
        if found[1:] != (names, self._metadata.bits):
            raise self._refusal(f"its channels are {', '.join(found[1]):.200} of {found[2]} bits")
        if found[0] != len(self._metadata.downsamples):
            raise self._refusal(f"it is read with {found[0]} levels, which the store does not have")
        return slide

    def _refusal(self, why: str) -> StoreError:
        name = self._metadata.source.name
        return StoreError(
            f"{self._folder.path} holds no pixels, and cannot read those of the slide {name} that "
            f"it refers to: {why}. {_REMEDY}"
        )


def _nature(levels: Sequence[Level], names: list[str], bits: int) -> tuple[int, list[str], int]:
    return len(levels), names, bits


def referred_grid(slide: Slide, level: int) -> ChunkGrid:
    """Return how a level of a slide is cut into chunks: its own tiles, or squares.

    Each chunk is by itself: none of them is in a file.
    """
    width, height = _chunk_size(slide, level)
    across, down = slide.levels[level].size
    return ChunkGrid(
        width=across,
        height=down,
        chunk_width=width,
        chunk_height=height,
        chunks_across=1,
        chunks_down=1,
    )


def _chunk_size(slide: Slide, level: int) -> tuple[int, int]:
    native = slide.native_tiles(level)
    if native is not None:
        return native.tile_width_px, native.tile_height_px
    width, height = slide.levels[level].tile_width_px, slide.levels[level].tile_height_px
    if width is None or height is None or width not in _SIDES_PX or height not in _SIDES_PX:
        return _SQUARE_PX, _SQUARE_PX
    is_small = width * height * slide.channels * slide.dtype.itemsize <= LARGEST_CHUNK_BYTES
    return (width, height) if is_small else (_SQUARE_PX, _SQUARE_PX)


def needed_chunks(
    slide: Slide, level: int, grid: ChunkGrid, regions: Sequence[Region]
) -> NDArray[np.bool_]:
    """Return which chunks of a slide's level hold part of any region.

    Regions are tiles, of which a few rows and columns make many: their edges are carried over to
    the level once, for the first tile that has them.

    Parameters
    ----------
    slide, level
        The level.
    grid
        How it is cut.
    regions
        In level-0 pixels, within the slide.

    Returns
    -------
    bool array [chunk row, chunk column]
    """
    rows: dict[tuple[int, int], slice] = {}
    columns: dict[tuple[int, int], slice] = {}
    needed = np.zeros((grid.chunk_rows, grid.chunk_columns), np.bool_)
    for region in regions:
        row, column = (region.y, region.height), (region.x, region.width)
        if row not in rows or column not in columns:
            span = grid.chunk_span(slide.level_region(region, level))
            rows[row], columns[column] = span.slices
        needed[rows[row], columns[column]] = True
    return needed


def read_chunk(slide: Slide, level: int, grid: ChunkGrid, cell: tuple[int, int]) -> Pixels:
    """Return the pixels of a chunk that lie inside its level, [row, column, channel].

    Blocks of a coarser level that are empty or damaged are averaged from the finer level, as in a
    `native` store.

    Raises
    ------
    DamagedPixelsError
        Part of a chunk of level 0 does not decode.
    SlideReadError
        The slide's file could not be read.
    """
    frame = Region(x=0, y=0, width=grid.width, height=grid.height)
    part = grid.chunk_region(*cell).intersection(frame)
    assert part is not None, "a chunk meets its level"
    if level:
        return slide.fetch_shown(part, level=level).pixels()
    return slide.read_region(part)


def unread_chunk(
    path: Path, cell: tuple[int, int], error: SlideReadError
) -> StoreError:
    """Return the error of a chunk that the slide's reader could not read."""
    column, row = cell
    return StoreError(
        f"The chunk at column {column}, row {row} of {path} could not be read from the slide: "
        f"{explain(error)}"
    )
