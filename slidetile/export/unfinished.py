"""An export that is being written: a folder beside its place, which a later run continues.

Knows files, what they were begun for, and who may write them. Does not know what is in them.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from slidetile.choices import Existing, UnfitChoiceError
from slidetile.cloud.address import Address, Location
from slidetile.errors import StoreExistsError, StoreMismatchError
from slidetile.runtime.claim import Claim
from slidetile.runtime.files import is_temporary, read_regular, sync, write_whole
from slidetile.store.marks import check_outside_stores

UNFINISHED_SUFFIX = ".unfinished"
"""What follows the name of an output in that of the folder in which it is written."""

_NOTE, _CLAIM = "unfinished.json", "claim"

_LARGEST_NOTE_BYTES = 1 << 20
"""More than any note has."""


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
        is_same = path.exists() and read_regular(path, len(note) + 1) == note
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
            note = json.loads(read_regular(self.folder / _NOTE, _LARGEST_NOTE_BYTES))
        except FileNotFoundError:
            return self.is_bare
        except (OSError, ValueError, RecursionError):
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


def refuse_replacing(
    place: Path, existing: Existing, what: str, is_ours: Callable[[Path], bool]
) -> None:
    """Check that a finished output may be put in its place.

    Parameters
    ----------
    place
        The file or the folder.
    existing
        What to do with one that is there.
    what
        What it is called, with its article.
    is_ours
        Called with what is there, unless it is a link: whether slidetile has written it.

    Raises
    ------
    StoreExistsError
        Something is there that is not replaced: it is not asked for, or not slidetile's.
    OSError
        What is there cannot be read.
    """
    if not os.path.lexists(place):
        return
    if existing != "overwrite":
        raise StoreExistsError(
            f"{place} exists already: choose another output, or replace it (--overwrite)."
        )
    if place.is_symlink() or not is_ours(place):
        raise StoreExistsError(
            f"{place} exists and is not {what} that slidetile has written, so it is not replaced: "
            "choose another output, or move it away."
        )
