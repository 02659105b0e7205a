"""One level of an OME-Zarr image: its array as rows, columns and channels, by zarr-python."""

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from slidetile.errors import DamagedPixelsError, SlideReadError, one_line
from slidetile.raster.channels import dtype_of
from slidetile.raster.pixels import Pixels
from slidetile.raster.region import Region
from slidetile.slides.omezarr._array import ArrayFacts
from slidetile.slides.omezarr._claims import Claims
from slidetile.slides.omezarr._files import LevelFiles
from slidetile.slides.omezarr._multiscale import Axes
from slidetile.slides.omezarr._presence import Presence, blocks
from slidetile.slides.reader import FinalRefusalError

_STORED_LIMIT = 4
"""Most stored bytes for a byte of pixels, as in any slide."""

_LEAST_LIMIT = 1 << 16
"""Bytes beside the pixels: of headers, where chunks are tiny."""

_AT_ONCE_BYTES = 1 << 22
"""Largest chunk of which zarr-python may decode several at once, which are ten unless it is told
otherwise: larger ones are asked for one by one."""


_AT_ONCE_CHUNKS = 256
"""Most chunks that zarr-python is asked for at once: it makes a task of each."""

_LEAST_CHUNK_PX = 1 << 10
_FEW_CHUNKS = 1 << 12
"""So many may have fewer pixels: each costs two milliseconds, whatever it holds."""


