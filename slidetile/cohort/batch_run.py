"""One run over the slides of a cohort: makes a job of each, and keeps what became of it.

Knows the order of things. Does not know how a slide is tiled.
"""

import logging
import os
import platform
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from slidetile.cloud.address import absolute, locate
from slidetile.cohort.alike import tell_alike
from slidetile.cohort.batch_options import BatchOptions
from slidetile.cohort.cohort import Cohort
from slidetile.cohort.done import asked_of_all, done_already
from slidetile.cohort.elsewhere import is_elsewhere, released
from slidetile.cohort.engines.engine import Engine, JobQueue, OnSlideProgress
from slidetile.cohort.engines.local import InProcesses, InThisProcess
from slidetile.cohort.inputs.entry import Entry
from slidetile.cohort.job import SlideJob
from slidetile.cohort.layout import new_run_name
from slidetile.cohort.log_folder import log_folder_of
from slidetile.cohort.reach import Reach
from slidetile.cohort.result import SlideResult
from slidetile.cohort.retry import may_hold_for_all
from slidetile.cohort.sizing import Sizing
from slidetile.cohort.table.rows import row_of
from slidetile.cohort.table.run_log import RunLog, is_any_under_way
from slidetile.cohort.table.summary import write_summary
from slidetile.errors import StoreBusyError
from slidetile.recipe.recipe import Recipe
from slidetile.runtime.processes import refuse_unguarded
from slidetile.writing.options import WriteOptions

_log = logging.getLogger(__name__)


class BatchRun:
    """One run: makes a job of each slide, has an engine do it, and keeps what became of it.

    Parameters
    ----------
    cohort
        The slides, and the folder of their stores.
    recipe
        How each becomes a store.
    how
        How the run is carried out.
    options
        Options of writing.
    engine
        What carries the slides out; None is this machine.
    """

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
        self._left = len(self._entries)
        self._folder = cohort.folder.run(new_run_name())
        self._log_folder = log_folder_of(self._folder)
        self._reach = Reach(self._folder)
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
                    if self._reach.is_output_gone:
                        log.cut_off()
                    log.enter(self._row(result))
                    self._left -= 1
                    yield result
            except BaseException:
                with suppress(Exception):  # what ends the run is told; the rows stay in its log
                    self._finish(log)
                raise
            self._finish(log)
            if not self._options.anonymous:  # else tables have fingerprints
                tell_alike(self._cohort.alike)
            self._reach.refuse_if_gone(not_begun=self._left, kept=log.kept)

    def _finish(self, log: RunLog) -> None:
        if self._reach.is_output_gone:
            log.cut_off()
        log.finish()
        log.close()  # of parts that end at once, one at least must find no other under way
        if self._reach.is_output_gone:
            return
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
            if self._reach.is_output_gone:
                return
            if done is None:
                left.append(entry)
            else:
                yield done
        yield from self._final_results(left, on_progress)

    def _done(self, entry: Entry) -> SlideResult | None:
        cohort, row = self._cohort, self._cohort.row(entry)
        if self._reach.is_gone(entry.slide):
            return None

        def look(error: Exception) -> None:
            if may_hold_for_all(error):
                self._reach.look(entry.slide)

        return done_already(
            entry, row, self._recipe, self._options, cohort.folder, self._here, on_error=look
        )

    def _final_results(
        self, entries: Sequence[Entry], on_progress: OnSlideProgress | None
    ) -> Iterator[SlideResult]:
        """Yield the result of each slide, once it is tried no more."""
        elsewhere: list[SlideJob] = []
        yield from self._carried_out(self._jobs(entries), elsewhere, on_progress)
        while elsewhere and not self._reach.is_output_gone:
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
                self._note(job, result)
                if is_elsewhere(result):
                    job.forget()
                    elsewhere.append(job)
                elif self._is_tried_again(result) and not self._reach.is_gone(job.entry.slide):
                    _log.warning("%s failed and is tried again: %s", result.slide, result.reason)
                    jobs.put_back(job.again())
                else:
                    yield result
                if self._reach.is_output_gone:
                    return

    def _note(self, job: SlideJob, result: SlideResult) -> None:
        """Learn from a result: how much memory a slide takes, and which buckets answer."""
        if result.status == "ok":
            self._sizing.measured(result.peak_memory_bytes)
        if result.status != "failed":
            self._reach.answered(job.entry.slide)
        elif result.may_hold_for_all:
            self._reach.look(job.entry.slide)

    def _jobs(self, entries: Iterable[Entry]) -> Iterator[SlideJob]:
        """Yield the jobs of slides, but of those whose bucket is gone when they are to begin."""
        return (self._job(each) for each in entries if not self._reach.is_gone(each.slide))

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
