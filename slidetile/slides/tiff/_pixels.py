"""A region of a TIFF whose blocks are in memory, and their decoding."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from slidetile.errors import DamagedPixelsError, one_line
from slidetile.raster.pixels import Colour, Pixels, fill_colour, paste
from slidetile.raster.region import Region
from slidetile.slides._background import composite
from slidetile.slides.blocks import reason_of, stored_bytes
from slidetile.slides.cut_tiles import CutTiles
from slidetile.slides.native import Damaged
from slidetile.slides.slide_file import Extent, SlideFile, held_bytes
from slidetile.slides.tiff._blocks import Block, BlockGrid


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TiffPixels:
    """The stored bytes of a region's blocks."""

    name: str
    """The file and the level, for messages."""

    grid: BlockGrid
    """The level's blocks."""

    region: Region
    """In pixels of the level."""

    blocks: list[Block]
    """The blocks that are stored."""

    extents: list[Extent]
    """The bytes of each."""

    is_covered: bool
    """Whether the blocks cover the region wholly."""

    background: Colour
    """The colour where nothing is stored, outside the level, and behind transparent pixels."""

    bits: int = 8
    """Bits of a sample that are used."""

    image: int = 0
    """Its number among the slide's images, by which `cut` knows its tiles."""

    cut: CutTiles | None = None
    """Decoded tiles that other regions have cut."""

    @property
    def nbytes(self) -> int:
        """The bytes held until `pixels` is called."""
        return held_bytes(self.extents)

    def crop(self, part: Region) -> "TiffPixels":
        """Return a part with the blocks it needs; see `slidetile.slides.fetched.FetchedPixels`."""
        own = Region(
            x=self.region.x + part.x, y=self.region.y + part.y, width=part.width, height=part.height
        )
        kept = [i for i, block in enumerate(self.blocks) if self.grid.meets(block, own)]
        return replace(
            self,
            region=own,
            blocks=[self.blocks[i] for i in kept],
            extents=[self.extents[i] for i in kept],
        )

    def pixels(self, out: Pixels | None = None) -> Pixels:
        """Decode and return the region; see `slidetile.slides.fetched.FetchedPixels`.

        Raises
        ------
        DamagedPixelsError
            A block does not decode.
        """
        grid, region = self.grid, self.region
        shape = region.height, region.width, grid.encoding.channels
        canvas = np.empty(shape, grid.encoding.dtype) if out is None else out
        if not self.is_covered:
            fill_colour(canvas, self.background, self.bits)
        shape = grid.block_height, grid.block_width, grid.block_samples
        scratch = np.empty(shape, grid.encoding.dtype)
        if grid.planes > 1:
            self._paste_planes(canvas, scratch)
            return canvas
        for block, extent in zip(self.blocks, self.extents, strict=True):
            paste(canvas, self._shown(block, extent, scratch), *grid.corner(block, region))
        return canvas

    def _shown(self, block: Block, extent: Extent, scratch: Pixels) -> Pixels:
        """Return a block's pixels, those of a tile that the region cuts from other regions'."""
        cut = self.cut if self.grid.is_tiled and not self.grid.encoding.has_alpha else None
        if cut is None or self.region.contains(self.grid.region(block)):
            return self._finish(self._decode(block, extent, scratch))
        pixels = cut.get(self.image, block.index)
        if pixels is None:
            pixels = self._finish(self._decode(block, extent, np.empty_like(scratch)))
            cut.put(self.image, block.index, pixels)
        return pixels

    def _paste_planes(self, canvas: Pixels, scratch: Pixels) -> None:
        """Paste all planes first, since alpha, the last of them, applies to the others."""
        grid = self.grid
        inside = grid.bounds.intersection(self.region)
        if inside is None or not self.blocks:
            return
        planes = np.empty((inside.height, inside.width, grid.planes), np.uint8)
        planes[:] = (*self.background, 255)[: grid.planes]
        for block, extent in zip(self.blocks, self.extents, strict=True):
            plane = planes[..., block.plane : block.plane + 1]
            pixels = self._decode(block, extent, scratch)
            paste(plane, pixels, *grid.corner(block, inside))
        corner = inside.relative_to(self.region)
        paste(canvas, self._finish(planes), corner.x, corner.y)

    def _decode(self, block: Block, extent: Extent, scratch: Pixels) -> Pixels:
        """Decode a block, and cut it at the image's edges."""
        grid = self.grid
        cut = grid.size_inside(block)
        whole = grid.block_height, grid.block_width
        # The last strip is usually stored cut, an edge tile usually whole; both occur.
        sizes = [whole, cut] if grid.is_tiled else [cut, whole]
        if grid.is_tiled and grid.encoding.is_uncompressed:
            cut_bytes = cut[0] * cut[1] * grid.block_samples * scratch.itemsize
            is_cut = extent[2] - extent[1] == cut_bytes
            sizes = [cut if is_cut else whole]  # fewer bytes of a whole tile are not a cut one
        failures = []
        for height, width in dict.fromkeys(sizes):
            count = height * width * grid.block_samples
            out = scratch.reshape(-1)[:count].reshape(height, width, grid.block_samples)
            try:
                grid.decode(extent, out)
            except MemoryError:
                raise  # the block may be sound
            except Exception as error:  # noqa: BLE001 - whatever a decoder raises on damaged data
                failures.append(error)
            else:
                return out[: cut[0], : cut[1]]
        raise self._damaged(block, failures[0]) from failures[0]

    def _damaged(self, block: Block, error: Exception) -> DamagedPixelsError:
        label = _label(self.grid, block)
        damaged = DamagedPixelsError(f"{label} of {self.name} does not decode: {one_line(error)}.")
        damaged.reason = reason_of(error)
        return damaged

    def _finish(self, pixels: Pixels) -> Pixels:
        """Convert stored samples to channels, grey or RGB."""
        encoding = self.grid.encoding
        if encoding.is_inverted:
            np.invert(pixels, out=pixels)
        if encoding.is_colour and encoding.samples == 4:
            pixels = self._opaque(pixels)
        return pixels if encoding.picked is None else pixels[..., list(encoding.picked)]

    def _opaque(self, pixels: Pixels) -> Pixels:
        """Return the colours of four samples, laid over the background if the last is alpha."""
        encoding = self.grid.encoding
        colours, alpha = pixels[..., :3], pixels[..., 3:]
        if not encoding.has_alpha:
            return colours
        return composite(colours, alpha, self.background, premultiplied=encoding.premultiplied)


