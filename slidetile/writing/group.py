"""One store written by several processes, perhaps on several hosts of one file system.

A coordinator claims the store, and hands out the claim's token. Under it one process begins the
store, several write a part of it each, in any order and as often as need be, and one finishes it:
that is a run like any other, which continues a store whose shards are mostly there. So the bytes
are those of a single process, whatever becomes of the parts. Knows the steps. Does not know who
carries them out.
"""

import contextlib
import os
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

from slidetile.choices import CODEC, NATIVE_CHECK, CodecName, NativeCheck
from slidetile.cloud.address import Address, Location, locate
from slidetile.cloud.claim_file import claim_file_at, remove_claim
from slidetile.errors import StoreBusyError
from slidetile.format.codecs.codec import ChunkCodec
from slidetile.format.names import finishing_path, owner_path
from slidetile.planning.plan import TilePlan
from slidetile.runtime.claim import ClaimTimes
from slidetile.runtime.cpus import worker_count
from slidetile.runtime.heap import give_back_heap
from slidetile.runtime.shared_claim import SharedClaim
from slidetile.slides.slide import Slide
from slidetile.store.store import TileStore, open_store
from slidetile.writing._finishing import FinishingClaim
from slidetile.writing._parts import Part
from slidetile.writing._run import Run
from slidetile.writing.changed import SourceChangedError
from slidetile.writing.choosing import with_codec
from slidetile.writing.destination import claim_store, is_all_there, partial_store
from slidetile.writing.options import OnProgress, Progress, WriteOptions


class Permit(NamedTuple):
    """The right to write a store on behalf of the process that has claimed it."""

    path: Location
    """Where the store lies."""

    token: str
    """The token of its claim."""

    @property
    def claim(self) -> SharedClaim:
        """The claim that says whether this is still so."""
        return SharedClaim(claim_file_at(owner_path(self.path)), self.token)


class GroupClaim:
    """The claim on a store that several processes write; its holder gives the signs of life.

    Parameters
    ----------
    path
        Path of the store.
    overwrite
        Whether it may replace a finished store.
    times
        How often the holder gives signs of life, and when it counts as dead.

    Raises
    ------
    StoreBusyError
        Another process writes this store, or coordinates those that do.
    StoreExistsError
        ``path`` exists and may not be replaced.
    OSError
        The folder above it cannot be written.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | Address,
        *,
        overwrite: bool = False,
        times: ClaimTimes | None = None,
    ) -> None:
        self._path = locate(path)
        self._overwrite = overwrite
        self._claim = claim_store(self._path, overwrite=overwrite, times=times)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def permit(self) -> Permit:
        """What a process needs to write the store on behalf of this one."""
        return Permit(self._path, self._claim.token)

    def renew(self) -> Permit:
        """Take back all that was permitted, and permit anew.

        Before the store is finished: a part that was given up, and still runs, then writes nothing
        into a finished store.

        Raises
        ------
        StoreBusyError
            Another process has taken over.
        """
        return Permit(self._path, self._claim.renew())

    def discard(self) -> None:
        """Remove the unfinished store, whose slide has changed; no process may write it any more.

        Raises
        ------
        StoreBusyError
            Another process has taken over.
        """
        claim = self.renew().claim
        partial_store(self._path, overwrite=self._overwrite, claim=claim).discard()

    def close(self) -> None:
        """Let others write the store; an unfinished one stays for them to continue."""
        with contextlib.suppress(StoreBusyError, OSError):  # another has taken over
            self._claim.check()
            remove_claim(finishing_path(self._path))
        self._claim.release()


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A store that was begun, for the processes that write its parts; it can be pickled."""

    permit: Permit
    """The right to write it."""

    codec: ChunkCodec
    """How its chunks are stored."""

    not_native: str | None
    """Why that is not native, where that was tried first."""

    parts: int
    """The number of its parts; 0 where there are no shards."""

    shards: int
    """The number of its shards, of all levels."""

    source: str
    """What tells the slide's files from changed ones."""

    begun_anew: bool = False
    """Whether a store that was begun otherwise was there, and was removed."""

    def permitted(self, permit: Permit) -> Self:
        """Return the group under another permit."""
        return replace(self, permit=permit)


