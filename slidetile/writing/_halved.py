"""The halved pixels of shards, left by a part of a store for the coarser shards that no part makes.

A lossy shard does not hold the slide's pixels, of which a coarser one is made; without these files
all of the slide beneath would be decoded again.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from slidetile.format.checksum import crc32c
from slidetile.format.layout import Shard
from slidetile.format.manifest import FileSum
from slidetile.raster.pixels import Pixels
from slidetile.runtime.files import read_regular

_HEAD_BYTES = 16

Write = Callable[[Path, tuple[bytes, ...]], None]


class HalvedShards:
    """A folder of files, one for each shard: what they are of, a checksum, and the samples.

    Parameters
    ----------
    folder
        The folder, which need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, level: int, shard: Shard, of: FileSum, pixels: Pixels, write: Write) -> None:
        """Write the halved pixels of a shard.

        Parameters
        ----------
        level, shard
            Which shard it is.
        of
            The content of the shard's file.
        pixels
            Its pixels at the next coarser level.
        write
            Writes a file, whole or not at all.

        Raises
        ------
        OSError
            The file cannot be written.
        """
        samples = np.ascontiguousarray(pixels).tobytes()
        write(self._path(level, shard), (_head(of, samples), samples))

    def read(self, level: int, shard: Shard, of: FileSum, out: Pixels) -> bool:
        """Read the halved pixels of a shard's file of this content; return False if there are none.

        Pixels of what the shard was before do not count.
        """
        try:
            data = read_regular(self._path(level, shard), _HEAD_BYTES + out.nbytes + 1)
        except OSError:
            return False
        samples = data[_HEAD_BYTES:]
        if len(samples) != out.nbytes or data[:_HEAD_BYTES] != _head(of, samples):
            return False
        out[:] = np.frombuffer(samples, out.dtype).reshape(out.shape)
        return True

    def remove(self) -> None:
        """Remove the folder, if there is one."""
        if self._folder.is_dir():
            shutil.rmtree(self._folder)

    def _path(self, level: int, shard: Shard) -> Path:
        return self._folder / f"{level}.{shard.column}.{shard.row}"


def _head(of: FileSum, samples: bytes) -> bytes:
    """Return what a file begins with."""
    return (
        of.crc32c.to_bytes(4, "little")
        + of.size_bytes.to_bytes(8, "little")
        + crc32c(samples).to_bytes(4, "little")
    )
