"""The frames of a level: which lies where in the slide, and where in which file.

Knows files and places. Does not know how frames are stored.
"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from slidetile.errors import SlideReadError, UnsupportedSlideError
from slidetile.raster.region import Region
from slidetile.slides.dicom._elements import LEAST_FRAME_BYTES, MOST_FRAMES
from slidetile.slides.dicom._files import OpenFiles
from slidetile.slides.dicom._instance import Instance
from slidetile.slides.dicom._offsets import NOWHERE, FrameExtents, find_frames, payload
from slidetile.slides.dicom._series import LevelParts
from slidetile.slides.native import Damaged, FileRange
from slidetile.slides.reader import FinalRefusalError
from slidetile.slides.slide_file import Extent, Places

_BEYOND = Damaged("beyond the end of the file")
_TOO_LONG = Damaged("too many bytes")

Cell = tuple[int, int]
"""A frame's (column, row)."""


@dataclass(frozen=True, slots=True, eq=False)
class _Places:
    """Where each frame of a level is stored; nothing is stored of one without bytes."""

    parts: NDArray[np.int32]
    starts: NDArray[np.int64]
    stops: NDArray[np.int64]

    @property
    def counts(self) -> NDArray[np.int64]:
        """The bytes of each."""
        return self.stops - self.starts


