"""From a slide and a plan to a store: choosing the codec and carrying out the plan."""

import os

from slidetile.choices import CODEC, NATIVE_CHECK, CodecName, NativeCheck
from slidetile.cloud.address import Address, Location, locate
from slidetile.format.codecs.codec import ChunkCodec
from slidetile.planning.plan import TilePlan
from slidetile.runtime.cpus import worker_count
from slidetile.runtime.heap import give_back_heap
from slidetile.slides.slide import Slide
from slidetile.store.store import TileStore, open_store
from slidetile.writing._run import Run
from slidetile.writing.choosing import with_codec
from slidetile.writing.destination import check_destination
from slidetile.writing.options import OnProgress, WriteOptions


def write_tiles(
    slide: Slide,
    plan: TilePlan,
    path: str | os.PathLike[str] | Address,
    *,
    codec: CodecName | ChunkCodec = CODEC,
    check: NativeCheck = NATIVE_CHECK,
    workers: int | None = None,
    options: WriteOptions | None = None,
    on_progress: OnProgress | None = None,
) -> TileStore:
    """Write a plan's tiles into a store.

    Parameters
    ----------
    slide
        The slide the plan was made for.
    plan
        The tiles to write; an empty plan gives a store of 0 tiles.
    path
        Path of the store. It is built in ``path.partial`` and renamed when complete; what an
        interrupted run has left there is continued.
    codec
        "native" copies the slide's compressed tiles, which one in sRGB has none of, so that it is
        stored as with "auto"; "zstd" is lossless, "jxl" is lossless and
        smaller, "jpeg" is lossy, "raw" is uncompressed; "reference" stores no pixels at all, only
        where the slide is; "auto" is native where the slide allows it,
        else zstd. Or a codec object, such as ``JpegCodec(quality=80)``.
    check
        How "native" and "auto" check the tiles that they copy: "scan" looks at their markers and
        for zeros, at the speed of memory, and decodes what gives cause; "decode" decodes all of
        them. Other codecs decode all tiles anyway.
    workers
        Threads that encode. None is one for each core of this process, within its affinity, its
        control groups' quota and SLURM_CPUS_PER_TASK. The bytes do not depend on it.
    options
        Options that few runs need to change.
    on_progress
        Called in this thread at the start and whenever shards have been written.

    Returns
    -------
    TileStore
        The finished store. Tiles whose pixels could not be read have the status "unreadable".

    Raises
    ------
    NotNativeError
        ``codec`` is "native" and the slide's tiles cannot be copied.
    SlideReadError
        The slide's file could not be read, and the next run continues the store; or it changed
        meanwhile, or no tile could be read, and the next run begins anew.
    StoreExistsError, StoreMismatchError, StoreBusyError
        The store at ``path`` is finished, was begun from another slide or with other settings, or
        is being written by another process.
    OSError
        The folder cannot be written, or the disk is full; the next run continues the store.
    ValueError
        ``workers`` is less than 1, ``check`` is unknown, or the plan is of another slide.
    """
    options = options or WriteOptions()
    destination = locate(path)
    threads = worker_count(workers)
    check_destination(destination, overwrite=options.existing == "overwrite")
    return write_checked(
        slide,
        plan,
        destination,
        codec=codec,
        check=check,
        workers=threads,
        options=options,
        on_progress=on_progress,
    )


def write_checked(
    slide: Slide,
    plan: TilePlan,
    destination: Location,
    *,
    codec: CodecName | ChunkCodec,
    check: NativeCheck,
    workers: int,
    options: WriteOptions,
    on_progress: OnProgress | None,
) -> TileStore:
    """Write a plan's tiles where `check_destination` has found that a store may be written.

    Takes, returns and raises what `write_tiles` does.
    """

    def write(chosen: ChunkCodec, not_native: str | None) -> TileStore:
        run = Run(slide, plan, chosen, workers, options, on_progress, not_native)
        try:
            run.write(destination)
        finally:
            give_back_heap()  # what runs leave in their threads' heaps adds up
        return open_store(destination)

    return with_codec(slide, destination, codec, check, options, write)
