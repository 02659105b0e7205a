"""Estimates of what a run would take: tiles, bytes, time and disk space."""

import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from slidetile.choices import CODEC, NATIVE_CHECK, CodecName, NativeCheck
from slidetile.cloud.address import Address, Location, locate
from slidetile.errors import NotNativeError
from slidetile.format.codecs.codec import ChunkCodec
from slidetile.format.codecs.named import chosen_codec, make_codec
from slidetile.format.codecs.native import NativeCodec
from slidetile.planning.plan import TilePlan
from slidetile.raster.pixels import empty_pixels
from slidetile.runtime.cpus import worker_count
from slidetile.slides.slide import Slide
from slidetile.writing._coarse import coarse_parts
from slidetile.writing._copying import check_quick
from slidetile.writing._run import READERS
from slidetile.writing._work import Task, Work
from slidetile.writing.choosing import fitting_codec, make_work

SAMPLES = 8
"""Shards that are made in memory, spread over the plan; their mean stands for all others."""


LATE_SHARE = 0.25
"""What loads and ends a run, its table and its quality, takes about this share of the time from its
start to its plan. Both are mostly the loading of libraries, on a fast machine and on a slow one."""

NETWORK_BYTES_PER_S = 1e8
"""What is fetched from object storage, roughly."""

WRITE_BYTES_PER_S = 1e9
"""What a thread writes into the system's cache; the disk follows by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What writing a plan would take."""

    codec: str
    """The codec, as "auto" would choose it."""

    not_native: str | None = None
    """Why "auto" would not choose native, in one short phrase."""

    tiles: int
    """Number of tiles of the plan."""

    bytes: int
    """Bytes of the store's chunks, of all levels."""

    seconds: float
    """Time on this machine, in seconds."""

    free_bytes: int | None
    """Free bytes of the disk that the store would be written to; None of a bucket."""

    @property
    def fits(self) -> bool:
        """Whether the disk has room for the store."""
        return self.free_bytes is None or self.bytes <= self.free_bytes


def estimate(
    slide: Slide,
    plan: TilePlan,
    destination: str | os.PathLike[str] | Address,
    *,
    codec: CodecName | ChunkCodec = CODEC,
    check: NativeCheck = NATIVE_CHECK,
    workers: int | None = None,
    begun_s: float = 0.0,
) -> Estimate:
    """Make a few of a plan's shards in memory, and estimate what all of them would take.

    Of a slide in object storage no tile is fetched for that: its coarse level, which tissue was
    found in, stands for its pixels, and a rate for the network.

    Parameters
    ----------
    slide, plan, codec, check, workers
        As in `write_tiles`.
    destination
        Path of the store; nothing is written there.
    begun_s
        Seconds from the start of the command to the plan, which the run would take again: loading,
        opening, finding tissue. 0 estimates the writing alone.

    Raises
    ------
    NotNativeError
        ``codec`` is "native" and the slide's tiles cannot be copied.
    SlideReadError
        The samples could not be read.
    ValueError
        ``workers`` is less than 1, or ``check`` is unknown.
    """
    threads = worker_count(workers)
    work, not_native = _chosen_work(slide, plan, codec, NativeCodec(check_by=check))
    if slide.is_afar:
        samples = _Samples.coarse(slide, plan, work)
    else:
        samples = _Samples.of(make_work(slide, plan, work.codec), work)
    known = work.stored_bytes()
    chunks = sum(len(shard.chunks) for level in work.levels for shard in level.shards)
    share = chunks / max(1, samples.chunks)
    total = round(samples.bytes * share) if known is None else known
    return Estimate(
        codec=work.codec.name,
        not_native=not_native,
        tiles=len(plan),
        bytes=total,
        seconds=begun_s * (1 + LATE_SHARE)
        + samples.seconds(threads) * share
        + total / WRITE_BYTES_PER_S,
        free_bytes=_free_bytes(locate(destination)),
    )


def _chosen_work(
    slide: Slide, plan: TilePlan, codec: CodecName | ChunkCodec, native: NativeCodec
) -> tuple[Work, str | None]:
    """Return how the shards are made, and why "auto" does not copy tiles."""
    codec = fitting_codec(slide, codec)
    if codec not in ("auto", "native"):
        named = chosen_codec(codec)
        return make_work(slide, plan, named), None
    try:
        if codec == "auto":
            check_quick(slide)
        return make_work(slide, plan, native), None
    except NotNativeError as error:
        if codec == "native":
            raise
        return make_work(slide, plan, make_codec("zstd")), error.phrase


@dataclass(frozen=True, slots=True, kw_only=True)
class _Samples:
    """A few shards of level 0, made in memory."""

    decodes: bool
    read_s: float
    """How long reading took, with waiting for the disk."""
    made_s: float
    """How long making them took, on a machine as busy as it is now."""
    chunks: int
    bytes: int

    @classmethod
    def of(cls, first: Work, work: Work) -> Self:
        """Make some of the shards; ``first`` makes one before, so that loading does not count."""
        tasks = _spread([task for task in work.tasks(_nothing_kept) if task.level == 0])
        for task in tasks[:1]:
            list(first.encode(first.read(task)))
        read_s = made_s = 0.0
        chunks = total = 0
        for task in tasks:
            begin = time.perf_counter()
            fetched = work.read(task)
            read_s += time.perf_counter() - begin
            begin = time.perf_counter()
            payloads = [data for shard in work.encode(fetched) for data in shard.payloads.values()]
            made_s += time.perf_counter() - begin
            chunks += len(payloads)
            total += sum(map(len, payloads))
        return cls(decodes=work.decodes, read_s=read_s, made_s=made_s, chunks=chunks, bytes=total)

    @classmethod
    def coarse(cls, slide: Slide, plan: TilePlan, work: Work) -> Self:
        """Make chunks of the level that the overview was made of, which is here already."""
        grid = work.levels[0].grid
        shape = grid.chunk_height, grid.chunk_width, slide.channels
        made_s = 0.0
        sizes = []
        for part in coarse_parts(slide, plan, shape[:2]) if work.decodes else ():
            begin = time.perf_counter()
            chunk = empty_pixels(shape, planar=work.codec.is_planar, dtype=slide.dtype)
            chunk[:] = part()
            sizes.append(len(work.codec.encode(chunk)))
            made_s += time.perf_counter() - begin
        chunks, total = len(sizes), sum(sizes)
        if (stored := work.stored_bytes()) is not None:
            shards = (shard for level in work.levels for shard in level.shards)
            chunks, total = sum(len(shard.chunks) for shard in shards), stored
        read_s = total / NETWORK_BYTES_PER_S
        return cls(decodes=work.decodes, read_s=read_s, made_s=made_s, chunks=chunks, bytes=total)

    def seconds(self, threads: int) -> float:
        """Return how long it takes where so many threads encode, while others read."""
        if not self.decodes:
            return self.read_s + self.made_s
        return max(self.made_s / threads, self.read_s / READERS)


def _nothing_kept(_level: int, _shard: object) -> bool:
    return False


def _spread(tasks: Sequence[Task]) -> Sequence[Task]:
    return tasks[:: max(1, -(-len(tasks) // SAMPLES))]


def _free_bytes(place: Location) -> int | None:
    """Return the free bytes of a disk; None of a bucket, which has no end."""
    if isinstance(place, Address):
        return None
    return shutil.disk_usage(_existing_folder(place)).free


def _existing_folder(path: Path) -> Path:
    return next(p for p in (path, *path.absolute().parents) if p.is_dir())
