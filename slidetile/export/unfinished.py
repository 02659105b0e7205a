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
from slidetile.errors import StoreBusyError, StoreExistsError, StoreMismatchError
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


def tidy_up(place: Path, name: str) -> None:
    """Remove what a run has left that was killed just after it had given an output its place.

    Parameters
    ----------
    place
        The output.
    name
        What it is called in the folder in which it is written.
    """
    folder = unfinished_path(place)
    is_finished = os.path.lexists(place) and not os.path.lexists(folder / name)
    if folder.is_dir() and is_finished and _is_ours(folder):
        with contextlib.suppress(StoreBusyError, OSError):  # another run writes it, or may not
            claim = Claim(_ClaimIn(folder / _CLAIM, place))
            claim.release()
            _remove(folder)


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
        if os.path.lexists(self.folder) and not _is_ours(self.folder):
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
                f"{self.folder} was begun for another store, with other settings or by another "
                "version: choose another output, or delete what was begun (--restart)."
            )
        if not path.exists():
            write_whole(path, [note])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._claim.release()
        with contextlib.suppress(OSError):
            if _is_bare(self.folder):
                _remove(self.folder)

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
        _remove(self.folder)

    def _empty(self) -> None:
        """Remove all but the claim; the note last, so that what is left is known for ours."""
        if self._before_emptying is not None:
            self._before_emptying(self.folder)
        for path in sorted(self.folder.iterdir(), key=lambda path: path.name == _NOTE):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name != _CLAIM:
                path.unlink()


def _is_bare(folder: Path) -> bool:
    """Return whether nothing has been written in a folder yet."""
    own = (_NOTE, _CLAIM)
    return all(path.name in own or is_temporary(path.name) for path in folder.iterdir())


def _is_ours(folder: Path) -> bool:
    """Return whether a folder has a note of ours, or nothing yet."""
    if folder.is_symlink() or not folder.is_dir():
        return False
    try:
        note = json.loads(read_regular(folder / _NOTE, _LARGEST_NOTE_BYTES))
    except FileNotFoundError:
        return _is_bare(folder)
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(note, dict) and "slidetile" in note


def _remove(folder: Path) -> None:
    """Remove a folder, its note last."""
    with contextlib.suppress(FileNotFoundError):
        for path in folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name != _NOTE:
                path.unlink(missing_ok=True)
        shutil.rmtree(folder)


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
        raise other_output(place)


def other_output(place: Location) -> StoreExistsError:
    """Return the error of a finished output that is not what would be written."""
    return StoreExistsError(
        f"{place} exists already, made of another store, with other settings or by another "
        "version, or it is damaged: choose another output, or replace it (--overwrite)."
    )
