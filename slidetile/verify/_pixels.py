"""Every chunk of a store decoded; compared with the slide, and with the level it halves."""

import functools
import itertools
import operator
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from slidetile.errors import SlideReadError, StoreError
from slidetile.format.codecs.jpeg import JpegCodec
from slidetile.format.codecs.native import NativeCodec
from slidetile.format.halving import Accumulator, CoarserShard
from slidetile.format.layout import ChunkGrid, Shard, morton_key
from slidetile.format.pyramid import halved_levels
from slidetile.raster.pixels import Pixels
from slidetile.raster.region import Region
from slidetile.runtime.threads import map_in_order
from slidetile.slides.slide import Slide
from slidetile.verify._shape import StoreShape
from slidetile.verify._shards import StoredChunks, shard_chunks, shard_name
from slidetile.verify._tree import StoreTree
from slidetile.verify.finding import Finding

JPEG_TOLERANCE = 16
"""Most by which a `jpeg` chunk may differ from the slide's pixels encoded again, of 255. The same
libjpeg gives the same pixels; another one rounds differently."""

Place = tuple[int, int, int]
"""(level, row, column) of a shard, by which findings are sorted."""


class PixelCheck:
    """The chunks of a store as pixels, a few shards in memory at a time.

    Parameters
    ----------
    tree
        The store's files.
    shape
        The store's metadata.
    workers
        Threads that decode.
    """

    def __init__(self, tree: StoreTree, shape: StoreShape, *, workers: int = 1) -> None:
        self._tree = tree
        self._shape = shape
        self._workers = workers
        self._edges: NDArray[np.int64] | None = None

    def compare_within(self, regions: Iterable[Region]) -> None:
        """Compare only the pixels in these regions with a slide.

        A store that was made of another one has the tiles' pixels, and beside them what that had.
        """
        edges = [(r.x, r.y, r.right, r.bottom) for r in regions]
        self._edges = np.array(edges, np.int64).reshape(-1, 4)

    def decode(self, stored: StoredChunks, slide: Slide | None, *, deep: bool) -> Iterator[Finding]:
        """Decode chunks, and compare those that are the slide's own pixels with the slide.

        Without ``deep``, only chunks that can be compared are decoded.
        """
        for level, grid in enumerate(self._shape.grids):
            of_slide = None if slide is None else self._level_of(slide, level)
            if slide is not None and of_slide is None and self._shape.has_own_levels:
                yield Finding(f"{level}/zarr.json", "the slide has no level of this size")
            if of_slide is None and not deep:
                continue
            at = None if slide is None or of_slide is None else (slide, of_slide)
            shards = sorted(grid.shards_for(stored.by_level[level]), key=morton_key)
            decode = functools.partial(self._decode_shard, level, at=at)
            for findings in map_in_order(decode, shards, workers=self._workers):
                yield from findings

    def halvings(self, regions: Iterable[Region]) -> Iterator[Finding]:
        """Halve each level of a sound, lossless store, and compare the result with the next level.

        ``regions`` are those of the tiles, in level-0 pixels. The thread that completes a coarser
        shard compares it, so the findings are sorted at the end.
        """
        grid = self._shape.grids[0]
        levels = halved_levels(grid, grid.chunks_for(regions))
        accumulator = Accumulator(
            levels,
            channels=self._shape.channels,
            fill=self._shape.fill,
            planar=True,
            dtype=self._shape.metadata.dtype,
        )
        shards = sorted(levels[0].shards, key=morton_key)
        halve = functools.partial(self._halve, accumulator)
        found = map_in_order(halve, shards, workers=self._workers)
        in_order = sorted(itertools.chain.from_iterable(found), key=operator.itemgetter(0))
        yield from (finding for _, finding in in_order)

    def _halve(self, accumulator: Accumulator, shard: Shard) -> list[tuple[Place, Finding]]:
        """Halve a shard of level 0, and compare every coarser one that it completes."""
        found: list[tuple[Place, Finding]] = []
        compare = functools.partial(self._compare_halved, found)
        accumulator.add(0, shard, self._stored_pixels(0, shard), compare)
        return found

    def _decode_shard(
        self, level: int, shard: Shard, *, at: tuple[Slide, int] | None
    ) -> list[Finding]:
        """Decode a shard's chunks, and compare them with those of a slide and a level of it."""
        name = shard_name(level, shard)
        try:
            chunks = shard_chunks(self._tree, self._shape, level, shard)
        except StoreError:
            return []  # reported when its bytes were checked
        found = []
        for place, stored in chunks.items():
            try:
                payload = self._shape.codec.unseal(stored)
                pixels = self._pixels(level, stored)
            except ValueError as error:
                found.append(Finding(name, f"chunk {place} is damaged: {error}"))
                continue
            if at is not None:
                grid = self._shape.grids[level]
                region = grid.chunk_region(*grid.chunk_cell(shard, place))
                codec = self._shape.codec
                made_anew = isinstance(codec, NativeCodec) and codec.is_averaged(payload)
                what = self._difference(grid, region, pixels, at, made_anew=made_anew)
                if what is not None:
                    found.append(Finding(name, f"chunk {place}: {what}"))
        return found

    def _difference(
        self,
        grid: ChunkGrid,
        region: Region,
        pixels: Pixels,
        at: tuple[Slide, int],
        *,
        made_anew: bool,
    ) -> str | None:
        """Return how a chunk differs from the slide; pixels outside the array do not count.

        A chunk of a coarser level that was ``made_anew`` is encoded from the finer level.
        """
        frame = Region(x=0, y=0, width=grid.width, height=grid.height)
        part = region.intersection(frame)
        if part is None:
            return None
        codec = self._shape.codec
        try:
            expected = self._expected(region, part, at)
            if made_anew and isinstance(codec, NativeCodec):
                beyond = (0, region.height - part.height), (0, region.width - part.width), (0, 0)
                averaged = codec.encode_averaged(np.pad(expected, beyond, mode="edge"))
                expected = codec.decode(averaged, pixels.shape)
                expected = expected[part.relative_to(region).slices]
        except SlideReadError as error:
            return f"the slide could not be read there: {error}"
        found = pixels[part.relative_to(region).slices]
        if np.array_equal(found, expected):  # nearly always, and ten times faster
            return None
        is_encoded = made_anew or isinstance(codec, JpegCodec)
        most = JPEG_TOLERANCE if is_encoded else 0
        apart = np.abs(found.astype(np.int32) - expected).max(axis=2) > most
        apart &= self._compared(part)
        if not apart.any():
            return None
        y, x = np.argwhere(apart)[0].tolist()
        return (
            f"{np.count_nonzero(apart)} of its pixels are not the slide's, the first at "
            f"x {part.x + x}, y {part.y + y} of this level"
        )

    def _compared(self, part: Region) -> NDArray[np.bool_]:
        """Return which pixels of a part of level 0 are compared, as bool [row, column]."""
        edges = self._edges
        if edges is None:
            return np.ones((part.height, part.width), np.bool_)
        compared = np.zeros((part.height, part.width), np.bool_)
        left, top, right, bottom = edges.T
        meets = (left < part.right) & (right > part.x) & (top < part.bottom) & (bottom > part.y)
        for x, y, end, below in (edges[meets] - [part.x, part.y] * 2).tolist():
            compared[max(0, y) : max(0, below), max(0, x) : max(0, end)] = True
        return compared

    def _expected(self, region: Region, part: Region, at: tuple[Slide, int]) -> Pixels:
        """Return what the store should hold of the part of a chunk inside the array."""
        (slide, level), codec = at, self._shape.codec
        if not isinstance(codec, JpegCodec):
            if level:  # one that was made anew shows the background where level 0 is damaged
                return slide.fetch_shown(part, level=level).pixels()
            return slide.read_block(part, level=level)
        original = slide.read_region(region, level=level)  # whole: what lies outside is encoded too
        payload = codec.encode(original)
        return codec.decode(payload, original.shape)[part.relative_to(region).slices]

    def _compare_halved(
        self, found: list[tuple[Place, Finding]], coarser: CoarserShard
    ) -> Iterator[tuple[int, Pixels]]:
        """Yield the stored chunks of a coarser shard; those that differ become findings."""
        level, shard, grid = coarser.level, coarser.shard, coarser.grid
        frame = Region(x=0, y=0, width=grid.width, height=grid.height)
        for place, pixels in self._stored_pixels(level, shard):
            halved = coarser.pixels(grid.chunk_within_shard(place), np.empty_like(pixels))
            cell = grid.chunk_region(*grid.chunk_cell(shard, place))
            part = cell.intersection(frame)
            assert part is not None, "a wanted chunk meets its array"
            inside = part.relative_to(cell).slices
            if not np.array_equal(pixels[inside], halved[inside]):
                what = f"chunk {place} is not the halving of level {level - 1}"
                finding = Finding(shard_name(level, shard), what)
                found.append(((level, shard.row, shard.column), finding))
            yield place, pixels

    def _stored_pixels(self, level: int, shard: Shard) -> Iterator[tuple[int, Pixels]]:
        """Yield (place, pixels) of each chunk of a shard, as planes that may be changed.

        Raises
        ------
        StoreError
            It is damaged.
        """
        name = shard_name(level, shard)
        if name not in self._tree:
            return
        for place, stored in shard_chunks(self._tree, self._shape, level, shard).items():
            try:
                pixels = self._pixels(level, stored)
            except ValueError as error:
                raise StoreError(f"{name}: chunk {place} is damaged: {error}") from error
            yield place, np.array(pixels.transpose(2, 0, 1), order="C").transpose(1, 2, 0)

    def _pixels(self, level: int, stored: bytes) -> Pixels:
        grid, codec = self._shape.grids[level], self._shape.codec
        shape = grid.chunk_height, grid.chunk_width, self._shape.channels
        return codec.decode(codec.unseal(stored), shape, None, self._shape.metadata.dtype)

    def _level_of(self, slide: Slide, level: int) -> int | None:
        """Return the slide's level whose pixels a level of the store holds, or None."""
        if not self._shape.has_own_levels:
            return 0 if level == 0 else None
        sizes = [known.size for known in slide.levels]
        size = self._shape.grids[level].size
        return sizes.index(size) if size in sizes else None
