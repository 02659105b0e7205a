"""A slide with so many tiles that several processes write its store, each a part.

Knows what each of the processes does with the slide. Does not know where they run.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple, Self

from slidetile.cloud.address import Location
from slidetile.errors import StoreMismatchError
from slidetile.planning.plan import TilePlan
from slidetile.recipe.recipe import Recipe
from slidetile.store.marks import is_store
from slidetile.store.store import TileStore
from slidetile.writing.group import Group, Permit, begin_store, finish_store, write_part
from slidetile.writing.options import OnProgress, Progress, WriteOptions


class GiantFoundError(Exception):
    """A plan has more tiles than one process is to write: nothing has been written."""

    plan: TilePlan
    """The plan."""

    options: WriteOptions | None = None
    """What it was to be written with; None where nothing has been noted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitLimit:
    """Refuses plans of more tiles than one process is to write; the ``on_plan`` of `tile_slide`.

    Raises
    ------
    ValueError
        The number is less than 1.
    """

    most_tiles: int
    """The most tiles that one process writes."""

    def __post_init__(self) -> None:
        if self.most_tiles < 1:
            raise ValueError(
                f"A slide is split above 1 tile or more, but the limit is {self.most_tiles}."
            )

    def parts(self, tiles: int) -> int:
        """Return the number of parts of about so many tiles."""
        return -(-tiles // self.most_tiles)

    def check(self, plan: TilePlan) -> None:
        """Check that one process is to write a plan.

        Raises
        ------
        GiantFoundError
            Several are.
        """
        if len(plan) > self.most_tiles:
            error = GiantFoundError(f"{len(plan)} tiles are more than {self.most_tiles}")
            error.plan = plan
            raise error


@dataclass(frozen=True, slots=True, kw_only=True)
class Giant:
    """A slide whose store several processes write; it can be pickled."""

    slide: Location
    """Path of the slide, the same in every process."""

    store: Location
    """Where the store lies, the same in every process."""

    recipe: Recipe
    """How the slide becomes a store."""

    options: WriteOptions
    """Options of writing."""

    parts: int
    """The number of parts that are wanted."""

    warnings: tuple[str, ...] = ()
    """What was warned of while the slide was planned."""

    note: str | None = None
    """How the store comes about, where that is not the usual way."""

    restarts: bool = False
    """Whether a store that was begun otherwise is begun anew; else it is an error."""

    @classmethod
    def of(
        cls,
        slide: Location,
        store: Location,
        recipe: Recipe,
        options: WriteOptions,
        *,
        parts: int,
        note: str | None = None,
        restarts: bool = False,
    ) -> Self:
        """Return a giant that `tile_slide` was about to write: what is there, it has found right.

        Parameters
        ----------
        slide, store, recipe, options
            As `tile_slide` was given them; the paths are absolute.
        parts
            The number of parts that are wanted.
        note, restarts
            As in `Giant`.
        """
        if options.retry_unreadable and is_store(store):
            options = replace(options, existing="overwrite")
        return cls(
            slide=slide,
            store=store,
            recipe=recipe,
            options=options,
            parts=parts,
            note=note,
            restarts=restarts,
        )

    @property
    def overwrite(self) -> bool:
        """Whether it may replace a finished store."""
        return self.options.existing == "overwrite"

    def within(self, memory_bytes: int | None) -> Self:
        """Return the giant with a budget of memory."""
        return replace(self, options=replace(self.options, memory_bytes=memory_bytes))

    def plan(self) -> TilePlan:
        """Choose the slide's tiles."""
        with self.recipe.open(self.slide) as slide:
            return self.recipe.plan(slide)

    def begin(self, plan: TilePlan, permit: Permit) -> Group:
        """Begin the store; see `begin_store`."""
        with self.recipe.open(self.slide) as slide:

            def begun(options: WriteOptions) -> Group:
                return begin_store(
                    slide,
                    plan,
                    permit,
                    parts=self.parts,
                    codec=self.recipe.codec,
                    check=self.recipe.check,
                    options=options,
                )

            try:
                return begun(self.options)
            except StoreMismatchError:
                if not self.restarts:
                    raise
                anew = begun(replace(self.options, existing="restart"))
                return replace(anew, begun_anew=True)

    def write_part(
        self,
        plan: TilePlan,
        group: Group,
        number: int,
        *,
        workers: int | None = None,
        on_progress: OnProgress | None = None,
    ) -> Progress:
        """Write one part of the store; see `slidetile.writing.group.write_part`."""
        with self.recipe.open(self.slide) as slide:
            return write_part(
                slide,
                plan,
                group,
                number,
                workers=workers,
                options=self.options,
                on_progress=on_progress,
            )

    def finish(
        self,
        plan: TilePlan,
        group: Group,
        *,
        workers: int | None = None,
        on_progress: OnProgress | None = None,
    ) -> TileStore:
        """Finish the store; see `finish_store`."""
        with self.recipe.open(self.slide) as slide:
            return finish_store(
                slide,
                plan,
                group,
                workers=workers,
                options=self.options,
                on_progress=on_progress,
            )


class FoundGiant(NamedTuple):
    """A giant, and its plan, which is too large to travel with each of its tasks."""

    giant: Giant
    plan: TilePlan
