"""Which shards of a store each of several processes makes: pure integers.

Shards that are made from others, level by level, are cut along a Z curve, so that nearly all that
is made of a part's shards lies in the part. What is made from shards of two parts is in no part:
it is made when the store is finished. Copied shards are independent, and are cut in the order in
which the slide's file holds them.
"""

import itertools
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from slidetile.format.layout import Shard, morton_key
from slidetile.format.pyramid import PyramidLevel

SLACK = 1 / 16
"""Cuts move by up to this share of a part, to where they cut the fewest coarser shards."""

Cell = tuple[int, int, int]
"""(level, column, row) of a shard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One of several parts of a store.

    Raises
    ------
    ValueError
        There is no such part.
    """

    number: int
    """Its number, from 0."""

    count: int
    """How many parts there are."""

    def __post_init__(self) -> None:
        if not 0 <= self.number < self.count:
            raise ValueError(f"There is no part {self.number} of {self.count}, counted from 0.")


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnedShards:
    """The shards that one part makes."""

    cells: frozenset[Cell]
    """(level, column, row) of each."""

    def __call__(self, level: int, shard: Shard) -> bool:
        """Return whether the part makes a shard."""
        return (level, shard.column, shard.row) in self.cells

    def above(self, shard: Shard, levels: int) -> set[Cell]:
        """Return the shards that are made from a shard of level 0, and that no part makes."""
        cells = {(n, shard.column >> n, shard.row >> n) for n in range(1, levels)}
        return cells - self.cells


def owned_shards(levels: Sequence[PyramidLevel], part: Part, *, halved: bool) -> OwnedShards:
    """Return the shards of a part.

    Parameters
    ----------
    levels
        All levels of the store, finest first.
    part
        Which part.
    halved
        Whether each coarser level is made from the finer one.
    """
    if not halved:
        shards = [(n, shard) for n, level in enumerate(levels) for shard in level.shards]
        cuts = _cuts([len(shard.chunks) for _, shard in shards], part.count)
        mine = shards[cuts[part.number] : cuts[part.number + 1]]
        return OwnedShards(cells=frozenset((n, s.column, s.row) for n, s in mine))
    along_z = sorted(levels[0].shards, key=morton_key)
    keys = [morton_key(shard) for shard in along_z]
    cuts = _cuts([len(shard.chunks) for shard in along_z], part.count, keys)
    own = {(s.column, s.row) for s in along_z[cuts[part.number] : cuts[part.number + 1]]}
    return OwnedShards(cells=frozenset(_with_coarser(levels, own)))


def _with_coarser(levels: Sequence[PyramidLevel], own: set[tuple[int, int]]) -> set[Cell]:
    """Return shards of level 0, and the coarser ones that are made from these alone."""
    cells = {(0, *cell) for cell in own}
    for number, (finer, level) in enumerate(itertools.pairwise(levels), start=1):
        others = {(s.column // 2, s.row // 2) for s in finer.shards if (s.column, s.row) not in own}
        own = {(s.column, s.row) for s in level.shards} - others
        cells.update((number, *cell) for cell in own)
    return cells


def _cuts(weights: Sequence[int], count: int, keys: Sequence[int] | None = None) -> list[int]:
    """Return where parts of about equal weight begin, and where the last one ends.

    With ``keys``, places on a Z curve, cuts move a little to where few squares are cut.
    """
    sums = list(itertools.accumulate(weights, initial=0))
    cuts = [0]
    for number in range(1, count):
        ideal = sums[-1] * number / count
        slack = 0.0 if keys is None else sums[-1] / count * SLACK
        at = bisect_left(sums, ideal)
        first, last = bisect_left(sums, ideal - slack), bisect_left(sums, ideal + slack)
        around = range(max(1, first), min(last, len(weights) - 1) + 1)
        if keys is not None and around:
            at = max(around, key=lambda place: (_edge(keys, place), -abs(sums[place] - ideal)))
        cuts.append(max(at, cuts[-1]))
    return [*cuts, len(weights)]


def _edge(keys: Sequence[int], place: int) -> int:
    """Return how coarse the squares are that meet before a place on a Z curve."""
    return (keys[place - 1] ^ keys[place]).bit_length()