class ZarrLevel:
    """An array of uint8 or uint16 with the axes x and y, and others of which one place is read.

    Several threads may read at once.

    Parameters
    ----------
    facts
        What the array says of itself.
    axes
        Its axes.
    root
        The slide's folder.
    name
        The slide and the level, for messages.
    check_files
        Raises SlideReadError where the slide's files have changed.
    places
        The place that is read of each further axis, by the axis; 0 of others.

    Raises
    ------
    FinalRefusalError
        zarr-python cannot open it, or it is cut into far more chunks than can be read.
    """

    def __init__(
        self,
        facts: ArrayFacts,
        axes: Axes,
        *,
        root: Path,
        name: str,
        check_files: Callable[[], None],
        places: Mapping[int, int] | None = None,
    ) -> None:
        self._places = {} if places is None else places
        self._picked: tuple[int, ...] | None = None
        self._facts = facts
        self._axes = axes
        self._name = name
        self._check_files = check_files
        self._check_chunks()
        claims = Claims(encoding=facts.encoding, chunk_bytes=facts.chunk_bytes, index=facts.index)
        index_bytes = 0 if facts.index is None else facts.index.size_bytes
        most = _LEAST_LIMIT + index_bytes + _STORED_LIMIT * facts.file_bytes
        self._files = LevelFiles(
            facts.folder,
            root=root,
            most_bytes=most,
            claims=claims,
            check_missing=check_files,
        )
        self._array = self._opened()
        self.presence = Presence(
            facts,
            axes,
            files=self._files,
            encode_key=self._array.metadata.encode_chunk_key,
            chosen=self._places,
        )
        """Which of its chunks are stored."""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return self._facts.shape[self._axes.x], self._facts.shape[self._axes.y]

    @property
    def chunk_size(self) -> tuple[int, int]:
        """(width, height) of what is decoded at once, at most the level's own."""
        chunk = self._facts.chunk_shape
        return min(chunk[self._axes.x], self.size[0]), min(chunk[self._axes.y], self.size[1])

    @property
    def folder(self) -> Path:
        """The array's folder."""
        return self._facts.folder

    @property
    def file(self) -> Path:
        """The array's metadata."""
        return self._facts.file

    @property
    def channels(self) -> int:
        """Channels of a pixel that are read."""
        if self._picked is not None:
            return len(self._picked)
        return 1 if self._axes.channel is None else self._facts.shape[self._axes.channel]

    @property
    def bits(self) -> int:
        """Bits of a sample."""
        return self._facts.bits

    def pick(self, numbers: tuple[int, ...]) -> None:
        """Read these channels only, in this order."""
        self._picked = numbers

    def read(self, region: Region) -> Pixels:
        """Read a region that lies within the level, as [row, column, channel].

        Raises
        ------
        SlideReadError
            A file could not be read.
        DamagedPixelsError
            A chunk does not decode.
        """
        shape = region.height, region.width, self.channels
        pixels = np.empty(shape, dtype_of(self._facts.bits))
        for part in self._parts(region):
            # zarr-python takes milliseconds for each chunk, also where nothing is stored.
            is_stored = self.presence.stores_some(part)
            found = self._read(part) if is_stored else self._array.fill_value
            pixels[part.relative_to(region).slices] = found
        return pixels

    def files(self) -> Iterator[Path]:
        """Yield all files that may hold chunks, in the order of the grid."""
        whole = Region.from_edges(0, 0, *self.size)
        return (self._facts.folder / key for key in self.presence.keys(whole))

    def _parts(self, region: Region) -> Iterator[Region]:
        """Yield a region in parts of few chunks, one by one where those take much memory."""
        width, height = self.chunk_size
        if self._facts.chunk_bytes <= _AT_ONCE_BYTES:
            most = max(1, _AT_ONCE_CHUNKS // self._chunks_deep)
            across = min(most, -(-region.width // width) + 1)
            width, height = width * across, height * max(1, most // across)
        for block in blocks(region, width, height):
            part = block.intersection(region)
            assert part is not None, "only chunks that meet the region are read"
            yield part

    def _read(self, part: Region) -> Pixels:
        try:
            found = self._channels_of(part)
        except Exception as error:  # whatever a codec raises on damaged data
            cause = _cause(error)
            if isinstance(cause, SlideReadError | MemoryError):
                raise cause from None  # of which the files tell themselves
            self._check_files()
            raise DamagedPixelsError(
                f"{part.width}×{part.height} pixels at column {part.x}, row {part.y} of "
                f"{self._name} do not decode: {one_line(cause)}."
            ) from error
        return self._turned(found)

    def _channels_of(self, part: Region) -> NDArray[Any]:
        """Read a part as the array has it: its axes of rows, columns and channels."""
        selection: list[Any] = [0] * len(self._facts.shape)
        for axis, place in self._places.items():
            selection[axis] = place
        selection[self._axes.y], selection[self._axes.x] = part.slices
        channel = self._axes.channel
        if channel is None or self._picked is None:
            if channel is not None:
                selection[channel] = slice(None)
            return np.asarray(self._array[tuple(selection)])
        left = [axis for axis in range(len(selection)) if axis in self._kept_axes]
        found = []
        for number in self._picked:  # one by one: chunks of other channels are not decoded
            selection[channel] = slice(number, number + 1)
            found.append(np.asarray(self._array[tuple(selection)]))
        return np.concatenate(found, axis=left.index(channel))

    @property
    def _kept_axes(self) -> tuple[int | None, ...]:
        return self._axes.x, self._axes.y, self._axes.channel

    @property
    def _chunks_deep(self) -> int:
        """Chunks that are read at once for each column and row of chunks: of several channels."""
        channel = self._axes.channel
        if channel is None or self._picked is not None:
            return 1
        return -(-self._facts.shape[channel] // self._facts.chunk_shape[channel])

    def _check_chunks(self) -> None:
        """Check that a person would live to see all chunks read."""
        width, height = self.chunk_size
        count = math.prod(
            -(-side // each) for side, each in zip(self.size, (width, height), strict=True)
        )
        if count > _FEW_CHUNKS and width * height < _LEAST_CHUNK_PX:
            raise FinalRefusalError(
                f"{self._name} is cut into {count} chunks of {width}×{height} pixels, more than "
                f"{_FEW_CHUNKS} of fewer than {_LEAST_CHUNK_PX}: write it anew with chunks "
                "of about 512×512"
            )

    def _turned(self, found: Any) -> Pixels:
        """Bring the axes that are left into the order [row, column, channel]."""
        axes = self._axes
        left = [axis for axis in range(len(axes.names)) if axis in self._kept_axes]
        order = [left.index(axes.y), left.index(axes.x)]
        if axes.channel is None:
            return np.asarray(found.transpose(order)[..., np.newaxis])
        return np.asarray(found.transpose([*order, left.index(axes.channel)]))

    def _opened(self) -> Any:
        """Open the array, and make sure that zarr-python understands it as it was checked."""
        try:
            array = zarr.open_array(self._files, mode="r", zarr_format=self._facts.zarr_format)
        except Exception as error:
            cause = _cause(error)
            if isinstance(cause, SlideReadError | MemoryError):
                raise cause from None
            raise FinalRefusalError(
                f"zarr-python does not open {self._name}: {one_line(cause)}"
            ) from error
        is_right = array.dtype.newbyteorder("=") == dtype_of(self._facts.bits)
        if array.shape != self._facts.shape or not is_right:
            raise FinalRefusalError(
                f"zarr-python takes {self._name} for an array of {array.dtype} of the shape "
                f"{array.shape}, but its metadata say {self._facts.shape}"
            )
        return array


def _cause(error: Exception) -> Exception:
    """Return an error itself; of a group, as newer zarr-python raises, one that says why.

    What is no damage comes first: several chunks may have failed, each in its way.
    """
    if not isinstance(error, ExceptionGroup):
        return error
    causes = [_cause(each) for each in error.exceptions]
    told = (each for each in causes if isinstance(each, SlideReadError | MemoryError))
    return next(told, causes[0])
