"""Some tiles of a store, as a sequence of their own.

Knows ids of tiles and what reads one. Does not know files, or why tiles were chosen.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, overload

import numpy as np
from numpy.typing import NDArray

from slidetile.counts import how_many
from slidetile.raster.pixels import Pixels
from slidetile.raster.region import Region
from slidetile.store._picked import Index, Indices, picked, single

if TYPE_CHECKING:
    import pyarrow as pa


class TileReader(Protocol):
    """The source that a selection reads from: a `TileStore`."""

    @property
    def tiles(self) -> "pa.Table":
        """The tile table."""
        ...

    def tile_region(self, index: int) -> Region:
        """Return the whole cell of a tile, in level-0 pixels."""
        ...

    def read_tiles(self, tile_ids: Sequence[int]) -> Iterator[Pixels]:
        """Yield tiles in any order."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Pixels: ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TileSelection(Sequence[Pixels]):
    """Some tiles of a store, in the order asked for: a view, which reads each tile on access.

    Picklable, so that a data loader's processes can share it. A slice, a list, an array or a mask
    gives a selection again.

    Raises
    ------
    TypeError
        An id is not an integer.
    IndexError
        The store has no tile of this id.
    """

    store: TileReader
    """The store that the tiles are read from."""

    tile_ids: NDArray[np.int32]
    """The id of each tile, which is its row in the store's table; read-only."""

    def __post_init__(self) -> None:
        ids = np.array(self.tile_ids).reshape(-1)
        if len(ids) and ids.dtype.kind not in "iu":
            raise TypeError(f"The ids of tiles are integers, but these are {ids.dtype}.")
        wrong = ids[(ids < 0) | (ids >= len(self.store))]
        if len(wrong):
            raise IndexError(
                f"The store has {how_many(len(self.store), 'tiles')}, so there is no tile "
                f"{wrong[0]}."
            )
        ids = ids.astype(np.int32)
        ids.setflags(write=False)
        object.__setattr__(self, "tile_ids", ids)

    @property
    def tiles(self) -> "pa.Table":
        """The tile table of these tiles alone, in this order."""
        return self.store.tiles.take(self.tile_ids)

    def tile_region(self, index: int) -> Region:
        """Return the whole cell of a tile, in level-0 pixels.

        Raises
        ------
        IndexError
            The selection has no tile of this index.
        """
        return self.store.tile_region(self._tile_id(index))

    def __len__(self) -> int:
        return len(self.tile_ids)

    @overload
    def __getitem__(self, index: int) -> Pixels: ...
    @overload
    def __getitem__(self, index: slice | Indices) -> "TileSelection": ...
    def __getitem__(self, index: Index) -> "Pixels | TileSelection":
        number = single(index)
        if number is not None:
            return self.store[self._tile_id(number)]
        places = picked(index, len(self), "tiles")
        return TileSelection(store=self.store, tile_ids=self.tile_ids[places])

    def __iter__(self) -> Iterator[Pixels]:
        return self.store.read_tiles(self.tile_ids.tolist())

    def __repr__(self) -> str:
        tiles = how_many(len(self.store), "tiles")
        return f"TileSelection({len(self)} of the {tiles} of {self.store!r})"

    def _tile_id(self, index: int) -> int:
        if not -len(self) <= index < len(self):
            raise IndexError(
                f"The selection has {how_many(len(self), 'tiles')}, so there is no tile {index}."
            )
        return int(self.tile_ids[index])
