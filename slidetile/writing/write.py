"""From a slide and a plan to a store: choosing the codec, carrying the plan out."""

import contextlib
import functools
import logging
import os
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slidetile.errors import NotNativeError, SlideReadError
from slidetile.format.codecs.codec import ChunkCodec, CodecName
from slidetile.format.codecs.jpeg import NativeCodec
from slidetile.format.codecs.named import make_codec
from slidetile.format.layout import Shard
from slidetile.format.ledger import Ledger, ShardRecord
from slidetile.format.table import Quality
from slidetile.planning.plan import TilePlan
from slidetile.quality.measure import measure_quality
from slidetile.quality.measured_level import MeasuredLevel
from slidetile.runtime import memory
from slidetile.runtime.governor import Governor, kept_heap
from slidetile.runtime.lanes import share_out
from slidetile.runtime.pipeline import Limits, Stages, stream
from slidetile.slides.slide import Slide
from slidetile.store.store import TileStore, open_store
from slidetile.writing.copying import Copying
from slidetile.writing.encoding import Encoding
from slidetile.writing.options import OnProgress, Progress, WriteOptions
from slidetile.writing.partial import check_destination
from slidetile.writing.spec import StoreSpec, fill_value, store_metadata
from slidetile.writing.table import tile_table
from slidetile.writing.work import Task, Work
from slidetile.writing.writer import PackedShard, StoreWriter, begun_codec

if TYPE_CHECKING:
    import pyarrow as pa

_log = logging.getLogger(__name__)

READERS = 4
"""Threads that read. They wait for the disk more than they work, so the cores do not matter."""

WRITERS = 2
"""Threads that write: to copy into the system's cache is work, and a slow disk makes them wait."""

COPIERS = 4
"""Tasks copied at once where the disk makes them wait; where it does not, it is one."""

PLACES_PER_WORKER = 4
"""Tasks in flight for each encoding thread: one in hand, the others being read or written."""


def write_tiles(
    slide: Slide,
    plan: TilePlan,
    path: str | os.PathLike[str],
    *,
    codec: CodecName | ChunkCodec = "auto",
    workers: int | None = None,
    options: WriteOptions | None = None,
    on_progress: OnProgress | None = None,
) -> TileStore:
    """Write a plan's tiles into a store.

    Parameters
    ----------
    slide
        The slide the plan was made for.
    plan
        The tiles to write; an empty plan gives a store of 0 tiles.
    path
        Where the store is to lie. It is built in ``path.partial`` and renamed when complete; what
        an interrupted run has left there is continued.
    codec
        "native" copies the slide's compressed tiles, "zstd" is lossless, "jpeg" lossy, "raw"
        uncompressed; "auto" is native where the slide allows it, else zstd. Or a codec object,
        such as ``JpegCodec(quality=80)``.
    workers
        Threads that encode; one for each core unless given. The bytes do not depend on it.
    options
        What few runs need to change.
    on_progress
        Called in this thread after every shard.

    Returns
    -------
    TileStore
        The finished store. Tiles whose pixels could not be read have the status "unreadable".

    Raises
    ------
    NotNativeError
        ``codec`` is "native" and the slide's tiles cannot be copied.
    SlideReadError
        Not one tile could be read, or the file ended while it was read.
    StoreExistsError, StoreMismatchError, StoreBusyError
        What is at ``path`` is finished, was begun otherwise, or is being written by another
        process.
    OSError
        The folder cannot be written, or the disk is full; the next run continues.
    """
    options = options or WriteOptions()
    destination = Path(path)
    check_destination(destination, overwrite=options.existing == "overwrite")
    job = _Job(slide, plan, destination, options)
    run = functools.partial(
        job.run, workers=workers or memory.default_workers(), on_progress=on_progress
    )
    if codec != "auto":
        return run(make_codec(codec) if isinstance(codec, str) else codec)
    if options.existing == "restart" or begun_codec(destination) != "zstd":
        try:
            return run(NativeCodec())
        except NotNativeError as error:
            _log.info("not native, so zstd: %s", error)
    return run(make_codec("zstd"))


