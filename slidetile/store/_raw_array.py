"""An array whose chunks are files of uncompressed planes, of which any part is read or mapped.

Knows how pixels lie in such a file. Does not know how a store is made of arrays.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from slidetile.format.names import shard_key
from slidetile.format.shard import ShardIndex
from slidetile.raster.pixels import Pixels
from slidetile.raster.region import Region
from slidetile.runtime.maps import private_map
from slidetile.store._absence import AbsentShard, Cell
from slidetile.store._array import ArrayFile
from slidetile.store._chunk_cache import ChunkCache
from slidetile.store._chunked import Part
from slidetile.store.stored_file import LocalFile, StoredFile


class RawArrayFile(ArrayFile):
    """A (c, y, x) array of the codec raw.

    What is copied anyway is read and not mapped: that takes no longer, and what a disk says of an
    error is then an exception, where a map ends the process.
    """

    def mapped(self, region: Region) -> Pixels | None:
        """Return a region as a private map of the file it lies in, which may be written to.

        None where it reaches beyond a chunk or the array, where its chunk is not stored, and where
        the system maps no more files.

        Raises
        ------
        StoreError
            As in `read`.
        """
        cell = region.x // self.grid.chunk_width, region.y // self.grid.chunk_height
        bounds = Region(x=0, y=0, width=self.grid.width, height=self.grid.height)
        chunk = self.grid.chunk_region(*cell)
        if self._folder.is_remote or not (bounds.contains(region) and chunk.contains(region)):
            return None
        with self._opened(cell) as file:
            data = private_map(file.descriptor) if isinstance(file, LocalFile) else None
        # Between the check of its length and the map, a file may have been cut.
        if data is None or len(data) != self.metadata.chunk_bytes:
            return None
        shape = self.channels, self.grid.chunk_height, self.grid.chunk_width
        planes = np.frombuffer(data, self._stored_type).astype(self.dtype, copy=False)
        return planes.reshape(shape).transpose(1, 2, 0)[region.relative_to(chunk).slices]

    def _fill(
        self,
        canvas: Pixels,
        region: Region,
        cache: ChunkCache | None,  # nothing is decoded, so of local files nothing is kept
    ) -> None:
        if self._folder.is_remote:
            super()._fill(canvas, region, cache)
            return
        span = self.grid.chunk_span(region)
        for row in range(span.y, span.bottom):
            for column in range(span.x, span.right):
                target, part = self._overlap(region, (column, row))
                self._copy((column, row), part, canvas[target])

    def _copy(self, cell: Cell, part: Part, target: Pixels) -> None:
        """Read the rows of a chunk that a part of it needs, plane by plane."""
        rows, columns = part
        with self._opened(cell) as file:
            if file is None:
                target[:] = self.fill
                return
            row_bytes = self.grid.chunk_width * self.dtype.itemsize
            for channel in range(self.channels):
                first = channel * self.grid.chunk_height + rows.start
                data = file.read(first * row_bytes, target.shape[0] * row_bytes)
                self._check_length(cell, len(data), target.shape[0] * row_bytes)
                plane = np.frombuffer(data, self._stored_type).reshape(target.shape[0], -1)
                target[..., channel] = plane[:, columns]

    @contextlib.contextmanager
    def _opened(self, cell: Cell) -> Iterator[StoredFile | None]:
        """Open the file of a chunk; None for one that was never stored."""
        file = self._open(cell)
        if file is None:
            self.check_absent(AbsentShard(cells=[cell], shard=cell, has_file=False))
            yield None
            return
        try:
            self._index(file, cell)
            yield file
        except OSError as error:
            raise self._folder.unread(f"{self._name}/{shard_key(*cell)}", error) from error
        finally:
            file.close()

    def _index(self, file: StoredFile, shard: Cell) -> ShardIndex:
        """Return where the one chunk of a file lies in it, which has to be all of it."""
        nbytes = self.metadata.chunk_bytes
        self._check_length(shard, file.size, nbytes)
        return np.array([[0, nbytes]])

    def _check_length(self, cell: Cell, found: int, nbytes: int) -> None:
        if found != nbytes:
            raise self._damaged(cell, ValueError(f"{found} bytes instead of {nbytes}"))

    @property
    def _stored_type(self) -> np.dtype[Any]:
        return self.dtype.newbyteorder("<")
