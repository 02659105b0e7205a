"""Which chunks of a level are stored: its files, and where these are shards, their indexes."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from slidetile.errors import DamagedPixelsError
from slidetile.raster.region import Region
from slidetile.slides.omezarr._array import ArrayFacts
from slidetile.slides.omezarr._files import LevelFiles
from slidetile.slides.omezarr._multiscale import Axes

_MOST_KEPT = 16
"""Files whose chunks are kept in mind, each a megabyte at most."""


class Presence:
    """Which chunks of an array are stored, as columns and rows: in any channel, that is.

    Parameters
    ----------
    facts
        What the array says of itself.
    axes
        Its axes.
    files
        Its files.
    encode_key
        Returns the name of the file at a place of the grid of files.
    chosen
        The place that is read of each further axis, by the axis.
    """

    def __init__(
        self,
        facts: ArrayFacts,
        axes: Axes,
        *,
        files: LevelFiles,
        encode_key: Callable[[tuple[int, ...]], str],
        chosen: Mapping[int, int],
    ) -> None:
        self._facts = facts
        self._axes = axes
        self._files = files
        self._encode_key = encode_key
        self._chosen = chosen
        self._bounds = Region.from_edges(0, 0, facts.shape[axes.x], facts.shape[axes.y])
        self._absent = lru_cache(_MOST_KEPT)(self._read_absent)

    def keys(self, region: Region) -> Iterator[str]:
        """Yield the names of the files of a region within the level, at all depths and times."""
        return map(self._encode_key, self._places(region, chosen={}))

    def stores_some(self, region: Region) -> bool:
        """Return whether any chunk of a region is there; it may reach beyond the level."""
        inner = region.intersection(self._bounds)
        if inner is None:
            return False
        return any(
            not absent
            for block in self._file_blocks(inner)
            for _, absent in self._chunks(block, inner, self._all_absent(block))
        )

    def missing(self, region: Region) -> Iterator[Region]:
        """Yield what of the level the absent files and chunks would hold that meet a region."""
        inner = region.intersection(self._bounds)
        for block in () if inner is None else self._file_blocks(inner):
            absent = self._all_absent(block)
            if absent.all():
                yield _cut(block, self._bounds)
            elif absent.any():
                assert inner is not None, "nothing meets what is nowhere"
                chunks = self._chunks(block, inner, absent)
                yield from (chunk for chunk, is_absent in chunks if is_absent)

    def _chunks(
        self, block: Region, region: Region, absent: NDArray[np.bool_]
    ) -> Iterator[tuple[Region, bool]]:
        """Yield the chunks of a block of files that meet a region, and whether each is absent."""
        width, height = self._lengths(self._facts.chunk_shape)
        for chunk in blocks(_cut(block, region), width, height):
            row, column = (chunk.y - block.y) // height, (chunk.x - block.x) // width
            yield _cut(chunk, self._bounds), bool(absent[row, column])

    def _file_blocks(self, region: Region) -> Iterator[Region]:
        """Yield what each column and row of files that meet a region would hold."""
        return blocks(region, *self._lengths(self._facts.file_shape))

    def _lengths(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Return (width, height)."""
        return shape[self._axes.x], shape[self._axes.y]

    def _all_absent(self, block: Region) -> NDArray[np.bool_]:
        """Return as [row, column] which chunks of a block of files no file of it has."""
        places = self._places(_cut(block, self._bounds), chosen=self._chosen)
        found: NDArray[np.bool_] = np.logical_and.reduce([self._absent(p) for p in places])
        return found

    def _places(self, region: Region, *, chosen: Mapping[int, int]) -> Iterator[tuple[int, ...]]:
        """Yield the places in the grid of the files that a region within the level needs."""
        counts = zip(self._facts.shape, self._facts.file_shape, strict=True)
        where = [range(-(-length // own)) for length, own in counts]
        for axis, place in chosen.items():
            at = place // self._facts.file_shape[axis]
            where[axis] = range(at, at + 1)
        for axis, (first, last) in (
            (self._axes.x, (region.x, region.right)),
            (self._axes.y, (region.y, region.bottom)),
        ):
            length = self._facts.file_shape[axis]
            where[axis] = range(first // length, -(-last // length))
        return itertools.product(*where)

    def _read_absent(self, place: tuple[int, ...]) -> NDArray[np.bool_]:
        """Return as [row, column] which chunks of a file are not there, within the array."""
        chunks = zip(
            place, self._facts.shape, self._facts.file_shape, self._facts.chunk_shape, strict=True
        )
        inside = [
            slice(-(-min(own, length - own * number) // chunk))
            for number, length, own, chunk in chunks
        ]
        for axis, chosen in self._chosen.items():
            at = chosen % self._facts.file_shape[axis] // self._facts.chunk_shape[axis]
            inside[axis] = slice(at, at + 1)
        absent = self._absent_in_file(self._encode_key(place))[tuple(inside)]
        y, x = self._axes.y, self._axes.x
        others = tuple(axis for axis in range(absent.ndim) if axis not in (x, y))
        found = np.asarray(absent.all(axis=others))
        return found if y < x else found.T

    def _absent_in_file(self, key: str) -> NDArray[np.bool_]:
        """Return which chunks of a file are not there, along each axis of the array."""
        index = self._facts.index
        counts = (1,) * len(self._facts.shape) if index is None else index.counts
        if not self._files.holds(key):
            return np.ones(counts, np.bool_)
        stored = None if index is None else self._files.read_index(key)
        if index is None or stored is None:
            return np.zeros(counts, np.bool_)
        try:
            return index.absent(stored)
        except DamagedPixelsError:
            return np.zeros(counts, np.bool_)  # which is told where its chunks are read


def blocks(region: Region, width: int, height: int) -> Iterator[Region]:
    """Yield the blocks of a size that meet a region, row by row; they may reach beyond it."""
    for y in range(region.y // height * height, region.bottom, height):
        for x in range(region.x // width * width, region.right, width):
            yield Region(x=x, y=y, width=width, height=height)


def _cut(block: Region, region: Region) -> Region:
    cut = block.intersection(region)
    assert cut is not None, "only blocks that meet the region are looked at"
    return cut
