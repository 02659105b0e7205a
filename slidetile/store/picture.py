"""The overview and the tissue of a store, as they are read back."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from slidetile.errors import StoreError
from slidetile.format.metadata.picture import PictureName, picture_scale
from slidetile.format.metadata.store import StoreMetadata
from slidetile.format.picture import PICTURE_CODEC
from slidetile.raster.pixels import Pixels
from slidetile.raster.region import Region
from slidetile.slides.overview import most_overview_px
from slidetile.store._absence import NothingAbsent
from slidetile.store._array import ArrayFile
from slidetile.store.folder import StoreFolder


class PictureFile:
    """One of the two small images of a store, which share one grid of pixels.

    Parameters
    ----------
    folder
        The store's folder.
    name
        Which of the two.
    metadata
        The store's record.

    Raises
    ------
    StoreError
        It is missing, damaged or too large.
    """

    def __init__(self, folder: StoreFolder, name: PictureName, metadata: StoreMetadata) -> None:
        self._folder = folder
        self._name: PictureName = name
        self._bits = metadata.bits
        self._array = ArrayFile(folder, f"{name}/0", PICTURE_CODEC, NothingAbsent())
        width, height = self._array.grid.size
        if width * height > most_overview_px(metadata.channels * metadata.dtype.itemsize):
            raise StoreError(f"{self._array.path} claims {width}×{height} px, which is too large.")
        kind = "uint32" if name == "tissue" else metadata.data_type
        if self._array.metadata.data_type != kind:
            raise StoreError(f"{self._array.path} does not hold numbers of the type {kind}.")
        channels = 1 if name == "tissue" else metadata.channels
        if self._array.channels != channels:
            raise StoreError(f"{self._array.path} does not have the store's {channels} channels.")

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self._array.grid.size

    def read(self) -> NDArray[Any]:
        """Return the picture as [row, column, channel].

        Raises
        ------
        StoreError
            It is damaged.
        """
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
        key = f"{self._name}/zarr.json"
        path = self._folder.path / key
        data = self._folder.read_json(key)
        try:
            scale = picture_scale(data, self._name, mpp, self._bits)
        except StoreError as error:
            raise StoreError(f"{path} is damaged: {error}.") from error
        for step, pixels, length in zip(scale, self._array.grid.size, size, strict=True):
            if not length <= pixels * step * (1 + 1e-9):
                raise StoreError(
                    f"{path} is damaged: {pixels} pixels of {step:g} level-0 pixels do not cover "
                    f"a level 0 of {length}."
                )
        return scale


class StoredPictures:
    """Both pictures of a store, each read when it is asked for.

    Parameters
    ----------
    folder
        The store's folder.
    metadata
        The store's record.
    """

    def __init__(self, folder: StoreFolder, metadata: StoreMetadata) -> None:
        self._folder = folder
        self._metadata = metadata
        self._files: dict[PictureName, PictureFile] = {}

    def overview(self) -> Pixels:
        """Return the whole slide as tissue was found on it: [row, column, channel].

        Raises
        ------
        StoreError
            It is damaged.
        """
        return self._file("overview").read()

    def tissue(self) -> NDArray[np.uint32]:
        """Return the tissue on the overview's grid: uint32 [row, column].

        Raises
        ------
        StoreError
            It is damaged, or lies on another grid.
        """
        tissue, overview = self._file("tissue"), self._file("overview")
        if tissue.size != overview.size:
            raise StoreError(
                f"The tissue of {self._folder.path} has {tissue.size} px, its overview "
                f"{overview.size}."
            )
        labels: NDArray[np.uint32] = tissue.read()[..., 0]
        return labels

    def scale(self, size: tuple[int, int]) -> tuple[float, float]:
        """Return the level-0 pixels per pixel of both; as `PictureFile.scale`."""
        return self._file("overview").scale(self._metadata.mpp, size)

    def _file(self, name: PictureName) -> PictureFile:
        if name not in self._files:
            self._files[name] = PictureFile(self._folder, name, self._metadata)
        return self._files[name]
