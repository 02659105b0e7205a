"""A level of a store as a lazy array: of Dask, and of xarray with its place in micrometres.

Each chunk of the array is one of the store, read when it is computed. Knows arrays. Does not know
files.
"""

import importlib
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from slidetile.format.layout import ChunkGrid
from slidetile.raster.pixels import Pixels
from slidetile.raster.region import Region

Pair = tuple[float, float]


class LevelReader(Protocol):
    """What a level is read from: a `TileStore`."""

    def read_level_region(self, region: Region, *, level: int) -> Pixels:
        """Read a region that is given in pixels of its level."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LevelArray:
    """A level of a store, of which a slice is read when it is taken: [channel, row, column].

    What is not stored has the fill value, and takes no read. Picklable.
    """

    store: LevelReader
    """What it is read from."""

    level: int
    """Its number."""

    grid: ChunkGrid
    """How it is cut into chunks."""

    channels: int
    """Its channels."""

    dtype: np.dtype[Any]
    """Type of its samples."""

    identity: str
    """The same for the same pixels only."""

    ndim = 3

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, rows, columns)."""
        return self.channels, self.grid.height, self.grid.width

    @property
    def chunks(self) -> tuple[int, int, int]:
        """Shape of a chunk of the store."""
        return self.channels, self.grid.chunk_height, self.grid.chunk_width

    def __getitem__(self, key: tuple[slice, slice, slice]) -> NDArray[Any]:
        channels, *sides = key
        (top, bottom, _), (left, right, _) = (
            side.indices(length) for side, length in zip(sides, self.shape[1:], strict=True)
        )
        if bottom <= top or right <= left:
            return np.empty((self.channels, 0, 0), self.dtype)[channels]
        region = Region(x=left, y=top, width=right - left, height=bottom - top)
        pixels = self.store.read_level_region(region, level=self.level)
        part: NDArray[Any] = pixels.transpose(2, 0, 1)[channels]
        return part

    def __dask_tokenize__(self) -> tuple[str, str, int]:
        return "slidetile", self.identity, self.level


def lazy_level(array: LevelArray, what: str = "to_dask", extra: str = "arrays") -> Any:
    """Return a level as a Dask array of the store's own chunks.

    ``what`` is the method that was called, and ``extra`` what installs all that it needs.

    Raises
    ------
    ImportError
        Dask is not installed.
    """
    dask = needed("dask.array", what, extra)
    meta = np.empty((0, 0, 0), array.dtype)
    return dask.from_array(array, chunks=array.chunks, fancy=False, asarray=False, meta=meta)


def placed_level(
    array: LevelArray, *, mpp: Pair | None, downsample: Pair, names: list[str], title: str
) -> Any:
    """Return a level as an xarray.DataArray with the dimensions c, y and x.

    Coordinates are those of OME's metadata: of the pixels' centres, counted from the centre of the
    first pixel of level 0.

    Parameters
    ----------
    array
        The level.
    mpp
        Micrometres per pixel of level 0, as (x, y); without, coordinates are in its pixels.
    downsample
        Level-0 pixels per pixel of the level, as (x, y).
    names
        Names of the channels.
    title
        The image's name.

    Raises
    ------
    ImportError
        Dask or xarray is not installed.
    """
    xarray = needed("xarray", "to_xarray", "arrays")
    units = {"units": "pixel" if mpp is None else "micrometer"}
    _, height, width = array.shape
    across, down = mpp or (1.0, 1.0)
    return xarray.DataArray(
        lazy_level(array, "to_xarray"),
        dims=("c", "y", "x"),
        coords={
            "c": names,
            "y": ("y", centres(height, downsample[1], down), units),
            "x": ("x", centres(width, downsample[0], across), units),
        },
        name=title,
        attrs={"level": array.level, "mpp": mpp, "downsample": downsample},
    )


def centres(count: int, downsample: float, length: float) -> NDArray[np.float64]:
    """Return where the pixels of a level have their centres, along an axis."""
    places: NDArray[np.float64] = np.arange(count, dtype=np.float64)
    places *= downsample
    places += (downsample - 1) / 2
    places *= length
    return places


def needed(module: str, what: str, extra: str) -> ModuleType:
    """Return a module that an extra installs.

    Raises
    ------
    ImportError
        It is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"{what} needs {module.partition('.')[0]}, which cannot be imported ({error}): "
            f"pip install 'slidetile[{extra}]'."
        ) from error
