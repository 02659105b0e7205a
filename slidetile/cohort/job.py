"""One slide to tile, in any process: from its file to what became of it.

Knows a slide's steps and what its failures mean. Does not know other slides.
"""

import logging
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from slidetile.choices import Existing, UnfitChoiceError
from slidetile.cloud.address import Address, Location
from slidetile.cohort.done import settings_digest
from slidetile.cohort.engines.engine import OnSlideProgress
from slidetile.cohort.files import hurried
from slidetile.cohort.giant import FoundGiant, Giant, GiantFoundError, SplitLimit
from slidetile.cohort.inputs.entry import Entry
from slidetile.cohort.layout import RunFolder, log_name
from slidetile.cohort.no_tiles import store_note
from slidetile.cohort.result import SlideResult, Status
from slidetile.cohort.retry import may_hold_for_all, may_pass
from slidetile.cohort.slide_log import SlideLog, add_reason, put_log, remove_log
from slidetile.cohort.stored import store_facts
from slidetile.errors import (
    NotNativeError,
    OutdatedStoreError,
    SlidetileError,
    StoreMismatchError,
    explain,
)
from slidetile.planning.plan import TilePlan
from slidetile.recipe.done import changed_since
from slidetile.recipe.recipe import Recipe
from slidetile.recipe.tiling import tile_slide
from slidetile.runtime.foreign import exit_sentence, folder_kept
from slidetile.runtime.memory import peak_since_reset_bytes, reset_peak
from slidetile.store.store import TileStore
from slidetile.writing.destination import discard_unfinished
from slidetile.writing.group import Group
from slidetile.writing.options import OnProgress, Progress, WriteOptions

_log = logging.getLogger(__name__)

_FORESEEN = (SlidetileError, OSError, MemoryError, UnfitChoiceError, SystemExit)
"""What may become of a slide without a bug of anybody's."""

_PROGRESS_S = 0.2
"""A slide's progress is told this often."""

LONGEST_REASON = 2000
"""Characters of a reason in the tables; the log has all of it."""

PAUSE_S, LONGEST_PAUSE_S = 2.0, 30.0
"""How long another attempt is waited with, for each attempt before, and at most."""

MADE_ANEW = "made anew, since the slide or the settings have changed, or files were lost"
BEGUN_ANEW = "begun anew, since what was unfinished was of another slide or other settings"


