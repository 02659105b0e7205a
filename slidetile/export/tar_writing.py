"""Samples as tar files: as many in each as its bytes allow.

Knows tar. Does not know where the files lie, or which are there.
"""

import hashlib
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slidetile.export.samples import Sample
from slidetile.export.shard_list import Shard
from slidetile.runtime.files import write_whole
from slidetile.runtime.governor import MemoryUse
from slidetile.writing.options import OnProgress, Progress

_END = bytes(2 * tarfile.BLOCKSIZE)
"""How a tar file ends."""

_EVERY = 64
"""Windows between two reports of progress."""


class Ahead:
    """Samples, of which the next can be looked at before it is taken."""

    def __init__(self, samples: Iterator[Sample]) -> None:
        self._samples = samples
        self._next: Sample | None = None

    def has_next(self) -> bool:
        """Return whether there is one."""
        if self._next is None:
            self._next = next(self._samples, None)
        return self._next is not None

    def peek(self) -> Sample:
        """Return the next."""
        assert self._next is not None, "has_next was asked"
        return self._next

    def take(self) -> Sample:
        """Return the next, behind which another comes."""
        sample, self._next = self.peek(), None
        return sample

    def close(self) -> None:
        """Make no more of them."""
        self._samples.close()  # type: ignore[attr-defined]  # a generator


@dataclass(slots=True, kw_only=True)
class Report:
    """Tells how far a run has come, every few windows."""

    total: int
    """Windows of the whole export."""

    on_progress: OnProgress | None
    """Who is told."""

    done: int
    """Windows that are written."""

    size_bytes: int = 0
    """Bytes that this run has written."""

    def step(self, size: int) -> None:
        """Count a window."""
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


def write_shard(path: Path, stem: str, most_bytes: int, samples: Ahead, report: Report) -> Shard:
    """Write as many samples as a shard holds, and at least one; whole or not at all.

    Raises
    ------
    OSError
        It cannot be written.
    """
    tally = _Tally()
    write_whole(path, _parts(stem, most_bytes, samples, report, tally))
    return Shard(
        name=path.name,
        windows=tally.windows,
        copied=tally.copied,
        size_bytes=tally.size_bytes,
        sha256=tally.sha256.hexdigest(),
    )


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


def _parts(
    stem: str, most_bytes: int, samples: Ahead, report: Report, tally: _Tally
) -> Iterator[bytes]:
    """Yield the bytes of a shard."""
    while samples.has_next():
        members = _members(stem, samples.peek())
        size = sum(map(len, members))
        if tally.windows and tally.size_bytes + size + len(_END) > most_bytes:
            break
        sample = samples.take()
        tally.windows += 1
        tally.copied += sample.is_copied
        yield from map(tally.count, members)
        report.step(size)
    yield tally.count(_END)


def _members(stem: str, sample: Sample) -> list[bytes]:
    """Return the tar members of a sample; its key has no dot, where WebDataset ends it."""
    x, y = sample.place
    key = f"{stem}_{x}_{y}"
    text = json.dumps(sample.facts, sort_keys=True, separators=(",", ":")).encode()
    return [*_member(f"{key}.{sample.ending}", sample.image), *_member(f"{key}.json", text)]


def _member(name: str, data: bytes) -> Iterator[bytes]:
    """Yield a file as tar has it, with nothing in it of who wrote it or when."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), 0o644
    yield info.tobuf(tarfile.PAX_FORMAT)
    yield data
    yield bytes(-len(data) % tarfile.BLOCKSIZE)
