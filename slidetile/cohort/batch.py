"""Tile many slides, in one or several processes, and write a summary with a row for each.

Knows slides, stores and results. Does not know tiles. Longer than 300 lines, because what a row
holds, how it comes about in any process, and the call for all of them stand together.
"""

import logging
import math
import os
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Literal, NamedTuple

from slidetile.choices import UnfitChoiceError
from slidetile.cohort.folder import find_slides, store_names
from slidetile.cohort.no_tiles import store_note
from slidetile.cohort.summary import SUMMARY_NAME, Summary
from slidetile.errors import SlidetileError, explain
from slidetile.planning.plan import TilePlan
from slidetile.recipe import Recipe, changed_since, tile_slide
from slidetile.runtime.child import report
from slidetile.runtime.cpus import worker_count
from slidetile.runtime.foreign import ForeignExitError, exit_sentence, folder_kept
from slidetile.runtime.processes import Ended, ProcessDiedError, in_processes
from slidetile.store.location import local_path
from slidetile.store.store import TileStore
from slidetile.writing.options import OnProgress, Progress, WriteOptions
from slidetile.writing.partial import check_place
from slidetile.writing.selection import left_out_again

_log = logging.getLogger(__name__)

Status = Literal["ok", "unreadable tiles", "already done", "failed"]

OnSlideProgress = Callable[[str, Progress], None]
"""Takes the path of a slide being tiled, as given, and how far it is."""

_FORESEEN = (SlidetileError, OSError, MemoryError, UnfitChoiceError, SystemExit)
"""What may become of a slide without a bug of anybody's."""

_PROGRESS_S = 0.2
"""A slide's progress is told this often."""


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

    not_native: str | None = None
    """Why the codec "auto" was not native, in one short phrase; None where it was, or another codec
    was asked for."""

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

    note: str | None = None
    """What to know of a slide that did not fail, such as why it has no tiles, in one line; None
    where there is nothing."""

    tissue_pieces: int | None = None
    """Connected pieces of tissue; None where the slide failed."""

    tissue_area_um2: float | None = None
    """How much tissue there is, in µm²; None where the slide failed, or its mpp is unknown."""

    left_out: str | None = None
    """What no tile holds, and which option keeps it, in one line; None where nothing was left
    out. Of a store that was there before it is what the store records."""


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


