"""Stored chunks of a remote array, fetched ahead of whoever reads on.

Knows shards, and what a cache of decoded chunks will keep. Does not decode anything.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from slidetile.cloud.objects import IN_FLIGHT
from slidetile.errors import StoreError
from slidetile.format.shard import ShardIndex
from slidetile.raster.region import Region
from slidetile.store._absence import AbsentShard, Cell
from slidetile.store._chunk_cache import ChunkCache
from slidetile.store._remote_chunks import RemoteArray, divided, fetched
from slidetile.store._shard_file import OpenedShard, Places, chunk_reads, part_of

LARGEST_AHEAD_BYTES = 1 << 25
"""32 MiB of stored chunks, with the gaps between them, are fetched and not taken yet before no more
are asked for; what is asked for at once comes on top."""

BATCH_BYTES = 1 << 23
"""8 MiB: chunks that are asked for at once, so that neighbours in a shard take one request. From
then on a batch ends before the next shard: its rows are in pieces all over it."""

LARGEST_BATCH_BYTES = 1 << 24
"""16 MiB: where a batch ends in any case."""

SHARDS_AHEAD = IN_FLIGHT
"""Shards whose indexes are asked for before their chunks are planned; of those that are read whole
there may be more, within the bytes ahead."""

LARGEST_WHOLE_BYTES = LARGEST_AHEAD_BYTES // 2
"""16 MiB of shards that are read whole, far ahead, so that there is room for what comes before."""

SPANS_AHEAD = 1 << 12
"""Spans looked at for those shards."""

SHARDS_KNOWN = 256
"""Shards whose indexes are at hand; more of them are in the array's own cache."""


@dataclass(slots=True)
class _Fetch:
    """A read that is under way or done."""

    nbytes: int
    data: Callable[[], bytes]
    left: int = 0
    """How often its chunks will be taken from now on, as far as is planned."""
    unplanned: int = 0
    """Chunks of it that may yet be planned."""


@dataclass(slots=True)
class _Step:
    """What one span takes that no cache will have."""

    span: Region
    wanted: list[tuple[Cell, ShardIndex, Places]] = field(default_factory=list)
    """Shards, and the stored chunks in each that are to be fetched."""

    absent: list[AbsentShard] = field(default_factory=list)
    coming: list[tuple[Cell, _Fetch, slice]] = field(default_factory=list)
    """Each chunk, and where its bytes are in a read."""


