"""The record of a store's chunks, from which the tile table's rows are made."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from slidetile.format.checksum import crc32c
from slidetile.format.layout import ChunkGrid, Shard
from slidetile.format.reason import OTHERS, as_reason
from slidetile.format.table import OK, UNREADABLE

MOST_REASONS = 1 << 15
"""Most reasons that are told apart; those beyond are `slidetile.format.reason.OTHERS`."""

Blocks = Mapping[int, frozenset[tuple[int, int]]]
"""The corners of blocks of the slide, (x, y), by level."""

Span = tuple[slice, slice]
"""[rows, columns] of a chunk grid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardRecord:
    """The result for the wanted chunks of one shard."""

    level: int
    """The level it belongs to."""

    shard: Shard
    """The shard."""

    chunks: dict[int, tuple[int, int]]
    """(bytes stored, CRC-32C of the payload) of each chunk, by its place in the shard."""

    unreadable: Mapping[int, str] = field(default_factory=dict)
    """What is wrong with the chunks whose pixels could not be read, by the chunk's place."""

    averaged: tuple[int, ...] = ()
    """The places of chunks that were averaged from the next finer level."""

    replaced: Blocks = field(default_factory=dict)
    """The slide's blocks that were averaged in its place where its pixels were averaged."""


class Ledger:
    """The length and checksum of every chunk of level 0, as arrays over its chunk grid."""

    def __init__(self, grid: ChunkGrid) -> None:
        shape = grid.chunk_rows, grid.chunk_columns
        self.grid = grid
        self._stored_bytes = np.zeros(shape, np.int64)
        self._crc32c = np.zeros(shape, "<u4")
        self._unreadable = np.zeros(shape, np.uint16)
        self._reasons = {"": 0}  # each with its number
        self._named = [""]  # the same by number

    def enter(self, record: ShardRecord) -> None:
        """Record a shard of level 0."""
        if record.chunks:
            cells = self._cells(record.shard, record.chunks)
            self._stored_bytes[cells], self._crc32c[cells] = zip(
                *record.chunks.values(), strict=True
            )
        for place, reason in record.unreadable.items():
            cell = self._cells(record.shard, [place])
            self._stored_bytes[cell] = self._crc32c[cell] = 0  # if it was stored before
            self._unreadable[cell] = self._number_of(reason)

    def _number_of(self, reason: str) -> int:
        """Return the number of a reason, from 1; those beyond `MOST_REASONS` are one."""
        told = as_reason(reason)
        known = told if told in self._reasons or len(self._reasons) < MOST_REASONS else OTHERS
        if known not in self._reasons:
            self._reasons[known] = len(self._named)
            self._named.append(known)
        return self._reasons[known]

    def _cells(self, shard: Shard, places: Iterable[int]) -> tuple[NDArray[np.int64], ...]:
        """Return the rows and the columns of some of a shard's chunks in the chunk grid."""
        columns, rows = self.grid.chunk_cells(shard, places).T
        return rows, columns

    @property
    def is_readable(self) -> bool:
        """Whether all chunks could be read."""
        return not self._unreadable.any()

    def bytes_in(self, span: Span) -> int:
        """Return the stored length of the chunks in a span of the chunk grid."""
        return int(self._stored_bytes[span].sum())

    def checksum_of(self, span: Span) -> int:
        """Return the checksum of the chunks' checksums, row by row.

        Not of the chunks themselves: those of native and jpeg end with their own CRC-32C, and
        the CRC of data followed by their CRC no longer depends on the data.
        """
        checksums: NDArray[np.uint32] = self._crc32c[span][self._stored_bytes[span] > 0]
        return crc32c(checksums.tobytes())

    def reason_of(self, span: Span) -> str | None:
        """Return what is wrong with the first chunk in a span that could not be read, or None."""
        numbers = self._unreadable[span]
        return self._named[numbers[numbers > 0][0]] if numbers.any() else None

    def status_of(self, span: Span) -> str:
        """Return whether all chunks in a span could be read."""
        return UNREADABLE if self._unreadable[span].any() else OK
