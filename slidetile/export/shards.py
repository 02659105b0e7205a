"""A folder of tar files, written one after the other, which an interrupted run continues.

The same samples give the same bytes. Knows tar, and which files are ours. Does not know windows.
"""

import hashlib
import itertools
import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from slidetile.choices import Existing
from slidetile.export.provenance import store_name
from slidetile.export.samples import Sample, Samples
from slidetile.export.shard_list import Shard, ShardList
from slidetile.runtime.files import write_whole
from slidetile.runtime.governor import MemoryUse
from slidetile.store.marks import check_outside_stores
from slidetile.store.store import TileStore
from slidetile.writing.options import OnProgress, Progress

_END = bytes(2 * tarfile.BLOCKSIZE)
"""How a tar file ends."""

_EVERY = 64
"""Windows between two reports of progress."""


def shard_stem(store: TileStore) -> str:
    """Return what shards of a store are called by, without dots: they end names of samples."""
    return PurePosixPath(store_name(store)).stem.replace(".", "_") or "store"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardFolder:
    """Where the shards of one store lie; others may have theirs in the same folder."""

    path: Path
    """The folder."""

    stem: str
    """How the names of all files begin."""

    provenance: Mapping[str, Any]
    """Where the samples come from, which only a run of the same settings shares."""

    most_bytes: int
    """Bytes of a shard at most, unless one sample has more."""

    @property
    def index(self) -> ShardList:
        """The list of all shards, which is written last."""
        return self._list("shards.json")

    @property
    def note(self) -> ShardList:
        """The list of those that an unfinished run has written."""
        return self._list("shards.unfinished.json")

    def _list(self, ending: str) -> ShardList:
        path = self.path / f"{self.stem}.{ending}"
        return ShardList(path=path, stem=self.stem, provenance=self.provenance)

    def write(
        self,
        samples: Samples,
        existing: Existing,
        *,
        on_progress: OnProgress | None = None,
        workers: int | None = None,
    ) -> list[Shard]:
        """Write what is missing of the shards, finished or not, and return all.

        Raises
        ------
        FileExistsError
            Other shards, or other files of these names, are there.
        StoreError
            The store is damaged; shards that are whole stay, and the next run continues them.
        OSError
            They cannot be written.
        """
        check_outside_stores(self.index.path)  # the folder itself may be a store, too
        self.path.mkdir(parents=True, exist_ok=True)
        self._make_room(existing)
        listed = self.index.own()
        done = self._whole(self.note.own() or () if listed is None else listed)
        first = sum(shard.windows for shard in done)
        if done == listed and first == len(samples):
            return done
        self.note.write(done)
        run = _Run(total=len(samples), on_progress=on_progress, done=first)
        rest = _Ahead(samples.begin_at(first, workers))
        try:
            while rest.has_next():
                done.append(self._write_shard(len(done), rest, run))
                self.note.write(done)
        finally:
            rest.close()
        self.index.write(done)
        self.note.path.unlink(missing_ok=True)
        return done

    def _make_room(self, existing: Existing) -> None:
        """Delete what is to be replaced, and refuse what must not be."""
        doomed = {"continue": (), "restart": (self.note,), "overwrite": (self.note, self.index)}
        for list_ in doomed[existing]:
            found = list_.any()
            for shard in found or ():
                (self.path / shard.name).unlink(missing_ok=True)
            if found is not None:
                list_.path.unlink(missing_ok=True)
        for list_, remedy in ((self.index, "--overwrite"), (self.note, "--restart")):
            if list_.path.exists() and list_.own() is None:
                raise FileExistsError(
                    f"{list_.path} is of other shards: of another store, or of other settings. "
                    f"Choose another folder, or replace them ({remedy})."
                )
        if not self.index.path.exists() and not self.note.path.exists():
            self._refuse_others()

    def _refuse_others(self) -> None:
        names = [p for p in self.path.glob(f"{self.stem}-*.tar") if p.stem[-6:].isdigit()]
        if names:
            raise FileExistsError(
                f"{min(names)} exists and is no shard of this export: choose another folder."
            )

    def _whole(self, listed: Sequence[Shard]) -> list[Shard]:
        """Return the listed shards up to the first that is not there with all its bytes."""
        return list(itertools.takewhile(self._is_there, listed))

    def _is_there(self, shard: Shard) -> bool:
        path = self.path / shard.name
        if not path.is_file() or path.stat().st_size != shard.size_bytes:
            return False
        with path.open("rb") as file:  # after a power failure a file may be long enough, and zeros
            return hashlib.file_digest(file, "sha256").hexdigest() == shard.sha256

    def _write_shard(self, number: int, rest: "_Ahead", run: "_Run") -> Shard:
        tally = _Tally()
        name = f"{self.stem}-{number:06d}.tar"
        write_whole(self.path / name, self._parts(rest, run, tally))
        return Shard(
            name=name,
            windows=tally.windows,
            copied=tally.copied,
            size_bytes=tally.size_bytes,
            sha256=tally.sha256.hexdigest(),
        )

    def _parts(self, rest: "_Ahead", run: "_Run", tally: "_Tally") -> Iterator[bytes]:
        """Yield the bytes of a shard: as many samples as it holds."""
        while rest.has_next():
            members = self._members(rest.peek())
            size = sum(map(len, members))
            if tally.windows and tally.size_bytes + size + len(_END) > self.most_bytes:
                break
            sample = rest.take()
            tally.windows += 1
            tally.copied += sample.is_copied
            yield from map(tally.count, members)
            run.step(size)
        yield tally.count(_END)

    def _members(self, sample: Sample) -> list[bytes]:
        """Return the tar members of a sample; its key has no dot, where WebDataset ends it."""
        x, y = sample.place
        key = f"{self.stem}_{x}_{y}"
        text = json.dumps(sample.facts, sort_keys=True, separators=(",", ":")).encode()
        return [
            *_member(f"{key}.{sample.ending}", sample.image),
            *_member(f"{key}.json", text),
        ]


