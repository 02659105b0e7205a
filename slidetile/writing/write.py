"""From a slide and a plan to a store: choosing the codec and carrying out the plan."""

import contextlib
import functools
import logging
import os
from collections import Counter
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from slidetile.choices import CODEC, NATIVE_CHECK, CodecName, NativeCheck
from slidetile.counts import how_many
from slidetile.errors import DamagedPixelsError, NotNativeError, SlideReadError
from slidetile.format.codecs.codec import ChunkCodec
from slidetile.format.codecs.named import make_codec
from slidetile.format.codecs.native import NativeCodec
from slidetile.format.codecs.reference import ReferenceCodec
from slidetile.format.layout import Shard
from slidetile.format.ledger import Ledger, ShardRecord
from slidetile.format.metadata.damage import DamageFacts
from slidetile.format.metadata.reference import ReferenceFacts
from slidetile.format.metadata.store import fill_value
from slidetile.format.table import Quality
from slidetile.planning.plan import TilePlan
from slidetile.quality.measure import Cell, measure_quality
from slidetile.quality.measured_level import MeasuredLevel
from slidetile.runtime import memory
from slidetile.runtime.cpus import worker_count
from slidetile.runtime.governor import Governor
from slidetile.runtime.heap import give_back_heap
from slidetile.runtime.lanes import share_out
from slidetile.runtime.pipeline import Limits, Stages, stream
from slidetile.slides.replaced import Replaced
from slidetile.slides.slide import Slide
from slidetile.store.location import local_path
from slidetile.store.references import references_file
from slidetile.store.store import TileStore, open_store
from slidetile.writing._copying import Copying, check_quick
from slidetile.writing._encoding import Encoding
from slidetile.writing._referring import Referring, reference_facts
from slidetile.writing._source_watch import SourceWatch
from slidetile.writing._spec import StoreSpec, store_metadata
from slidetile.writing._table import tile_table
from slidetile.writing._work import Task, Work
from slidetile.writing._writer import StoreWriter, begun_note
from slidetile.writing.options import OnProgress, Progress, WriteOptions
from slidetile.writing.partial import check_destination

if TYPE_CHECKING:
    import pyarrow as pa

_log = logging.getLogger(__name__)

READERS = 4
"""Threads that read. They mostly wait for the disk, so the number of cores does not matter."""

WRITERS = 2
"""Threads that write. Copying into the system's cache is work, and a slow disk makes them wait."""

COPIERS = 4
"""Tasks copied at once where the disk makes them wait; one at a time elsewhere."""

PLACES_PER_WORKER = 4
"""Tasks in flight for each encoding thread: one being encoded, the others read or written."""

_BEGUN = "the store was begun with the codec zstd"
"""Why a store that is continued is not native, where its earlier run does not say it."""

MOST_TOLD = 5
"""Most reasons in an error's message; the store records more."""


