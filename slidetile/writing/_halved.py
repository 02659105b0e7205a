"""The halved pixels of shards, left by a part of a store for the coarser shards that no part makes.

A lossy shard does not hold the slide's pixels, of which a coarser one is made; without these files
all of the slide beneath would be decoded again.
"""

import numpy as np

from slidetile.format.checksum import crc32c
from slidetile.format.layout import Shard
from slidetile.format.manifest import FileSum
from slidetile.format.names import PARTIAL_HALVED
from slidetile.raster.pixels import Pixels
from slidetile.writing.partial_store import PartialStore

_HEAD_BYTES = 16


class HalvedShards:
    """A folder of files, one for each shard: what they are of, a checksum, and the samples.

    Parameters
    ----------
    store
        The unfinished store.
    """

    def __init__(self, store: PartialStore) -> None:
        self._store = store

    def write(self, level: int, shard: Shard, of: FileSum, pixels: Pixels) -> None:
        """Write the halved pixels of a shard.

        Parameters
        ----------
        level, shard
            Which shard it is.
        of
            The content of the shard's file.
        pixels
            Its pixels at the next coarser level.

        Raises
        ------
        OSError
            The file cannot be written.
        """
        samples = np.ascontiguousarray(pixels).tobytes()
        self._store.write(_name(level, shard), (_head(of, samples), samples))

    def read(self, level: int, shard: Shard, of: FileSum, out: Pixels) -> bool:
        """Read the halved pixels of a shard's file of this content; return False if there are none.

        Pixels of what the shard was before do not count.
        """
        try:
            data = self._store.read(_name(level, shard), _HEAD_BYTES + out.nbytes + 1)
        except OSError:
            return False
        samples = data[_HEAD_BYTES:]
        if len(samples) != out.nbytes or data[:_HEAD_BYTES] != _head(of, samples):
            return False
        out[:] = np.frombuffer(samples, out.dtype).reshape(out.shape)
        return True


def _name(level: int, shard: Shard) -> str:
    return f"{PARTIAL_HALVED}/{level}.{shard.column}.{shard.row}"


def _head(of: FileSum, samples: bytes) -> bytes:
    """Return what a file begins with."""
    return (
        of.crc32c.to_bytes(4, "little")
        + of.size_bytes.to_bytes(8, "little")
        + crc32c(samples).to_bytes(4, "little")
    )
