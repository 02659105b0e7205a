"""Tile many slides, in one or several processes, and keep what became of each in tables.

Knows slides, stores and results. Does not know tiles.
"""

import os
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import closing
from typing import TYPE_CHECKING

from slidetile.cloud.address import Address
from slidetile.cloud.options import using_storage_options
from slidetile.cohort.batch_options import BatchOptions
from slidetile.cohort.batch_run import BatchRun
from slidetile.cohort.cohort import Cohort
from slidetile.cohort.engines.engine import Engine, OnSlideProgress
from slidetile.cohort.part import Part
from slidetile.cohort.result import BatchReport, SlideResult
from slidetile.recipe.recipe import Recipe
from slidetile.writing.options import WriteOptions

if TYPE_CHECKING:
    from distributed import Client

OnResult = Callable[[SlideResult], None]


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
        The output folder cannot be made or written, or the tables cannot be written; or a bucket
        has stopped answering, so that slides were not begun. The same call does them when it is
        back.
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
    return BatchRun(cohort, recipe, how, options, engine).results(on_progress)
