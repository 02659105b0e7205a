"""Making shards by copying the slide's compressed tiles; only damaged coarse ones are made anew."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from slidetile.choices import QUICK_STREAMS, NativeStream
from slidetile.errors import DamagedPixelsError, NotNativeError
from slidetile.format.codecs.codec import ChunkCodec
from slidetile.format.codecs.native import NativeCodec
from slidetile.format.layout import COPIED_SHARD_PX, MOST_CHUNKS, ChunkGrid, Shard
from slidetile.format.pyramid import PyramidLevel
from slidetile.format.shard import LARGEST_SHARD_BYTES, index_bytes
from slidetile.planning.plan import TilePlan
from slidetile.raster.pixels import Pixels
from slidetile.raster.region import Region
from slidetile.raster.resolution import mean_downsample
from slidetile.slides.native import Damaged, FetchedTiles, NativeTiles, PlacedTiles, checked
from slidetile.slides.slide import Slide
from slidetile.slides.slide_file import Places, expect_all
from slidetile.store.referred_level import needed_chunks
from slidetile.writing._work import EncodedShard, IsKept, KeptShards, Owns, Task, owns_all

TASK_BYTES = 1 << 21
"""Bytes copied at a time, roughly; more only where a single shard has more."""


class _Fetched(NamedTuple):
    task: Task
    tiles: FetchedTiles


class Copying:
    """A slide's native levels, copied to become a store's levels.

    Parameters
    ----------
    slide
        The slide to copy from.
    plan
        The tiles to store. Of each coarser level, the native tiles that cover them are copied.
    codec
        How tiles are checked.

    Raises
    ------
    NotNativeError
        The slide's level 0 is not made of tiles that can be copied, they are larger than a file of
        a store may be, or another level's are encoded in another way.
    """

    decodes = False

    def __init__(self, slide: Slide, plan: TilePlan, codec: NativeCodec | None = None) -> None:
        candidates = [(number, slide.native_tiles(number)) for number in range(len(slide.levels))]
        self._slide = slide
        self._natives = [(number, native) for number, native in candidates if native is not None]
        if not self._natives or self._natives[0][0] != 0:
            raise _not_native(slide)
        stream = _common_stream(slide, self._natives)
        self._own_codec = replace(codec or NativeCodec(), stream=stream)
        self.codec: ChunkCodec = self._own_codec
        first = 0 if slide.rescaling is None else slide.rescaling.level
        self.slide_levels = tuple(first + number for number, _ in self._natives)
        regions = plan.regions
        self.levels = tuple(
            _native_tiles(slide, number, native, regions) for number, native in self._natives
        )
        self._sizes = [
            {shard: native.stored_bytes(level.grid.chunk_cells(shard)) for shard in level.shards}
            for level, (_, native) in zip(self.levels, self._natives, strict=True)
        ]
        for level, sizes in enumerate(self._sizes):
            for shard, size in sizes.items():
                self._check_size(level, len(shard.chunks), size)

    def _check_size(self, level: int, tiles: int, size: int) -> None:
        """Check that a file of copied tiles is one that readers accept: scanners' take a tenth."""
        per_shard = self.levels[level].grid.chunks_per_shard
        whole = size + tiles * NativeCodec.seal_bytes + index_bytes(per_shard)
        if whole > LARGEST_SHARD_BYTES:
            raise _refusal(
                "its tiles are too large for a file of a store",
                f"{self._slide.name}: {tiles} of its tiles, which would share a file, take {whole} "
                f"bytes, more than the {LARGEST_SHARD_BYTES} that a file of a store may have; "
                f"{_remedy(self._slide)}.",
            )

    @property
    def unit_bytes(self) -> int:
        """The most bytes copied at a time."""
        return max((TASK_BYTES, *itertools.chain(*(sizes.values() for sizes in self._sizes))))

    def tasks(
        self, is_kept: IsKept, owns: Owns = owns_all, _kept: KeptShards | None = None, /
    ) -> list[Task]:
        """Return the shards still to be copied; neighbours in a row go together.

        A scanner stores a row of native tiles one after another, so several shards' tiles in a row
        are read at once, and threads pass on a few large tasks rather than many small ones.
        """
        tasks: list[Task] = []
        for number, level in enumerate(self.levels):
            group: list[Shard] = []
            held = 0
            for shard in level.shards:
                if not owns(number, shard) or is_kept(number, shard):
                    continue
                size = self._sizes[number][shard]
                if group and (shard.row != group[0].row or held + size > TASK_BYTES):
                    tasks.append(Task(number, tuple(group)))
                    group, held = [], 0
                group.append(shard)
                held += size
            if group:
                tasks.append(Task(number, tuple(group)))
        return tasks

    def expect(self, tasks: Sequence[Task]) -> None:
        """Announce tasks; see `Work.expect`."""
        expect_all(places for task in tasks for places in self._places(task))

    def _places(self, task: Task) -> Sequence[Places]:
        """Return what of the slide's files is read for a task."""
        native = self._natives[task.level][1]
        return native.places(self._cells(task)) if isinstance(native, PlacedTiles) else ()

    def _cells(self, task: Task) -> NDArray[np.int64]:
        grid = self.levels[task.level].grid
        return np.concatenate([grid.chunk_cells(shard) for shard in task.shards])

    def read(self, task: Task, _kept: KeptShards | None = None, /) -> _Fetched:
        """Read the stored bytes of the shards' native tiles."""
        return _Fetched(task, self._natives[task.level][1].fetch(self._cells(task)))

    def encode(self, fetched: _Fetched) -> Iterator[EncodedShard]:
        """Make a complete stream of each native tile.

        Raises
        ------
        NotNativeError
            A tile does not have 8 bits or its level's size and components, its JPEG is not
            baseline, or the shard is larger than readers accept.
        """
        yield from self._encode(fetched, decode=self._own_codec.check_by == "decode")

    def mend(self, level: int, shard: Shard) -> Iterator[EncodedShard]:
        """Make a shard once more, with every tile decoded: one of its chunks is damaged."""
        yield from self._encode(self.read(Task(level, (shard,))), decode=True)

    def _encode(self, fetched: _Fetched, *, decode: bool) -> Iterator[EncodedShard]:
        level = fetched.task.level
        streams, check = iter(fetched.tiles.streams()), self._own_codec.check_whole
        for shard in fetched.task.shards:
            own = dict(zip(shard.chunks, streams, strict=False))
            payloads: dict[int, bytes] = {}
            damaged: dict[int, str] = {}
            for place, stream in own.items():
                sound = checked(stream, check) if decode and isinstance(stream, bytes) else stream
                payload = self._payload(level, shard, place, sound)
                if isinstance(payload, bytes):
                    payloads[place] = payload
                elif payload is not None:
                    damaged[place] = payload.reason
            # Once more, since each tile has got its tables, and damaged ones are made anew.
            self._check_size(level, len(payloads), sum(map(len, payloads.values())))
            yield EncodedShard(level, shard, payloads, damaged)

    def _payload(
        self, level: int, shard: Shard, place: int, stream: bytes | Damaged | None
    ) -> bytes | Damaged | None:
        """Return what is stored of a native tile; None for nothing.

        One of a coarser level that is empty or damaged is averaged from the finer level.
        """
        if isinstance(stream, bytes) or not self.slide_levels[level]:
            return stream
        number = self._natives[level][0]
        grid = self.levels[level].grid
        cell = grid.chunk_region(*grid.chunk_cell(shard, place))
        inside = cell.intersection(Region(x=0, y=0, width=grid.width, height=grid.height))
        if inside is None or (stream is None and not self._slide.holes(inside, level=number)):
            return None
        try:
            averaged = self._averaged(inside, number)
        except DamagedPixelsError as error:
            return Damaged(error.reason)
        beyond = (0, cell.height - inside.height), (0, cell.width - inside.width), (0, 0)
        return self._own_codec.encode_averaged(np.pad(averaged, beyond, mode="edge"))

    def _averaged(self, inside: Region, number: int) -> Pixels:
        """Return what is averaged from the finer level; tiles hold no background for damage."""
        if number:
            return self._slide.fetch_shown(inside, level=number).pixels()
        return self._slide.read_region(inside)

    def first_stream(self) -> bytes | None:
        """Return the first tile of level 0, row by row, that can be copied; None without one."""
        grid, native = self.levels[0].grid, self._natives[0][1]
        cells = [grid.chunk_cells(shard) for shard in self.levels[0].shards]
        if not cells:
            return None
        found = np.concatenate(cells)
        for column, row in found[np.lexsort(found.T)].tolist():
            (stream,) = native.fetch([(column, row)]).streams()
            if isinstance(stream, bytes):
                return stream
        return None

    def stored_bytes(self) -> int:
        """Return the bytes that all planned chunks have in the slide's file."""
        return sum(sum(sizes.values()) for sizes in self._sizes)

    def tell(self) -> None:
        """Say nothing: only what is damaged is left out."""


