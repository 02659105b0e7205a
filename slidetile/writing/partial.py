"""The folder of an unfinished store: its files are whole or absent, and one process writes them."""

import contextlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from slidetile.errors import StoreExistsError
from slidetile.format.names import OWNER_SUFFIX, REPLACED_SUFFIX, partial_path
from slidetile.runtime.claim import DEFAULT_TIMES, Claim, ClaimTimes, refuse_if_claimed
from slidetile.runtime.files import TEMPORARY_SUFFIX, sync, write_whole


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

    Raises
    ------
    StoreBusyError
        Another process, or another thread of this one, writes this store.
    StoreExistsError
        ``store`` exists and may not be replaced.
    OSError
        The folder above ``store`` cannot be written.
    """

    def __init__(
        self,
        store: Path,
        *,
        overwrite: bool = False,
        durable: bool = False,
        times: ClaimTimes = DEFAULT_TIMES,
    ) -> None:
        self.path = partial_path(store)
        self._store = store
        self._overwrite = overwrite
        self._durable = durable
        self._known_folders: set[Path] = set()
        check_destination(store, overwrite=overwrite)
        store.parent.mkdir(parents=True, exist_ok=True)
        self._claim = Claim(_owner_path(store), times)
        try:
            check_destination(store, overwrite=overwrite)  # it may just have been finished
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Let others write the store; an unfinished one stays for them to continue."""
        self._claim.release()

    def write(self, path: Path, parts: Sequence[bytes]) -> None:
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
        if path.parent not in self._known_folders:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._known_folders.add(path.parent)
        # The file has a temporary name, and is not renamed if the claim is lost meanwhile: so a
        # process that was taken for dead and wakes up does not write into its successor's files.
        write_whole(path, parts, durable=self._durable, before_rename=self._claim.check)

    def keep(self, path: Path) -> None:
        """Sync a file that an earlier run has written, if this run is durable."""
        if self._durable:
            sync(path)

    def remove_strays(self) -> None:
        """Remove temporary files that killed runs have left."""
        for stray in self.path.rglob(f"*{TEMPORARY_SUFFIX}"):
            stray.unlink(missing_ok=True)

    def discard(self) -> None:
        """Remove the folder; the next `write` makes it anew."""
        self._claim.check()
        shutil.rmtree(self.path, ignore_errors=True)
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
        if self._durable:
            for folder, _, _ in os.walk(self.path, topdown=False):
                sync(Path(folder))
        self._claim.check()
        check_destination(self._store, overwrite=self._overwrite)
        replaced = self._store.with_name(self._store.name + REPLACED_SUFFIX)
        if self._store.exists():
            shutil.rmtree(replaced, ignore_errors=True)
            self._store.rename(replaced)
        self.path.rename(self._store)
        if self._durable:
            _sync_above(self._store)
        shutil.rmtree(replaced, ignore_errors=True)


def refuse_if_busy(store: str | os.PathLike[str]) -> None:
    """Check that no living process writes a store, before anything is read.

    Raises
    ------
    StoreBusyError
        A living process writes it.
    """
    refuse_if_claimed(_owner_path(Path(store)))


def check_destination(path: str | os.PathLike[str], *, overwrite: bool) -> None:
    """Check that a store may be written at ``path``.

    Raises
    ------
    StoreExistsError
        Something exists there that is not a store, or that was not to be overwritten.
    """
    path = Path(path)
    if not path.exists():
        return
    if not overwrite:
        raise StoreExistsError(
            f"{path} exists already; choose another name, or overwrite it on purpose."
        )
    if not (path / "zarr.json").is_file():
        raise StoreExistsError(
            f"{path} is not a store, so it is not overwritten; choose another name."
        )


def _owner_path(store: Path) -> Path:
    return store.with_name(store.name + OWNER_SUFFIX)


def _sync_above(path: Path) -> None:
    """Sync the folder that holds a path, and those above, which this run may have made."""
    above = Path(os.path.abspath(path)).parents  # noqa: PTH100  links stay
    sync(above[0])
    for folder in above[1:]:
        with contextlib.suppress(OSError):  # unreadable folders were not made by this run
            sync(folder)
