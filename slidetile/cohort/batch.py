"""Tile many slides, in one or several processes, and keep what became of each in tables.

Knows slides, stores and results. Does not know tiles.
"""

import logging
import os
import platform
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from slidetile.cloud.address import Address, absolute, locate
from slidetile.cloud.options import using_storage_options
from slidetile.cohort.cohort import Cohort
from slidetile.cohort.done import asked_of_all, done_already
from slidetile.cohort.elsewhere import is_elsewhere, released
from slidetile.cohort.engines.engine import Engine, JobQueue, OnSlideProgress
from slidetile.cohort.engines.local import InProcesses, InThisProcess
from slidetile.cohort.inputs.entry import Entry
from slidetile.cohort.job import SlideJob
from slidetile.cohort.layout import new_run_name
from slidetile.cohort.log_folder import log_folder_of
from slidetile.cohort.part import Part
from slidetile.cohort.result import BatchReport, SlideResult
from slidetile.cohort.sizing import Sizing
from slidetile.cohort.table.rows import row_of
from slidetile.cohort.table.run_log import RunLog, is_any_under_way
from slidetile.cohort.table.summary import write_summary
from slidetile.errors import StoreBusyError
from slidetile.recipe import Recipe
from slidetile.runtime.cpus import worker_count
from slidetile.runtime.processes import refuse_unguarded
from slidetile.writing.options import WriteOptions

if TYPE_CHECKING:
    from distributed import Client

_log = logging.getLogger(__name__)

