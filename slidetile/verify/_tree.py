"""The files below a store's folder, and whether they are those of its manifest."""

import contextlib
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path

from slidetile.cloud.address import Address, Location
from slidetile.cloud.objects import in_parallel, names_below, read_range
from slidetile.errors import StoreError
from slidetile.format.manifest import LARGEST_MANIFEST_BYTES, FileSum, unpack_manifest
from slidetile.format.names import MANIFEST, PARTIAL_NOTE, PARTIAL_SUFFIX, ROOT, TABLE, shard_of
from slidetile.format.shard import LARGEST_SHARD_BYTES
from slidetile.runtime.files import open_regular, read_opened
from slidetile.verify.finding import Finding

FOREIGN = "it is not a file of this store"
MISSING = "it is missing"

MOST_KEPT_BYTES = 1 << 20
"""Files of a bucket that are no longer, but for shards, are in memory until the end."""

_TOLD = (ROOT, MANIFEST, TABLE)
_MOST_AHEAD = 64


class StoreTree(ABC):
    """The files of a store, by their names and lengths."""

    folder: Location
    """Where they lie."""

    sizes: dict[str, int]
    """The length of each, by its path below the folder."""

    strange: dict[str, str]
    """What is no file, and why, by its path."""

    @property
    def names(self) -> list[str]:
        """The files' paths below the folder, sorted."""
        return sorted(self.sizes)

    def __contains__(self, name: str) -> bool:
        return name in self.sizes

    def read(self, name: str) -> bytes:
        """Return the content of a file.

        Raises
        ------
        StoreError
            The file is missing, not regular, larger than any file of a store, or unreadable.
        """
        if name not in self.sizes:
            raise StoreError(f"{name} is missing")
        if self.sizes[name] > LARGEST_SHARD_BYTES:
            raise StoreError(f"it has {self.sizes[name]} bytes, more than any file of a store")
        try:
            return self._content(name)
        except OSError as error:
            raise StoreError(f"it could not be read: {error.strerror}") from error

    @abstractmethod
    def fetch_ahead(self) -> None:
        """Read what will be looked at again and again, where that takes requests."""

    @abstractmethod
    def _content(self, name: str) -> bytes:
        """Return the content of a file; raises OSError."""


def open_tree(folder: Location) -> StoreTree:
    """Return the files below a folder or an address.

    Raises
    ------
    StoreError
        It is an address that cannot be listed.
    """
    if not isinstance(folder, Address):
        return _LocalTree(folder)
    tree = _RemoteTree(folder)
    if ROOT not in tree:  # it may be about to take the place of another
        partial = _RemoteTree(folder.with_name(folder.name + PARTIAL_SUFFIX))
        if ROOT in partial and PARTIAL_NOTE not in partial:
            return partial
    return tree


class _LocalTree(StoreTree):
    """The regular files below a folder. Links are never followed, so nothing outside is read.

    Parameters
    ----------
    folder
        The store's folder; if it does not exist, the tree is empty.
    """

    folder: Path

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sizes = {}
        self.strange = {}
        if folder.is_dir():
            self._walk()

    def fetch_ahead(self) -> None:
        """Leave it to the system, which keeps what was read."""

    def _content(self, name: str) -> bytes:
        file = open_regular(self.folder / name, follows_links=False)
        return read_opened(file, LARGEST_SHARD_BYTES)

    def _walk(self) -> None:
        pending = [""]
        while pending:
            parent = pending.pop()
            try:
                with os.scandir(self.folder / parent) as entries:
                    for entry in entries:
                        name = f"{parent}{entry.name}"
                        if entry.is_dir(follow_symlinks=False):
                            pending.append(f"{name}/")
                        elif entry.is_file(follow_symlinks=False):
                            self.sizes[name] = entry.stat(follow_symlinks=False).st_size
                        else:
                            kind = "a symbolic link" if entry.is_symlink() else "not a regular file"
                            self.strange[name] = f"it is {kind}, which no store holds"
            except OSError as error:
                self.strange[parent] = f"the folder could not be read: {error.strerror}"


class _RemoteTree(StoreTree):
    """The objects below an address, each read only while it is the one that was listed."""

    folder: Address

    def __init__(self, folder: Address) -> None:
        self.folder = folder
        self.strange = {}
        try:
            found = dict(names_below(folder))
        except OSError as error:
            raise StoreError(f"{folder} could not be read: {error.strerror or error}.") from error
        self._states = found
        self._kept: dict[str, bytes] = {}
        self.sizes = {name: state.size for name, state in found.items()}

    def _content(self, name: str) -> bytes:
        state = self._states[name]
        if not state.size:
            return b""
        if (kept := self._kept.get(name)) is not None:
            return kept
        data, _ = read_range(self.folder / name, 0, state.size, state)
        if shard_of(name) is None and len(data) <= MOST_KEPT_BYTES:
            self._kept[name] = data
        return data

    def fetch_ahead(self) -> None:
        """Read the metadata, the table and the manifest, which are looked at again and again."""
        small = [name for name, size in self.sizes.items() if size <= MOST_KEPT_BYTES]
        wanted = [name for name in small if name.endswith(_TOLD)][:_MOST_AHEAD]
        in_parallel(self._tried, wanted)

    def _tried(self, name: str) -> None:
        with contextlib.suppress(OSError):  # which is told when it is its turn
            self._content(name)


def read_manifest(tree: StoreTree) -> dict[str, FileSum]:
    """Return what the store's manifest says of its files.

    Raises
    ------
    StoreError
        It is missing or damaged.
    """
    if tree.sizes.get(MANIFEST, 0) > LARGEST_MANIFEST_BYTES:
        raise StoreError(f"it has more than {LARGEST_MANIFEST_BYTES} bytes")
    try:
        return unpack_manifest(tree.read(MANIFEST))
    except ValueError as error:
        raise StoreError(f"it is damaged: {error}") from error


def check_names(tree: StoreTree, manifest: Mapping[str, FileSum] | None) -> Iterator[Finding]:
    """Yield a finding for each file that is extra, missing or not regular."""
    for name in sorted(tree.strange):
        yield Finding(name, tree.strange[name])
    if manifest is None:
        return
    for name in sorted(manifest.keys() - tree.sizes.keys() - tree.strange.keys()):
        yield Finding(name, MISSING)
    for name in sorted(tree.sizes.keys() - manifest.keys() - {MANIFEST}):
        yield Finding(name, FOREIGN)


def check_lengths(tree: StoreTree, manifest: Mapping[str, FileSum]) -> Iterator[Finding]:
    """Yield a finding for each listed file that is missing, not regular, or of another length."""
    for name in sorted(manifest):
        if name not in tree:
            yield Finding(name, tree.strange.get(name, MISSING))
        elif tree.sizes[name] != manifest[name].size_bytes:
            yield _other_length(name, tree.sizes[name], manifest[name])


def _other_length(name: str, size_bytes: int, written: FileSum) -> Finding:
    return Finding(name, f"it has {size_bytes} bytes instead of {written.size_bytes}")


def check_content(name: str, data: bytes, manifest: Mapping[str, FileSum]) -> Iterator[Finding]:
    """Yield a finding if the content of a listed file is not what the manifest says."""
    written = manifest.get(name)
    found = FileSum.of(data)
    if written is None or written == found:
        return
    if written.size_bytes != found.size_bytes:
        yield _other_length(name, found.size_bytes, written)
    else:
        yield Finding(
            name,
            f"its bytes are not those written: their CRC-32C is {found.crc32c:08x} instead of "
            f"{written.crc32c:08x}",
        )
