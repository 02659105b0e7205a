"""The overview and the tissue of a store, as they are read back."""

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from slidetile.errors import StoreError
from slidetile.format.metadata.picture import PictureName, picture_scale
from slidetile.format.picture import PICTURE_CODEC
from slidetile.raster.region import Region
from slidetile.slides.overview import LARGEST_OVERVIEW_PX
from slidetile.store._array import ArrayFile, read_zarr_json


class PictureFile:
    """One of the two small images of a store, which share one grid of pixels.

    Parameters
    ----------
    store
        The store's folder.
    name
        Which of the two.

    Raises
    ------
    StoreError
        It is missing, damaged or too large.
    """

    def __init__(self, store: Path, name: PictureName) -> None:
        self._folder = folder = store / name
        self._name = name
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
            Micrometres per level-0 pixel; None if unknown, and the unit is then a level-0 pixel.
        size
            (width, height) of level 0, which the picture must cover.

        Raises
        ------
        StoreError
            The metadata are damaged.
        """
        path = self._folder / "zarr.json"
        try:
            scale = picture_scale(read_zarr_json(self._folder), self._name, mpp)
        except StoreError as error:
            raise StoreError(f"{path} is damaged: {error}.") from error
        for step, pixels, length in zip(scale, self._array.grid.size, size, strict=True):
            if not length <= pixels * step * (1 + 1e-9):
                raise StoreError(
                    f"{path} is damaged: {pixels} pixels of {step:g} level-0 pixels do not cover "
                    f"a level 0 of {length}."
                )
        return scale
