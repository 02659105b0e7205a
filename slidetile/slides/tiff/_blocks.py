"""Where the blocks (tiles or strips) of one TIFF directory lie in the image and in the file."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from slidetile.errors import SlideReadError
from slidetile.raster.region import Region
from slidetile.slides.blocks import Decode
from slidetile.slides.limits import check_block, check_size
from slidetile.slides.native import Damaged
from slidetile.slides.slide_file import Extent, Places, SlideFile
from slidetile.slides.tiff._encoding import BLACK_IS_ZERO, Encoding

_BEYOND = Damaged("beyond the end of the file")
_TOO_LONG = Damaged("too many bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One block of a block grid, which a region needs."""

    column: int
    """Its column, from the left."""

    row: int
    """Its row, from the top."""

    plane: int
    """The sample that it holds, if every sample has its own blocks; otherwise 0."""

    index: int
    """Its place in the file's tables."""


@dataclass(frozen=True, kw_only=True, eq=False)
class BlockGrid:
    """The blocks of one image in a TIFF file.

    Raises
    ------
    SlideReadError
        The directory is damaged: sizes and tables contradict each other.
    FinalRefusalError
        The image or its blocks are larger than anything a scanner writes.
    """

    width: int
    """Columns of the image, pixels."""

    height: int
    """Rows of the image, pixels."""

    block_width: int
    """Columns of every block; those at the right edge may be stored narrower."""

    block_height: int
    """Rows of every block; those at the bottom edge may be stored lower."""

    is_tiled: bool
    """Whether the blocks are tiles and not strips."""

    offsets: NDArray[np.uint64]
    """Where each block begins in the file, row by row, plane by plane."""

    counts: NDArray[np.uint64]
    """Bytes of each block in the file; 0 where none is stored."""

    encoding: Encoding
    """How the blocks are stored."""

    @property
    def is_joined(self) -> bool:
        """Whether each block is made of several ranges of the file."""
        return False

    def __post_init__(self) -> None:
        if min(self.width, self.height, self.block_width, self.block_height) < 1:
            raise SlideReadError("an image or a tile in it has no pixels")
        check_size(self.width, self.height)
        if not len(self.offsets) == len(self.counts) == self.columns * self.rows * self.planes:
            raise SlideReadError(
                f"an image of {self.width}×{self.height} pixels in it needs "
                f"{self.columns * self.rows * self.planes} tiles or strips, but the file lists "
                f"{len(self.offsets)} of them"
            )
        kind = "tiles" if self.is_tiled else "strips"
        sample_bytes = self.encoding.dtype.itemsize
        check_block(self.block_width, self.block_height, self.block_samples * sample_bytes, kind)

    @property
    def columns(self) -> int:
        """Blocks in a row."""
        return -(-self.width // self.block_width)

    @property
    def rows(self) -> int:
        """Blocks in a column."""
        return -(-self.height // self.block_height)

    @property
    def planes(self) -> int:
        """1, or the number of samples if every sample has its own blocks."""
        return self.encoding.samples if self.encoding.planar else 1

    @property
    def block_samples(self) -> int:
        """Samples of each pixel in a block."""
        return 1 if self.encoding.planar else self.encoding.samples

    @property
    def block_bytes(self) -> int:
        """Bytes of a decoded block."""
        samples = self.block_width * self.block_height * self.block_samples
        return samples * self.encoding.dtype.itemsize

    @property
    def stored_limit(self) -> int:
        """Most stored bytes of a block; a block that claims more is damaged."""
        return 4 * self.block_bytes + (1 << 16)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the image."""
        return self.width, self.height

    @property
    def bounds(self) -> Region:
        """The whole image."""
        return Region(x=0, y=0, width=self.width, height=self.height)

    @cached_property
    def decode(self) -> Decode:
        """The function that decodes one block."""
        return self.encoding.decoder()

    def cropped(self, width: int, height: int) -> "BlockGrid":
        """Return the upper left part of the image, with the blocks that it needs."""
        across, down = -(-width // self.block_width), -(-height // self.block_height)
        shape = self.planes, self.rows, self.columns
        offsets, counts = (
            table.reshape(shape)[:, :down, :across].reshape(-1)
            for table in (self.offsets, self.counts)
        )
        return replace(self, width=width, height=height, offsets=offsets, counts=counts)

    def by_plane(self) -> "tuple[BlockGrid, ...]":
        """Return an image of one sample for each of those that have blocks of their own."""
        shape = self.planes, -1
        plain = replace(self.encoding, samples=1, planar=False)
        if plain.is_colour:
            plain = replace(plain, photometric=BLACK_IS_ZERO)
        tables = zip(self.offsets.reshape(shape), self.counts.reshape(shape), strict=True)
        return tuple(
            replace(self, offsets=offsets, counts=counts, encoding=plain)
            for offsets, counts in tables
        )

    def lost(self, blocks: NDArray[np.int64], file_bytes: int) -> dict[int, Damaged]:
        """Return which of the blocks cannot be read, by what the file's tables say of them.

        Parameters
        ----------
        blocks
            Their places in the file's tables.
        file_bytes
            Size of the file.

        Returns
        -------
        dict
            What is wrong, by the number of the block in ``blocks``.
        """
        counts, offsets = self.counts[blocks], self.offsets[blocks]
        is_long = counts > self.stored_limit
        is_beyond = counts > file_bytes - np.minimum(offsets, file_bytes)
        return {
            number: _TOO_LONG if is_long[number] else _BEYOND
            for number in np.flatnonzero(is_long | is_beyond).tolist()
        }

    def read(self, file: SlideFile, blocks: NDArray[np.int64]) -> Sequence[Extent | Damaged]:
        """Read the bytes of blocks, all of them stored and none of them `lost`.

        Raises
        ------
        SlideReadError
            The file could not be read, or ended too early.
        """
        return file.read_extents(self.offsets[blocks].tolist(), self.counts[blocks].tolist())

    def places(self, file: SlideFile, blocks: NDArray[np.int64]) -> Places:
        """Return what of a file `read` would read of blocks, if it has them."""
        counts = self.counts[blocks]
        counts[list(self.lost(blocks, file.size))] = 0
        return Places(file, self.offsets[blocks].tolist(), counts.tolist())

    def blocks(self, region: Region) -> Iterator[Block]:
        """Yield the blocks that a region of the image touches."""
        if (inside := self.bounds.intersection(region)) is None:
            return
        area = self.columns * self.rows
        met = inside.rescaled((self.block_width, self.block_height), (1, 1))
        for plane in range(self.planes):
            for row in range(met.y, met.bottom):
                first = plane * area + row * self.columns
                for column in range(met.x, met.right):
                    yield Block(column=column, row=row, plane=plane, index=first + column)

    def corner(self, block: Block, region: Region) -> tuple[int, int]:
        """Return the (x, y) of a block's corner, relative to the corner of ``region``."""
        return block.column * self.block_width - region.x, block.row * self.block_height - region.y

    def size_inside(self, block: Block) -> tuple[int, int]:
        """Return the (rows, columns) of a block without its padding at the image's edges."""
        rows = min(self.block_height, self.height - block.row * self.block_height)
        return rows, min(self.block_width, self.width - block.column * self.block_width)

    def region(self, block: Block) -> Region:
        """Return the pixels of a block without its padding at the image's edges."""
        rows, columns = self.size_inside(block)
        x, y = block.column * self.block_width, block.row * self.block_height
        return Region(x=x, y=y, width=columns, height=rows)

    @cached_property
    def is_whole(self) -> bool:
        """Whether the file stores every block."""
        return bool(self.counts.all())

    def stores_some(self, region: Region) -> bool:
        """Return whether the file stores any block that a region of the image touches."""
        if (inside := self.bounds.intersection(region)) is None:
            return False
        rows, columns = inside.rescaled((self.block_width, self.block_height), (1, 1)).slices
        counts = self.counts.reshape(self.planes, self.rows, self.columns)
        return bool(counts[:, rows, columns].any())

    def meets(self, block: Block, region: Region) -> bool:
        """Return whether a block has pixels in a region."""
        x, y = self.corner(block, region)
        rows, columns = self.size_inside(block)
        return x < region.width and y < region.height and x + columns > 0 and y + rows > 0
