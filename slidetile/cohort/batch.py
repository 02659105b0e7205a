"""Tile many slides, in one or several processes, and write a summary with a row for each.

Knows slides, stores and results. Does not know tiles.
"""

import csv
import io
import logging
import os
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal, NamedTuple

from slidetile.cohort.folder import find_slides, store_names
from slidetile.errors import StoreExistsError, explain
from slidetile.planning.plan import TilePlan
from slidetile.recipe import Recipe, tile_slide
from slidetile.runtime.cpus import worker_count
from slidetile.runtime.files import write_whole
from slidetile.runtime.processes import in_processes
from slidetile.store.store import TileStore, open_store
from slidetile.writing.options import WriteOptions

_log = logging.getLogger(__name__)

Status = Literal["ok", "unreadable tiles", "already done", "failed"]

SUMMARY_NAME = "summary.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class SlideResult:
    """What became of one slide of a batch; one row of ``summary.csv``."""

    slide: str
    """Path of the slide, as given."""

    status: Status
    """How the slide ended."""

    store: str | None = None
    """Path of the store; None where there is none."""

    codec: str | None = None
    """Codec of the stored pixels."""

    tiles: int = 0
    """Tiles in the store."""

    unreadable: int = 0
    """Tiles whose pixels could not be read."""

    tile_bytes: int = 0
    """Size of the tiles' chunks at level 0, in bytes."""

    seconds: float = 0.0
    """Time that the slide took, in seconds."""

    error_type: str | None = None
    """Class of the error, such as "UnsupportedSlideError"; None where the slide did not fail."""

    reason: str | None = None
    """Why the slide failed, in one line; None where it did not."""

    left_out: str | None = None
    """What no tile holds, and which option keeps it, in one line; None where nothing was left out,
    or where the store was there before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchReport:
    """What became of all slides of a batch, in the order given."""

    results: tuple[SlideResult, ...]
    """One result for each slide."""

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
        Folder of the stores; it is made if missing. A store has its slide's name without the
        suffix; where that is not unique, the names of the folders above are put before it. The
        file ``summary.csv`` in it has a row for each slide, and is written anew after each slide.
    recipe
        How each slide becomes a store. None is `Recipe()`.
    processes
        0 tiles the slides one after another in this process. With 1 or more, that many processes
        each tile one slide at a time, and a crash of a decoder costs only its slide. A script
        that does this needs the usual ``if __name__ == "__main__":``.
    workers
        Number of threads for each slide. None divides the cores of this process among the
        processes.
    options
        As in `write_tiles`; but a finished store of the same slide and settings is "already
        done", not an error.
    on_result
        Called in this thread with the result of every slide, as soon as it is known.

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
        raise ValueError(f"processes must be 0 or more, but it is {processes}.")
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
    with closing(_carry_out(jobs, processes)) as finished:  # on any error, the processes end too
        for number, result in finished:
            results[number] = result
            _write_summary(folder / SUMMARY_NAME, [results[n] for n in sorted(results)])
            if on_result is not None:
                on_result(result)
    if not jobs:
        _write_summary(folder / SUMMARY_NAME, [])
    return BatchReport(results=tuple(results[n] for n in sorted(results)))


class _Job(NamedTuple):
    """One slide to tile, in any process."""

    slide: Path
    store: Path
    recipe: Recipe
    workers: int
    options: WriteOptions

    def run(self) -> SlideResult:
        """Tile the slide, and return its result; an error becomes the result "failed"."""
        begin = time.perf_counter()
        plans: list[TilePlan] = []
        try:
            done = self._done_before()
            store = (
                self._tiled(plans.append) if done is None else done
            )  # a store of 0 tiles is false
            unreadable, tile_bytes = store.unreadable, store.tile_bytes
        except Exception as error:  # noqa: BLE001  one bad slide never ends the run
            _log.debug("%s", self.slide, exc_info=True)
            return self.failure(error, explain(error), time.perf_counter() - begin)
        status: Status = "unreadable tiles" if unreadable else "ok"
        return SlideResult(
            slide=str(self.slide),
            status=status if done is None else "already done",
            store=str(self.store),
            codec=store.codec,
            tiles=len(store),
            unreadable=unreadable,
            tile_bytes=tile_bytes,
            seconds=round(time.perf_counter() - begin, 2),
            left_out="; ".join(str(each) for plan in plans for each in plan.left_out) or None,
        )

    def _tiled(self, on_plan: Callable[[TilePlan], None]) -> TileStore:
        return tile_slide(
            self.slide,
            self.store,
            self.recipe,
            workers=self.workers,
            options=self.options,
            on_plan=on_plan,
        )

    def failure(self, error: Exception, reason: str, seconds: float = 0.0) -> SlideResult:
        """Return the result of a slide that failed."""
        return SlideResult(
            slide=str(self.slide),
            status="failed",
            error_type=type(error).__name__,
            reason=reason,
            seconds=round(seconds, 2),
        )

    def _done_before(self) -> TileStore | None:
        """Return the finished store of the same slide and recipe, or None if there is no store.

        Raises
        ------
        StoreExistsError
            The store is of another slide or of other settings.
        """
        if self.options.existing == "overwrite" or not self.store.exists():
            return None
        store = open_store(self.store)
        is_anonymous = store.metadata.source.is_anonymous
        with self.recipe.open(self.slide) as slide:
            if self.recipe.matches(store, slide) and is_anonymous == self.options.anonymous:
                return store
        raise StoreExistsError(
            f"{self.store} was made from another slide or with other settings: choose another "
            "folder, or overwrite it on purpose."
        )


def _carry_out(jobs: Sequence[_Job], processes: int) -> Generator[tuple[int, SlideResult]]:
    """Yield (number, result) of each job when it ends."""
    if processes == 0:
        yield from ((number, job.run()) for number, job in enumerate(jobs))
        return
    with closing(in_processes([job.run for job in jobs], processes)) as finished:
        for number, future in finished:
            yield number, _collect(future, jobs[number])


def _collect(future: "Future[SlideResult]", job: _Job) -> SlideResult:
    try:
        return future.result()
    except BrokenProcessPool as error:
        reason = "its process died: the decoder crashed on this file, or memory ran out"
        return job.failure(error, reason)
    except Exception as error:  # noqa: BLE001  such as a detector that cannot be pickled
        reason = f"could not be handed to another process: {explain(error)}; see processes=0"
        return job.failure(error, reason)


def _write_summary(path: Path, results: Sequence[SlideResult]) -> None:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, [field.name for field in fields(SlideResult)])
    writer.writeheader()
    writer.writerows(asdict(result) for result in results)
    # A path may hold bytes that are not text; escaped, they leave the table readable.
    write_whole(path, [text.getvalue().encode(errors="backslashreplace")])