OnResult = Callable[[SlideResult], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOptions:
    """How a batch is carried out; nothing of it changes what is in a store.

    Raises
    ------
    ValueError
        ``processes`` or ``retries`` is negative, ``workers`` less than 1, or ``timeout_s`` not
        above 0, or given with ``processes`` of 0.
    """

    processes: int | None = None
    """Slides tiled at once, each in a process of its own; None as many as there are cores and
    memory for. 0 tiles them one after another in the calling process."""

    timeout_s: float | None = None
    """Seconds that a slide may take, with the start of its process; None is for ever."""

    retries: int = 0
    """How often a slide is tried again whose failure may pass; see `may_pass`."""

    workers: int | None = None
    """Threads for each slide; None divides the cores among the processes."""

    def __post_init__(self) -> None:
        for name in ("processes", "retries"):
            if (getattr(self, name) or 0) < 0:
                raise ValueError(f"{name} must be 0 or more, but it is {getattr(self, name)}.")
        worker_count(self.workers)
        if self.timeout_s is None:
            return
        if not self.timeout_s > 0:
            raise ValueError(f"timeout_s must be more than 0 seconds, but it is {self.timeout_s}.")
        if self.processes == 0:
            raise ValueError(
                "A time limit for a slide ends its process, so it needs processes (--processes) of "
                "1 or more, but this is 0: the slides are tiled in the calling process."
            )


def tile_slides(  # noqa: PLR0913  each says one thing about the run
    inputs: Iterable[str | os.PathLike[str] | Address],
    out: str | os.PathLike[str] | Address,
    recipe: Recipe | None = None,
    *,
    part: str | Part | None = None,
    processes: int | None = None,
    timeout_s: float | None = None,
    retries: int = 0,
    workers: int | None = None,
    options: WriteOptions | None = None,
    client: "Client | None" = None,
    split_tiles: int | None = None,
    engine: Engine | None = None,
    on_result: OnResult | None = None,
    on_progress: OnSlideProgress | None = None,
    storage_options: Mapping[str, str] | None = None,
) -> BatchReport:
    """Tile many slides; one bad slide never ends the run.

    Parameters
    ----------
    inputs
        Slides; folders, which are searched for slides, see `find_slides`; globs such as
        ``slides/**/*.svs``; and manifests, CSV or Parquet files that list slides, see
        `read_manifest`. All of them may lie in buckets.
    out
        Folder of the stores, which is made if missing; or where they are to lie in a bucket, such
        as ``s3://bucket/cohort``. A store has its slide's key, which is the id
        that a manifest gives, or the slide's name without the suffix, with the names of the folders
        above where that is not unique; it never changes. ``slides.parquet`` has a row for each
        slide of each run, ``summary.csv`` the latest of each, ``logs`` what was said of slides that
        failed. Several runs may write into one folder at a time.
    recipe
        How each slide becomes a store. None is `Recipe()`. What a manifest says of a slide goes
        before it.
    part
        Which part of the slides to tile, such as "3/16"; None is all. A slide's part depends on its
        key and the number of parts alone.
    processes
        Slides tiled at once, each in a process of its own, so that a crash of a decoder or a
        detector costs only its slide. None is as many as the machine has cores and memory for:
        available × 0.7 ÷ (3 × the measured peak of one slide). A script that does this needs the
        usual ``if __name__ == "__main__":``. 0 tiles the slides one after another in this process.
    timeout_s
        Seconds that a slide may take, with the start of its process; a slide that takes longer has
        failed, and the others go on. None is for ever. With a client, each of the tasks of a slide
        that is split may take so long.
    retries
        How often a slide is tried again, after all others, whose failure may pass: a disk that did
        not answer, a process that was killed.
    workers
        Number of threads for each slide. None divides the cores of this process among the
        processes.
    options
        As in `write_tiles`, with ``memory_bytes`` for all slides together; with a client, for each
        of its workers, which never take more than their own limit. A finished store of the
        same slide and settings is "already done"; one of this slide that has lost files, or whose
        slide or settings have changed, is made anew and replaced once the new one is complete.
    client
        A client of dask.distributed, whose workers tile the slides; None uses this machine. Without
        ``workers``, a task has the threads of its worker.
    split_tiles
        A slide of more tiles is written by several tasks; this needs a ``client``. None splits
        none.
    engine
        What carries the slides out; None is this machine, or the client's workers.
    on_result
        Called in this thread with the result of every slide, as soon as it is known.
    on_progress
        Called in this thread with the path and the progress of each slide that is being tiled,
        now and then.
    storage_options
        As in `open_slide`, for all addresses. They go to the processes and workers that tile, and
        are never written.

    Returns
    -------
    BatchReport
        A result for each slide, those of manifests first, then in the order given.

    Raises
    ------
    ValueError
        ``processes`` or ``retries`` is negative, ``workers`` less than 1, ``timeout_s`` not above
        0, or given with ``processes`` of 0; ``part`` is none; or ``client``, ``split_tiles`` and
        ``engine`` do not go together.
    ClusterError
        The client's scheduler is gone, or a worker has another version of slidetile.
    CohortError
        A manifest cannot be used, nothing matches a glob, or the tables in ``out`` cannot be read.
    SlideError
        The whole file system was to be searched.
    StoreError, OSError
        The output folder cannot be made or written, or the tables cannot be written.
    """
    how = BatchOptions(processes=processes, timeout_s=timeout_s, retries=retries, workers=workers)
    if client is not None or split_tiles is not None:
        engine = _cluster_engine(client, split_tiles, how, engine, options)
    chosen = Part.parse(part) if isinstance(part, str) else part
    with using_storage_options(storage_options):
        cohort = Cohort.of(inputs, out, part=chosen)
    return tile_cohort(
        cohort,
        recipe or Recipe(),
        how,
        options=options or WriteOptions(),
        engine=engine,
        on_result=on_result,
        on_progress=on_progress,
    )


def _cluster_engine(
    client: "Client | None",
    split_tiles: int | None,
    how: BatchOptions,
    engine: Engine | None,
    options: WriteOptions | None,
) -> Engine:
    from slidetile.cohort.engines.dask import DaskEngine

    if client is None:
        raise ValueError("split_tiles splits slides among the workers of a client: give one.")
    if engine is not None or how.processes is not None:
        raise ValueError(
            "The workers of a client tile the slides, so engine and processes, which are of this "
            "machine, cannot be given as well."
        )
    return DaskEngine(
        client,
        most_tiles=split_tiles,
        threads=how.workers,
        timeout_s=how.timeout_s,
        memory_bytes=None if options is None else options.memory_bytes,
    )


def tile_cohort(
    cohort: Cohort,
    recipe: Recipe,
    how: BatchOptions,
    *,
    options: WriteOptions,
    engine: Engine | None = None,
    on_result: OnResult | None = None,
    on_progress: OnSlideProgress | None = None,
) -> BatchReport:
    """Tile the slides of a cohort; see `tile_slides`."""
    results: dict[str, SlideResult] = {}
    ended = cohort_results(
        cohort, recipe, how, options=options, engine=engine, on_progress=on_progress
    )
    with closing(ended) as finished:
        for result in finished:
            results[result.key] = result
            if on_result is not None:
                on_result(result)
    ordered = (results.get(entry.key) for entry in cohort.entries)
    return BatchReport(results=tuple(each for each in ordered if each is not None))


def cohort_results(
    cohort: Cohort,
    recipe: Recipe,
    how: BatchOptions,
    *,
    options: WriteOptions,
    engine: Engine | None = None,
    on_progress: OnSlideProgress | None = None,
) -> Generator[SlideResult]:
    """Yield the result of each slide of a cohort as soon as it is known; none is held."""
    return _BatchRun(cohort, recipe, how, options, engine).results(on_progress)


class _BatchRun:
    """One run: makes a job of each slide, has an engine do it, and keeps what became of it."""

    def __init__(
        self,
        cohort: Cohort,
        recipe: Recipe,
        how: BatchOptions,
        options: WriteOptions,
        engine: Engine | None,
    ) -> None:
        self._cohort = cohort
        self._recipe = recipe
        self._how = how
        self._options = options
        self._here = Path.cwd()
        self._entries = {entry.key: entry for entry in cohort.entries}
        self._folder = cohort.folder.run(new_run_name())
        self._log_folder = log_folder_of(self._folder)
        self._sizing = Sizing.of_this_machine(
            processes=how.processes, memory_bytes=options.memory_bytes
        )
        self._sizing.measured(cohort.peak_bytes)
        self._engine = engine or self._own_engine()

    def _own_engine(self) -> Engine:
        if self._how.processes == 0:
            return InThisProcess()
        refuse_unguarded("tile_slides")
        return InProcesses(
            self._sizing.slides_at_once,
            timeout_s=self._how.timeout_s,
            memory_bytes=self._sizing.limit_bytes,
        )

    def results(self, on_progress: OnSlideProgress | None) -> Generator[SlideResult]:
        """Yield the result of each slide when it is known for good."""
        with self._log_folder as self._logs, closing(RunLog(self._folder)) as log:
            log.note(_note(self._recipe, self._how, self._options))
            try:
                for result in self._all_results(on_progress):
                    log.enter(self._row(result))
                    yield result
            except BaseException:
                with suppress(Exception):  # what ends the run is told; the rows stay in its log
                    self._finish(log)
                raise
            self._finish(log)

    def _finish(self, log: RunLog) -> None:
        log.finish()
        log.close()  # of parts that end at once, one at least must find no other under way
        if self._cohort.part is not None and is_any_under_way(self._folder):
            return
        try:
            write_summary(self._cohort.folder)
        except StoreBusyError:
            _log.warning(
                "%s is written by another run, which has the rows of this one, too, if it began to "
                "after now; the next run writes it again.",
                self._cohort.folder.summary,
            )

    def _all_results(self, on_progress: OnSlideProgress | None) -> Iterator[SlideResult]:
        """Yield the result of each slide, first of those that are done already."""
        left = []
        cohort = self._cohort
        for entry, done in asked_of_all(self._done, cohort.entries, cohort.folder):
            if done is None:
                left.append(entry)
            else:
                yield done
        yield from self._final_results(left, on_progress)

    def _done(self, entry: Entry) -> SlideResult | None:
        cohort, row = self._cohort, self._cohort.row(entry)
        return done_already(entry, row, self._recipe, self._options, cohort.folder, self._here)

    def _final_results(
        self, entries: Sequence[Entry], on_progress: OnSlideProgress | None
    ) -> Iterator[SlideResult]:
        """Yield the result of each slide, once it is tried no more."""
        elsewhere: list[SlideJob] = []
        yield from self._carried_out(map(self._job, entries), elsewhere, on_progress)
        while elsewhere:
            free = released(elsewhere)
            elsewhere = [job for job in elsewhere if job not in free]
            yield from self._carried_out(free, elsewhere, on_progress)

    def _carried_out(
        self,
        given: Iterable[SlideJob],
        elsewhere: list[SlideJob],
        on_progress: OnSlideProgress | None,
    ) -> Iterator[SlideResult]:
        """Yield results of jobs; those whose slide another run is tiling are put aside."""
        jobs = JobQueue(given)
        with closing(self._engine.carry_out(jobs, on_progress)) as ended:
            for each, result in ended:
                job = cast("SlideJob", each)
                if result.status == "ok":
                    self._sizing.measured(result.peak_memory_bytes)
                if is_elsewhere(result):
                    job.forget()
                    elsewhere.append(job)
                elif self._is_tried_again(result):
                    _log.warning("%s failed and is tried again: %s", result.slide, result.reason)
                    jobs.put_back(job.again())
                else:
                    yield result

    def _is_tried_again(self, result: SlideResult) -> bool:
        left = result.attempts <= self._how.retries
        return result.status == "failed" and result.may_pass and left

    def _job(self, entry: Entry) -> SlideJob:
        is_here = isinstance(self._engine, InThisProcess)
        workers = self._how.workers or (self._sizing.cores if is_here else self._sizing.workers())
        options = self._options
        if not is_here:
            options = replace(options, memory_bytes=self._sizing.share_bytes())
        return SlideJob(
            entry=entry,
            here=self._here,
            run_folder=self._folder,
            log_folder=self._logs,
            recipe=self._recipe,
            workers=workers,
            options=options,
            is_own_store=self._cohort.owns(entry, self._here),
            is_in_child=not is_here,
        )

    def _row(self, result: SlideResult) -> dict[str, Any]:
        """Return a result as a row of the table, whose paths mean the same in every folder."""
        store, entry = result.store, self._entries[result.key]
        row = row_of(
            result,
            slide=absolute(self._here / entry.slide),
            store=None if store is None else absolute(self._here / locate(store)),
            run=self._folder.name,
            after=self._cohort.row(entry).get("ended"),
        )
        return {**row, **self._cohort.carried(entry, result.status, self._here)}


def _note(recipe: Recipe, how: BatchOptions, options: WriteOptions) -> dict[str, Any]:
    """Return what a run was asked for, for people who wonder later."""
    from slidetile import __version__

    return {
        "slidetile": __version__,
        "began": datetime.now(UTC).isoformat(timespec="seconds"),
        "host": platform.node(),
        "process": os.getpid(),
        "recipe": _told(recipe),
        "batch": _told(how),
        "writing": _told(options),
    }


def _told(choices: Any) -> dict[str, str]:
    return {each.name: str(getattr(choices, each.name)) for each in fields(choices)}
