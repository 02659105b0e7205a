"""The compressed tiles of a TIFF level, to be copied without decoding them."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from slidetile.choices import NativeStream
from slidetile.slides.jpeg.tiles import JpegTiles
from slidetile.slides.native import Cells, Damaged, FileRange
from slidetile.slides.slide_file import Extent, Places, SlideFile
from slidetile.slides.streams import JpegStreams, StreamTiles
from slidetile.slides.tiff._blocks import BlockGrid
from slidetile.slides.tiff._encoding import (
    APERIO_RGB,
    APERIO_YCBCR,
    JPEG,
    JPEG2000,
    WEBP,
    Encoding,
)

_SIDES_PX = range(64, 4097, 8)
_RGB, _YCBCR = 2, 6
_STREAMS: dict[int, NativeStream] = {
    JPEG: "jpeg",
    APERIO_YCBCR: "jpeg2000",
    APERIO_RGB: "jpeg2000",
    JPEG2000: "jpeg2000",
    WEBP: "webp",
}
"""How tiles are encoded, by TIFF tag 259."""


def obstacle(grid: BlockGrid) -> str | None:
    """Return why a level's tiles cannot be copied, by its directory, in a short phrase, or None."""
    encoding = grid.encoding
    if not grid.is_tiled:
        return "strips, not tiles"
    if encoding.compression not in _STREAMS:
        return f"its tiles are {encoding.name}, not JPEG, JPEG 2000 or WebP"
    if (colours := _colour_obstacle(encoding)) is not None:
        return colours
    if grid.block_width not in _SIDES_PX or grid.block_height not in _SIDES_PX:
        return (
            f"tiles of {grid.block_width}×{grid.block_height} px do not fit: sides are "
            f"{_SIDES_PX.start}–{_SIDES_PX.stop - 1} px, in steps of {_SIDES_PX.step}"
        )
    return None


def _colour_obstacle(encoding: Encoding) -> str | None:
    if encoding.picked is not None:
        return "some of its channels were chosen"
    if encoding.bits != 8:
        return f"samples of {encoding.bits} bits"
    if encoding.samples != 3 or encoding.photometric not in (_RGB, _YCBCR):
        return "one channel" if encoding.channels == 1 else f"{encoding.samples} samples a pixel"
    if encoding.planar:
        return "each colour has tiles of its own"
    if encoding.is_left_as_ycbcr:  # it is converted once decoded, and no codec of Zarr does that
        return "its JPEG 2000 holds YCbCr, which its decoder does not convert"
    return None


class TiffNativeTiles:
    """A level of compressed tiles; see `slidetile.slides.native.NativeTiles`."""

    def __init__(self, file: SlideFile, grid: BlockGrid) -> None:
        self._file = file
        self._grid = grid
        self.stream = _STREAMS[grid.encoding.compression]
        self._jpegs = JpegTiles(tables=grid.encoding.tables, photometric=grid.encoding.photometric)
        self.columns = grid.columns
        self.rows = grid.rows
        self.tile_width_px = grid.block_width
        self.tile_height_px = grid.block_height

    def fetch(self, tiles: Cells) -> JpegStreams | StreamTiles:
        """Read the stored bytes of tiles.

        A tile beyond the end of the file as it was opened is damaged, and the others are read. If
        the file has become shorter since then, nothing in it can be trusted.

        Raises
        ------
        SlideReadError
            The file could not be read, or ended too early.
        """
        where = self._indices(tiles)
        grid = self._grid
        lost = grid.lost(where, self._file.size)
        extents: list[Extent | Damaged | None] = [None] * len(where)
        for number, damaged in lost.items():
            extents[number] = damaged
        sound = [i for i in np.flatnonzero(grid.counts[where]).tolist() if i not in lost]
        for i, extent in zip(sound, grid.read(self._file, where[sound]), strict=True):
            extents[i] = extent
        tile = self.tile_width_px, self.tile_height_px
        if self.stream != "jpeg":
            ycbcr = self._grid.encoding.states_ycbcr
            return StreamTiles(extents, self.stream, tile, states_ycbcr=ycbcr)
        return JpegStreams(extents, self._jpegs, tile)

    def places(self, tiles: Cells) -> list[Places]:
        """Return what of the file `fetch` reads of tiles."""
        return [self._grid.places(self._file, self._indices(tiles))]

    def stored_bytes(self, tiles: Cells) -> int:
        """Return how many bytes the file stores for tiles, without reading them.

        What is claimed of a damaged tile does not count: it is not read.
        """
        where = self._indices(tiles)
        counts = self._grid.counts[where]
        counts[list(self._grid.lost(where, self._file.size))] = 0
        return int(counts.sum())

    def ranges(self, tiles: Cells) -> list[FileRange | None] | None:
        """Return where tiles lie; None where they are joined, or need tables of the directory."""
        grid, path = self._grid, self._file.path
        if grid.is_joined or grid.encoding.tables or not isinstance(path, Path):
            return None
        where = self._indices(tiles)
        places = zip(grid.offsets[where].tolist(), grid.counts[where].tolist(), strict=True)
        return [
            FileRange(path=path, offset=offset, length=count) if count else None
            for offset, count in places
        ]

    def _indices(self, tiles: Cells) -> NDArray[np.int64]:
        where = np.asarray(tiles, np.int64).reshape(-1, 2)
        if ((where < 0) | (where >= (self.columns, self.rows))).any():
            raise IndexError(
                f"A native tile lies outside the grid of {self.columns}×{self.rows} tiles."
            )
        return where[:, 1] * self.columns + where[:, 0]