class _Job:
    """One slide, one plan, one destination: to be run with one codec, or with another."""

    def __init__(self, slide: Slide, plan: TilePlan, path: Path, options: WriteOptions) -> None:
        self._slide = slide
        self._plan = plan
        self._path = path
        self._options = options

    def run(self, codec: ChunkCodec, *, workers: int, on_progress: OnProgress | None) -> TileStore:
        """Write the store, or go on with it; return it finished."""
        work = make_work(self._slide, self._plan, codec)
        quality = MeasuredLevel.of(work.levels, self._slide.mpp)
        existing = self._options.existing
        with StoreWriter(
            self._path,
            self._spec(work),
            overwrite=existing == "overwrite",
            restart=existing == "restart",
            durable=self._options.durable,
        ) as writer:
            work.kept = writer
            governor = self._governor(work, workers)
            run = _Run(work, writer, governor, on_progress or _ignore, len(self._plan))
            try:
                ledger = run.carry_out(workers)
            except NotNativeError:
                writer.discard()
                raise
            measured = self._measured(quality, work, writer, workers)
            table = tile_table(ledger, self._plan, measured, quality.mpp)
            self._check_readable(table)
            writer.finish(table)
        return open_store(self._path)

    def _measured(
        self, level: MeasuredLevel, work: Work, writer: StoreWriter, workers: int
    ) -> Quality:
        with kept_heap():
            return measure_quality(
                self._plan,
                level,
                work.codec,
                shards=work.levels[level.number].shards,
                read=functools.partial(writer.read_shard, level.number),
                workers=workers,
            )

    def _check_readable(self, table: "pa.Table") -> None:
        statuses = table["status"].to_pylist()
        if statuses and "ok" not in statuses:
            raise SlideReadError(
                f"{self._slide.source.name}: not one of its {len(statuses)} tiles could be read; "
                "the file is damaged or was cut short."
            )

    def _governor(self, work: Work, workers: int) -> Governor:
        gauge = memory.SystemGauge()
        budget = memory.make_budget(
            gauge,
            unit_bytes=work.unit_bytes,
            most=PLACES_PER_WORKER * workers if work.decodes else COPIERS,
            memory_bytes=self._options.memory_bytes,
        )
        return Governor(budget, gauge)

    def _spec(self, work: Work) -> StoreSpec:
        metadata = store_metadata(
            self._slide,
            self._plan,
            work.codec,
            work.levels,
            anonymous=self._options.anonymous,
        )
        return StoreSpec(plan=self._plan, codec=work.codec, levels=work.levels, metadata=metadata)


def make_work(slide: Slide, plan: TilePlan, codec: ChunkCodec) -> Work:
    """Return what makes the shards of a plan.

    Raises
    ------
    NotNativeError
        The codec is native and the slide's tiles cannot be copied.
    """
    if codec.name == "native":
        return Copying(slide, plan)
    return Encoding(slide, plan, codec, fill_value(slide))


class _Run:
    """Carries the work out, and keeps the books."""

    def __init__(
        self,
        work: Work,
        writer: StoreWriter,
        governor: Governor,
        on_progress: OnProgress,
        tiles: int,
    ) -> None:
        self._work = work
        self._writer = writer
        self._governor = governor
        self._on_progress = on_progress
        self._tiles = tiles
        self._ledger = Ledger(work.levels[0].grid)
        self._done = 0
        self._bytes = 0

    def carry_out(self, workers: int) -> Ledger:
        """Make and write all shards that are missing; return what is known of level 0's."""
        tasks = self._work.tasks(self._is_kept)
        self._report()
        results = self._results(tasks, workers)
        # Whatever ends the loop ends the threads first.
        with kept_heap(), contextlib.closing(results):
            for records in results:
                for record in records:
                    self._enter(record)
                self._report()
        return self._ledger

    def _results(
        self, tasks: Iterable[Task], workers: int
    ) -> Generator[list[ShardRecord], None, None]:
        places = self._governor.places
        if not self._work.decodes:
            return share_out(tasks, self._copy, places, most=COPIERS)
        stages = Stages(read=self._work.read, encode=self._encode, write=self._write)
        limits = Limits(workers=workers, readers=READERS, writers=WRITERS)
        return stream(tasks, stages, limits, places)

    def _copy(self, task: Task) -> list[ShardRecord]:
        return self._write(self._encode(self._work.read(task)))

    def _is_kept(self, level: int, shard: Shard) -> bool:
        record = self._writer.kept(level, shard)
        if record is not None:
            self._enter(record)
        return record is not None

    def _encode(self, fetched: Any) -> list[PackedShard]:
        return [self._writer.pack(encoded) for encoded in self._work.encode(fetched)]

    def _write(self, packed: list[PackedShard]) -> list[ShardRecord]:
        return [self._writer.write_shard(shard) for shard in packed]

    def _enter(self, record: ShardRecord) -> None:
        self._done += 1
        self._bytes += sum(stored for stored, _ in record.chunks.values())
        if record.level == 0:
            self._ledger.enter(record)

    def _report(self) -> None:
        self._governor.look()
        total = sum(len(level.shards) for level in self._work.levels)
        self._on_progress(
            Progress(
                shards_done=self._done,
                shards_total=total,
                tiles_total=self._tiles,
                bytes_written=self._bytes,
                memory=self._governor.use,
            )
        )


def _ignore(_: Progress) -> None:
    """Report to nobody."""
