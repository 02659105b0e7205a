"""From a slide's file to its store in one call.

Knows the steps and their order. Does not know what each of them does.
"""

import os
from collections.abc import Callable
from dataclasses import replace

from slidetile.cloud.address import Address, Location, locate
from slidetile.errors import StoreBusyError, StoreExistsError
from slidetile.planning.plan import TilePlan
from slidetile.recipe.done import done_before
from slidetile.recipe.recipe import Recipe
from slidetile.runtime.cpus import worker_count
from slidetile.store.store import TileStore
from slidetile.writing.destination import check_destination, check_place, is_there, tidy_up
from slidetile.writing.options import OnProgress, WriteOptions
from slidetile.writing.write import write_checked


def tile_slide(
    path: str | os.PathLike[str] | Address,
    store_path: str | os.PathLike[str] | Address,
    recipe: Recipe | None = None,
    *,
    workers: int | None = None,
    options: WriteOptions | None = None,
    on_progress: OnProgress | None = None,
    on_plan: Callable[[TilePlan], None] | None = None,
) -> TileStore:
    """Find a slide's tissue and write its tiles into a store, in one call.

    Parameters
    ----------
    path
        The slide's file.
    store_path
        Path of the store to write.
    recipe
        How the slide becomes a store. None is `Recipe()`.
    workers, options, on_progress
        As in `write_tiles`.
    on_plan
        Called in this thread with the plan before it is carried out; its ``left_out`` says what
        no tile will hold.

    Returns
    -------
    TileStore
        The finished store; one that was made before from the same slide with the same settings
        is returned as it is.

    Raises
    ------
    SlideError, StoreError, OSError
        As in `open_slide`, `find_tissue`, `done_before` and `write_tiles`.
    ValueError
        ``workers`` is less than 1.
    """
    workers = worker_count(workers)
    recipe = recipe or Recipe()
    options = options or WriteOptions()
    destination = locate(store_path)
    check_place(destination)
    busy = _tidied(destination)
    done = done_before(path, destination, recipe, options=options)
    if done is not None:
        return done
    if busy is not None:
        raise busy
    if options.retry_unreadable and is_there(destination):
        options = replace(options, existing="overwrite")  # which `done_before` has found right
    try:
        overwrite = options.existing == "overwrite"
        check_destination(destination, overwrite=overwrite, is_placed=True)
        with recipe.open(path) as slide:
            plan = recipe.plan(slide)
            if on_plan is not None:
                on_plan(plan)
            return write_checked(
                slide,
                plan,
                destination,
                codec=recipe.codec,
                check=recipe.check,
                workers=workers,
                options=options,
                on_progress=on_progress,
            )
    except StoreExistsError:
        # Another process may have finished the very store since it was looked for.
        done = done_before(path, destination, recipe, options=options)
        if done is None:
            raise
        return done


def _tidied(store: Location) -> StoreBusyError | None:
    """Put right what a killed run has left; return the error where a living one is at work.

    That run may just have finished the very store that is asked for.
    """
    try:
        tidy_up(store)
    except StoreBusyError as error:
        return error
    return None