def tile_slides(  # noqa: PLR0913  each says one thing about the run
    paths: Iterable[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    recipe: Recipe | None = None,
    *,
    processes: int = 0,
    timeout_s: float | None = None,
    workers: int | None = None,
    options: WriteOptions | None = None,
    on_result: Callable[[SlideResult], None] | None = None,
    on_progress: OnSlideProgress | None = None,
) -> BatchReport:
    """Tile many slides; one bad slide never ends the run.

    Parameters
    ----------
    paths
        Slides and folders; folders are searched for slides, see `find_slides`.
    out
        Folder of the stores; it is made if missing. A store has its slide's name without the
        suffix; where that is not unique, the names of the folders above are put before it. The
        file ``summary.csv`` in it has a row for each slide of this and of all earlier runs, and is
        written anew after each slide; several runs may write into one folder at a time.
    recipe
        How each slide becomes a store. None is `Recipe()`.
    processes
        0 tiles the slides one after another in this process. With 1 or more, that many processes
        each tile one slide at a time, and a crash of a decoder or a detector costs only its slide.
        A script that does this needs the usual ``if __name__ == "__main__":``; the command line,
        which has it, does this by default.
    timeout_s
        Seconds that a slide may take, with the start of its process; a slide that takes longer has
        failed, and the others go on. This needs ``processes`` of 1 or more. None is for ever.
    workers
        Number of threads for each slide. None divides the cores of this process among the
        processes.
    options
        As in `write_tiles`; but a finished store of the same slide and settings is "already
        done", not an error. One with unreadable tiles is tried again where its slide's file has
        changed since; one that has lost files is a slide that failed, until ``options`` have it
        overwritten.
    on_result
        Called in this thread with the result of every slide, as soon as it is known.
    on_progress
        Called in this thread with the path and the progress of each slide that is being tiled,
        now and then.

    Returns
    -------
    BatchReport
        A result for each slide, in the order given.

    Raises
    ------
    ValueError
        ``processes`` is negative, ``workers`` less than 1, ``timeout_s`` not above 0, or given
        with ``processes`` of 0.
    SlideError
        The whole file system was to be searched.
    StoreError, OSError
        The output folder is an address or cannot be made, or the summary cannot be written.
    """
    _check_times(processes, timeout_s)
    threads = worker_count(workers, processes=max(1, processes))
    folder = local_path(out)
    check_place(folder / SUMMARY_NAME)
    folder.mkdir(parents=True, exist_ok=True)
    summary = Summary(folder, [field.name for field in fields(SlideResult)])
    jobs = _jobs(paths, folder, recipe or Recipe(), threads, options or WriteOptions())
    results: dict[int, SlideResult] = {}
    # On any error, the processes end too.
    with closing(_carry_out(jobs, processes, timeout_s, on_progress)) as finished:
        for number, result in finished:
            results[number] = result
            summary.enter(_row(result, jobs[number]))
            if on_result is not None:
                on_result(result)
    summary.finish()
    return BatchReport(results=tuple(results[n] for n in sorted(results)))


def _check_times(processes: int, timeout_s: float | None) -> None:
    if processes < 0:
        raise ValueError(f"processes must be 0 or more, but it is {processes}.")
    if timeout_s is None:
        return
    if not timeout_s > 0:
        raise ValueError(f"timeout_s must be more than 0 seconds, but it is {timeout_s}.")
    if processes == 0:
        raise ValueError(
            "A time limit for a slide ends its process, so it needs processes (--processes) of 1 "
            "or more, but this is 0: the slides are tiled in the calling process."
        )


def _jobs(
    paths: Iterable[str | os.PathLike[str]],
    folder: Path,
    recipe: Recipe,
    workers: int,
    options: WriteOptions,
) -> list["_Job"]:
    here = Path.cwd()
    if recipe.annotations is not None:
        where = here / os.fspath(recipe.annotations.path)
        recipe = replace(recipe, annotations=replace(recipe.annotations, path=where))
    slides = find_slides(paths)
    return [
        _Job(here, slide, folder / name, recipe, workers, options)
        for slide, name in zip(slides, store_names(slides), strict=True)
    ]


def _row(result: SlideResult, job: "_Job") -> dict[str, object]:
    """Return a result as a row of the summary, whose paths mean the same in every folder."""
    store = None if result.store is None else os.path.abspath(job.here / result.store)  # noqa: PTH100
    slide = os.path.abspath(job.here / job.slide)  # noqa: PTH100  links stay
    return {**asdict(result), "slide": slide, "store": store}


class _Job(NamedTuple):
    """One slide to tile, in any process."""

    here: Path
    """The folder that relative paths begin in: what a detector does may change the process's."""

    slide: Path
    store: Path
    recipe: Recipe
    workers: int
    options: WriteOptions

    def run(self, on_progress: OnSlideProgress | None = None) -> SlideResult:
        """Tile the slide, and return its result; an error becomes the result "failed"."""
        begin = time.perf_counter()
        try:
            with folder_kept():
                return self._result(begin, on_progress)
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:  # noqa: BLE001  one bad slide never ends the run
            # Where it was foreseen, the reason says all; a bug is found by its traceback.
            level = logging.DEBUG if isinstance(error, _FORESEEN) else logging.INFO
            _log.log(level, "%s", self.slide, exc_info=True)
            return self.failure(error, _reason(error), time.perf_counter() - begin)

    def run_in_child(self) -> SlideResult:
        """Tile the slide as `run` does, and tell the parent of the progress."""
        return self.run(lambda _, progress: report(progress))

    def _result(self, begin: float, on_progress: OnSlideProgress | None) -> SlideResult:
        plans: list[TilePlan] = []  # none where the store was made before
        store = self._tiled(on_progress, plans.append)
        unreadable, selection = store.unreadable, store.metadata.selection
        left_out = plans[0].left_out if plans else left_out_again(selection)
        status: Status = "unreadable tiles" if unreadable else "ok"
        return SlideResult(
            slide=str(self.slide),
            status=status if plans else "already done",
            store=str(self.store),
            codec=store.codec,
            not_native=store.metadata.not_native,
            tiles=len(store),
            unreadable=unreadable,
            tile_bytes=store.tile_bytes,
            seconds=round(time.perf_counter() - begin, 2),
            note=store_note(store),
            tissue_pieces=None if selection is None else selection.tissue.pieces,
            tissue_area_um2=None if selection is None else selection.tissue.area_um2,
            left_out=". ".join(map(str, left_out)) or None,
        )

    def _tiled(
        self, on_progress: OnSlideProgress | None, on_plan: Callable[[TilePlan], None]
    ) -> TileStore:
        return tile_slide(
            self.here / self.slide,
            self.here / self.store,
            self.recipe,
            workers=self.workers,
            options=self._options,
            on_progress=None if on_progress is None else self._now_and_then(on_progress),
            on_plan=on_plan,
        )

    def _now_and_then(self, on_progress: OnSlideProgress) -> OnProgress:
        told_s = -math.inf

        def tell(progress: Progress) -> None:
            nonlocal told_s
            if time.monotonic() - told_s > _PROGRESS_S:
                told_s = time.monotonic()
                on_progress(str(self.slide), progress)

        return tell

    def failure(self, error: BaseException, reason: str, seconds: float) -> SlideResult:
        """Return the result of a slide that failed."""
        return SlideResult(
            slide=str(self.slide),
            status="failed",
            error_type=type(error).__name__,
            reason=reason,
            seconds=round(seconds, 2),
        )

    @property
    def _options(self) -> WriteOptions:
        """The options, and that unreadable tiles are tried again where the slide has changed."""
        changed = changed_since(self.here / self.slide, self.here / self.store)
        is_again = self.options.retry_unreadable or changed
        return replace(self.options, retry_unreadable=is_again)


def _reason(error: BaseException) -> str:
    if isinstance(error, Exception):
        return explain(error)
    return exit_sentence("a detector or a reader", error)


def _carry_out(
    jobs: Sequence[_Job],
    processes: int,
    timeout_s: float | None,
    on_progress: OnSlideProgress | None,
) -> Generator[tuple[int, SlideResult]]:
    """Yield (number, result) of each job when it ends."""
    if processes == 0:
        yield from ((number, job.run(on_progress)) for number, job in enumerate(jobs))
        return

    def on_report(number: int, progress: Progress) -> None:
        if on_progress is not None:
            on_progress(str(jobs[number].slide), progress)

    calls = [job.run_in_child for job in jobs]
    started = in_processes(calls, processes, timeout_s=timeout_s, on_report=on_report)
    with closing(started) as finished:
        for ended in finished:
            yield ended.number, _collect(ended, jobs[ended.number])


def _collect(ended: Ended[SlideResult], job: _Job) -> SlideResult:
    try:
        return ended.future.result()
    except ProcessDiedError as error:
        reason = f"{error}: a decoder or a detector crashed on this slide, or memory ran out"
        return job.failure(error, reason, ended.seconds)
    except (TimeoutError, ForeignExitError) as error:
        return job.failure(error, explain(error), ended.seconds)
    except Exception as error:  # noqa: BLE001  such as a detector that cannot be pickled
        reason = (
            f"could not be handed to another process: {explain(error)}; tile in the calling "
            "process: processes=0 (--processes 0)"
        )
        return job.failure(error, reason, ended.seconds)
