"""The work of making a store, shard by shard, less what an earlier run has finished."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from slidetile.format.codecs.codec import ChunkCodec
from slidetile.format.layout import Shard, morton_key
from slidetile.format.ledger import Blocks
from slidetile.format.pyramid import PyramidLevel
from slidetile.raster.pixels import Pixels


class Task(NamedTuple):
    """Shards of one level to be made, or a finished shard to be read for a coarser one."""

    level: int
    shards: tuple[Shard, ...]
    is_kept: bool = False


class EncodedShard(NamedTuple):
    """A shard ready to be written."""

    level: int
    shard: Shard
    payloads: dict[int, bytes]
    """The payload of each chunk, by the chunk's place in the shard."""
    unreadable: Mapping[int, str] = MappingProxyType({})
    """What is wrong with the chunks whose pixels could not be read, by the chunk's place."""
    replaced: Blocks = MappingProxyType({})
    """The blocks of the slide that were averaged from the next finer level for its pixels."""
    halved: Pixels | None = None
    """Its pixels at the next coarser level, where another process needs them."""


class KeptShards(Protocol):
    """The finished shards of an interrupted run, as they are read back."""

    def read_shard(self, level: int, shard: Shard) -> dict[int, bytes]:
        """Return the payload of each chunk of a finished shard, by the chunk's place."""
        ...

    def read_halved(self, level: int, shard: Shard, out: Pixels) -> bool:
        """Read the halved pixels of a finished shard into ``out``; return False if there are none.

        Parts of a store leave them of shards that others are made from.
        """
        ...


IsKept = Callable[[int, Shard], bool]

Owns = Callable[[int, Shard], bool]
"""Whether a shard of a level is to be made by this process, if it is missing."""


def owns_all(_level: int, _shard: Shard) -> bool:
    """Own every shard, as the only process that makes a store does."""
    return True


class Work(Protocol):
    """One way to make the shards of a plan."""

    codec: ChunkCodec
    """How chunks are stored."""

    levels: tuple[PyramidLevel, ...]
    """The store's levels, finest first."""

    slide_levels: tuple[int, ...]
    """The slide's levels that they are copied from; none where they are encoded."""

    def tasks(
        self, is_kept: IsKept, owns: Owns = owns_all, kept: KeptShards | None = None, /
    ) -> list[Task]:
        """Return the tasks that are left of those to own, given which shards are finished.

        ``kept`` reads finished shards; None where no part of a store has left any.
        """
        ...

    def expect(self, tasks: Sequence[Task]) -> None:
        """Announce the tasks of a run, of which a slide in object storage fetches what is read."""
        ...

    def read(self, task: Task, kept: KeptShards | None = None, /) -> Any:
        """Read what `encode` needs for a task.

        ``kept`` reads the finished shards of an interrupted run; it is None in a new run.
        """
        ...

    def encode(self, fetched: Any) -> Iterator[EncodedShard]:
        """Yield the shards that are ready to be written, now that a task has been read."""
        ...

    decodes: bool
    """Whether shards are made from decoded pixels, which keeps cores busy, or copied."""

    @property
    def unit_bytes(self) -> int:
        """Bytes of the largest task in memory."""
        ...

    def stored_bytes(self) -> int | None:
        """Return the bytes of all chunks; None if they are not known beforehand."""
        ...

    def tell(self) -> None:
        """Warn, when all is written, of what this way leaves out that others would not."""


def owned_level(number: int, level: PyramidLevel, owns: Owns) -> PyramidLevel:
    """Return a level with those of its shards that are owned."""
    if owns is owns_all:
        return level
    return replace(level, shards=tuple(shard for shard in level.shards if owns(number, shard)))


class HalvingTasks(NamedTuple):
    """What is left of a pyramid in which each level halves the finer one."""

    in_order: list[Task]
    """Along a Z curve over all levels, so that the accumulator of coarser shards stays small."""

    made: frozenset[tuple[int, int, int]]
    """(level, column, row) of the shards that are made."""

    def is_kept(self, level: int, shard: Shard) -> bool:
        """Return whether a shard is finished, and made by nothing that is done anew."""
        return (level, shard.column, shard.row) not in self.made


def halving_tasks(
    levels: Sequence[PyramidLevel],
    is_kept: IsKept,
    *,
    read_back: bool,
    is_halved: IsKept = lambda _level, _shard: False,
) -> HalvingTasks:
    """Return the tasks that all missing shards are made from, where each level halves a finer one.

    A finished shard is kept only if all shards that it was made from are finished too.

    Parameters
    ----------
    levels
        All levels, finest first.
    is_kept
        Which shards are finished.
    read_back
        Whether a finished shard holds the pixels that a coarser one is made from. If not, all of
        level 0 beneath a missing shard is among the tasks, but for what lies beneath a finished
        one that was halved.
    is_halved
        Of which finished shards the halved pixels are there.
    """
    made = _made(levels, is_kept)
    halved = set() if read_back else _halved(levels, made, is_halved)

    def is_task(level: int, column: int, row: int) -> bool:
        if (level, column, row) in made:
            return level == 0
        if read_back or (level, column, row) in halved:
            return (level + 1, column // 2, row // 2) in made
        above = [(n, column >> n, row >> n) for n in range(len(levels))]
        return level == 0 and not made.isdisjoint(above) and halved.isdisjoint(above)

    tasks = [
        Task(number, (shard,), is_kept=(number, shard.column, shard.row) not in made)
        for number, level in enumerate(levels)
        for shard in level.shards
        if is_task(number, shard.column, shard.row)
    ]
    tasks.sort(key=lambda task: (morton_key(task.shards[0], task.level), task.level))
    return HalvingTasks(tasks, made)


def _halved(
    levels: Sequence[PyramidLevel], made: frozenset[tuple[int, int, int]], is_halved: IsKept
) -> set[tuple[int, int, int]]:
    """Return the finished shards beneath missing ones of which the halved pixels are there."""
    return {
        (number, shard.column, shard.row)
        for number, level in enumerate(levels)
        for shard in level.shards
        if (number, shard.column, shard.row) not in made
        and (number + 1, shard.column // 2, shard.row // 2) in made
        and is_halved(number, shard)
    }


def _made(levels: Sequence[PyramidLevel], is_kept: IsKept) -> frozenset[tuple[int, int, int]]:
    """Return the (level, column, row) of the missing shards, and of all that are made from them."""
    made: set[tuple[int, int, int]] = set()
    below: set[tuple[int, int]] = set()
    for number, level in enumerate(levels):
        here = {
            (shard.column, shard.row)
            for shard in level.shards
            if (shard.column, shard.row) in below or not is_kept(number, shard)
        }
        made.update((number, *cell) for cell in here)
        below = {(column // 2, row // 2) for column, row in here}
    return frozenset(made)
