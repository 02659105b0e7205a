"""The stripes of an NDPI level: where they lie, and how they are read.

A level is one JPEG with a restart marker after each stripe of 8 rows, and the file lists where each
stripe begins. Does not know pixels, nor what is made of stripes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slidetile.slides.jpeg.segments import EOI
from slidetile.slides.native import Damaged
from slidetile.slides.slide_file import SlideFile

STRIPE_ROWS = 8
RESTARTS = tuple(bytes((0xFF, 0xD0 + number)) for number in range(8))
"""The markers between stripes, which follow each other in this order."""

_MARKER_BYTES = 2
_WHOLE_SHARE = 3
"""A row of stripes is read whole where more than one part in so many is wanted: a disk reads on
anyway, and a network takes as long for each piece."""

_UNMARKED = Damaged("no restart marker at the end of a stripe")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stripes:
    """The stripes of one level, row by row."""

    columns: int
    """Stripes in a row."""

    rows: int
    """Rows of stripes."""

    edges: NDArray[np.uint64]
    """Where the data of each stripe begin in the file, and where those of the last one end."""

    is_sound: NDArray[np.bool_]
    """Whether each lies where it can, and is no longer than it can be."""

    @classmethod
    def within(
        cls,
        columns: int,
        rows: int,
        starts: NDArray[np.uint64],
        span: tuple[int, int],
        most_bytes: int,
    ) -> "Stripes":
        """Return the stripes of a level, as the file lists them.

        Parameters
        ----------
        columns, rows
            How many there are.
        starts
            Where each begins in the file.
        span
            The first byte of the level's scan data in the file, and the one behind the last.
        most_bytes
            What a stripe can have at most.
        """
        first, end = map(np.uint64, span)
        edges = np.append(starts, end)
        is_sound = (starts >= first) & (starts < edges[1:]) & (edges[1:] <= end)
        lengths = np.where(is_sound, edges[1:] - starts, 0)
        is_sound &= (lengths > _MARKER_BYTES) & (lengths <= most_bytes)
        is_sound[0] &= starts[0] == first
        return cls(columns=columns, rows=rows, edges=edges, is_sound=is_sound)

    def joined(self, down: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        """Return where tiles of so many stripes under each other begin, and their bytes.

        A stripe that is not sound counts as one byte.
        """
        lengths = np.where(self.is_sound, np.diff(self.edges), np.uint64(1))
        firsts = np.arange(0, self.rows, down)
        counts = np.add.reduceat(lengths.reshape(self.rows, self.columns), firsts, axis=0)
        starts = self.edges[:-1].reshape(self.rows, self.columns)[firsts]
        return starts.reshape(-1), counts.reshape(-1)

    def read(
        self, file: SlideFile, rows: range, wanted: Sequence[int]
    ) -> dict[int, list[bytes | Damaged]]:
        """Return the scan data of some columns' stripes, from the top down, without the markers.

        What is read is cut at once, so no more is held than is wanted.

        Parameters
        ----------
        file
            The file.
        rows
            The rows of stripes.
        wanted
            The columns, ascending, all of whose stripes in these rows are sound.

        Raises
        ------
        SlideReadError
            The file could not be read, or ended too early.
        """
        first = rows.start * self.columns
        edges = self._edges(rows)
        spans = self._spans(rows, wanted) if file.is_local else _runs(wanted)
        pieces, offsets, counts = self._pieces(rows, spans)
        unread: list[bytes | Damaged] = [_UNMARKED] * len(rows)
        found = {column: unread.copy() for column in wanted}
        for read, data in file.joined(offsets, counts):
            for stripe in (stripe for piece in read.ranges for stripe in range(*pieces[piece])):
                row, column = divmod(stripe, self.columns)
                if column in found:
                    start, stop = edges[stripe] - read.start, edges[stripe + 1] - read.start
                    found[column][row] = self._cut(data, start, stop, first + stripe)
        return found

    def _spans(self, rows: range, wanted: Sequence[int]) -> list[tuple[int, int]]:
        """Return the (first, end) of the columns that are read together."""
        band = slice(rows.start * self.columns, rows.stop * self.columns)
        if len(wanted) * _WHOLE_SHARE > self.columns and self.is_sound[band].all():
            return [(0, self.columns)]
        return _runs(wanted)

    def places(self, rows: range, wanted: Sequence[int]) -> tuple[list[int], list[int]]:
        """Return the (offsets, lengths) of what `read` reads from afar."""
        return self._pieces(rows, _runs(wanted))[1:]

    def _edges(self, rows: range) -> list[int]:
        edges = self.edges[rows.start * self.columns : rows.stop * self.columns + 1]
        found: list[int] = edges.tolist()
        return found

    def _pieces(
        self, rows: range, spans: Sequence[tuple[int, int]]
    ) -> tuple[list[tuple[int, int]], list[int], list[int]]:
        """Return the (first, end) of the stripes that are read together, and where they lie."""
        edges = self._edges(rows)
        pieces = [
            (row * self.columns + left, row * self.columns + right)
            for row in range(len(rows))
            for left, right in spans
        ]
        offsets = [edges[begin] - _MARKER_BYTES for begin, _ in pieces]
        counts = [edges[end] - at for (_, end), at in zip(pieces, offsets, strict=True)]
        return pieces, offsets, counts

    def _cut(self, data: bytes, start: int, stop: int, number: int) -> bytes | Damaged:
        """Return a stripe's own bytes, if the markers before and behind it are in their places."""
        end = stop - _MARKER_BYTES
        is_last = number == len(self.is_sound) - 1
        if not data.startswith(EOI if is_last else RESTARTS[number % 8], end, stop):
            return _UNMARKED
        if number and not data.startswith(RESTARTS[(number - 1) % 8], start - _MARKER_BYTES, start):
            return _UNMARKED
        return data[start:end]


def _runs(wanted: Sequence[int]) -> list[tuple[int, int]]:
    """Return the (first, end) of columns that lie side by side."""
    spans: list[tuple[int, int]] = []
    for column in wanted:
        if spans and spans[-1][1] == column:
            spans[-1] = spans[-1][0], column + 1
        else:
            spans.append((column, column + 1))
    return spans
