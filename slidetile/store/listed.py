"""The stores that lie directly below a prefix of a bucket.

Knows names and marks. Does not read any store.
"""

from slidetile.cloud.address import Address
from slidetile.cloud.objects import entries_in, in_parallel, object_exists
from slidetile.format.names import MANIFEST, PARTIAL_SUFFIX, ROOT, STORE_SUFFIX, is_passing
from slidetile.store.in_bucket import unread
from slidetile.store.marks import is_store

_GROUPS = (".zgroup", ".zattrs", ".zarray")
"""Objects of which each is of another program's Zarr folder."""


def stores_at(prefix: Address) -> list[Address]:
    """Return the stores directly below a prefix, by name: finished, unfinished and damaged ones.

    It takes a listing, and a few requests for each folder in it. Folders of other programs, such as
    slides of OME-Zarr, are left out.

    Raises
    ------
    StoreError
        The prefix cannot be listed.
    """
    try:
        folders, _ = entries_in(prefix)
        names = dict.fromkeys(_final(each) for each in folders)
        found = list(names)
        return [
            each for each, is_one in zip(found, in_parallel(_is_one, found), strict=True) if is_one
        ]
    except OSError as error:
        raise unread(prefix, error) from error


def _final(folder: Address) -> Address:
    """Return the address that a store has when it is finished."""
    return folder.with_suffix("") if folder.suffix == PARTIAL_SUFFIX else folder


def _is_one(folder: Address) -> bool:
    if is_passing(folder):
        return False
    if object_exists(folder / ROOT):
        return is_store(folder) or (object_exists(folder / MANIFEST))
    if folder.suffix != STORE_SUFFIX:
        return object_exists(folder / MANIFEST)
    return not any(object_exists(folder / name) for name in _GROUPS)