def check_quick(slide: Slide) -> None:
    """Check that reading a copy of a slide's tiles costs about what reading JPEG costs.

    Raises
    ------
    NotNativeError
        It costs far more: `auto` stores their pixels instead.
    """
    native = slide.native_tiles(0)
    if native is not None and native.stream not in QUICK_STREAMS:
        raise _refusal(
            "JPEG 2000 takes ten times as long to read as zstd",
            f"{slide.name}: its tiles are {native.stream}, which takes ten times as long to decode "
            "as zstd; the codec native copies them all the same.",
        )


def _common_stream(slide: Slide, natives: Sequence[tuple[int, NativeTiles]]) -> NativeStream:
    """Return how all levels that are copied are encoded: a store has one codec."""
    first = natives[0][1].stream
    for number, native in natives:
        if native.stream != first:
            raise _refusal(
                "levels encoded in different ways",
                f"{slide.name}: the tiles of level 0 are {first}, those of level {number} "
                f"{native.stream}, and all levels of a store have one codec; {_remedy(slide)}.",
            )
    return first


def _not_native(slide: Slide) -> NotNativeError:
    """Return the error of a slide whose level 0 cannot be copied."""
    rescaling, remedy = slide.rescaling, _remedy(slide)
    if rescaling is None:
        why = "level 0 is not made of tiles that can be copied"
    elif rescaling.resampling is None:
        why = f"level {rescaling.level} of the slide is not made of tiles that can be copied"
    else:
        why = (
            f"at {rescaling.asked_mpp:g} µm per pixel the store is averaged from level "
            f"{rescaling.level} of the slide, so there are no compressed tiles to copy"
        )
        remedy += _copied_mpps(slide.original)
    phrase = slide.native_obstacle(0)
    if phrase is not None and (rescaling is None or rescaling.resampling is None):
        why += f" ({phrase})"
    return _refusal(phrase, f"{slide.name}: {why}; {remedy}.")


