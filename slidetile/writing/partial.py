"""The folder of an unfinished store: its files are whole or absent, and one process writes them."""

import contextlib
import logging
import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

from slidetile.errors import StoreExistsError, StoreMismatchError, explain
from slidetile.format.names import (
    PARTIAL_BEGIN,
    PARTIAL_NOTE,
    finishing_path,
    owner_path,
    partial_path,
    replaced_path,
)
from slidetile.runtime.claim import DEFAULT_TIMES, Claim, ClaimTimes, refuse_if_claimed
from slidetile.runtime.exchange import replace_folder
from slidetile.runtime.files import TEMPORARY_SUFFIX, read_regular, sync, write_whole
from slidetile.runtime.shared_claim import SharedClaim
from slidetile.store.marks import (
    check_place_on_disk,
    is_bare,
    is_emptied,
    is_ours,
    is_store,
    links_in,
    refusal,
    remove_ours,
)
from slidetile.writing._appended import AppendedLines

_log = logging.getLogger(__name__)


class PartialFolder:
    """``NAME.zarr.partial``, which only this process may write until it closes it.

    The claim is a file beside it, ``NAME.zarr.owner``: so it is held while the folder is deleted or
    renamed, and never gets into the finished store.

    Parameters
    ----------
    store
        Path of the finished store.
    overwrite
        Whether it may replace a finished store.
    durable
        Sync every file and folder, so that the finished store survives a power failure.
    times
        How often the holder of the claim gives signs of life, and when it counts as dead.
    claim
        The claim of another process, on behalf of which this one writes; None makes one.

    Raises
    ------
    StoreBusyError
        Another process, or another thread of this one, writes this store.
    StoreExistsError
        ``store`` exists and may not be replaced, or something there is not slidetile's.
    OSError
        The folder above ``store`` cannot be written.
    """

    in_flight = 2
    """Copying into the system's cache is work, and a slow disk makes threads wait."""

    keeps_whole = False
    """A power failure may leave zeros where nothing was synced."""

    def __init__(
        self,
        store: Path,
        *,
        overwrite: bool = False,
        durable: bool = False,
        times: ClaimTimes = DEFAULT_TIMES,
        claim: SharedClaim | None = None,
    ) -> None:
        self.path = partial_path(store)
        self._root = str(self.path)
        self._store = store
        self._overwrite = overwrite
        self._durable = durable
        self._known_folders: set[str] = set()
        if claim is not None:
            claim.check()  # first: what it may no longer write may be finished by now
        self._claim = claim or claim_store(store, overwrite=overwrite, times=times)
        if claim is None:
            # Of several processes that wrote it and were killed: none may finish it any more.
            with contextlib.suppress(OSError):
                finishing_path(store).unlink(missing_ok=True)
        try:
            _recover(store)
            check_destination(store, overwrite=overwrite)  # it may just have been finished
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def where(self) -> Path:
        """The folder."""
        return self.path

    def close(self) -> None:
        """Let others write the store; an unfinished one stays for them to continue."""
        self._claim.release()

    def check(self) -> None:
        """Check that this process may still write the store.

        Raises
        ------
        StoreBusyError
            It may not.
        """
        self._claim.check()

    def is_begun(self) -> bool:
        """Return whether an earlier run has left files in it.

        Raises
        ------
        StoreMismatchError
            One is a symbolic link: files would be written where it leads.
        """
        if is_bare(self.path):
            self.discard()
        link = next(links_in(self.path), None)
        if link is not None:
            raise StoreMismatchError(
                f"{link} is a symbolic link, so {self.path} is not continued: remove the link, or "
                'begin anew with --restart (existing="restart").'
            )
        return self.path.exists()

    def is_finished(self) -> bool:
        """Return whether it is a whole store that has only to get its name."""
        return is_store(self.path) and not (self.path / PARTIAL_NOTE).exists()

    def read(self, name: str, most_bytes: int) -> bytes:
        """Return the content of a file, or its first bytes where it has more.

        Raises
        ------
        FileNotFoundError
            There is none.
        OSError
            It cannot be read, or is not a regular file.
        """
        return read_regular(f"{self._root}/{name}", most_bytes)

    def expect(self, names: Iterable[str]) -> None:
        """Do nothing: a disk has nothing of what is announced."""

    def write(self, name: str, parts: Sequence[bytes]) -> None:
        """Write a file; it is whole or absent.

        ``parts`` follow each other in the file; they are not joined in memory.

        Raises
        ------
        StoreBusyError
            Another process has taken over.
        OSError
            The file cannot be written.
        """
        self._claim.check()
        folder = name.rpartition("/")[0]
        if folder not in self._known_folders:
            (self.path / folder).mkdir(parents=True, exist_ok=True)
            self._known_folders.add(folder)
        # The file has a temporary name, and is not renamed if the claim is lost meanwhile: so a
        # process that was taken for dead and wakes up does not write into its successor's files.
        path = Path(f"{self._root}/{name}")
        write_whole(path, parts, durable=self._durable, before_rename=self._claim.check)

    def keep(self, name: str) -> None:
        """Sync a file that an earlier run has written, if this run is durable."""
        if self._durable:
            sync(self.path / name)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        (self.path / name).unlink(missing_ok=True)

    def lines(self, name: str, *, is_part: bool) -> AppendedLines:
        """Return the lines of a name; ``is_part`` where other processes add some, too."""
        return AppendedLines(self.path / name, durable=self._durable, is_part=is_part)

    def remove_strays(self) -> None:
        """Remove temporary files that killed runs have left."""
        for stray in self.path.rglob(f"*{TEMPORARY_SUFFIX}"):
            stray.unlink(missing_ok=True)

    def discard(self) -> None:
        """Remove the folder; the next `write` makes it anew."""
        self._claim.check()
        if os.path.lexists(self.path):
            remove_ours(self.path)
        self._known_folders.clear()

    def finish(self) -> None:
        """Give the folder the name of the finished store.

        Raises
        ------
        StoreBusyError
            Another process has taken over.
        StoreExistsError
            A store that may not be replaced has been written there meanwhile.
        """
        self._remove_helpers()
        if self._durable:
            for folder, _, _ in os.walk(self.path, topdown=False):
                sync(Path(folder))
        self._claim.check()
        check_destination(self._store, overwrite=self._overwrite)
        if self._store.exists():
            self._replace()
        else:
            self.path.rename(self._store)
        if self._durable:
            _sync_above(self._store)
        _clear_away(replaced_path(self._store))

    def _remove_helpers(self) -> None:
        """Remove what only an unfinished store has, the note first: the root says the same."""
        (self.path / PARTIAL_NOTE).unlink(missing_ok=True)
        for path in sorted(self.path.glob(f"{PARTIAL_BEGIN}*")):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def _replace(self) -> None:
        replaced = replaced_path(self._store)
        if os.path.lexists(replaced):
            remove_ours(replaced)
        replace_folder(self.path, self._store, replaced)


