"""What runs leave of a store in a bucket, and how it is completed, published or removed.

Does not know claims: whoever calls holds one.
"""

from collections.abc import Callable

from slidetile.cloud.address import Address
from slidetile.cloud.objects import (
    copy_object,
    in_parallel,
    names_below,
    object_exists,
    read_object,
    remove_objects,
    write_object,
)
from slidetile.format.metadata.node import LARGEST_JSON_BYTES
from slidetile.format.names import (
    MANIFEST,
    PARTIAL_BEGIN,
    PARTIAL_NOTE,
    PARTIAL_REMOVED,
    ROOT,
    partial_path,
)
from slidetile.store.marks import is_store, is_unfinished

Check = Callable[[], None]
"""Makes sure that this process may still write the store."""

Sizes = dict[str, int]
"""The bytes of each object below an address, by its name there."""


def recovered(store: Address, check: Check) -> tuple[Sizes, Sizes]:
    """Complete what a killed run has left: what it publishes, or what it had to remove.

    Returns what lies below the store's address then, and below that of its unfinished one.
    """
    partial = partial_path(store)
    places = store, partial
    names, beside = in_parallel(sizes_in, places)
    if not _recover(store, names, beside, check):
        return names, beside
    names, beside = in_parallel(sizes_in, places)
    return names, beside


def _recover(store: Address, names: Sizes, beside: Sizes, check: Check) -> bool:
    """Complete it, and return whether there was anything to do."""
    partial, has_changed = partial_path(store), False
    for place, found in ((store, names), (partial, beside)):
        if PARTIAL_REMOVED in found:
            remove_all(place, check)
            found.clear()
            has_changed = True
    is_whole = ROOT in beside and PARTIAL_NOTE not in beside
    if ROOT in names:
        if PARTIAL_NOTE in names:
            remove_helpers(store)
            has_changed = True
        # Perhaps it is published, and perhaps it mends a store of the same settings.
        is_new = is_whole and _root(store) == _root(partial)
    else:
        is_new = is_whole and is_store(partial)
    if is_new:
        publish(partial, store, check)
    return has_changed or is_new


def has_lost_root(names: Sizes) -> bool:
    """Return whether what lies below an address was a whole store, and has no root any more."""
    return MANIFEST in names and ROOT not in names and PARTIAL_NOTE not in names


def is_ours(address: Address) -> bool:
    """Return whether an unfinished or a replaced store lies at an address."""
    return (
        is_unfinished(address)
        or is_store(address)
        or object_exists(address / PARTIAL_REMOVED)
        or object_exists(address / MANIFEST)  # it has lost its root
    )


def publish(partial: Address, store: Address, check: Check) -> None:
    """Put a whole store in the place of another, object by object, its root last."""
    check()
    remove_objects([store / ROOT])
    new = sizes_in(partial).keys() - {ROOT}
    old = sizes_in(store).keys()

    def copy(name: str) -> None:
        check()
        copy_object(partial / name, store / name)

    in_parallel(copy, sorted(new))
    check()
    remove_objects([store / name for name in sorted(old - new)])
    copy(ROOT)
    remove_all(partial, check)


def remove_helpers(address: Address) -> None:
    """Remove what only an unfinished store has, the note last."""
    names = {name for name in sizes_in(address) if name.startswith(PARTIAL_BEGIN)}
    remove_objects([address / name for name in sorted(names - {PARTIAL_NOTE})])
    remove_objects([address / PARTIAL_NOTE])


def remove_all(address: Address, check: Check) -> None:
    """Remove all objects below an address.

    A mark says so meanwhile, and the root goes first: what a killed run leaves of a whole store is
    not taken for one, by readers or by the next run.
    """
    check()
    write_object(address / PARTIAL_REMOVED, [b"-"])
    remove_objects([address / ROOT])
    check()
    names = sizes_in(address).keys()
    remove_objects([address / name for name in sorted(names - {PARTIAL_REMOVED})])
    remove_objects([address / PARTIAL_REMOVED])


def sizes_in(address: Address) -> Sizes:
    """Return the bytes of each object below an address; raises OSError where it is not told."""
    return {name: state.size for name, state in names_below(address)}


def _root(address: Address) -> bytes:
    return read_object(address / ROOT, LARGEST_JSON_BYTES + 1)
