"""A slide's compressed tiles, to be copied without decoding them.

How a file holds them is its reader's own: a tile may be one range of bytes, or many, joined.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from slidetile.choices import NativeStream
from slidetile.raster.jpeg import check_jpeg
from slidetile.raster.stream import StreamError

if TYPE_CHECKING:  # a store's reader knows tiles, and no files
    from slidetile.slides.slide_file import Places

Cells = Sequence[tuple[int, int]] | NDArray[np.int64]
"""Native tiles, each by its (column, row) in the grid of its level."""


@dataclass(frozen=True, slots=True)
class Damaged:
    """Stands for a native tile whose bytes are not a whole stream; see `FetchedTiles.streams`."""

    reason: str
    """What is wrong, in the same few words for all tiles so damaged, such as "no end marker"."""


def checked(stream: bytes, check: Callable[[bytes], None] = check_jpeg) -> bytes | Damaged:
    """Return a stream if its decoder has no warning, by default about any of it."""
    try:
        check(stream)
    except StreamError as error:
        return Damaged(error.reason)
    return stream


class FetchedTiles(Protocol):
    """Native tiles whose stored bytes are in memory."""

    @property
    def nbytes(self) -> int:
        """The bytes held."""

    def streams(self) -> list[bytes | Damaged | None]:
        """Return each tile as a stream that any decoder reads, in the requested order.

        The compressed data are the file's own. In a JPEG, the tables that decoding needs and a
        marker of the colours stand before them; comments, other application segments, containers
        and what follows the end are left out. None if the file stores nothing for a tile, and
        `Damaged` if its bytes are not a whole stream. Not every tile is decoded, so damage inside
        the compressed data may be missed.

        Raises
        ------
        NotNativeError
            A tile is a JPEG that is not baseline, is not 8-bit, or does not have the level's size
            or components.
        """


class NativeTiles(Protocol):
    """A level whose compressed tiles can be copied without decoding them."""

    @property
    def stream(self) -> NativeStream:
        """How its tiles are encoded."""

    @property
    def columns(self) -> int:
        """Native tiles in a row."""

    @property
    def rows(self) -> int:
        """Native tiles in a column."""

    @property
    def tile_width_px(self) -> int:
        """Width of every native tile, those at the right edge included."""

    @property
    def tile_height_px(self) -> int:
        """Height of every native tile, those at the bottom edge included."""

    def fetch(self, tiles: Cells) -> FetchedTiles:
        """Read the stored bytes of ``tiles``.

        Safe to call from several threads.

        Raises
        ------
        SlideReadError
            The file could not be read, or ended too early.
        """

    def stored_bytes(self, tiles: Cells) -> int:
        """Return how many bytes the file stores for ``tiles``, without reading them."""
        ...


@runtime_checkable
class PlacedTiles(Protocol):
    """A level that tells beforehand what of its files is read, so that it can be fetched ahead."""

    def places(self, tiles: Cells) -> "Sequence[Places]":
        """Return what `NativeTiles.fetch` would read of tiles."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRange:
    """Where a tile lies, as one range of bytes."""

    path: Path
    """The file."""

    offset: int
    """Its first byte."""

    length: int
    """How many there are."""


@runtime_checkable
class PlainTiles(Protocol):
    """A level whose tiles may be streams as the file has them, which other programs can read."""

    def ranges(self, tiles: Cells) -> list[FileRange | None] | None:
        """Return where each tile lies; None for one of which the file stores nothing.

        Of a tile that lies beyond the end of the file that is said, too: whoever reads it has an
        error, and not the background.

        Returns
        -------
        list or None
            None where tiles are made of several ranges, or of tables besides their own bytes, and
            where the file is not on this machine.

        Raises
        ------
        SlideReadError
            The file could not be read.
        """
        ...
