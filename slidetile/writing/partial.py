"""The folder an unfinished store is built in: its files whole or absent, one process at a time."""

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
    """``NAME.zarr.partial``, held by this process until it is closed; its files may follow.

    The claim lies beside it, in ``NAME.zarr.owner``: so it is held while the folder is thrown away
    or renamed, and never gets into the finished store.

    Parameters
    ----------
    store
        Where the finished store is to lie.
    overwrite
        Whether it may take the place of a finished one.
    durable
        Sync every file and folder, so that the finished store survives a power failure.
    times
        When the holder of the claim gives signs of life.

    Raises
    ------
    StoreBusyError
        Another process, or another thread of this one, writes this store.
    StoreExistsError
        What is at ``store`` may not be replaced.
    OSError
        The folder above cannot be written.
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
        """Let others write the store; what is unfinished stays for them to continue."""
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
        # Under a name of its own, and not renamed when the claim is lost meanwhile: one who was
        # taken for dead and wakes up writes into no file of ours.
        write_whole(path, parts, durable=self._durable, before_rename=self._claim.check)

    def keep(self, path: Path) -> None:
        """Sync a file that an earlier run has written, where this one is to be durable."""
        if self._durable:
            sync(path)

    def remove_strays(self) -> None:
        """Remove what runs that were killed while they wrote a file have left of it."""
        for stray in self.path.rglob(f"*{TEMPORARY_SUFFIX}"):
            stray.unlink(missing_ok=True)

    def discard(self) -> None:
        """Remove the folder; what is written next begins it anew."""
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
            A store that may not be replaced has come to lie there meanwhile.
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
    """Make sure no living process writes a store, to say so before anything is read.

    Raises
    ------
    StoreBusyError
        One does.
    """
    refuse_if_claimed(_owner_path(Path(store)))


def check_destination(path: str | os.PathLike[str], *, overwrite: bool) -> None:
    """Make sure a store may be written at ``path``.

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
    """Sync the folder a path lies in, and those above, which this run may have made."""
    above = Path(os.path.abspath(path)).parents  # noqa: PTH100  links stay
    sync(above[0])
    for folder in above[1:]:
        with contextlib.suppress(OSError):  # not ours to read, so not ours either
            sync(folder)
