"""A level's files as zarr-python reads them: none outside the folder, none longer than can be."""

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any

from zarr.abc.store import (
    ByteRequest,
    OffsetByteRequest,
    RangeByteRequest,
    Store,
    SuffixByteRequest,
)

from slidetile.errors import DamagedPixelsError, SlideReadError
from slidetile.runtime.files import open_regular
from slidetile.slides.file_state import unreadable
from slidetile.slides.omezarr._claims import Claims
from slidetile.slides.omezarr._inside import inside
from slidetile.slides.omezarr._json import LARGEST_BYTES

_NO_KEYS: tuple[str, ...] = ()
_METADATA = ("zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata")


class LevelFiles(Store):
    """The files of an array, to be read only.

    Unlike zarr-python's own local store it tells a chunk that is not there from one that cannot
    be read, follows no link out of the folder, and bounds what it reads.

    Parameters
    ----------
    folder
        The array's folder.
    root
        The slide's folder, which nothing may lead out of.
    most_bytes
        Most bytes of a chunk or a shard.
    claims
        What chunks may claim.
    check_missing
        Called where a file is missing, before that is taken for an empty chunk.
    """

    supports_writes = supports_deletes = supports_partial_writes = supports_listing = False

    def __init__(
        self,
        folder: Path,
        *,
        root: Path,
        most_bytes: int,
        claims: Claims,
        check_missing: Callable[[], None],
    ) -> None:
        super().__init__(read_only=True)
        self._folder = folder
        self._root = root
        self._most_bytes = most_bytes
        self._claims = claims
        self._check_missing = check_missing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LevelFiles) and self._folder == other._folder

    __hash__ = Store.__hash__

    def read(self, key: str, byte_range: ByteRequest | None = None) -> bytes | None:
        """Return the bytes of a file, or some of them; None where it is not there.

        Raises
        ------
        SlideReadError
            It cannot be read.
        DamagedPixelsError
            It is longer than can be true.
        """
        path = inside(self._root, *self._folder.relative_to(self._root).parts, *key.split("/"))
        try:
            return self._read(path, byte_range)
        except (FileNotFoundError, NotADirectoryError):
            self._check_missing()
            return None
        except SlideReadError:
            raise
        except OSError as error:
            raise unreadable(path, error) from error

    def read_index(self, key: str) -> bytes | None:
        """Return the index of a shard as it is stored; raises as `read`."""
        return self.read(key, self._index_range())

    def holds(self, key: str) -> bool:
        """Return whether a file is there; what is wrong with one is told where it is read.

        Raises
        ------
        SlideReadError
            It is missing, and so is what every image has.
        """
        try:
            os.stat(self._folder / key)  # noqa: PTH116  a chunk costs no path objects
        except (FileNotFoundError, NotADirectoryError):
            self._check_missing()
            return False
        except OSError:
            return True
        return True

    def _read(self, path: Path, byte_range: ByteRequest | None) -> bytes:
        file = open_regular(os.path.realpath(path), follows_links=False)
        try:
            start, end = _span(byte_range, os.fstat(file).st_size)
            most = LARGEST_BYTES if path.name in _METADATA else self._most_bytes
            if end - start > most:
                damaged = DamagedPixelsError(
                    f"{path} does not decode: it has {end - start} bytes, which can be {most} at "
                    "most."
                )
                damaged.reason = "too many bytes"
                raise damaged
            return os.pread(file, end - start, start)
        finally:
            os.close(file)

    def _read_checked(self, key: str, byte_range: ByteRequest | None) -> bytes | None:
        """Read as `read`, and check what chunks claim, and that a shard's index is none."""
        data = self.read(key, byte_range)
        if data is None or key.rpartition("/")[2] in _METADATA:
            return data
        if byte_range is None:
            self._claims.check_file(data)
        elif self._claims.index is not None and byte_range == self._index_range():
            self._claims.index.entries(data)
        else:
            self._claims.check_chunk(data)
        return data

    def _index_range(self) -> ByteRequest | None:
        """Return which bytes of a shard are its index, as zarr-python asks for them, too."""
        index = self._claims.index
        if index is None:
            return None
        if index.is_first:
            return RangeByteRequest(0, index.size_bytes)
        return SuffixByteRequest(index.size_bytes)

    async def get(
        self, key: str, prototype: Any = None, byte_range: ByteRequest | None = None
    ) -> Any:
        """Return the bytes of a file as zarr's buffer."""
        data = await asyncio.to_thread(self._read_checked, key, byte_range)
        return None if data is None else prototype.buffer.from_bytes(data)

    async def get_partial_values(
        self, prototype: Any, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Any]:
        """Return the bytes of several files."""
        return [await self.get(key, prototype, byte_range) for key, byte_range in key_ranges]

    async def exists(self, key: str) -> bool:
        """Return whether a file is there."""
        return await asyncio.to_thread(self.holds, key)

    async def set(self, key: str, value: Any) -> None:
        """Refuse to write."""
        del value
        raise OSError(errno.EROFS, "a slide is read only", key)

    async def set_partial_values(self, key_start_values: Iterable[Any]) -> None:
        """Refuse to write."""
        del key_start_values
        raise OSError(errno.EROFS, "a slide is read only")

    async def delete(self, key: str) -> None:
        """Refuse to write."""
        raise OSError(errno.EROFS, "a slide is read only", key)

    async def list(self) -> AsyncIterator[str]:
        """Yield nothing: an array's metadata say which files it may have."""
        for key in _NO_KEYS:
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """Yield nothing, as `list`."""
        del prefix
        for key in _NO_KEYS:
            yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Yield nothing, as `list`."""
        del prefix
        for key in _NO_KEYS:
            yield key


def _span(byte_range: ByteRequest | None, size: int) -> tuple[int, int]:
    """Return where the asked bytes of a file begin and end; within it."""
    if isinstance(byte_range, RangeByteRequest):
        start, end = byte_range.start, byte_range.end
    elif isinstance(byte_range, OffsetByteRequest):
        start, end = byte_range.offset, size
    elif isinstance(byte_range, SuffixByteRequest):
        start, end = size - byte_range.suffix, size
    else:
        start, end = 0, size
    start = min(max(0, start), size)
    return start, min(max(start, end), size)