def claim_store(store: Path, *, overwrite: bool, times: ClaimTimes = DEFAULT_TIMES) -> Claim:
    """Claim a store that may be written, and make the folder that it lies in.

    Raises
    ------
    StoreBusyError, StoreExistsError, OSError
        As `PartialFolder` does.
    """
    check_destination(store, overwrite=overwrite)
    store.parent.mkdir(parents=True, exist_ok=True)
    return Claim(owner_path(store), times)


def check_destination(path: str | os.PathLike[str], *, overwrite: bool) -> None:
    """Check that a store may be written at ``path``, before any work is done for it.

    Raises
    ------
    StoreExistsError
        Something exists there that is not a store, or that was not to be overwritten; a folder
        beside it, which would be removed, is not slidetile's; or it would lie in a store.
    NotADirectoryError
        It would lie in a file.
    """
    path = Path(path)
    _check_name(path)
    check_place_on_disk(path)
    if path.is_symlink():
        raise StoreExistsError(
            f"{path} is a symbolic link to {path.readlink()}, which is not replaced: name that "
            "path as the output."
        )
    if path.exists():
        _check_replaceable(path, overwrite=overwrite)
    beside = [partial_path(path), replaced_path(path)] if overwrite else [partial_path(path)]
    for folder in beside:
        if os.path.lexists(folder) and not is_ours(folder):
            raise refusal(folder)


def tidy_up(store: str | os.PathLike[str]) -> None:
    """Put right what a run has left that was killed while, or after, it finished a store.

    The old store is put back that it was about to replace, or removed where the new one has its
    name, and so is the run's claim. Where nothing can be written, everything stays.

    Raises
    ------
    StoreBusyError
        A living process writes the store.
    StoreExistsError
        The path has no name of its own.
    """
    path = Path(store)
    _check_name(path)
    owner = owner_path(path)
    refuse_if_claimed(owner)
    if os.path.lexists(owner) or is_ours(replaced_path(path)):
        with contextlib.suppress(OSError):
            claim = Claim(owner)
            try:
                _recover(path)
            finally:
                claim.release()


def _check_name(path: Path) -> None:
    if path.name in ("", ".."):
        raise StoreExistsError(
            f"{path} is a folder, and no name for a store: name one in it, such as "
            f"{path / 'NAME.zarr'}."
        )


def _recover(store: Path) -> None:
    replaced = replaced_path(store)
    if not os.path.lexists(store) and is_store(replaced):
        replaced.rename(store)
    else:
        _clear_away(replaced)


def _check_replaceable(path: Path, *, overwrite: bool) -> None:
    if not (is_store(path) or is_emptied(path)):
        raise StoreExistsError(
            f"{path} is not a store, so it is not overwritten; choose another name."
        )
    if not overwrite:
        raise StoreExistsError(
            f"{path} exists already; choose another name, or overwrite it on purpose with "
            '--overwrite (existing="overwrite").'
        )


def _clear_away(replaced: Path) -> None:
    """Remove a store that was replaced; the new one has its name already."""
    if not is_ours(replaced):
        return
    try:
        remove_ours(replaced)
    except OSError as error:
        _log.warning("%s was replaced, but is not removed: %s", replaced, explain(error))


def _sync_above(path: Path) -> None:
    """Sync the folder that holds a path, and those above, which this run may have made."""
    above = Path(os.path.abspath(path)).parents  # noqa: PTH100  links stay
    sync(above[0])
    for folder in above[1:]:
        with contextlib.suppress(OSError):  # unreadable folders were not made by this run
            sync(folder)
