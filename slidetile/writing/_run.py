"""One run of writing: a plan, or a part of it, is carried out with one codec.

Knows a slide, a plan and a store that is being written. Does not know how the codec was chosen.
"""

import contextlib
import functools
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from typing import TYPE_CHECKING

from slidetile.cloud.address import Location
from slidetile.cloud.held import HELD_BYTES
from slidetile.counts import how_many
from slidetile.errors import DamagedPixelsError, NotNativeError, SlideReadError
from slidetile.format.codecs.codec import ChunkCodec
from slidetile.format.layout import Shard
from slidetile.format.ledger import Ledger, ShardRecord
from slidetile.format.metadata.damage import DamageFacts
from slidetile.format.metadata.reference import ReferenceFacts
from slidetile.format.table import Quality, TableShape
from slidetile.planning.plan import TilePlan
from slidetile.quality.measure import Cell, measure_quality
from slidetile.quality.measured_level import MeasuredLevel
from slidetile.runtime import memory
from slidetile.runtime.governor import Governor
from slidetile.runtime.lanes import share_out
from slidetile.runtime.pipeline import Limits, Stages, stream
from slidetile.runtime.shared_claim import SharedClaim
from slidetile.slides.replaced import Replaced
from slidetile.slides.slide import Slide
from slidetile.store.references import references_file
from slidetile.writing._copying import Copying
from slidetile.writing._named import named_codec
from slidetile.writing._parts import OwnedShards, Part, owned_shards
from slidetile.writing._referring import Referring, reference_facts
from slidetile.writing._source_watch import SourceWatch
from slidetile.writing._spec import StoreSpec, store_metadata
from slidetile.writing._table import tile_table
from slidetile.writing._work import Task, Work, owns_all
from slidetile.writing._writer import StoreWriter, is_begun_so
from slidetile.writing.changed import SourceChangedError
from slidetile.writing.choosing import make_work
from slidetile.writing.options import OnProgress, Progress, WriteOptions

if TYPE_CHECKING:
    import pyarrow as pa

READERS = 4
"""Threads that read. They mostly wait for the disk, so the number of cores does not matter."""

COPIERS = 4
"""Tasks copied at once where a disk makes them wait; one at a time elsewhere."""

MOST_COPIERS = 8
"""Tasks copied at once where a network does."""

PLACES_PER_WORKER = 4
"""Tasks in flight for each encoding thread: one being encoded, the others read or written."""

MOST_TOLD = 5
"""Most reasons in an error's message; the store records more."""


