"""Where a store is to be written: on a disk or in a bucket, which each have their own rules."""

import os
from collections.abc import Callable
from pathlib import Path

from slidetile.cloud.address import Address, Location
from slidetile.cloud.objects import object_exists
from slidetile.format.names import MANIFEST, PARTIAL_NOTE, ROOT, partial_path
from slidetile.runtime.claim import DEFAULT_TIMES, Claim, ClaimTimes
from slidetile.runtime.files import read_regular
from slidetile.runtime.shared_claim import SharedClaim
from slidetile.store.marks import check_place_on_disk, is_bare, is_emptied, is_store
from slidetile.writing import partial, partial_prefix
from slidetile.writing.partial_store import PartialStore


def partial_store(
    store: Location,
    *,
    overwrite: bool = False,
    durable: bool = False,
    times: ClaimTimes | None = None,
    claim: SharedClaim | None = None,
) -> PartialStore:
    """Return the unfinished store of a path or an address, claimed.

    Raises
    ------
    StoreBusyError, StoreExistsError, OSError
        As `PartialFolder` and `PartialPrefix` do.
    """
    if isinstance(store, Address):
        return partial_prefix.PartialPrefix(store, overwrite=overwrite, times=times, claim=claim)
    return partial.PartialFolder(
        store, overwrite=overwrite, durable=durable, times=times or DEFAULT_TIMES, claim=claim
    )


def claim_store(store: Location, *, overwrite: bool, times: ClaimTimes | None = None) -> Claim:
    """Claim a store that may be written, and make the folder that it lies in.

    Raises
    ------
    StoreBusyError, StoreExistsError, OSError
        As `partial_store` does.
    """
    if isinstance(store, Address):
        return partial_prefix.claim_prefix(store, overwrite=overwrite, times=times)
    return partial.claim_store(store, overwrite=overwrite, times=times or DEFAULT_TIMES)


def check_destination(store: Location, *, overwrite: bool, is_placed: bool = False) -> None:
    """Check that a store may be written somewhere, before any work is done for it.

    ``is_placed`` says that `check_place` was asked before, so that a bucket is not asked again.

    Raises
    ------
    StoreExistsError
        Something exists there that is not a store, or that was not to be overwritten; what lies
        beside it, which would be removed, is not slidetile's; or it would lie in a store.
    OSError
        It would lie in a file or on a web server, or the bucket cannot be read.
    """
    if isinstance(store, Address):
        partial_prefix.check_prefix(store, overwrite=overwrite, is_placed=is_placed)
    else:
        partial.check_destination(store, overwrite=overwrite)


def check_place(place: Location) -> None:
    """Check that something may lie in a folder, or one to be made, or a bucket, and in no store.

    Raises
    ------
    StoreExistsError
        It lies in a store.
    OSError
        It lies in a file or on a web server, or the bucket cannot be read.
    """
    if isinstance(place, Address):
        partial_prefix.check_prefix_place(place)
    else:
        check_place_on_disk(place)


def tidy_up(store: Location) -> None:
    """Put right what a run has left that was killed while, or after, it finished a store.

    Raises
    ------
    StoreBusyError
        A living process writes the store.
    StoreExistsError
        The path has no name of its own.
    OSError
        The bucket cannot be read.
    """
    if isinstance(store, Address):
        partial_prefix.tidy_prefix(store)
    else:
        partial.tidy_up(store)


def is_there(store: Location) -> bool:
    """Return whether a finished store lies somewhere; a link to one counts."""
    return is_store(store if isinstance(store, Address) else Path(os.path.realpath(store)))


def lies_at(store: Location) -> bool:
    """Return whether anything lies in a store's place: on a disk whatever it is, or a root.

    Raises
    ------
    OSError
        The bucket cannot be read.
    """
    if isinstance(store, Address):
        return object_exists(store / ROOT)
    return os.path.lexists(store)


def unfinished_lies_at(store: Location) -> bool:
    """Return whether an earlier run has left an unfinished store of a path or an address.

    Raises
    ------
    OSError
        The bucket cannot be read.
    """
    if isinstance(store, Address):
        return object_exists(store / PARTIAL_NOTE)
    partial_folder = partial_path(store)
    return os.path.lexists(partial_folder) and not is_bare(partial_folder)


def discard_unfinished(store: Location) -> None:
    """Remove what an interrupted run has left of a store; a finished one stays.

    Raises
    ------
    StoreBusyError, StoreExistsError, OSError
        As `partial_store` does.
    """
    unfinished = partial_store(store, overwrite=True)
    try:
        unfinished.discard()
    finally:
        unfinished.close()


def is_emptied_at(store: Location) -> bool:
    """Return whether a store lies somewhere that has lost its root metadata.

    On a disk a power failure does that; in a bucket, where what is there is whole, people do.
    """
    if isinstance(store, Address):
        return object_exists(store / MANIFEST) and not (
            object_exists(store / ROOT) or object_exists(store / PARTIAL_NOTE)
        )
    return is_emptied(Path(os.path.realpath(store)))


def is_all_there(store: Location) -> bool:
    """Return whether a finished store lies somewhere, and no unfinished one beside it."""
    return is_store(store) and (
        isinstance(store, Address) or not os.path.lexists(partial_path(store))
    )


def reads_partial(store: Location) -> Callable[[str, int], bytes]:
    """Return what reads a file of the unfinished store of a path or an address, by its name."""
    if isinstance(store, Path):
        folder = partial_path(store)
        return lambda name, most_bytes: read_regular(folder / name, most_bytes)
    return lambda name, most_bytes: partial_prefix.reads_prefix(store, name, most_bytes)
