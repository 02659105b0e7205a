"""Many slides: a process for each slide in hand, a row for each slide given."""

import csv
import errno
import io
import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal, NamedTuple

from slidetile.cohort.folder import find_slides, store_names
from slidetile.errors import StoreExistsError
from slidetile.recipe import Recipe, tile_slide
from slidetile.runtime.cpus import worker_count
from slidetile.runtime.files import write_whole
from slidetile.runtime.processes import in_processes
from slidetile.store.store import TileStore, open_store
from slidetile.writing.options import WriteOptions

_log = logging.getLogger(__name__)

Status = Literal["ok", "unreadable tiles", "already done", "failed"]

SUMMARY_NAME = "summary.csv"

_DISK_IS_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True, slots=True, kw_only=True)
class SlideResult:
    """What became of one slide of a batch; one row of ``summary.csv``."""

    slide: str
    """Path of the slide, as given."""

    status: Status
    """How it ended."""

    store: str = ""
    """Path of the store, where there is one."""

    codec: str = ""
    """How its pixels are stored."""

    tiles: int = 0
    """Tiles in the store."""

    unreadable: int = 0
    """Tiles whose pixels could not be read."""

    bytes: int = 0
    """Bytes of the tiles' chunks."""

    seconds: float = 0.0
    """Time it took."""

    reason: str = ""
    """Why it failed, in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchReport:
    """What became of all slides, in the order given."""

    results: tuple[SlideResult, ...]
    """One for each slide."""

    @property
    def failed(self) -> tuple[SlideResult, ...]:
        """The slides without a store."""
        return tuple(result for result in self.results if result.status == "failed")

    @property
    def incomplete(self) -> tuple[SlideResult, ...]:
        """The slides with tiles that could not be read."""
        return tuple(result for result in self.results if result.unreadable)


def tile_slides(
    paths: Iterable[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    recipe: Recipe | None = None,
    *,
    processes: int = 0,
    workers: int | None = None,
    options: WriteOptions | None = None,
    on_result: Callable[[SlideResult], None] | None = None,
) -> BatchReport:
    """Tile many slides; one bad slide never ends the run.

    Parameters
    ----------
    paths
        Slides and folders; folders are searched for slides, see `find_slides`.
    out
        Folder of the stores, made if missing. A store has its slide's name without the suffix;
        where that is not unique, the names of the folders above are put before it. The file
        ``summary.csv`` there has a row for each slide, and is up to date after each of them.
    recipe
        How to do it.
    processes
        0 works through the slides in this process. From 1 on each slide is handled in one of so
        many processes, and even a crash of a decoder costs only that slide; a script that asks
        for this needs the usual ``if __name__ == "__main__":``.
    workers
        Threads for each slide; the cores of this process, divided among the processes, unless
        given.
    options
        As in `write_tiles`; but a finished store of the same slide and settings is "already
        done", not an error.
    on_result
        Called in this thread after every slide.

    Returns
    -------
    BatchReport
        A result for each slide, in the order given.

    Raises
    ------
    ValueError
        ``processes`` is negative, or ``workers`` less than 1.
    OSError
        The output folder cannot be made, or the summary cannot be written.
    """
    if processes < 0:
        raise ValueError(f"processes is 0 or more, but it is {processes}.")
    threads = worker_count(workers, processes=max(1, processes))
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    slides = find_slides(paths)
    names = store_names(slides)
    jobs = [
        _Job(slide, folder / name, recipe or Recipe(), threads, options or WriteOptions())
        for slide, name in zip(slides, names, strict=True)
    ]
    results: dict[int, SlideResult] = {}
    with closing(_carry_out(jobs, processes)) as finished:  # whatever ends this ends the processes
        for number, result in finished:
            results[number] = result
            _write_summary(folder / SUMMARY_NAME, [results[n] for n in sorted(results)])
            if on_result is not None:
                on_result(result)
    if not jobs:
        _write_summary(folder / SUMMARY_NAME, [])
    return BatchReport(results=tuple(results[n] for n in sorted(results)))


class _Job(NamedTuple):
    """One slide to do, in whatever process."""

    slide: Path
    store: Path
    recipe: Recipe
    workers: int
    options: WriteOptions

    def run(self) -> SlideResult:
        """Tile the slide; whatever goes wrong becomes a result."""
        begin = time.perf_counter()
        try:
            done = self._done_before()
            store = self._tiled() if done is None else done  # a store of 0 tiles is false
            statuses = Counter(store.tiles["status"].to_pylist())
        except Exception as error:  # noqa: BLE001  one bad slide never ends the run
            _log.debug("%s", self.slide, exc_info=True)
            return self.failure(one_line(error), time.perf_counter() - begin)
        unreadable = statuses["unreadable"]
        status: Status = "unreadable tiles" if unreadable else "ok"
        return SlideResult(
            slide=str(self.slide),
            status=status if done is None else "already done",
            store=str(self.store),
            codec=store.codec,
            tiles=len(store),
            unreadable=unreadable,
            bytes=int(store.tiles["bytes"].to_numpy().sum()),
            seconds=round(time.perf_counter() - begin, 2),
        )

    def _tiled(self) -> TileStore:
        return tile_slide(
            self.slide, self.store, self.recipe, workers=self.workers, options=self.options
        )

    def failure(self, reason: str, seconds: float = 0.0) -> SlideResult:
        return SlideResult(
            slide=str(self.slide), status="failed", reason=reason, seconds=round(seconds, 2)
        )

    def _done_before(self) -> TileStore | None:
        """Return the finished store of this very slide and recipe, where there is one."""
        if self.options.existing == "overwrite" or not self.store.exists():
            return None
        store = open_store(self.store)
        is_anonymous = store.metadata.source.is_anonymous
        with self.recipe.open(self.slide) as slide:
            if self.recipe.matches(store, slide) and is_anonymous == self.options.anonymous:
                return store
        raise StoreExistsError(
            f"{self.store} was made from another slide or with other settings; choose another "
            "folder, or overwrite it on purpose."
        )


def _carry_out(jobs: Sequence[_Job], processes: int) -> Generator[tuple[int, SlideResult]]:
    """Yield (number, result) of each job as it ends."""
    if processes == 0:
        yield from ((number, job.run()) for number, job in enumerate(jobs))
        return
    with closing(in_processes([job.run for job in jobs], processes)) as finished:
        for number, future in finished:
            yield number, _collect(future, jobs[number])


def _collect(future: "Future[SlideResult]", job: _Job) -> SlideResult:
    try:
        return future.result()
    except BrokenProcessPool:
        return job.failure("its process died: the decoder crashed on this file, or memory ran out")
    except Exception as error:  # noqa: BLE001  such as a detector that cannot be pickled
        reason = f"could not be handed to another process: {one_line(error)}; see processes=0"
        return job.failure(reason)


def one_line(error: BaseException) -> str:
    """Return an error's message on one line; its kind, where it has no message."""
    message = str(error)
    if isinstance(error, OSError) and error.strerror:
        message = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
        if error.errno in _DISK_IS_FULL:
            message += "; what is written is kept: make room and run the same command again"
    return " ".join(message.split()) or type(error).__name__


def _write_summary(path: Path, results: Sequence[SlideResult]) -> None:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, [field.name for field in fields(SlideResult)])
    writer.writeheader()
    writer.writerows(asdict(result) for result in results)
    # A path may hold bytes that are no text; the table stays readable all the same.
    write_whole(path, [text.getvalue().encode(errors="backslashreplace")])
