"""Making shards by decoding the slide and encoding its pixels anew, level by level."""

import logging
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from slidetile.choices import UnfitChoiceError
from slidetile.errors import DamagedPixelsError
from slidetile.format.codecs.codec import ChunkCodec
from slidetile.format.fit import check_holds
from slidetile.format.halving import Accumulator, CoarserShard
from slidetile.format.layout import MOST_CHUNKS, ChunkGrid, Shard, encoded_grid
from slidetile.format.pyramid import PyramidLevel, halved_levels
from slidetile.planning.plan import TilePlan
from slidetile.raster.pixels import Pixels, empty_pixels
from slidetile.raster.region import Region
from slidetile.slides.fetched import DecodedPixels, FetchedPixels
from slidetile.slides.level import Level
from slidetile.slides.replaced import Replaced
from slidetile.slides.slide import Slide
from slidetile.writing._lost import LostPixels
from slidetile.writing._work import (
    EncodedShard,
    IsKept,
    KeptShards,
    Owns,
    Task,
    halving_tasks,
    owned_level,
    owns_all,
)

_log = logging.getLogger(__name__)


_Halved = tuple[tuple[int, Shard], Pixels]
"""A (level, shard) and its pixels at the next coarser level."""


class _Fetched(NamedTuple):
    task: Task
    replaced: Replaced
    pixels: FetchedPixels | None = None
    payloads: dict[int, bytes] | None = None
    halved: Pixels | None = None