def fetch_region(
    file: SlideFile,
    grid: BlockGrid,
    region: Region,
    *,
    name: str,
    background: Colour,
    bits: int = 8,
    image: int = 0,
    cut: CutTiles | None = None,
) -> TiffPixels:
    """Read the blocks that a region, in pixels of the level, needs.

    Raises
    ------
    SlideReadError
        The file could not be read.
    DamagedPixelsError
        A block lies behind the end that the file had when it was opened.
    """
    blocks = list(grid.blocks(region))
    stored = [block for block in blocks if grid.counts[block.index]]
    whole = TiffPixels(
        name=name,
        grid=grid,
        region=region,
        blocks=stored,
        extents=[],
        is_covered=len(stored) == len(blocks) and grid.bounds.contains(region),
        background=background,
        bits=bits,
        image=image,
        cut=cut,
    )
    where = np.array([block.index for block in stored], np.int64)
    for number, lost in grid.lost(where, file.size).items():
        raise _unread(whole, stored[number], lost, of=f" of a file of {file.size} bytes")
    inside = grid.bounds.intersection(region)
    if inside is None or grid.is_tiled or not grid.encoding.is_raw or inside.width == grid.width:
        return replace(whole, extents=list(_sound(whole, grid.read(file, where))))
    return _columns(file, whole, inside, where)


def _sound(whole: TiffPixels, extents: Sequence[Extent | Damaged]) -> Iterator[Extent]:
    """Yield the bytes of blocks, none of which may be damaged."""
    for block, extent in zip(whole.blocks, extents, strict=True):
        if isinstance(extent, Damaged):
            raise _unread(whole, block, extent)
        yield extent


def _unread(whole: TiffPixels, block: Block, lost: Damaged, *, of: str = "") -> DamagedPixelsError:
    grid = whole.grid
    damaged = DamagedPixelsError(
        f"{_label(grid, block)} of {whole.name} cannot be read ({lost.reason}): it claims "
        f"{grid.counts[block.index]} bytes from byte {grid.offsets[block.index]}{of}."
    )
    damaged.reason = lost.reason
    return damaged


def _columns(
    file: SlideFile, whole: TiffPixels, inside: Region, where: NDArray[np.int64]
) -> TiffPixels:
    """Read no more of uncompressed strips, which are as wide as the slide, than the region."""
    grid = whole.grid
    pixel_bytes = grid.block_samples * grid.encoding.dtype.itemsize
    row_bytes, kept_bytes = grid.width * pixel_bytes, inside.width * pixel_bytes
    offsets, counts = grid.offsets[where].tolist(), grid.counts[where].tolist()
    extents: list[Extent] = []
    for block, offset, count in zip(whole.blocks, offsets, counts, strict=True):
        rows = grid.size_inside(block)[0]
        if count < rows * row_bytes:
            damaged = DamagedPixelsError(
                f"{_label(grid, block)} of {whole.name} does not decode: it holds {count} "
                f"bytes instead of {rows * row_bytes}."
            )
            damaged.reason = "too few bytes"
            raise damaged
        first = offset + inside.x * pixel_bytes
        starts = range(first, first + rows * row_bytes, row_bytes)
        # Rows far longer than what is kept of them are read one by one, others many at once.
        part = b"".join(map(stored_bytes, file.read_extents(starts, [kept_bytes] * rows)))
        extents.append((part, 0, len(part)))
    narrow = replace(grid, width=inside.width, block_width=inside.width)
    region = replace(whole.region, x=whole.region.x - inside.x)
    return replace(whole, grid=narrow, region=region, extents=extents)


def _label(grid: BlockGrid, block: Block) -> str:
    kind = "Tile" if grid.is_tiled else "Strip"
    return f"{kind} column {block.column}, row {block.row}"