def _remedy(slide: Slide) -> str:
    """Return which codecs hold what a slide has."""
    return f"use the codec zstd{' or jpeg' if slide.bits == 8 and slide.is_plain else ''}"


def _refusal(phrase: str | None, message: str) -> NotNativeError:
    error = NotNativeError(message)
    error.reason = phrase
    return error


def _copied_mpps(original: Slide) -> str:
    """Return at which resolutions a slide has tiles that can be copied, as a remedy."""
    assert original.mpp is not None, "a slide without an mpp is not brought to another"
    mpp = sum(original.mpp) / 2
    levels = enumerate(original.levels)
    natives = [level for number, level in levels if original.native_tiles(number) is not None]
    mpps = [f"{mpp * mean_downsample(level.downsample):.4g}" for level in natives]
    return f", or ask for {' or '.join(mpps)} µm, which the slide's tiles have" if mpps else ""


def _native_tiles(
    slide: Slide, number: int, native: NativeTiles, regions: Sequence[Region]
) -> PyramidLevel:
    level = slide.levels[number]
    grid = ChunkGrid.about(
        level.size, (native.tile_width_px, native.tile_height_px), COPIED_SHARD_PX
    )
    if grid.chunk_count > MOST_CHUNKS:
        raise _refusal(
            "more tiles than a level of a store may have",
            f"{slide.name}: level {number} has {grid.chunk_count} tiles, more than the "
            f"{MOST_CHUNKS} chunks that a level of a store may have; {_remedy(slide)}.",
        )
    needed = needed_chunks(slide, number, grid, regions)
    return PyramidLevel(
        grid=grid,
        shards=tuple(grid.shards_for(needed)),
        downsample=level.downsample,
    )