class Encoding:
    """A slide's pixels, encoded chunk by chunk, with their exact halvings as coarser levels.

    Every level is made of the slide's own pixels, not of what a lossy codec has made of them.

    Parameters
    ----------
    slide
        The slide to read.
    plan
        The tiles to store.
    codec
        How chunks are encoded.
    fill
        Value of pixels outside the plan.

    Raises
    ------
    ValueError
        The slide has more chunks than a store can have, or its channels or bits are more than the
        codec stores.
    """

    decodes = True
    slide_levels: tuple[int, ...] = ()

    def __init__(self, slide: Slide, plan: TilePlan, codec: ChunkCodec, fill: int) -> None:
        check_holds(codec, channels=slide.channels, bits=slide.bits, is_plain=slide.is_plain)
        self.codec = codec
        grid = encoded_grid(slide.levels[0].size, codec)
        if grid.chunk_count > MOST_CHUNKS:
            raise UnfitChoiceError(
                f"{slide.name} has {slide.width}×{slide.height} pixels, which take "
                f"{grid.chunk_count} chunks, more than the {MOST_CHUNKS} of a store: ask for a "
                "coarser resolution (--mpp)."
            )
        self.levels = halved_levels(grid, grid.chunks_for(plan.regions))
        self._slide = slide
        self._accumulator = Accumulator(
            self.levels,
            channels=slide.channels,
            fill=fill,
            planar=codec.is_planar,
            dtype=slide.dtype,
        )
        self._chunk_shape = grid.chunk_height, grid.chunk_width, slide.channels
        self._is_kept: IsKept = lambda _level, _shard: False
        self._is_aligned = _fits(slide.levels[0], grid)
        self._lost = LostPixels(slide)
        self._own = threading.local()
        self._outer: set[tuple[int, int, int]] = set()

    @property
    def unit_bytes(self) -> int:
        """The bytes of a shard's pixels."""
        grid = self.levels[0].grid
        pixel_bytes = self._slide.channels * self._slide.dtype.itemsize
        return pixel_bytes * grid.shard_height * grid.shard_width

    def tasks(
        self, is_kept: IsKept, owns: Owns = owns_all, kept: KeptShards | None = None, /
    ) -> list[Task]:
        """Return the shards of level 0 to make, and the finished ones that coarser shards need.

        Who owns a coarser shard must own all that it is made from.
        """
        levels = [owned_level(number, level, owns) for number, level in enumerate(self.levels)]
        if owns is not owns_all and not self.codec.is_lossless:
            self._outer = _without_coarser(levels)
            self._accumulator.note_quarters(self._note_halved)
        tasks = halving_tasks(
            levels,
            is_kept,
            read_back=self.codec.is_lossless,
            is_halved=lambda level, shard: self._halved(level, shard, kept) is not None,
        )
        self._is_kept = tasks.is_kept
        return tasks.in_order

    def expect(self, tasks: Sequence[Task]) -> None:
        """Announce tasks; see `Work.expect`."""
        read = (task for task in tasks if not (task.is_kept and self.codec.is_lossless))
        self._slide.expect([self._wanted_region(task.shards[0]) for task in read], level=0)

    def _halved(self, level: int, shard: Shard, kept: KeptShards | None) -> Pixels | None:
        """Return what a part has left of a shard, at the next coarser level; None for nothing."""
        pixels = self._accumulator.halved_pixels(level)
        found = kept is not None and kept.read_halved(level, shard, pixels)
        return pixels if found else None

    def _note_halved(self, level: int, shard: Shard, quarter: Pixels) -> None:
        if (level, shard.column, shard.row) in self._outer:
            self._own.halved = (level, shard), quarter

    def read(self, task: Task, kept: KeptShards | None = None, /) -> _Fetched:
        """Read the bytes of a shard's planned chunks, from the slide or the unfinished store.

        Of a finished shard, too, a lossy codec needs the pixels that the slide has.
        """
        (shard,), replaced = task.shards, Replaced()
        if task.is_kept and self.codec.is_lossless:
            assert kept is not None, "only a continued run has finished shards"
            return _Fetched(task, replaced, payloads=kept.read_shard(task.level, shard))
        if task.is_kept and (halved := self._halved(task.level, shard, kept)) is not None:
            return _Fetched(task, replaced, halved=halved)
        try:
            pixels = self._slide.fetch_noting(self._wanted_region(shard), replaced=replaced)
        except DamagedPixelsError:  # perhaps only in part: `encode` reads chunk by chunk
            pixels = None
        return _Fetched(task, replaced, pixels)

    def encode(self, fetched: _Fetched) -> Iterator[EncodedShard]:
        """Encode a shard, and every coarser shard that it completes."""
        level, (shard,), is_kept = fetched.task
        made = _EncodedShards(self.codec)
        self._own.halved = None

        def take(coarser: CoarserShard) -> Iterator[tuple[int, Pixels]]:
            chunks = coarser.chunks(self._own_chunk())
            is_finished = self._is_kept(coarser.level, coarser.shard)
            return chunks if is_finished else made.encode(coarser.level, coarser.shard, chunks)

        if fetched.halved is not None:
            self._accumulator.add_halved(level, shard, fetched.halved, take)
        else:
            chunks = self._chunks(shard, fetched)
            if is_kept:
                halved = _readable(chunks)
            else:
                halved = made.encode(level, shard, chunks, replaced=fetched.replaced)
            self._accumulator.add(level, shard, halved, take)
        yield from made.with_halved(self._own.halved)

    def _chunks(self, shard: Shard, fetched: _Fetched) -> Iterator[tuple[int, Pixels | str]]:
        if fetched.payloads is not None:
            return self._decoded_chunks(fetched.payloads)
        return self._read_chunks(shard, fetched)

    def stored_bytes(self) -> None:
        """Return None: the size of the chunks is not known before they are encoded."""

    def tell(self) -> None:
        """Warn of the good pixels that were left out beside damaged ones."""
        self._lost.tell(self.codec.name)

    def _decoded_chunks(self, payloads: dict[int, bytes]) -> Iterator[tuple[int, Pixels | str]]:
        """Yield the (place, pixels) of each chunk of a shard that an earlier run has stored."""
        for place, payload in payloads.items():
            chunk = self._own_chunk()
            chunk[:] = self.codec.decode(payload, chunk.shape, None, chunk.dtype)
            yield place, chunk

    def _read_chunks(self, shard: Shard, fetched: _Fetched) -> Iterator[tuple[int, Pixels | str]]:
        """Yield the (place, pixels) of a shard's planned chunks, or what is wrong with them."""
        grid, wanted = self.levels[0].grid, self._wanted_region(shard)
        source = fetched.pixels if self._is_aligned else _decoded(fetched.pixels)
        for place in shard.chunks:
            region, chunk = grid.chunk_region(*grid.chunk_cell(shard, place)), self._own_chunk()
            try:
                if source is None:
                    part = self._slide.fetch_noting(region, replaced=fetched.replaced)
                else:
                    part = source.crop(region.relative_to(wanted))
                part.pixels(out=chunk)
            except DamagedPixelsError as error:
                _log.info("%s", error)  # counted by reason, and told once at the end
                self._lost.add(region)
                yield place, error.reason
            else:
                yield place, chunk

    def _own_chunk(self) -> Pixels:
        """Return this thread's memory for a chunk's pixels, reused for every chunk.

        Memory that is new from the system costs a page fault for every 4 KiB, and together these
        take longer than filling it.
        """
        chunk: Pixels | None = getattr(self._own, "chunk", None)
        if chunk is None:
            self._own.chunk = chunk = empty_pixels(
                self._chunk_shape, planar=self.codec.is_planar, dtype=self._slide.dtype
            )
        return chunk

    def _wanted_region(self, shard: Shard) -> Region:
        """Return the smallest region that contains all planned chunks of a shard."""
        grid = self.levels[0].grid
        chunks = [grid.chunk_region(*grid.chunk_cell(shard, place)) for place in shard.chunks]
        return Region.from_edges(
            min(chunk.x for chunk in chunks),
            min(chunk.y for chunk in chunks),
            max(chunk.right for chunk in chunks),
            max(chunk.bottom for chunk in chunks),
        )


