"""JPEG chunks of a level, all of one kind, as files need them that state it once for all tiles.

Knows what JPEG streams say of themselves. Does not know the files.
"""

from dataclasses import dataclass

from slidetile.errors import StoreError
from slidetile.format.codecs.jpeg import is_averaged_jpeg
from slidetile.raster.pixels import Pixels
from slidetile.slides.jpeg.colour import own_model
from slidetile.slides.jpeg.segments import Header, parse_header
from slidetile.slides.native import Damaged
from slidetile.store.store import TileStore

ODD_QUALITY = 97
"""Quality of a chunk that is encoded anew, since its colours are stored as no other's are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JpegKind:
    """What all JPEG tiles of a level have in common."""

    is_ycbcr: bool
    """Whether three components are YCbCr, or else RGB."""

    sampling: tuple[int, ...]
    """Of each component, 16 times its horizontal plus its vertical sampling factor."""

    @property
    def components(self) -> int:
        """The number of components."""
        return len(self.sampling)

    @property
    def subsampling(self) -> tuple[int, int]:
        """How many times wider and higher a pixel of chroma is than one of luma."""
        if self.components == 1:
            return 1, 1
        luma, chroma = self.sampling[0], self.sampling[1]
        return (luma >> 4) // (chroma >> 4), (luma & 15) // (chroma & 15)

    def is_of(self, stream: bytes, store: TileStore, cell: tuple[int, int], level: int) -> bool:
        """Return whether a chunk's stream is of this kind.

        Raises
        ------
        StoreError
            Its header is damaged.
        """
        found = _kind_in(stream, store, cell, level)
        return found == self or (found.components == 1 and self.components == 1)

    def has_colours_of(
        self, stream: bytes, store: TileStore, cell: tuple[int, int], level: int
    ) -> bool:
        """Return whether a chunk's stream has the same colours, with chroma of any size.

        Raises
        ------
        StoreError
            Its header is damaged.
        """
        return _kind_in(stream, store, cell, level).is_ycbcr == self.is_ycbcr

    def encode(self, pixels: Pixels) -> bytes:
        """Return pixels [row, column, channel] as a tile of this kind."""
        import imagecodecs
        import numpy as np

        pixels = np.ascontiguousarray(pixels)
        if self.components == 1:
            return bytes(imagecodecs.jpeg8_encode(pixels[..., 0], level=ODD_QUALITY))
        if not self.is_ycbcr:
            return bytes(
                imagecodecs.jpeg8_encode(
                    pixels, level=ODD_QUALITY, colorspace="RGB", outcolorspace="RGB"
                )
            )
        chroma = {(1, 1): "444", (2, 1): "422", (2, 2): "420"}.get(self.subsampling, "444")
        return bytes(imagecodecs.jpeg8_encode(pixels, level=ODD_QUALITY, subsampling=chroma))


def kind_of(stream: bytes) -> JpegKind:
    """Return the kind of a JPEG stream of a store.

    Raises
    ------
    ValueError
        Its header is damaged.
    """
    header = parse_header(stream)
    if isinstance(header, Damaged) or header.frame is None:
        raise ValueError(f"its JPEG header is damaged: {header}")
    model = own_model(header, header.frame, Header())
    if isinstance(model, Damaged):
        raise ValueError(f"it has {model.reason}")  # noqa: TRY004  it is what is in the bytes
    return JpegKind(is_ycbcr=model != "RGB", sampling=header.frame.sampling)


def _kind_in(stream: bytes, store: TileStore, cell: tuple[int, int], level: int) -> JpegKind:
    try:
        return kind_of(stream)
    except ValueError as error:
        raise StoreError(
            f"The chunk at column {cell[0]}, row {cell[1]} of level {level} of {store.path} is "
            f"damaged: {error}."
        ) from error


def usual_kind(store: TileStore, level: int, cells: "list[tuple[int, int]]") -> JpegKind:
    """Return the kind of a level's first tile that was copied; of its first, if none was."""
    first: bytes | None = None
    for column, row in cells:
        stream = store.read_chunk_bytes(column, row, level=level)
        if stream is None:
            continue
        if not is_averaged_jpeg(stream):
            return _kind_in(stream, store, (column, row), level)
        first = first or stream
    return PLAIN if first is None else kind_of(first)


PLAIN = JpegKind(is_ycbcr=True, sampling=(0x11, 0x11, 0x11))
"""YCbCr with chroma at full resolution."""
