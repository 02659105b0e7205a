"""An export that is being written: a folder beside its place, which a later run continues.

Knows files, what they were begun for, and who may write them. Does not know what is in them.
"""

import contextlib
import hashlib
import json
import os
import shutil
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np

from slidetile.choices import Existing, UnfitChoiceError
from slidetile.cloud.address import Address, Location
from slidetile.errors import StoreExistsError, StoreMismatchError
from slidetile.runtime.claim import Claim
from slidetile.runtime.files import is_temporary, sync, write_whole
from slidetile.store.marks import check_outside_stores

UNFINISHED_SUFFIX = ".unfinished"
"""What follows the name of an output in that of the folder in which it is written."""

_NOTE, _CLAIM = "unfinished.json", "claim"

_RECORD = np.dtype([("offset", "<u8"), ("length", "<u8"), ("crc", "<u4")])


def local_place(place: Location, kind: str) -> Path:
    """Return the path of an output that is written on this machine alone.

    Raises
    ------
    UnfitChoiceError
        It is an address in a bucket.
    StoreExistsError
        It lies in a store.
    """
    if isinstance(place, Address):
        raise UnfitChoiceError(
            f"{place} is in a bucket, where {kind} is not written: its head is written last. "
            "Export to a file on this machine, then copy it there."
        )
    check_outside_stores(place)
    return place


class Unfinished:
    """The folder in which an export is written, held by this process until it is left.

    Parameters
    ----------
    place
        Where the finished output will be.
    made_of
        Whatever shapes the output: what was begun for something else is not continued.
    existing
        What to do with one that was begun: see `Existing`.

    Raises
    ------
    StoreMismatchError
        It was begun for something else.
    StoreExistsError
        What has its name is not slidetile's.
    StoreBusyError
        Another process is writing it.
    OSError
        It cannot be written.
    """

    def __init__(self, place: Path, made_of: Mapping[str, Any], existing: Existing) -> None:
        self.place = place
        self.folder = place.with_name(place.name + UNFINISHED_SUFFIX)
        note = json.dumps({"slidetile": {"export": dict(made_of)}}, sort_keys=True).encode()
        if os.path.lexists(self.folder) and not self._is_ours():
            raise StoreExistsError(
                f"{self.folder} is not slidetile's, so it is not removed: move it away, or choose "
                "another output."
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        self._claim = Claim(self.folder / _CLAIM)
        try:
            self._begin(note, existing)
        except BaseException:
            self._claim.release()
            raise

    def _begin(self, note: bytes, existing: Existing) -> None:
        """Take up what was begun for the same, or begin anew."""
        path = self.folder / _NOTE
        is_same = path.exists() and path.read_bytes() == note
        if existing == "restart" or (existing == "overwrite" and not is_same):
            self._empty()
        elif path.exists() and not is_same:
            raise StoreMismatchError(
                f"{self.folder} was begun for another store, or with other settings: choose "
                "another output, or delete what was begun (--restart)."
            )
        if not path.exists():
            write_whole(path, [note])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._claim.release()
        with contextlib.suppress(OSError):
            if self.is_bare:
                self._remove()

    @property
    def is_bare(self) -> bool:
        """Whether nothing has been written yet."""
        own = (_NOTE, _CLAIM)
        found = (path.name for path in self.folder.iterdir())
        return all(name in own or is_temporary(name) for name in found)

    def check(self) -> None:
        """Make sure that no other process has taken over."""
        self._claim.check()

    def finish(self, name: str, *, durable: bool) -> None:
        """Give what is written under a name its place, which it replaces, and remove the folder."""
        self.check()
        written = self.folder / name
        if durable:
            for path in (written, *(written.iterdir() if written.is_dir() else ())):
                sync(path)
        if self.place.is_dir():  # a series that is replaced
            self.place.rename(self.folder / "replaced")
        written.replace(self.place)
        if durable:
            sync(self.place.parent)
        self._claim.release()
        self._remove()

    def _is_ours(self) -> bool:
        """Return whether the folder has a note of ours, or nothing yet."""
        if self.folder.is_symlink() or not self.folder.is_dir():
            return False
        try:
            note = json.loads((self.folder / _NOTE).read_bytes())
        except FileNotFoundError:
            return self.is_bare
        except (OSError, ValueError):
            return False
        return isinstance(note, dict) and "slidetile" in note

    def _empty(self) -> None:
        """Remove all but the claim."""
        for path in self.folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name != _CLAIM:
                path.unlink()

    def _remove(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self.folder)


class Appended:
    """A file whose parts are appended one after another, and which a later run takes up.

    Beside it lies the list of its parts with their checksums: what does not fit it is cut off when
    it is opened, so that a killed process or a power failure loses the last parts alone. The list
    is not buffered: where the disk is full, it has all that the file has.

    Parameters
    ----------
    path
        The file.
    head_bytes
        Room at its beginning, for what is written last.
    """

    def __init__(self, path: Path, head_bytes: int) -> None:
        self.path, self._list = path, path.with_name(path.name + ".parts")
        with contextlib.ExitStack() as stack:
            self._data = stack.enter_context(_opened(path))
            self._records = stack.enter_context(_opened(self._list, 0))
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

    def parts(self) -> "np.ndarray[Any, np.dtype[np.uint64]]":
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
        self._list.unlink()
        return self._end + len(tail)

    def _sound(self, head_bytes: int) -> "np.ndarray[Any, Any]":
        """Return the listed parts up to the first that is not in the file as it was written."""
        self._records.seek(0)
        data = self._records.read()
        found = np.frombuffer(data[: len(data) // _RECORD.itemsize * _RECORD.itemsize], _RECORD)
        self._data.seek(head_bytes)
        end = head_bytes
        for number, (offset, length, crc) in enumerate(found.tolist()):
            if offset != end or zlib.crc32(self._data.read(length)) != crc:
                return found[:number]
            end += length
        return found


def _opened(path: Path, buffering: int = -1) -> Any:
    """Open a file for reading and writing where it is, as what is there or anew."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    return os.fdopen(file, "r+b", buffering)


def digest_of(*parts: object) -> str:
    """Return a SHA-256, in hex, of the text of some values."""
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()


def refuse_replacing(place: Path, begins: bytes, existing: Existing, what: str) -> None:
    """Check that a finished file may be put in its place.

    Raises
    ------
    StoreExistsError
        Something is there that is not replaced: it is not asked for, or not slidetile's.
    """
    if not os.path.lexists(place):
        return
    if existing != "overwrite":
        raise StoreExistsError(
            f"{place} exists already: choose another output, or replace it (--overwrite)."
        )
    is_file = place.is_file() and not place.is_symlink()
    if not is_file or _head(place, len(begins)) != begins:
        raise StoreExistsError(
            f"{place} exists and is not {what} that slidetile has written, so it is not replaced: "
            "choose another output, or move it away."
        )


def _head(path: Path, count: int) -> bytes:
    with path.open("rb") as file:
        return file.read(count)
