"""A folder of tar files of samples, which has its shards when all of them are whole.

The same samples give the same bytes. Knows which files are ours. Does not know tar or windows.
"""

import hashlib
import itertools
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from slidetile.choices import Existing
from slidetile.export.samples import Samples
from slidetile.export.shard_list import Shard, ShardList
from slidetile.export.tar_writing import Ahead, Report, write_shard
from slidetile.export.unfinished import Unfinished, unfinished_path
from slidetile.store.marks import check_place_on_disk, what_lies_at
from slidetile.writing.options import OnProgress


def shard_stem(store: str) -> str:
    """Return what shards of a store are called by, without dots: they end names of samples.

    ``store`` is its path, of which links are followed, or its name.
    """
    return PurePosixPath(store).stem.replace(".", "_") or "store"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardFolder:
    """Where the shards of one store lie; others may have theirs in the same folder.

    They are written in ``STEM.shards.unfinished``, a folder in it that one process holds, which has
    all that a killed run leaves.
    """

    path: Path
    """The folder."""

    stem: str
    """How the names of all files begin."""

    provenance: Mapping[str, Any]
    """Where the samples come from, which only a run of the same settings shares."""

    most_bytes: int
    """Bytes of a shard at most, unless one sample has more."""

    check_store: Callable[[], None]
    """Raises StoreError where the store is another by now."""

    @property
    def index(self) -> ShardList:
        """The list of all shards, which is written last."""
        return self._list(self.path / f"{self.stem}.shards.json")

    def check(self) -> None:
        """Check that shards may be written there, before any work is done for them.

        Raises
        ------
        FileExistsError
            It is no folder, or lies in a store.
        NotADirectoryError
            It lies in a file.
        """
        if os.path.lexists(self.path) and not self.path.is_dir():
            raise FileExistsError(
                f"{self.path} is {what_lies_at(self.path)}, and shards are written into a folder: "
                "choose another output."
            )
        check_place_on_disk(self.index.path)  # the folder itself may be a store, too

    def finished(self, samples: Samples, existing: Existing) -> list[Shard] | None:
        """Return the shards where all are there, and nothing that a killed run has left.

        Raises
        ------
        FileExistsError, OSError
            As in `check`.
        """
        self.check()
        if existing == "overwrite" or os.path.lexists(unfinished_path(self._place)):
            return None
        listed = self.index.own()
        if listed is None or sum(shard.windows for shard in listed) != len(samples):
            return None
        return listed if all(_is_at(self.path / shard.name, shard) for shard in listed) else None

    def write(
        self,
        samples: Samples,
        existing: Existing,
        *,
        on_progress: OnProgress | None = None,
        workers: int | None = None,
    ) -> list[Shard]:
        """Write what is missing of the shards, and return all.

        Raises
        ------
        FileExistsError
            Other shards, or other files of these names, are there.
        StoreError
            The store is damaged, or replaced, or another process writes the same shards; those that
            are whole stay, and the next run continues them.
        OSError
            They cannot be written.
        """
        self.check()
        with Unfinished(
            self._place, self.provenance, existing, before_emptying=self._withdraw
        ) as unfinished:
            self._check_others(unfinished.folder, existing)
            done = self._done(unfinished.folder, existing)
            first = sum(shard.windows for shard in done)
            report = Report(total=len(samples), on_progress=on_progress, done=first)
            rest = Ahead(samples.begin_at(first, workers))
            try:
                while rest.has_next():
                    name = f"{self.stem}-{len(done):06d}.tar"
                    path = unfinished.folder / name
                    done.append(write_shard(path, self.stem, self.most_bytes, rest, report))
                    unfinished.check()
                    self._note(unfinished.folder).write(done)
            finally:
                rest.close()
            self.check_store()
            self._check_others(unfinished.folder, existing)
            self._publish(unfinished, done)
        return done

    @property
    def _place(self) -> Path:
        """What the name of the folder of an unfinished run begins with."""
        return self.path / f"{self.stem}.shards"

    def _list(self, path: Path) -> ShardList:
        return ShardList(path=path, stem=self.stem, provenance=self.provenance)

    def _note(self, unfinished: Path) -> ShardList:
        """Return the list of those that an unfinished run has written."""
        return self._list(unfinished / "shards.json")

    def _check_others(self, unfinished: Path, existing: Existing) -> None:
        """Refuse shards that are not to be replaced, and files that are none of ours."""
        index = self.index
        if index.path.exists():
            known = index.names()
            if known is None:
                raise FileExistsError(
                    f"{index.path} exists and is no list of shards that slidetile has written: "
                    "choose another folder, or move it away."
                )
            if existing != "overwrite" and index.own() is None:
                raise FileExistsError(
                    f"{index.path} is of other shards: of another store, or of other settings. "
                    "Choose another folder, or replace them (--overwrite)."
                )
        listed, ours = index.names() or (), self._placed(unfinished)
        others = [p for p in self._in_place() if p.name not in listed and p not in ours]
        if others:
            raise FileExistsError(
                f"{min(others)} exists and is no shard of this export: choose another folder, or "
                "move it away."
            )

    def _in_place(self) -> list[Path]:
        pattern = re.compile(rf"{re.escape(self.stem)}-\d{{6}}\.tar")
        return [path for path in self.path.iterdir() if pattern.fullmatch(path.name)]

    def _done(self, unfinished: Path, existing: Existing) -> list[Shard]:
        """Return the shards that are there, up to the first that is not with all its bytes."""
        listed = self._note(unfinished).own()
        if listed is None and existing != "overwrite":
            listed = self.index.own()
        return list(
            itertools.takewhile(
                lambda shard: any(_is_at(f / shard.name, shard) for f in (unfinished, self.path)),
                listed or (),
            )
        )

    def _withdraw(self, unfinished: Path) -> None:
        """Remove what a killed run has given its place already, but not yet listed there."""
        if not self.index.path.exists():
            for path in self._placed(unfinished):
                path.unlink()

    def _placed(self, unfinished: Path) -> list[Path]:
        """Return the shards of an unfinished run that have their places already."""
        listed = self._note(unfinished).any() or ()
        return [path for shard in listed if _is_at(path := self.path / shard.name, shard)]

    def _publish(self, unfinished: Unfinished, done: Sequence[Shard]) -> None:
        """Give all shards their places, which replace others, then list them.

        Whenever it ends, what lies in the folder is in one of the lists.
        """
        index, kept = self.index, {shard.name: shard for shard in done}
        self._note(unfinished.folder).write(done)
        old = index.any() or ()
        if list(old) != list(done):
            for name in index.names() or ():
                path = self.path / name
                if name not in kept or not _is_at(path, kept[name]):
                    path.unlink(missing_ok=True)
            index.path.unlink(missing_ok=True)
        for shard in done:
            written = unfinished.folder / shard.name
            if written.exists():
                unfinished.check()
                written.replace(self.path / shard.name)
        finished = self._list(unfinished.folder / "finished.json")  # no other file is ever here
        finished.write(done)
        finished.path.replace(index.path)
        unfinished.discard()


def _is_at(path: Path, shard: Shard) -> bool:
    """Return whether a shard lies at a path with all its bytes."""
    if not path.is_file() or path.stat().st_size != shard.size_bytes:
        return False
    with path.open("rb") as file:  # after a power failure a file may be long enough, and zeros
        return hashlib.file_digest(file, "sha256").hexdigest() == shard.sha256