class ChunksAhead:
    """The chunks that a reader of many spans will ask for, fetched before it does.

    Which it will ask for follows from the spans and from what its cache keeps: a cache of the same
    size is led along. Whatever it asks for otherwise is fetched then. One thread takes; the
    requests are made by others, `IN_FLIGHT` at most, which end with `close`.

    Parameters
    ----------
    array
        The array.
    spans
        The spans that will be read, in this order.
    """

    def __init__(self, array: RemoteArray, spans: Iterable[Region]) -> None:
        self._array = array
        self._spans = iter(spans)
        self._pool = ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="slidetile_ahead")
        self._cache = ChunkCache()
        self._pixels = np.broadcast_to(np.zeros((), array.dtype), array.chunk_shape)
        self._seen: deque[Region] = deque()
        self._opened: OrderedDict[Cell, Future[OpenedShard]] = OrderedDict()
        self._coming: set[Cell] = set()
        self._whole: dict[Cell, _Fetch] = {}
        self._whole_bytes = 0
        self._planned_of: dict[Cell, int] = {}
        self._last_seen: dict[Cell, int] = {}
        self._seen_so_far = 0
        self._steps: deque[_Step] = deque()
        self.held_bytes = 0
        """Bytes that are fetched or asked for, and not taken yet."""

    def close(self) -> None:
        """End: no request is begun any more."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._steps.clear()

    def take(self, span: Region, known: Collection[Cell]) -> Iterator[tuple[Cell, bytes | None]]:
        """Yield each chunk of a span but those known, as `fetched` does."""
        self._plan()
        is_planned = bool(self._steps) and self._steps[0].span == span
        step = self._steps.popleft() if is_planned else _Step(span)
        missing = self._missing(step, known)
        for cell, fetch, part in step.coming:
            data = fetch.data()[part]
            self._let_go(fetch)
            if cell not in known:
                yield cell, data
        for absent in step.absent:
            self._array.check_absent(absent)
            yield from ((cell, None) for cell in absent.cells if cell not in known)
        if missing:
            yield from fetched(self._array, missing)

    def _missing(self, step: _Step, known: Collection[Cell]) -> list[tuple[Cell, Places]]:
        """Return the chunks that a step takes and that were not foreseen."""
        found = {*known, *(cell for cell, *_ in step.coming)}
        found.update(cell for absent in step.absent for cell in absent.cells)
        if len(found) >= step.span.width * step.span.height:
            return []
        missing = []
        for shard, places in self._array.shards(step.span):
            left = [p for p in places.tolist() if self._array.cell(shard, p) not in found]
            missing += [(shard, np.array(left, np.intp))] if left else []
        return missing

    def _let_go(self, fetch: _Fetch) -> None:
        fetch.left -= 1
        if not fetch.left and not fetch.unplanned:
            self.held_bytes -= fetch.nbytes

    def _plan(self) -> None:
        """Ask for more until enough is under way; wait for it only where nothing else is."""
        while True:
            self._look_ahead()
            if not self._seen:
                return
            if self._steps and not (self._may_ask(self._seen[0]) and self._is_ready(self._seen[0])):
                return
            if self.held_bytes >= LARGEST_AHEAD_BYTES + LARGEST_BATCH_BYTES:
                self._drop_whole()
            self._fetch(self._batch())

    def _may_ask(self, span: Region) -> bool:
        """Return whether there is room for the chunks of a span, or they are there already."""
        if self.held_bytes < LARGEST_AHEAD_BYTES:
            return True
        return all(shard in self._whole for shard, _ in self._unkept(span))

    def _unkept(self, span: Region) -> Iterator[tuple[Cell, Places]]:
        """Yield the chunks of a span that no cache will have, by shard."""
        for shard, places in self._array.shards(span):
            names = [self._array.cell(shard, place) for place in places.tolist()]
            left = [name not in self._cache for name in names]
            if any(left):
                yield shard, places[left]

    def _look_ahead(self) -> None:
        """Ask for shards before it is their turn."""
        while (
            len(self._seen) < SPANS_AHEAD
            and len(self._coming) < SHARDS_AHEAD
            and (self._has_room() or not (self._seen or self._steps))
        ):
            span = next(self._spans, None)
            if span is None:
                return
            self._seen.append(span)
            self._seen_so_far += 1
            for shard, _ in self._array.shards(span):
                self._last_seen[shard] = self._seen_so_far
                self._open(shard)

    def _has_room(self) -> bool:
        """Return whether more shards may be read whole."""
        if self._whole_bytes >= LARGEST_WHOLE_BYTES:
            self._drop_passed()
        return self.held_bytes < LARGEST_AHEAD_BYTES and self._whole_bytes < LARGEST_WHOLE_BYTES

    def _drop_passed(self) -> None:
        """Forget shards that were read whole and that no span ahead touches, the oldest first.

        Some of their chunks nobody has asked for, so they would be held until the end.
        """
        planned = self._seen_so_far - len(self._seen)
        for shard in [each for each in self._whole if self._last_seen.get(each, 0) <= planned]:
            if self._whole_bytes < LARGEST_WHOLE_BYTES // 2:
                return
            self._forget(shard)

    def _open(self, shard: Cell) -> "Future[OpenedShard]":
        """Return what is or will be known of a shard."""
        known = self._opened.get(shard)
        if known is not None:
            self._opened.move_to_end(shard)
            return known
        whole_bytes = 0 if shard in self._whole else self._array.whole_bytes(shard)
        asked = self._pool.submit(self._array.opened, shard)
        if whole_bytes:
            self._whole[shard] = _Fetch(whole_bytes, lambda: asked.result().data or b"", 0, 1)
            self._whole_bytes += whole_bytes
            self.held_bytes += whole_bytes
        else:
            self._coming.add(shard)
        self._opened[shard] = asked
        if len(self._opened) > SHARDS_KNOWN:
            self._opened.popitem(last=False)
        return asked

    def _is_ready(self, span: Region) -> bool:
        return all(self._open(shard).done() for shard, _ in self._unkept(span))

    def _batch(self) -> list[_Step]:
        """Plan the next spans, as far as is worth a batch."""
        steps: list[_Step] = []
        shards: set[Cell] = set()
        nbytes = 0
        while self._seen and nbytes < LARGEST_BATCH_BYTES:
            coming = {shard for shard, _ in self._unkept(self._seen[0])}
            if nbytes >= BATCH_BYTES and not coming <= shards:
                break
            is_waiting = coming & self._whole.keys() and not self._is_ready(self._seen[0])
            if steps and (is_waiting or not self._may_ask(self._seen[0])):
                break
            shards |= coming
            step = self._planned(self._seen.popleft())
            nbytes += sum(int(index[places, 1].sum()) for _, index, places in step.wanted)
            steps.append(step)
            self._look_ahead()
        return steps

    def _planned(self, span: Region) -> _Step:
        """Return what a span takes, and lead the cache along."""
        step = _Step(span)
        unkept = list(self._unkept(span))
        for cell in {cell for cell in _cells(span) if cell in self._cache}:
            self._cache[cell]  # it was used last
        self._coming.difference_update(shard for shard, _ in self._array.shards(span))
        for shard, places in unkept:
            try:
                index = self._open(shard).result().index
            except StoreError:  # which is raised when it is its turn
                if (lost := self._whole.pop(shard, None)) is not None:
                    self._whole_bytes -= lost.nbytes
                continue
            self._divide(step, shard, index, places)
        for cell, *_ in step.coming:
            self._cache.keep(cell, self._pixels)
        for shard, _, places in step.wanted:
            for place in places.tolist():
                self._cache.keep(self._array.cell(shard, place), self._pixels)
        for absent in step.absent:
            for cell in absent.cells:
                self._cache.keep(cell, None)
        return step

    def _divide(self, step: _Step, shard: Cell, index: ShardIndex | None, places: Places) -> None:
        stored, absent = divided(self._array, shard, places, index)
        step.absent += absent
        if index is None or not len(stored):
            return
        if shard in self._whole:
            self._take_whole(step, shard, index, stored)
        else:
            step.wanted.append((shard, index, stored))

    def _take_whole(self, step: _Step, shard: Cell, index: ShardIndex, places: Places) -> None:
        """Plan chunks of a shard that is read whole, and forget it when they were all."""
        fetch = self._whole[shard]
        for place in places.tolist():
            step.coming.append((self._array.cell(shard, place), fetch, part_of(index, place)))
        fetch.left += len(places)
        self._planned_of[shard] = self._planned_of.get(shard, 0) + len(places)
        if self._planned_of[shard] >= np.count_nonzero(index[:, 1]):
            self._forget(shard)

    def _drop_whole(self) -> None:
        """Forget shards that were read whole, and of which nothing is planned any more."""
        for shard in [each for each in self._whole if each in self._planned_of]:
            self._forget(shard)

    def _forget(self, shard: Cell) -> None:
        """Hold a shard no longer than those chunks of it that are planned."""
        fetch = self._whole.pop(shard)
        self._whole_bytes -= fetch.nbytes
        self._planned_of.pop(shard, None)
        fetch.unplanned = 0
        if not fetch.left:
            self.held_bytes -= fetch.nbytes
        self._opened.pop(shard, None)  # its bytes, too; its index is in the array's cache

    def _fetch(self, steps: list[_Step]) -> None:
        """Ask for the chunks of some steps, each once, neighbours together."""
        by_shard: dict[Cell, tuple[ShardIndex, list[Places]]] = {}
        for step in steps:
            for shard, index, places in step.wanted:
                by_shard.setdefault(shard, (index, []))[1].append(places)
        found: dict[tuple[Cell, int], tuple[_Fetch, slice]] = {}
        for shard, (index, parts) in by_shard.items():
            for read in chunk_reads(index, np.unique(np.concatenate(parts))):
                asked = self._pool.submit(self._array.read_shard, shard, read.start, read.stop)
                fetch = _Fetch(read.stop - read.start, asked.result)
                self.held_bytes += fetch.nbytes
                found |= {(shard, place): (fetch, part) for place, part in read.parts}
        for step in steps:
            for shard, _, places in step.wanted:
                for place in places.tolist():
                    fetch, part = found[shard, place]
                    fetch.left += 1
                    step.coming.append((self._array.cell(shard, place), fetch, part))
            step.wanted.clear()
        self._steps += steps


def _cells(span: Region) -> Iterator[Cell]:
    return ((x, y) for y in range(span.y, span.bottom) for x in range(span.x, span.right))
