"""What a batch would do: for each slide whether it is tiled, and what that would take.

Knows plans and estimates. Writes nothing.
"""

import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from slidetile.cloud.address import Location
from slidetile.cohort.cohort import Cohort
from slidetile.cohort.done import asked_of_all, done_already
from slidetile.cohort.engines.engine import Engine, JobQueue, OnSlideProgress
from slidetile.cohort.inputs.entry import Entry
from slidetile.cohort.job import is_to_replace, with_retries
from slidetile.cohort.result import SlideResult
from slidetile.errors import OutdatedStoreError, explain
from slidetile.planning.plan import TilePlan
from slidetile.recipe.done import done_before
from slidetile.recipe.recipe import Recipe
from slidetile.runtime.foreign import exit_sentence, folder_kept
from slidetile.slides.slide import Slide
from slidetile.store.marks import is_store
from slidetile.writing.begun import was_begun_so
from slidetile.writing.destination import check_destination, lies_at, unfinished_lies_at
from slidetile.writing.estimate import estimate
from slidetile.writing.options import WriteOptions

Action = Literal["tile", "continue", "begin anew", "make anew", "already done", "fail"]
"""Of an unfinished store: "begin anew" is of one of another slide or of other settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlideForecast:
    """What a batch would do with one slide."""

    key: str
    """What the slide is called in the output folder."""

    slide: str
    """Path of the slide, as given."""

    action: Action
    """What would be done."""

    reason: str | None = None
    """Why it would fail or be made anew, in one line; None where there is nothing to say."""

    codec: str | None = None
    """Codec that the pixels would be stored with, or are."""

    tiles: int = 0
    """Tiles that the store would have, or has."""

    store_bytes: int = 0
    """Bytes that would be written."""

    seconds: float = 0.0
    """Time that it would take on this machine, with all its cores, in seconds."""

    free_bytes: int | None = None
    """Free bytes where the store would be written; None where nothing would be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastJob:
    """One slide whose tiling is estimated."""

    entry: Entry
    here: Path
    store: Location
    recipe: Recipe
    options: WriteOptions
    is_own_store: bool

    @property
    def label(self) -> str:
        """The path of the slide, as given."""
        return str(self.entry.slide)

    def run(self, on_progress: OnSlideProgress | None = None) -> SlideForecast:  # noqa: ARG002
        """Estimate the slide; an error becomes the action "fail"."""
        begin = time.perf_counter()
        try:
            with folder_kept():
                return self._forecast(begin)
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except Exception as error:  # noqa: BLE001  one bad slide never ends the run
            return self.failure(error, explain(error), 0)
        except BaseException as error:  # noqa: BLE001
            return self.failure(error, exit_sentence("a detector or a reader", error), 0)

    def again(self) -> "ForecastJob":
        """Return the job itself: an estimate has no attempts."""
        return self

    def failure(
        self,
        error: BaseException,  # noqa: ARG002
        reason: str,
        seconds: float,  # noqa: ARG002
    ) -> SlideForecast:
        """Return the forecast of a slide that would fail."""
        return self._of("fail", reason=reason)

    def _of(self, action: Action, **values: object) -> SlideForecast:
        found = {"key": self.entry.key, "slide": self.label, "action": action, **values}
        return SlideForecast(**found)  # type: ignore[arg-type]

    def _forecast(self, begin: float) -> SlideForecast:
        recipe, slide = self.entry.recipe(self.recipe), self.here / self.entry.slide
        store = self.here / self.store
        options, reason = with_retries(self.options, slide, store), None
        try:
            done = done_before(slide, store, recipe, options=options)
        except OutdatedStoreError as error:
            if not is_to_replace(error, is_own=self.is_own_store):
                raise
            done, reason = None, "the slide or the settings have changed, or files are lost"
            options = replace(options, existing="overwrite")
        if done is not None:
            return self._of("already done", codec=done.codec, tiles=len(done))
        if options.retry_unreadable and is_store(store):
            options = replace(options, existing="overwrite")
            reason = reason or "tiles that could not be read are tried again"
        check_destination(store, overwrite=options.existing == "overwrite")
        with recipe.open(slide) as opened:
            plan = recipe.plan(opened)
            action = self._action(opened, plan, recipe, options)
            return self._estimated(action, reason, opened, plan, recipe, begin)

    def _action(
        self, slide: Slide, plan: TilePlan, recipe: Recipe, options: WriteOptions
    ) -> Action:
        store = self.here / self.store
        if lies_at(store):
            return "make anew"
        if not unfinished_lies_at(store):
            return "tile"
        if options.existing == "restart":
            return "begin anew"
        codec, check = recipe.codec, recipe.check
        is_same = was_begun_so(slide, plan, store, codec=codec, check=check, options=options)
        return "continue" if is_same else "begin anew"

    def _estimated(
        self,
        action: Action,
        reason: str | None,
        slide: Slide,
        plan: TilePlan,
        recipe: Recipe,
        begin: float,
    ) -> SlideForecast:
        cost = estimate(
            slide,
            plan,
            self.here / self.store,
            codec=recipe.codec,
            check=recipe.check,
            begun_s=time.perf_counter() - begin,
        )
        return self._of(
            action,
            reason=reason,
            codec=cost.codec,
            tiles=cost.tiles,
            store_bytes=cost.bytes,
            seconds=cost.seconds,
            free_bytes=cost.free_bytes,
        )


def forecasts(
    cohort: Cohort,
    recipe: Recipe,
    engine: Engine,
    *,
    options: WriteOptions,
) -> Generator[SlideForecast]:
    """Yield what a batch would do with each slide, as soon as it is known; nothing is written.

    Parameters
    ----------
    cohort
        The slides.
    recipe, options
        As in `tile_slides`.
    engine
        What carries the estimates out.
    """
    here = Path.cwd()

    def ask(entry: Entry) -> SlideResult | None:
        return done_already(entry, cohort.row(entry), recipe, options, cohort.folder, here)

    left = []
    for entry, done in asked_of_all(ask, cohort.entries, cohort.folder):
        if done is None:
            left.append(entry)
        else:
            yield _of_done(done)
    jobs = JobQueue(
        ForecastJob(
            entry=entry,
            here=here,
            store=cohort.folder.store(entry.key),
            recipe=recipe,
            options=replace(options, memory_bytes=None),
            is_own_store=cohort.owns(entry, here),
        )
        for entry in left
    )
    with closing(engine.carry_out(jobs)) as ended:
        yield from (forecast for _, forecast in ended)


def _of_done(done: SlideResult) -> SlideForecast:
    return SlideForecast(
        key=done.key,
        slide=done.slide,
        action="already done",
        codec=done.codec,
        tiles=done.tiles,
    )