class Run:
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
        self._codec = named_codec(self._work, slide.channels, options.codec_name)
        self._level = MeasuredLevel.of(self._work.levels, slide.mpp)
        self._governor = self._make_governor()
        self._ledger = Ledger(self._work.levels[0].grid)
        self._replaced = Replaced(plan.tissue.overview.replaced)
        self._total = sum(len(level.shards) for level in self._work.levels)
        self._done = 0
        self._bytes = 0

    def write(self, path: Location) -> None:
        """Write the store, or continue what an interrupted run has left."""
        with self._writer(path, restart=self._options.existing == "restart") as writer:
            self._complete(writer)

    def continues(self, path: Location) -> bool:
        """Return whether the unfinished store of a path was begun as this run would begin it."""
        return is_begun_so(path, self._spec(path))

    def begin(self, path: Location, claim: SharedClaim) -> None:
        """Begin the store, whose shards others make, unless it has been begun before."""
        with self._writer(path, restart=self._options.existing == "restart", claim=claim):
            self._source.check()

    def write_part(self, path: Location, claim: SharedClaim, part: Part) -> None:
        """Write the missing shards of one part of a store that has been begun."""
        levels = self._work.levels
        owned = owned_shards(levels, part, halved=self._work.decodes)
        self._total = len(owned.cells)
        try:
            with self._writer(path, claim=claim, is_part=True) as writer:
                self._write_shards(writer, owned)
                self._source.check()
        except SlideReadError as error:
            if self._source.has_changed:
                raise SourceChangedError(str(error)) from error
            raise

    def finish(self, path: Location, claim: SharedClaim) -> None:
        """Make the shards that no part has made, and finish the store."""
        with self._writer(path, claim=claim) as writer:
            self._complete(writer)

    @property
    def source(self) -> str:
        """What tells the slide's files from changed ones."""
        return self._source.state

    @property
    def finest_shards(self) -> int:
        """The number of shards of the finest level: there may be so many parts."""
        return len(self._work.levels[0].shards)

    @property
    def progress(self) -> Progress:
        """How far the run has come."""
        return Progress(
            shards_done=self._done,
            shards_total=self._total,
            tiles_total=len(self._plan),
            bytes_written=self._bytes,
            memory=self._governor.use,
        )

    def _writer(
        self,
        path: Location,
        *,
        restart: bool = False,
        claim: SharedClaim | None = None,
        is_part: bool = False,
    ) -> StoreWriter:
        return StoreWriter(
            path,
            self._spec(path),
            overwrite=self._options.existing == "overwrite",
            restart=restart,
            durable=self._options.durable,
            claim=claim,
            is_part=is_part,
        )

    def _complete(self, writer: StoreWriter) -> None:
        """Make all shards that are missing, and finish the store."""
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
        shape = TableShape.of(writer.spec.metadata)
        table = tile_table(self._ledger, self._plan, quality, self._level.mpp, shape)
        reasons = self._reasons()
        damage = DamageFacts.of(reasons, self._replaced.counts)
        self._check_readable(table, damage)
        return table, damage

    def _write_shards(self, writer: StoreWriter, owned: OwnedShards | None = None) -> None:
        """Make and write all shards that are missing, or those of one part."""
        is_kept = functools.partial(self._is_kept, writer)
        writer.expect(self._own_shards(owned))
        tasks = self._work.tasks(is_kept, owns_all if owned is None else owned, writer)
        writer.expect(())  # what was not asked for may be written anew
        if owned is not None and self._work.decodes:
            self._remove_above(writer, tasks, owned)
        self._work.expect(tasks)
        self._report()
        results = self._results(tasks, _stages(self._work, writer), writer.in_flight)
        with contextlib.closing(results):  # the threads end first, whatever ends the loop
            for records in results:
                for record in records:
                    self._enter(record)
                self._report()

    def _own_shards(self, owned: OwnedShards | None) -> Iterator[tuple[int, Shard]]:
        """Yield all shards, or those of one part, in the order in which tasks look for them."""
        owns = owns_all if owned is None else owned
        for number, level in enumerate(self._work.levels):
            yield from ((number, shard) for shard in level.shards if owns(number, shard))

    def _remove_above(self, writer: StoreWriter, tasks: Iterable[Task], owned: OwnedShards) -> None:
        """Remove what an earlier run has made of shards that are made anew, and this one does not.

        The finishing run would keep it: it finds all that it was made from, and not when that was.
        """
        made = (shard for task in tasks if not task.is_kept for shard in task.shards)
        above = (owned.above(shard, len(self._work.levels)) for shard in made)
        for cell in sorted(set().union(*above)):
            writer.remove_shard(*cell)

    def _results(
        self, tasks: Iterable[Task], stages: Stages[Task, list[ShardRecord]], in_flight: int
    ) -> Generator[list[ShardRecord], None, None]:
        places = self._governor.places
        if not self._work.decodes:
            most = min(MOST_COPIERS, max(COPIERS, in_flight))
            return share_out(tasks, stages.carry, places, most=most)
        limits = Limits(workers=self._workers, readers=READERS, writers=in_flight)
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
        self._on_progress(self.progress)

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

    def _reference(self, path: Location) -> ReferenceFacts | None:
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
            most=PLACES_PER_WORKER * self._workers if self._work.decodes else MOST_COPIERS,
            memory_bytes=self._options.memory_bytes,
            beside_bytes=HELD_BYTES if self._slide.is_afar else 0,
        )
        return Governor(budget, gauge)

    def _spec(self, path: Location) -> StoreSpec:
        work, anonymous = self._work, self._options.anonymous
        metadata = store_metadata(
            self._slide,
            self._plan,
            self._codec,
            work.levels,
            anonymous=anonymous,
            not_native=self._not_native,
            reference=self._reference(path),
        )
        return StoreSpec(plan=self._plan, codec=self._codec, levels=work.levels, metadata=metadata)


def _stages(work: Work, writer: StoreWriter) -> Stages[Task, list[ShardRecord]]:
    """Return the stages of a task: read from the slide, made into shards, written."""
    return Stages(
        read=lambda task: work.read(task, writer),
        encode=lambda fetched: [writer.pack(shard) for shard in work.encode(fetched)],
        write=lambda packed: [writer.write_shard(shard) for shard in packed],
    )
