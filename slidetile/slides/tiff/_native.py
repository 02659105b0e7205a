"""The compressed tiles of a TIFF level, to be copied without decoding them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slidetile.choices import NativeStream
from slidetile.slides.native import Cells, Damaged
from slidetile.slides.streams import StreamTiles
from slidetile.slides.tiff._blocks import BlockGrid
from slidetile.slides.tiff._encoding import APERIO_RGB, JPEG, JPEG2000, WEBP
from slidetile.slides.tiff._jpeg import JpegTiles
from slidetile.slides.tiff._jpeg_segments import Markers
from slidetile.slides.tiff.file import Extent, SlideFile, held_bytes

_SIDES_PX = range(64, 4097, 16)
_RGB, _YCBCR = 2, 6
_STREAMS: dict[int, NativeStream] = {
    JPEG: "jpeg",
    APERIO_RGB: "jpeg2000",
    JPEG2000: "jpeg2000",
    WEBP: "webp",
}
"""How tiles are encoded, by TIFF tag 259. Aperio's YCbCr (33003) is none of these: its pixels are
converted once they are decoded, and no decoder of Zarr does that."""

_BEYOND = Damaged("beyond the end of the file")
_TOO_LONG = Damaged("too many bytes")


def is_native(grid: BlockGrid) -> bool:
    """Return whether a level's tiles can be copied, by its directory."""
    encoding = grid.encoding
    return (
        grid.is_tiled
        and grid.block_width in _SIDES_PX
        and grid.block_height in _SIDES_PX
        and encoding.compression in _STREAMS
        and encoding.photometric in (_RGB, _YCBCR)
        and encoding.samples == 3
        and not encoding.planar
    )


@dataclass(frozen=True, slots=True, eq=False)
class TiffTiles:
    """Native tiles whose stored bytes are in memory."""

    extents: list[Extent | Damaged | None]
    jpegs: JpegTiles
    size: tuple[int, int]

    @property
    def nbytes(self) -> int:
        """The bytes held."""
        return held_bytes([each for each in self.extents if isinstance(each, tuple)])

    def streams(self) -> list[bytes | Damaged | None]:
        """Return each tile as a JPEG stream; see `slidetile.slides.native.FetchedTiles`."""
        streams: list[bytes | Damaged | None] = []
        native, size = self.jpegs.native, self.size
        held, markers = None, None
        for extent in self.extents:
            if not isinstance(extent, tuple):
                streams.append(extent)
                continue
            data, start, stop = extent
            if data is not held:  # neighbouring tiles are read together, and looked at together
                held, markers = data, Markers(data)
            streams.append(native(data, size, start, stop, markers))
        return streams


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

    def fetch(self, tiles: Cells) -> TiffTiles | StreamTiles:
        """Read the stored bytes of tiles.

        A tile beyond the end of the file as it was opened is damaged, and the others are read. If
        the file has become shorter since then, nothing in it can be trusted.

        Raises
        ------
        SlideReadError
            The file could not be read, or ended too early.
        """
        where = self._indices(tiles)
        offsets: list[int] = self._grid.offsets[where].tolist()
        counts: list[int] = self._grid.counts[where].tolist()
        limit, size = self._grid.stored_limit, self._file.size
        extents: list[Extent | Damaged | None] = [None] * len(counts)
        sound: list[int] = []
        for i, count in enumerate(counts):
            if count > limit:
                extents[i] = _TOO_LONG
            elif offsets[i] + count > size:
                extents[i] = _BEYOND if count else None
            elif count:
                sound.append(i)
        read = self._file.read_extents([offsets[i] for i in sound], [counts[i] for i in sound])
        for i, extent in zip(sound, read, strict=True):
            extents[i] = extent
        tile = self.tile_width_px, self.tile_height_px
        if self.stream != "jpeg":
            return StreamTiles(extents, self.stream, tile)
        return TiffTiles(extents, self._jpegs, tile)

    def stored_bytes(self, tiles: Cells) -> int:
        """Return how many bytes the file stores for tiles, without reading them.

        What is claimed of a damaged tile does not count: it is not read.
        """
        where = self._indices(tiles)
        counts, offsets = self._grid.counts[where], self._grid.offsets[where]
        limit, size = self._grid.stored_limit, self._file.size
        room = size - np.minimum(offsets, size)
        return int(counts[counts <= np.minimum(limit, room)].sum())

    def _indices(self, tiles: Cells) -> NDArray[np.int64]:
        where = np.asarray(tiles, np.int64).reshape(-1, 2)
        if ((where < 0) | (where >= (self.columns, self.rows))).any():
            raise IndexError(
                f"A native tile lies outside the grid of {self.columns}×{self.rows} tiles."
            )
        return where[:, 1] * self.columns + where[:, 0]