def begin_store(
    slide: Slide,
    plan: TilePlan,
    permit: Permit,
    *,
    parts: int,
    codec: CodecName | ChunkCodec = CODEC,
    check: NativeCheck = NATIVE_CHECK,
    options: WriteOptions | None = None,
) -> Group:
    """Begin a store of which several processes will write the parts.

    Parameters
    ----------
    slide, plan, codec, check, options
        As in `write_tiles`.
    permit
        The right to write the store.
    parts
        The number of parts wanted; there are no more than shards of the finest level.

    Returns
    -------
    Group
        What `write_part` and `finish_store` need, in any process that sees the same files.

    Raises
    ------
    NotNativeError, StoreExistsError, StoreMismatchError, StoreBusyError, OSError
        As in `write_tiles`.
    ValueError
        ``parts`` is less than 1, or as in `write_tiles`.
    """
    if parts < 1:
        raise ValueError(f"A store has at least 1 part, but parts is {parts}.")
    options = options or WriteOptions()

    def begin(chosen: ChunkCodec, not_native: str | None) -> Group:
        run = Run(slide, plan, chosen, 1, options, None, not_native)
        run.begin(permit.path, permit.claim)
        return Group(
            permit=permit,
            codec=chosen,
            not_native=not_native,
            parts=min(parts, run.finest_shards),
            shards=run.progress.shards_total,
            source=run.source,
        )

    return with_codec(slide, permit.path, codec, check, options, begin)


def write_part(
    slide: Slide,
    plan: TilePlan,
    group: Group,
    number: int,
    *,
    workers: int | None = None,
    options: WriteOptions | None = None,
    on_progress: OnProgress | None = None,
) -> Progress:
    """Write one part of a store; what an earlier attempt has written is kept.

    Parameters
    ----------
    slide, plan, workers, options, on_progress
        As in `write_tiles`; the plan is the one that the store was begun with.
    group
        The store.
    number
        Which part, from 0.

    Returns
    -------
    Progress
        How much the part has.

    Raises
    ------
    StoreBusyError
        The permit was taken back, or another process has taken over.
    SourceChangedError
        The slide's file is another than when the store was begun: nothing of it may be kept.
    NotNativeError, SlideReadError, StoreMismatchError, OSError
        As in `write_tiles`, but nothing is removed.
    ValueError
        There is no such part, or as in `write_tiles`.
    """
    part = Part(number=number, count=group.parts)
    run = _run(slide, plan, group, workers, options, on_progress)
    try:
        run.write_part(group.permit.path, group.permit.claim, part)
    finally:
        give_back_heap()
    return run.progress


def finish_store(
    slide: Slide,
    plan: TilePlan,
    group: Group,
    *,
    workers: int | None = None,
    options: WriteOptions | None = None,
    on_progress: OnProgress | None = None,
) -> TileStore:
    """Make what no part has made, and finish the store.

    Parameters
    ----------
    slide, plan, workers, options, on_progress
        As in `write_part`.
    group
        The store, under a permit that no part has: see `GroupClaim.renew`.

    Returns
    -------
    TileStore
        The finished store, also where an earlier attempt has finished it.

    Raises
    ------
    StoreBusyError, SourceChangedError
        As in `write_part`; or another process finishes the store.
    NotNativeError, SlideReadError, StoreExistsError, StoreMismatchError, OSError
        As in `write_tiles`.
    """
    path = group.permit.path
    claim = FinishingClaim(path, group.permit.token)
    try:
        if not is_all_there(path):
            run = _run(slide, plan, group, workers, options, on_progress)
            try:
                run.finish(path, claim)
            finally:
                give_back_heap()
        # Else the process that finished it was lost before it could say so.
        return open_store(path)
    finally:
        claim.release()


def _run(
    slide: Slide,
    plan: TilePlan,
    group: Group,
    workers: int | None,
    options: WriteOptions | None,
    on_progress: OnProgress | None,
) -> Run:
    run = Run(
        slide,
        plan,
        group.codec,
        worker_count(workers),
        options or WriteOptions(),
        on_progress,
        group.not_native,
    )
    if run.source != group.source:
        raise SourceChangedError(
            f"{slide.name} changed while its store was made: one of its files has another size or "
            "time stamp than when the store was begun. Run again when nothing writes it."
        )
    return run
