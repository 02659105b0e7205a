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
from slidetile.runtime.claim_file import LocalClaimFile
from slidetile.runtime.exchange import replace_folder
from slidetile.runtime.files import is_temporary, read_regular, sync, write_whole
from slidetile.store.marks import check_place_on_disk, what_lies_at

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
    NotADirectoryError
        It lies in a file.
    """
    if isinstance(place, Address):
        raise UnfitChoiceError(
            f"{place} is in a bucket, where {kind} is not written: what comes first in it is known "
            "last. Choose an output on this machine, and copy it there."
        )
    check_place_on_disk(place)
    return place


def unfinished_path(place: Path) -> Path:
    """Return the folder in which an output is written."""
    return place.with_name(place.name + UNFINISHED_SUFFIX)


class _ClaimIn(LocalClaimFile):
    """The claim of an output, in the folder in which that is written."""

    def __init__(self, path: Path, place: Path) -> None:
        super().__init__(path)
        self._place = place

    @property
    def store(self) -> str:
        """What is claimed."""
        return str(self._place)


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
    before_emptying
        Called with the folder before what was begun in it is deleted.

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

    def __init__(
        self,
        place: Path,
        made_of: Mapping[str, Any],
        existing: Existing,
        *,
        before_emptying: Callable[[Path], None] | None = None,
    ) -> None:
        self.place = place
        self._before_emptying = before_emptying
        self.folder = unfinished_path(place)
        note = json.dumps({"slidetile": {"export": dict(made_of)}}, sort_keys=True).encode()
        if os.path.lexists(self.folder) and not self._is_ours():
            raise StoreExistsError(
                f"{self.folder} is not slidetile's, so it is not removed: move it away, or choose "
                "another output."
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        self._claim = Claim(_ClaimIn(self.folder / _CLAIM, place))
        try:
            self._begin(note, existing)
        except BaseException:
            self._claim.release()
            raise

    def _begin(self, note: bytes, existing: Existing) -> None:
        """Take up what was begun for the same, or begin anew."""
        for stray in filter(lambda path: is_temporary(path.name), self.folder.iterdir()):
            stray.unlink(missing_ok=True)  # of a run that was killed
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
        """Give what is written under a name its place, which it replaces, and remove the folder.

        Whether what is there may be replaced, the caller asks just before.
        """
        self.check()
        written = self.folder / name
        if durable:
            for path in (written, *(written.iterdir() if written.is_dir() else ())):
                sync(path)
        if self.place.is_dir() and any(self.place.iterdir()):  # a series
            aside = self.folder / "replaced"
            shutil.rmtree(aside, ignore_errors=True)
            replace_folder(written, self.place, aside)
        else:
            written.replace(self.place)
        if durable:
            sync(self.place.parent)
        self.discard()

    def discard(self) -> None:
        """Let others write, and remove the folder."""
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
        """Remove all but the claim; the note last, so that what is left is known for ours."""
        if self._before_emptying is not None:
            self._before_emptying(self.folder)
        for path in sorted(self.folder.iterdir(), key=lambda path: path.name == _NOTE):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name != _CLAIM:
                path.unlink()

    def _remove(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            for path in self.folder.iterdir():
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                elif path.name != _NOTE:
                    path.unlink(missing_ok=True)
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
    if place.is_symlink() or not is_ours(place):
        raise StoreExistsError(
            f"{place} is {what_lies_at(place)}, and not {what} that slidetile has written, so it "
            "is not replaced: choose another output, or move it away."
        )
    is_empty_folder = place.is_dir() and not any(place.iterdir())  # made for us, perhaps
    if existing != "overwrite" and not is_empty_folder:
        raise StoreExistsError(
            f"{place} exists already: choose another output, or replace it (--overwrite)."
        )
