"""The overview and the tissue: images of one level, whose metadata follow from the store's."""

from dataclasses import dataclass, replace
from typing import Literal, Self

from slidetile.format.layout import ChunkGrid
from slidetile.format.metadata.array import ArrayMetadata
from slidetile.format.metadata.group import group_attributes
from slidetile.format.metadata.image import ImageMetadata, Pair
from slidetile.format.metadata.label import LabelMetadata, labels_json
from slidetile.format.metadata.node import parse_json
from slidetile.format.metadata.store import StoreMetadata
from slidetile.format.names import ROOT
from slidetile.format.picture import PICTURE_CODEC, halved_sizes, picture_grid

PictureName = Literal["overview", "tissue"]
"""The name of a picture."""

_OVERVIEW, _LABELS = "area average", "labels"

LABELS = "labels"
"""The folder of a store's labels."""


def picture_folder(name: PictureName, store: StoreMetadata) -> str:
    """Return the folder of a picture: tissue is a label since version 2 of the format."""
    return f"{LABELS}/{name}" if name == "tissue" and store.has_labels else name


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureMetadata:
    """The metadata of the overview or of the tissue."""

    folder: str
    """Its folder."""

    image: bytes
    """Its description for viewers: the ``zarr.json`` of its folder."""

    arrays: tuple[ArrayMetadata, ...]
    """Its levels, in the folders 0, 1, … within: labels have as many as the store, else one."""

    @property
    def files(self) -> dict[str, bytes]:
        """Each ``zarr.json`` that it has, by its path in the store."""
        files = {f"{self.folder}/{ROOT}": self.image}
        for level, array in enumerate(self.arrays):
            files[f"{self.folder}/{level}/{ROOT}"] = array.to_json()
        above, _, name = self.folder.rpartition("/")
        return files | ({f"{above}/{ROOT}": labels_json(name)} if above else {})

    @property
    def shards(self) -> dict[str, ArrayMetadata]:
        """Each level, by the path of its only shard."""
        return {
            f"{self.folder}/{level}/{array.shard_key(0, 0)}": array
            for level, array in enumerate(self.arrays)
        }

    @classmethod
    def of(cls, name: PictureName, store: StoreMetadata, grid: ChunkGrid, scale: Pair) -> Self:
        """Return the metadata that slidetile writes.

        Parameters
        ----------
        name
            Which of the two.
        store
            The store's metadata.
        grid
            How the picture is cut, at its finest level.
        scale
            Level-0 pixels per pixel of the picture, as (x, y).
        """
        folder = picture_folder(name, store)
        if name == "tissue" and store.has_labels:
            levels = len(store.downsamples)
            label = LabelMetadata(
                name=name,
                mpp=store.mpp,
                downsamples=tuple((scale[0] * 2**k, scale[1] * 2**k) for k in range(levels)),
            )
            grids = (picture_grid(*size) for size in halved_sizes(grid.size, levels))
            arrays = tuple(_array(name, store, each) for each in grids)
            return cls(folder=folder, image=label.to_json(), arrays=arrays)
        image = _image(name, store, scale).to_json()
        return cls(folder=folder, image=image, arrays=(_array(name, store, grid),))


def _array(name: PictureName, store: StoreMetadata, grid: ChunkGrid) -> ArrayMetadata:
    is_tissue = name == "tissue"
    return ArrayMetadata(
        grid=grid,
        codec=PICTURE_CODEC,
        channels=1 if is_tissue else store.channels,
        fill=0 if is_tissue else store.fill,
        data_type="uint32" if is_tissue else store.data_type,
        is_flat=is_tissue and store.has_labels,
    )


def _image(name: PictureName, store: StoreMetadata, scale: Pair) -> ImageMetadata:
    is_tissue = name == "tissue"
    return ImageMetadata(
        name=name,
        kind=_LABELS if is_tissue else _OVERVIEW,
        channels=1 if is_tissue else store.channels,
        mpp=store.mpp,
        downsamples=(scale,),
        bits=8 if is_tissue else store.bits,
        drawn=() if is_tissue else store.drawn,
    )


def overview_scale(data: bytes, mpp: Pair | None, bits: int = 8) -> Pair:
    """Return the level-0 pixels per pixel of the overview, as (x, y), from its ``zarr.json``.

    Parameters
    ----------
    data
        The file's bytes.
    mpp
        Micrometres per level-0 pixel of the store, or None where unknown.
    bits
        Bits of the store's samples.

    Raises
    ------
    StoreError
        It is not what slidetile writes. The message names the key.
    """
    ome = group_attributes(parse_json(data), "ome")["ome"]
    image = ImageMetadata.from_node(ome, kind=_OVERVIEW, mpp=mpp, bits=bits)
    downsamples = image.downsamples[:1]
    ome.expect(replace(image, name="overview", downsamples=downsamples).to_node())
    return downsamples[0]