def _member(name: str, data: bytes) -> Iterator[bytes]:
    """Yield a file as tar has it, with nothing in it of who wrote it or when."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), 0o644
    yield info.tobuf(tarfile.PAX_FORMAT)
    yield data
    yield bytes(-len(data) % tarfile.BLOCKSIZE)


@dataclass(slots=True)
class _Tally:
    """What has gone into a shard."""

    windows: int = 0
    copied: int = 0
    size_bytes: int = 0
    sha256: Any = field(default_factory=hashlib.sha256)

    def count(self, part: bytes) -> bytes:
        self.size_bytes += len(part)
        self.sha256.update(part)
        return part


@dataclass(slots=True, kw_only=True)
class _Run:
    """Tells how far a run has come, every few windows."""

    total: int
    on_progress: OnProgress | None
    done: int
    size_bytes: int = 0

    def step(self, size: int) -> None:
        self.done += 1
        self.size_bytes += size
        if self.on_progress is None or (self.done % _EVERY and self.done < self.total):
            return
        self.on_progress(
            Progress(
                shards_done=self.done,
                shards_total=self.total,
                tiles_total=self.total,
                bytes_written=self.size_bytes,
                memory=MemoryUse(peak_bytes=0, budget_bytes=0, throttled=0),
            )
        )


class _Ahead:
    """Samples, of which the next can be looked at before it is taken."""

    def __init__(self, samples: Iterator[Sample]) -> None:
        self._samples = samples
        self._next: Sample | None = None

    def has_next(self) -> bool:
        if self._next is None:
            self._next = next(self._samples, None)
        return self._next is not None

    def peek(self) -> Sample:
        assert self._next is not None, "has_next was asked"
        return self._next

    def take(self) -> Sample:
        sample, self._next = self.peek(), None
        return sample

    def close(self) -> None:
        self._samples.close()  # type: ignore[attr-defined]  # a generator