@dataclass(frozen=True, slots=True, kw_only=True)
class SlideJob:
    """One slide to tile."""

    entry: Entry
    """The slide, its key, and what its manifest says of it."""

    here: Path
    """The folder that relative paths begin in: what a detector does may change the process's."""

    run_folder: RunFolder
    """Where the run leaves its logs; its cohort's folder has the stores."""

    log_folder: Path
    """Where the slide's log is written, on this machine: the run's folder, or one whose files are
    put into the bucket when the slide ends."""

    recipe: Recipe
    """How the slides of the cohort become stores."""

    workers: int
    """Threads."""

    options: WriteOptions
    """Options of writing; of a finished store that is outdated, see ``is_own_store``."""

    is_own_store: bool = False
    """Whether the cohort's table has the store as this very slide's, so that it is replaced where
    the slide or the settings have changed."""

    attempt: int = 1
    """Which attempt of the run this is."""

    is_in_child: bool = False
    """Whether the process is one of ours, whose peak of memory is the slide's."""

    @property
    def label(self) -> str:
        """The path of the slide, as given."""
        return str(self.entry.slide)

    @property
    def store(self) -> Location:
        """Where the store lies, as given."""
        return self.run_folder.cohort.store(self.entry.key)

    @property
    def log(self) -> Path:
        """Path of the slide's log on this machine."""
        return self.here / self.log_folder / log_name(self.entry.key)

    def again(self) -> "SlideJob":
        """Return the next attempt."""
        return replace(self, attempt=self.attempt + 1)

    def forget(self) -> None:
        """Remove the log of an attempt that did not count, unless one before has left it."""
        if self.attempt == 1:
            with suppress(OSError):
                remove_log(self.log, self.run_folder.log(self.entry.key))

    @property
    def paths(self) -> tuple[Path, ...]:
        """What must be there wherever the job runs, of the slide and the folder of the stores."""
        both = (self.here / self.entry.slide, self.here / self.run_folder.cohort.path)
        return tuple(place for place in both if isinstance(place, Path))

    def on_worker(self, *, workers: int, memory_bytes: int | None) -> "SlideJob":
        """Return the job for a process of a cluster, with so many threads and so much memory."""
        options = replace(self.options, memory_bytes=memory_bytes)
        return replace(self, workers=workers, options=options, is_in_child=True)

    @contextmanager
    def _kept_log(self) -> Iterator[SlideLog]:
        """Yield the slide's log, which goes to the bucket in the end where the stores do."""
        try:
            with SlideLog(self.log) as log:
                yield log
        finally:
            self._put_log(log.error)

    def _put_log(self, error: BaseException | None) -> None:
        """Put the log where it belongs, without much ado where the bucket may be out of reach."""
        address = self.run_folder.log(self.entry.key)
        if isinstance(address, Address):
            is_hurried = error is not None and may_hold_for_all(error)
            put_log(self.log, hurried(address) if is_hurried else address)

    def _with_log(self, result: SlideResult) -> SlideResult:
        """Return a result that names no log which could not be put where it belongs."""
        is_left = isinstance(self.run_folder.path, Address) and os.path.lexists(self.log)
        return replace(result, log=None) if is_left else result

    def run(self, on_progress: OnSlideProgress | None = None) -> SlideResult:
        """Tile the slide, and return its result; an error becomes the result "failed"."""
        with self._kept_log() as log:
            result = self._logged(log, lambda begin: self._result(begin, on_progress))
        return self._with_log(result)

    def run_unless_giant(
        self, most_tiles: int, on_progress: OnSlideProgress | None = None
    ) -> SlideResult | FoundGiant:
        """Tile the slide as `run` does; or return it, if it has more tiles than that."""
        limit = SplitLimit(most_tiles=most_tiles)
        with self._kept_log() as log:
            try:
                result = self._logged(
                    log, lambda begin: self._result(begin, on_progress, limit), GiantFoundError
                )
            except GiantFoundError as found:
                giant = replace(self._giant(found, limit), warnings=tuple(log.warnings))
                return FoundGiant(giant, found.plan)
        return self._with_log(result)

    def finish(
        self,
        giant: Giant,
        plan: TilePlan,
        group: Group,
        *,
        seconds: float,
        on_progress: OnSlideProgress | None = None,
    ) -> SlideResult:
        """Finish the store that several processes have written, and return the slide's result.

        ``seconds`` is how long it has taken before.

        Raises
        ------
        NotNativeError
            A tile cannot be copied: the slide is to be tiled whole, by `run`.
        """

        def finished(begin: float) -> SlideResult:
            tell = None if on_progress is None else self._now_and_then(on_progress)
            store = giant.finish(plan, group, workers=self.workers, on_progress=tell)
            how = BEGUN_ANEW if group.begun_anew else giant.note
            return self._result_of(store, plan, how, begin - seconds)

        with self._kept_log() as log:
            log.warnings.extend(giant.warnings)
            result = self._logged(log, finished, NotNativeError)
        return self._with_log(result)

    def _logged(
        self,
        log: SlideLog,
        result_of: Callable[[float], SlideResult],
        *passes: type[Exception],
    ) -> SlideResult:
        """Return the result of a slide; errors of the classes ``passes`` are raised."""
        if self.attempt > 1:  # what is to pass takes a moment
            time.sleep(min(LONGEST_PAUSE_S, PAUSE_S * (self.attempt - 1)))
        begin = time.perf_counter()
        if self.is_in_child:
            reset_peak()
        result = self._outcome(begin, log, result_of, passes)
        return replace(
            result,
            warnings=tuple(log.warnings),
            log=self._told_log if log.is_kept else None,
            peak_memory_bytes=peak_since_reset_bytes() if self.is_in_child else None,
        )

    def _outcome(
        self,
        begin: float,
        log: SlideLog,
        result_of: Callable[[float], SlideResult],
        passes: tuple[type[Exception], ...],
    ) -> SlideResult:
        raised: tuple[type[BaseException], ...] = (KeyboardInterrupt, GeneratorExit, *passes)
        try:
            with folder_kept():
                return result_of(begin)
        except raised:
            raise
        except BaseException as error:  # noqa: BLE001  one bad slide never ends the run
            # Where it was foreseen, the reason says all; a bug is found by its traceback.
            level = logging.DEBUG if isinstance(error, _FORESEEN) else logging.INFO
            _log.log(level, "%s", self.entry.slide, exc_info=True)
            log.failed(error)
            return self._failure(error, _reason(error), time.perf_counter() - begin)

    def failure(self, error: BaseException, reason: str, seconds: float) -> SlideResult:
        """Return the result of a slide that failed, whose process did not return any."""
        result = self._failure(error, reason, seconds)
        self._put_log(error)
        return self._with_log(result)

    def _failure(self, error: BaseException, reason: str, seconds: float) -> SlideResult:
        return SlideResult(
            key=self.entry.key,
            slide=self.label,
            status="failed",
            error_type=type(error).__name__,
            reason=reason if len(reason) <= LONGEST_REASON else f"{reason[:LONGEST_REASON]}…",
            seconds=round(seconds, 2),
            attempts=self.attempt,
            may_pass=may_pass(error),
            may_hold_for_all=may_hold_for_all(error),
            log=self._told_log if add_reason(self.log, reason) else None,
            columns=self.entry.columns,
        )

    @property
    def _told_log(self) -> str:
        """The log's path below the cohort's folder."""
        return self.run_folder.told_log(self.entry.key)

    def _result(
        self, begin: float, on_progress: OnSlideProgress | None, limit: SplitLimit | None = None
    ) -> SlideResult:
        plans: list[TilePlan] = []  # none where the store was made before

        def planned(plan: TilePlan) -> None:
            if limit is not None:
                limit.check(plan)
            plans.append(plan)

        store, how = self._tiled(on_progress, planned)
        return self._result_of(store, plans[0] if plans else None, how, begin)

    def _result_of(
        self, store: TileStore, plan: TilePlan | None, how: str | None, begin: float
    ) -> SlideResult:
        """Return the result of a store; ``plan`` is None where it was made before."""
        facts = store_facts(store)
        if plan is not None:
            facts["left_out"] = ". ".join(map(str, plan.left_out)) or None
        made: Status = "unreadable tiles" if store.unreadable else "ok"
        return SlideResult(
            key=self.entry.key,
            slide=self.label,
            status="already done" if plan is None else made,
            store=str(self.store),
            note=". ".join(filter(None, (how, store_note(store)))) or None,
            mpp_source=self._mpp_source(store),
            settings=settings_digest(self.entry.recipe(self.recipe), self.options),
            seconds=round(time.perf_counter() - begin, 2),
            attempts=self.attempt,
            columns=self.entry.columns,
            **facts,
        )

    def _mpp_source(self, store: TileStore) -> str | None:
        if self.entry.mpp is not None:
            return "manifest"
        if self.recipe.slide_mpp is not None:
            return "option"
        return None if store.metadata.source.mpp is None else "slide"

    def _tiled(
        self, on_progress: OnSlideProgress | None, on_plan: Callable[[TilePlan], None]
    ) -> tuple[TileStore, str | None]:
        """Return the slide's store; and how it came about, where that was not the usual way."""

        def tiled(existing: Existing | None = None) -> TileStore:
            options = self._options(existing)
            try:
                return tile_slide(
                    self.here / self.entry.slide,
                    self.here / self.store,
                    self._recipe,
                    workers=self.workers,
                    options=options,
                    on_progress=None if on_progress is None else self._now_and_then(on_progress),
                    on_plan=on_plan,
                )
            except GiantFoundError as found:
                found.options = options
                raise

        def begun_anew(existing: Existing | None = None) -> tuple[TileStore, str | None]:
            try:
                return tiled(existing), None
            except StoreMismatchError:
                discard_unfinished(self.here / self.store)
                return tiled(existing), BEGUN_ANEW

        try:
            return begun_anew()
        except OutdatedStoreError as error:
            if not is_to_replace(error, is_own=self.is_own_store):
                raise
            return begun_anew("overwrite")[0], MADE_ANEW

    def _giant(self, found: GiantFoundError, limit: SplitLimit) -> Giant:
        options = found.options or self.options
        is_outdated = options.existing == "overwrite" and self.options.existing != "overwrite"
        return Giant.of(
            self.here / self.entry.slide,
            self.here / self.store,
            self._recipe,
            options,
            parts=limit.parts(len(found.plan)),
            note=MADE_ANEW if is_outdated else None,
            restarts=True,
        )

    @property
    def _recipe(self) -> Recipe:
        """The recipe of this slide, whose annotations are where they were when the run began."""
        recipe = self.entry.recipe(self.recipe)
        drawn, labels = recipe.annotations, recipe.labels
        if drawn is not None:
            recipe = replace(recipe, annotations=replace(drawn, path=self.here / drawn.path))
        if labels is not None:
            recipe = replace(recipe, labels=replace(labels, path=self.here / labels.path))
        return recipe

    def _now_and_then(self, on_progress: OnSlideProgress) -> OnProgress:
        told_s = -math.inf

        def tell(progress: Progress) -> None:
            nonlocal told_s
            if time.monotonic() - told_s > _PROGRESS_S:
                told_s = time.monotonic()
                on_progress(self.label, progress)

        return tell

    def _options(self, existing: Existing | None) -> WriteOptions:
        """Return the options, of which one may be another."""
        chosen = with_retries(self.options, self.here / self.entry.slide, self.here / self.store)
        return chosen if existing is None else replace(chosen, existing=existing)


def with_retries(options: WriteOptions, slide: Location, store: Location) -> WriteOptions:
    """Return options by which unreadable tiles are tried again where the slide has changed."""
    is_again = options.retry_unreadable or changed_since(slide, store)
    return replace(options, retry_unreadable=is_again)


def is_to_replace(error: OutdatedStoreError, *, is_own: bool) -> bool:
    """Return whether a cohort replaces a store that is not the one that is asked for.

    It does if it is of this very slide, by the cohort's table or by its own metadata, and also if
    nothing can be read of it.
    """
    return is_own or error.is_same_slide or error.is_emptied


def _reason(error: BaseException) -> str:
    if isinstance(error, Exception):
        return explain(error)
    return exit_sentence("a detector or a reader", error)