class _EncodedShards:
    """The shards that a task has made so far; their chunks were encoded one by one."""

    def __init__(self, codec: ChunkCodec) -> None:
        self.shards: list[EncodedShard] = []
        self._codec = codec

    def encode(
        self,
        level: int,
        shard: Shard,
        chunks: Iterable[tuple[int, Pixels | str]],
        *,
        replaced: Replaced | None = None,
    ) -> Iterator[tuple[int, Pixels]]:
        """Encode a shard's chunks, and yield each that could be read.

        Text instead of pixels is the reason why they could not be read. ``replaced`` fills while
        the chunks are read.
        """
        payloads: dict[int, bytes] = {}
        unreadable: dict[int, str] = {}
        for place, chunk in chunks:
            if isinstance(chunk, str):
                unreadable[place] = chunk
                continue
            payloads[place] = self._codec.encode(chunk)
            yield place, chunk
        blocks = {} if replaced is None else replaced.blocks
        self.shards.append(EncodedShard(level, shard, payloads, unreadable, blocks))

    def with_halved(self, halved: _Halved | None) -> list[EncodedShard]:
        """Return the shards, one of them with its halved pixels, if there are any."""
        if halved is None:
            return self.shards
        of, pixels = halved
        return [
            shard._replace(halved=pixels) if (shard.level, shard.shard) == of else shard
            for shard in self.shards
        ]


def _without_coarser(levels: Sequence[PyramidLevel]) -> set[tuple[int, int, int]]:
    """Return the shards, as (level, column, row), of which the coarser one is not among these."""
    cells = {(n, s.column, s.row) for n, level in enumerate(levels) for s in level.shards}
    return {(n, x, y) for n, x, y in cells if (n + 1, x // 2, y // 2) not in cells}


def _readable(chunks: Iterable[tuple[int, Pixels | str]]) -> Iterator[tuple[int, Pixels]]:
    for place, chunk in chunks:
        if not isinstance(chunk, str):
            yield place, chunk


def _decoded(fetched: FetchedPixels | None) -> FetchedPixels | None:
    """Return a region decoded as a whole; None if part of it is damaged.

    This is for native tiles that are cut by chunks: otherwise each would be decoded again for every
    chunk that it overlaps.
    """
    try:
        return None if fetched is None else DecodedPixels(fetched.pixels())
    except DamagedPixelsError:
        return None  # reading chunk by chunk shows which part


def _fits(level: Level, grid: ChunkGrid) -> bool:
    """Return whether chunks consist of whole native tiles of a level; False if it has none."""
    width, height = level.tile_width_px, level.tile_height_px
    if width is None or height is None:
        return False
    return grid.chunk_width % width == 0 and grid.chunk_height % height == 0
