"""The overview and the tissue: images of one level, whose metadata follow from the store's."""

from dataclasses import dataclass, replace
from typing import Literal, Self

from slidetile.format.layout import ChunkGrid
from slidetile.format.metadata.array import ArrayMetadata
from slidetile.format.metadata.group import group_attributes
from slidetile.format.metadata.image import ImageMetadata, Pair
from slidetile.format.metadata.node import parse_json
from slidetile.format.metadata.store import StoreMetadata
from slidetile.format.picture import PICTURE_CODEC

PictureName = Literal["overview", "tissue"]
"""The name of a picture, and of its folder."""

_KINDS = {"overview": "area average", "tissue": "labels"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureMetadata:
    """The metadata of the overview or of the tissue."""

    image: ImageMetadata
    """Its description for viewers: the ``zarr.json`` of its folder."""

    array: ArrayMetadata
    """Its only level: the ``zarr.json`` of the folder 0 within."""

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
            How the picture is cut.
        scale
            Level-0 pixels per pixel of the picture, as (x, y).
        """
        is_tissue = name == "tissue"
        channels = 1 if is_tissue else store.channels
        return cls(
            image=ImageMetadata(
                name=name,
                kind=_KINDS[name],
                channels=channels,
                mpp=store.mpp,
                downsamples=(scale,),
                bits=8 if is_tissue else store.bits,
                drawn=() if is_tissue else store.drawn,
            ),
            array=ArrayMetadata(
                grid=grid,
                codec=PICTURE_CODEC,
                channels=channels,
                fill=0 if is_tissue else store.fill,
                data_type="uint32" if is_tissue else store.data_type,
            ),
        )


def picture_scale(data: bytes, name: PictureName, mpp: Pair | None, bits: int = 8) -> Pair:
    """Return the level-0 pixels per pixel of a picture, as (x, y), from its ``zarr.json``.

    Parameters
    ----------
    data
        The file's bytes.
    name
        Which of the two pictures.
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
    image = ImageMetadata.from_node(
        ome, kind=_KINDS[name], mpp=mpp, bits=8 if name == "tissue" else bits
    )
    if name == "tissue":
        image = replace(image, channels=1, drawn=())
    downsamples = image.downsamples[:1]
    ome.expect(replace(image, name=name, downsamples=downsamples).to_node())
    return downsamples[0]