class Frames:
    """The frames of a level; several threads may use it.

    Parameters
    ----------
    level
        The level's files.
    files
        Those that are open.

    Raises
    ------
    FinalRefusalError
        Several frames lie at one place.
    SlideReadError
        Its frames do not make the image.
    UnsupportedSlideError
        Frames do not lie in a grid.
    """

    def __init__(self, level: LevelParts, files: OpenFiles) -> None:
        self.level = level
        """The level's files."""
        self._files = files
        self._raw_bytes = level.first.raw_bytes
        self._empty_bytes = LEAST_FRAME_BYTES if self._raw_bytes is None else -1
        self.width, self.height = level.size
        self.frame_width, self.frame_height = level.first.frame_size
        self.columns = -(-self.width // self.frame_width)
        self.rows = -(-self.height // self.frame_height)
        cells = self.columns * self.rows
        if cells > MOST_FRAMES:
            raise SlideReadError(
                f"its {self.width}×{self.height} image in frames of {self.frame_width}×"
                f"{self.frame_height} pixels would have {cells}, more than {MOST_FRAMES}"
            )
        self._numbers = self._numbered()
        self._places: _Places | None = None
        self._lock = threading.Lock()

    @property
    def bounds(self) -> Region:
        """The whole image."""
        return Region(x=0, y=0, width=self.width, height=self.height)

    @property
    def _limit_bytes(self) -> int:
        """Most stored bytes of a frame; one that claims more is damaged."""
        frame_px = self.frame_width * self.frame_height
        return 4 * frame_px * self.level.first.pixel_bytes + (1 << 16)

    def cells(self, region: Region) -> Iterator[Cell]:
        """Yield the (column, row) of each frame's place that a region of the image touches."""
        if (inside := self.bounds.intersection(region)) is None:
            return
        met = inside.rescaled((self.frame_width, self.frame_height), (1, 1))
        for row in range(met.y, met.bottom):
            for column in range(met.x, met.right):
                yield column, row

    def region(self, cell: Cell) -> Region:
        """Return the pixels of a frame, its padding at the image's edges included."""
        width, height = self.frame_width, self.frame_height
        return Region(x=cell[0] * width, y=cell[1] * height, width=width, height=height)

    def held(self, cell: Cell, region: Region) -> Region:
        """Return what of a frame is read for a region that it meets: some rows, or all of it."""
        place = self.region(cell)
        if not self.level.first.is_rows:
            return place
        top, bottom = max(place.y, region.y), min(place.bottom, region.bottom, self.height)
        return Region.from_edges(place.x, top, place.right, bottom)

    def stores(self, cells: Sequence[Cell] | NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return for each place whether the file stores a frame there, damaged or not."""
        numbers = self._numbers_of(cells)
        has_bytes: NDArray[np.bool_] = self._located().counts[numbers] != self._empty_bytes
        return has_bytes & (numbers >= 0)

    def stored_bytes(self, cells: Sequence[Cell] | NDArray[np.int64]) -> int:
        """Return the bytes stored of frames; what is claimed of a damaged one does not count."""
        numbers = self._numbers_of(cells)
        places = self._located()
        numbers = numbers[numbers >= 0]
        counts, stops = places.counts[numbers], places.stops[numbers]
        sizes = np.array([part.state.size for part in self.level.parts])
        is_sound = (counts <= self._limit_bytes) & (stops <= sizes[places.parts[numbers]])
        return int((counts[is_sound] - LEAST_FRAME_BYTES).sum())

    def ranges(self, cells: Sequence[Cell] | NDArray[np.int64]) -> list[FileRange | None] | None:
        """Return where compressed frames lie; None where one of them is in several fragments.

        Raises
        ------
        SlideReadError
            A file could not be read.
        """
        found: list[FileRange | None] = []
        places = self._located()
        for number in self._numbers_of(cells).tolist():
            count = int(places.counts[number]) if number >= 0 else self._empty_bytes
            if count == self._empty_bytes:
                found.append(None)
                continue
            part, start = self.level.parts[places.parts[number]], int(places.starts[number])
            length = count - LEAST_FRAME_BYTES
            if not isinstance(part.path, Path):
                return None
            if start + count <= part.state.size and not self._is_one_item(part, start, length):
                return None
            found.append(FileRange(path=part.path, offset=start + LEAST_FRAME_BYTES, length=length))
        return found

    def _is_one_item(self, part: Instance, start: int, length: int) -> bool:
        head = self._files.get(part).read(start, LEAST_FRAME_BYTES)
        return int.from_bytes(head[4:], "little") == length

    def read(
        self, cells: Sequence[Cell] | NDArray[np.int64], region: Region | None = None
    ) -> list[Extent | Damaged | None]:
        """Read the stored bytes of frames, without what DICOM puts around them.

        Parameters
        ----------
        cells
            The places of the frames.
        region
            For which they are read, see `held`; None reads them whole.

        Returns
        -------
        list
            For each place the bytes; None where nothing is stored.

        Raises
        ------
        SlideReadError
            A file could not be read.
        """
        numbers = self._numbers_of(cells)
        places = self._located()
        found: list[Extent | Damaged | None] = [None] * len(numbers)
        wanted: dict[int, list[int]] = {}
        for place, number in enumerate(numbers.tolist()):
            if number >= 0 and places.counts[number] != self._empty_bytes:
                wanted.setdefault(int(places.parts[number]), []).append(place)
        for part, own in wanted.items():
            rows = None if region is None else [self._rows(cells[place], region) for place in own]
            self._read_part(part, own, numbers, rows, found)
        return found

    def places(self, cells: Sequence[Cell] | NDArray[np.int64]) -> list[Places]:
        """Return what of the files `read` reads of whole frames."""
        numbers, places = self._numbers_of(cells), self._located()
        numbers = numbers[numbers >= 0]
        counts = places.counts[numbers]
        is_stored = (counts != self._empty_bytes) & (counts <= self._limit_bytes)
        numbers = numbers[is_stored]
        found = []
        for part in np.unique(places.parts[numbers]).tolist():
            file = self._files.get(self.level.parts[part])
            own = numbers[places.parts[numbers] == part]
            own = own[places.stops[own] <= file.size]
            offsets, lengths = places.starts[own].tolist(), places.counts[own].tolist()
            found.append(Places(file, offsets, lengths))
        return found

    def _rows(self, cell: Cell, region: Region) -> tuple[int, int] | None:
        """Return where in a frame the rows begin that are read, and their bytes; None for all."""
        place, held = self.region(cell), self.held(cell, region)
        if held == place:
            return None
        row_bytes = self.frame_width * self.level.first.pixel_bytes
        return (held.y - place.y) * row_bytes, held.height * row_bytes

    def _read_part(
        self,
        part: int,
        own: list[int],
        numbers: NDArray[np.int64],
        rows: list[tuple[int, int] | None] | None,
        found: list[Extent | Damaged | None],
    ) -> None:
        """Read the frames that are in one file, or rows of them."""
        file, places = self._files.get(self.level.parts[part]), self._located()
        starts = places.starts[numbers[own]].tolist()
        counts = places.counts[numbers[own]].tolist()
        sound = []
        cuts = rows or [None] * len(own)
        for place, start, count, cut in zip(own, starts, counts, cuts, strict=True):
            if start + count > file.size:
                found[place] = _BEYOND
            elif count > self._limit_bytes:
                found[place] = _TOO_LONG
            else:
                skipped, kept = cut or (0, count)
                sound.append((place, start + skipped, kept))
        read = file.read_extents([each[1] for each in sound], [each[2] for each in sound])
        for (place, _, _), extent in zip(sound, read, strict=True):
            found[place] = extent if self._raw_bytes is not None else payload(extent)

    def _numbers_of(self, cells: Sequence[Cell] | NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the number of the frame at each place; -1 where there is none."""
        where = np.asarray(cells, np.int64).reshape(-1, 2)
        if ((where < 0) | (where >= (self.columns, self.rows))).any():
            raise IndexError(
                f"A native tile lies outside the grid of {self.columns}×{self.rows} tiles."
            )
        at = where[:, 1] * self.columns + where[:, 0]
        return at if self._numbers is None else self._numbers[at].astype(np.int64)

    def _numbered(self) -> NDArray[np.int32] | None:
        """Return the number of the frame at each place; None where they go row by row."""
        if self.level.first.is_sparse:
            return self._sparse()
        self._check_full()
        return None

    def _check_full(self) -> None:
        """Check that there is a frame for each place."""
        needed = self.columns * self.rows
        if self.level.frames != needed:
            raise SlideReadError(
                f"its {self.width}×{self.height} image needs {needed} frames of "
                f"{self.frame_width}×{self.frame_height} pixels, but the file lists "
                f"{self.level.frames}: it is damaged, copy it again"
            )

    def _sparse(self) -> NDArray[np.int32]:
        """Return the number of the frame at each place, which the frames state."""
        pairs = np.concatenate([part.rest.places.pairs for part in self.level.parts])
        if len(pairs) != self.level.frames:
            raise SlideReadError(
                f"it lists {self.level.frames} frames, and the places of {len(pairs)}: it is "
                "damaged, copy it again"
            )
        if (pairs < 0).any() or (pairs >= self.level.size).any():
            raise SlideReadError("a frame of it lies outside the image: it is damaged")
        cells, rest = np.divmod(pairs, (self.frame_width, self.frame_height))
        if rest.any():
            raise UnsupportedSlideError("its frames do not lie in a grid, but overlap or have gaps")
        at = cells[:, 1] * self.columns + cells[:, 0]
        unique, first, counts = np.unique(at, return_index=True, return_counts=True)
        if len(unique) < len(at):
            raise FinalRefusalError(
                f"it has {counts.max()} frames at one place (depths or channels); slidetile reads "
                "one grey or RGB image: extract the plane you need"
            )
        numbers = np.full(self.columns * self.rows, -1, np.int32)
        numbers[unique] = first
        return numbers

    def _located(self) -> _Places:
        """Return where frames are stored; that is found out when one is first asked for."""
        with self._lock:
            if self._places is None:
                self._places = self._locate()
            return self._places

    def _locate(self) -> _Places:
        found = [self._locate_in(part) for part in self.level.parts]
        places = _Places(
            np.repeat(np.arange(len(found), dtype=np.int32), [len(each.starts) for each in found]),
            np.concatenate([each.starts for each in found]),
            np.concatenate([each.stops for each in found]),
        )
        if (places.starts == NOWHERE).all():
            first = self.level.first
            raise SlideReadError(
                f"{first.path} is cut short: all its frames lie behind byte {first.state.size}, "
                "its end."
            )
        return places

    def _locate_in(self, part: Instance) -> FrameExtents:
        try:
            return find_frames(
                *(self._files.get(part), part.rest, part.frames),
                kind=part.encoding.kind,
                raw_bytes=self._raw_bytes,
            )
        except SlideReadError as error:
            raise SlideReadError(f"{part.path.name} cannot be read: {error}.") from error