def write_tiles(
    slide: Slide,
    plan: TilePlan,
    path: str | os.PathLike[str],
    *,
    codec: CodecName | ChunkCodec = CODEC,
    check: NativeCheck = NATIVE_CHECK,
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
        Path of the store. It is built in ``path.partial`` and renamed when complete; what an
        interrupted run has left there is continued.
    codec
        "native" copies the slide's compressed tiles, which one in sRGB has none of, so that it is
        stored as with "auto"; "zstd" is lossless, "jxl" is lossless and
        smaller, "jpeg" is lossy, "raw" is uncompressed; "reference" stores no pixels at all, only
        where the slide is; "auto" is native where the slide allows it,
        else zstd. Or a codec object, such as ``JpegCodec(quality=80)``.
    check
        How "native" and "auto" check the tiles that they copy: "scan" looks at their markers and
        for zeros, at the speed of memory, and decodes what gives cause; "decode" decodes all of
        them. Other codecs decode all tiles anyway.
    workers
        Threads that encode. None is one for each core of this process, within its affinity, its
        control groups' quota and SLURM_CPUS_PER_TASK. The bytes do not depend on it.
    options
        Options that few runs need to change.
    on_progress
        Called in this thread at the start and whenever shards have been written.

    Returns
    -------
    TileStore
        The finished store. Tiles whose pixels could not be read have the status "unreadable".

    Raises
    ------
    NotNativeError
        ``codec`` is "native" and the slide's tiles cannot be copied.
    SlideReadError
        The slide's file could not be read, and the next run continues the store; or it changed
        meanwhile, or no tile could be read, and the next run begins anew.
    StoreError
        ``path`` is an address.
    StoreExistsError, StoreMismatchError, StoreBusyError
        The store at ``path`` is finished, was begun from another slide or with other settings, or
        is being written by another process.
    OSError
        The folder cannot be written, or the disk is full; the next run continues the store.
    ValueError
        ``workers`` is less than 1, ``check`` is unknown, or the plan is of another slide.
    """
    options = options or WriteOptions()
    destination = local_path(path)
    threads = worker_count(workers)
    check_destination(destination, overwrite=options.existing == "overwrite")

    def write(chosen: ChunkCodec, not_native: str | None = None) -> TileStore:
        run = _Run(slide, plan, chosen, threads, options, on_progress, not_native)
        try:
            run.write(destination)
        finally:
            give_back_heap()  # what runs leave in their threads' heaps adds up
        return open_store(destination)

    native = NativeCodec(check_by=check)
    codec = fitting_codec(slide, codec)
    if codec != "auto":
        named = native if codec == "native" else codec
        return write(make_codec(named) if isinstance(named, str) else named)
    begun = None if options.existing == "restart" else begun_note(destination)
    if begun is not None and begun.codec == "zstd":
        return write(make_codec("zstd"), begun.not_native or _BEGUN)
    try:
        check_quick(slide)
        return write(native)
    except NotNativeError as error:
        _log.info("not native, so zstd: %s", error)
        reason = error.phrase
    return write(make_codec("zstd"), reason)


def fitting_codec(slide: Slide, codec: CodecName | ChunkCodec) -> CodecName | ChunkCodec:
    """Return the codec to write a slide with: "auto" for "native" where colours are converted.

    Whoever asks for sRGB asks for other pixels than the slide's tiles have.
    """
    is_converted = slide.conversion is not None and slide.conversion.profile is not None
    is_native = codec == "native" or isinstance(codec, NativeCodec)
    return "auto" if is_converted and is_native else codec


def make_work(slide: Slide, plan: TilePlan, codec: ChunkCodec) -> Work:
    """Return the work that makes the shards of a plan with a codec.

    Raises
    ------
    NotNativeError
        The codec is native and the slide's tiles cannot be copied.
    ValueError
        The plan is of another slide.
    """
    plan.check_slide(slide)
    if isinstance(codec, NativeCodec):
        return Copying(slide, plan, codec)
    if isinstance(codec, ReferenceCodec):
        return Referring(slide, plan)
    return Encoding(slide, plan, codec, fill_value(slide.background, slide.bits))


class _Run:
    """One run: carries out a plan with one codec, and records the chunks and the progress."""

    def __init__(
        self,
        slide: Slide,
        plan: TilePlan,
        codec: ChunkCodec,
        workers: int,
        options: WriteOptions,
        on_progress: OnProgress | None,
        not_native: str | None,
    ) -> None:
        self._not_native = not_native
        self._source = SourceWatch(slide)
        self._slide = slide
        self._plan = plan
        self._workers = workers
        self._options = options
        self._on_progress = on_progress
        self._work = make_work(slide, plan, codec)
        self._level = MeasuredLevel.of(self._work.levels, slide.mpp)
        self._governor = self._make_governor()
        self._ledger = Ledger(self._work.levels[0].grid)
        self._replaced = Replaced(plan.tissue.overview.replaced)
        self._done = 0
        self._bytes = 0

    def write(self, path: Path) -> None:
        """Write the store, or continue what an interrupted run has left."""
        existing = self._options.existing
        with StoreWriter(
            path,
            self._spec(path),
            overwrite=existing == "overwrite",
            restart=existing == "restart",
            durable=self._options.durable,
        ) as writer:
            try:
                self._write_shards(writer)
                table, damage = self._table(writer)
                self._write_references(writer)
                self._source.check()
                self._work.tell()
                self._tell_replaced()
                writer.finish(table, damage)
            except (NotNativeError, DamagedPixelsError):
                # Of nothing readable there is nothing to keep; a good copy is another slide.
                writer.discard()
                raise
            except SlideReadError:
                if self._source.has_changed:  # shards of both its states do not go together
                    writer.discard()
                raise

    def _tell_replaced(self) -> None:
        replaced = self._slide.replaced
        replaced.update(self._replaced)
        replaced.tell(self._slide.name)

    def _table(self, writer: StoreWriter) -> tuple["pa.Table", DamageFacts | None]:
        """Return the tile table, and what of the slide was damaged."""
        quality = self._measure(writer)
        table = tile_table(self._ledger, self._plan, quality, self._level.mpp)
        reasons = self._reasons()
        damage = DamageFacts.of(reasons, self._replaced.counts)
        self._check_readable(table, damage)
        return table, damage

    def _write_shards(self, writer: StoreWriter) -> None:
        """Make and write all shards that are missing."""
        tasks = self._work.tasks(functools.partial(self._is_kept, writer))
        self._report()
        results = self._results(tasks, _stages(self._work, writer))
        with contextlib.closing(results):  # the threads end first, whatever ends the loop
            for records in results:
                for record in records:
                    self._enter(record)
                self._report()

    def _results(
        self, tasks: Iterable[Task], stages: Stages[Task, list[ShardRecord]]
    ) -> Generator[list[ShardRecord], None, None]:
        places = self._governor.places
        if not self._work.decodes:
            return share_out(tasks, stages.carry, places, most=COPIERS)
        limits = Limits(workers=self._workers, readers=READERS, writers=WRITERS)
        return stream(tasks, stages, limits, places)

    def _is_kept(self, writer: StoreWriter, level: int, shard: Shard) -> bool:
        record = writer.kept(level, shard)
        if record is not None:
            self._enter(record)
        return record is not None

    def _enter(self, record: ShardRecord) -> None:
        self._done += 1
        self._bytes += sum(stored for stored, _ in record.chunks.values())
        self._note(record)

    def _note(self, record: ShardRecord) -> None:
        """Note what became of a shard's chunks."""
        if record.level == 0:
            self._ledger.enter(record)
        self._replaced.update(Replaced(record.replaced))
        if record.averaged:
            grid = self._work.levels[record.level].grid
            number = self._work.slide_levels[record.level]
            for place in record.averaged:
                cell = grid.chunk_region(*grid.chunk_cell(record.shard, place))
                self._replaced.add(number, cell)

    def _reasons(self) -> dict[str, int]:
        """Return the number of unreadable tiles, by what is wrong with them."""
        if self._ledger.is_readable:  # nearly always
            return {}
        spans = (self._ledger.grid.chunk_span(region).slices for region in self._plan.regions)
        reasons = (self._ledger.reason_of(span) for span in spans)
        return dict(Counter(reason for reason in reasons if reason is not None))

    def _report(self) -> None:
        self._governor.look()
        if self._on_progress is None:
            return
        self._on_progress(
            Progress(
                shards_done=self._done,
                shards_total=sum(len(level.shards) for level in self._work.levels),
                tiles_total=len(self._plan),
                bytes_written=self._bytes,
                memory=self._governor.use,
            )
        )

    def _measure(self, writer: StoreWriter) -> Quality:
        """Measure the tiles; what then proves damaged among copied tiles is not kept.

        The check of copied tiles by their markers misses damage that decoding finds.
        """
        damaged: set[Cell] = set()
        quality = self._measured(writer, damaged)
        if damaged:
            self._mend(writer, damaged)
            quality = self._measured(writer, None)
        return quality

    def _reference(self, path: Path) -> ReferenceFacts | None:
        """Return where the slide of a store of this path is, if the store has no pixels."""
        if not isinstance(self._work, Referring):
            return None
        return reference_facts(self._slide, path, anonymous=self._options.anonymous)

    def _write_references(self, writer: StoreWriter) -> None:
        """Write where chunks lie that other programs can decode, if the store has no pixels."""
        if isinstance(self._work, Referring):
            found = references_file(self._slide, writer.spec.metadata, self._plan.regions)
            if found is not None:
                writer.write_references(found)

    def _referred_quality(self, work: Referring) -> Quality:
        """Measure tiles whose pixels stay in the slide; what proves damaged is noted."""
        number = self._level.number
        shards = work.shards(number)
        payloads = work.payloads(number, shards, self._workers)
        quality = measure_quality(
            self._plan,
            self._level,
            work.codec,
            shards=shards,
            read=lambda _: next(payloads),
            workers=self._workers,
        )
        for record in work.unreadable:
            self._note(record)
        self._replaced.update(work.replaced)
        return quality

    def _measured(self, writer: StoreWriter, damaged: set[Cell] | None) -> Quality:
        if isinstance(self._work, Referring):
            return self._referred_quality(self._work)
        number = self._level.number
        return measure_quality(
            self._plan,
            self._level,
            self._work.codec,
            shards=self._work.levels[number].shards,
            read=functools.partial(writer.read_shard, number),
            workers=self._workers,
            damaged=damaged if isinstance(self._work, Copying) else None,
        )

    def _mend(self, writer: StoreWriter, damaged: set[Cell]) -> None:
        """Make the shards of the measured level that hold damaged chunks once more."""
        assert isinstance(self._work, Copying), "only copied tiles are not decoded beforehand"
        number = self._level.number
        grid = self._work.levels[number].grid
        for shard in self._work.levels[number].shards:
            if damaged.isdisjoint(grid.chunk_cell(shard, place) for place in shard.chunks):
                continue
            for encoded in self._work.mend(number, shard):
                self._note(writer.write_shard(writer.pack(encoded)))

    def _check_readable(self, table: "pa.Table", damage: DamageFacts | None) -> None:
        statuses = table["status"].to_pylist()
        if damage is not None and statuses and "ok" not in statuses:
            told = [f"{each.reason}: {each.tiles}" for each in damage.unreadable]
            more = ["…"] if len(told) > MOST_TOLD else []
            raise DamagedPixelsError(
                f"{self._slide.name}: none of its {how_many(len(statuses), 'tiles')} could be read "
                f"({', '.join(told[:MOST_TOLD] + more)}); "
                "the file is damaged or was cut short: copy it again from its source."
            )

    def _make_governor(self) -> Governor:
        gauge = memory.SystemGauge()
        budget = memory.make_budget(
            gauge,
            unit_bytes=self._work.unit_bytes,
            most=PLACES_PER_WORKER * self._workers if self._work.decodes else COPIERS,
            memory_bytes=self._options.memory_bytes,
        )
        return Governor(budget, gauge)

    def _spec(self, path: Path) -> StoreSpec:
        work, anonymous = self._work, self._options.anonymous
        metadata = store_metadata(
            self._slide,
            self._plan,
            work.codec,
            work.levels,
            anonymous=anonymous,
            not_native=self._not_native,
            reference=self._reference(path),
        )
        return StoreSpec(plan=self._plan, codec=work.codec, levels=work.levels, metadata=metadata)


def _stages(work: Work, writer: StoreWriter) -> Stages[Task, list[ShardRecord]]:
    """Return the stages of a task: read from the slide, made into shards, written."""
    return Stages(
        read=lambda task: work.read(task, writer),
        encode=lambda fetched: [writer.pack(shard) for shard in work.encode(fetched)],
        write=lambda packed: [writer.write_shard(shard) for shard in packed],
    )
