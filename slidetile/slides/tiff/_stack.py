"""A level whose channels are images of their own, read and decoded one after another."""

from collections.abc import Sequence
from dataclasses import dataclass

from slidetile.raster.pixels import Pixels, empty_pixels
from slidetile.raster.region import Region
from slidetile.slides.tiff._blocks import BlockGrid
from slidetile.slides.tiff._pixels import TiffPixels

Stack = tuple[BlockGrid, ...]
"""The images of a level's channels; one image where it holds all of them."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StackedPixels:
    """A region of several images; see `slidetile.slides.fetched.FetchedPixels`."""

    parts: tuple[TiffPixels, ...]
    """The region of each image, of one channel each."""

    @property
    def nbytes(self) -> int:
        """The bytes held until `pixels` is called."""
        return sum(part.nbytes for part in self.parts)

    def crop(self, part: Region) -> "StackedPixels":
        """Return a part with the blocks it needs."""
        return StackedPixels(parts=tuple(each.crop(part) for each in self.parts))

    def pixels(self, out: Pixels | None = None) -> Pixels:
        """Decode and return the region.

        Raises
        ------
        DamagedPixelsError
            A block of one channel does not decode.
        """
        first = self.parts[0]
        shape = first.region.height, first.region.width, len(self.parts)
        canvas = out
        if canvas is None:
            canvas = empty_pixels(shape, planar=True, dtype=first.grid.encoding.dtype)
        for number, part in enumerate(self.parts):
            part.pixels(out=canvas[..., number : number + 1])
        return canvas


def stacked(grid: BlockGrid) -> Stack:
    """Return the stack of one image: an image for each channel where each has its own blocks.

    Those of 8-bit colour are left together, since alpha applies to all of them.
    """
    encoding = grid.encoding
    if grid.planes == 1 or (encoding.is_colour and encoding.bits == 8):
        return (grid,)
    return grid.by_plane()


def channel_count(stack: Stack) -> int:
    """Return the channels of a stack."""
    return sum(grid.encoding.channels for grid in stack)


def fit_together(stack: Sequence[BlockGrid]) -> bool:
    """Return whether images have the same size, blocks and samples."""
    first = stack[0]
    return all(
        (grid.size, grid.block_width, grid.block_height, grid.is_tiled, grid.encoding.bits)
        == (first.size, first.block_width, first.block_height, first.is_tiled, first.encoding.bits)
        for grid in stack
    )
