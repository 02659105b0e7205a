"""Estimates of what a run would take: tiles, bytes, time and disk space."""

import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from slidetile.choices import CODEC, CodecName
from slidetile.errors import NotNativeError
from slidetile.format.codecs.codec import ChunkCodec
from slidetile.format.codecs.jpeg import NativeCodec
from slidetile.format.codecs.named import make_codec
from slidetile.planning.plan import TilePlan
from slidetile.runtime.cpus import worker_count
from slidetile.slides.slide import Slide
from slidetile.writing._work import Task
from slidetile.writing.write import make_work

SAMPLES = 8
"""Shards that are made in memory, spread over the plan; their mean stands for all others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What writing a plan would take."""

    codec: str
    """The codec, as "auto" would choose it."""

    tiles: int
    """Number of tiles of the plan."""

    bytes: int
    """Bytes of the store's chunks, of all levels."""

    seconds: float
    """Time on this machine, in seconds."""

    free_bytes: int
    """Free bytes of the disk that the store would be written to."""

    @property
    def fits(self) -> bool:
        """Whether the disk has room for the store."""
        return self.bytes <= self.free_bytes


def estimate(
    slide: Slide,
    plan: TilePlan,
    destination: str | os.PathLike[str],
    *,
    codec: CodecName | ChunkCodec = CODEC,
    workers: int | None = None,
) -> Estimate:
    """Make a few of a plan's shards in memory, and estimate what all of them would take.

    Parameters
    ----------
    slide, plan, codec, workers
        As in `write_tiles`.
    destination
        Path of the store; nothing is written there.

    Raises
    ------
    NotNativeError
        ``codec`` is "native" and the slide's tiles cannot be copied.
    SlideReadError
        The samples could not be read.
    ValueError
        ``workers`` is less than 1.
    """
    threads = worker_count(workers)
    if codec == "auto":
        try:
            return estimate(slide, plan, destination, codec=NativeCodec(), workers=workers)
        except NotNativeError:
            codec = "zstd"
    chosen = make_codec(codec) if isinstance(codec, str) else codec
    work = make_work(slide, plan, chosen)
    tasks = _spread([task for task in work.tasks(_nothing_kept) if task.level == 0])
    first = make_work(slide, plan, chosen)
    for task in tasks[:1]:  # loading and allocating happen once, so they do not count
        list(first.encode(first.read(task)))
    begin = time.perf_counter()
    encoded = [shard for task in tasks for shard in work.encode(work.read(task))]
    seconds = time.perf_counter() - begin
    sampled_chunks = sum(len(shard.payloads) for shard in encoded)
    sampled_bytes = sum(len(data) for shard in encoded for data in shard.payloads.values())
    chunks = sum(len(shard.chunks) for level in work.levels for shard in level.shards)
    known = work.stored_bytes()
    share = chunks / max(1, sampled_chunks)
    return Estimate(
        codec=chosen.name,
        tiles=len(plan),
        bytes=round(sampled_bytes * share) if known is None else known,
        seconds=seconds * share / threads,
        free_bytes=shutil.disk_usage(_existing_folder(Path(destination))).free,
    )


def _nothing_kept(_level: int, _shard: object) -> bool:
    return False


def _spread(tasks: Sequence[Task]) -> Sequence[Task]:
    return tasks[:: max(1, -(-len(tasks) // SAMPLES))]


def _existing_folder(path: Path) -> Path:
    return next(p for p in (path, *path.absolute().parents) if p.is_dir())
