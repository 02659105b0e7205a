"""A file that is written part by part, and which a later run takes up where the last one ended.

Knows bytes and their checksums. Does not know what the parts are.
"""

import contextlib
import os
import zlib
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

_RECORD = np.dtype([("offset", "<u8"), ("length", "<u8"), ("crc", "<u4")])


class Appended:
    """A file whose parts are appended one after another, and which a later run takes up.

    A second file lists its parts with their checksums: what does not fit it is cut off when it is
    opened, so that a killed process or a power failure loses the last parts alone. The list
    is not buffered: where the disk is full, it has all that the file has. It stays when the file is
    finished, until the caller removes it with all else that an unfinished output has: where a
    later step fails, the next run has no part to make.

    Parameters
    ----------
    path
        The file.
    listed_in
        The file of the list.
    head_bytes
        Room at its beginning, for what is written last.
    """

    def __init__(self, path: Path, listed_in: Path, head_bytes: int) -> None:
        with contextlib.ExitStack() as stack:
            self._data = stack.enter_context(_opened(path))
            self._records = stack.enter_context(_opened(listed_in, 0))
            self._parts = self._sound(head_bytes)
            self._end = head_bytes
            if len(self._parts):
                self._end = int(self._parts[-1]["offset"] + self._parts[-1]["length"])
            self._data.truncate(self._end)
            self._records.truncate(len(self._parts) * _RECORD.itemsize)
            self._data.seek(self._end)
            self._records.seek(0, os.SEEK_END)
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def done(self) -> int:
        """Number of parts that were there when it was opened."""
        return len(self._parts)

    def append(self, part: bytes) -> None:
        """Append a part, which may be empty."""
        self._data.write(part)
        record = np.array([(self._end, len(part), zlib.crc32(part))], _RECORD)
        self._records.write(record.tobytes())
        self._end += len(part)

    def parts(self) -> NDArray[np.uint64]:
        """Return (offset, length) of each part, as uint64 [part, 2]."""
        self._records.seek(0)
        found = np.frombuffer(self._records.read(), _RECORD)
        return np.stack((found["offset"], found["length"]), axis=1).reshape(-1, 2)

    def finish(self, head: bytes, tail: bytes = b"") -> int:
        """Write the head into its room and a tail behind all parts; return the file's length."""
        self._data.write(tail)
        self._data.seek(0)
        self._data.write(head)
        self._data.flush()
        return self._end + len(tail)

    def _sound(self, head_bytes: int) -> NDArray[Any]:
        """Return the listed parts up to the first that is not in the file as it was written."""
        self._records.seek(0)
        data = self._records.read()
        found = np.frombuffer(data[: len(data) // _RECORD.itemsize * _RECORD.itemsize], _RECORD)
        most = self._data.seek(0, os.SEEK_END)
        self._data.seek(head_bytes)
        end = head_bytes
        for number, (offset, length, crc) in enumerate(found.tolist()):
            is_there = offset == end and length <= most - end  # no length is read that is damaged
            if not is_there or zlib.crc32(self._data.read(length)) != crc:
                return found[:number]
            end += length
        return found


def _opened(path: Path, buffering: int = -1) -> Any:
    """Open a file for reading and writing where it is, as what is there or anew."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    return os.fdopen(file, "r+b", buffering)
