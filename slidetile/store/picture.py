"""The overview and the tissue of a store, as they are read back."""

import math
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from slidetile.errors import StoreError
from slidetile.format.picture import PICTURE_CODEC
from slidetile.raster.region import Region
from slidetile.slides.overview import LARGEST_OVERVIEW_PX
from slidetile.store.array import ArrayFile, read_json


class PictureFile:
    """One of the two small images of a store, that lie on the same grid.

    Parameters
    ----------
    folder
        The picture's folder.

    Raises
    ------
    StoreError
        It is missing, damaged or too large.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._array = ArrayFile(folder / "0", PICTURE_CODEC)
        width, height = self._array.grid.size
        if width * height > LARGEST_OVERVIEW_PX:
            raise StoreError(f"{folder} claims {width}×{height} px, which is too large.")

    def read(self) -> NDArray[Any]:
        """Return the picture as [row, column, channel]."""
        width, height = self._array.grid.size
        return self._array.read(Region(x=0, y=0, width=width, height=height), (0, 0, 0))

    def scale(self, mpp: tuple[float, float] | None, size: tuple[int, int]) -> tuple[float, float]:
        """Return the level-0 pixels per pixel of the picture, as (x, y).

        Parameters
        ----------
        mpp
            Micrometres per level-0 pixel; without it the picture's unit is one of those.
        size
            (width, height) of level 0, which the picture must cover.

        Raises
        ------
        StoreError
            The metadata are damaged.
        """
        path = self._folder / "zarr.json"
        node = read_json(path)
        try:
            scale = told_scale(node, mpp)
        except (KeyError, TypeError, ValueError, IndexError, ZeroDivisionError) as error:
            raise StoreError(f"{path} is damaged: {error!r}.") from error
        for step, pixels, length in zip(scale, self._array.grid.size, size, strict=True):
            if not length <= pixels * step * (1 + 1e-9) < math.inf:
                raise StoreError(f"{path} is damaged: its scale is {scale}.")
        return scale


def told_scale(node: dict[str, Any], mpp: tuple[float, float] | None) -> tuple[float, float]:
    """Return the level-0 pixels per pixel, as (x, y), that a picture's ``zarr.json`` tells.

    Raises
    ------
    LookupError, TypeError, ValueError, ZeroDivisionError
        It does not.
    """
    dataset = node["attributes"]["ome"]["multiscales"][0]["datasets"][0]
    _, down, across = dataset["coordinateTransformations"][0]["scale"]
    x, y = mpp or (1.0, 1.0)
    return across / x, down / y
