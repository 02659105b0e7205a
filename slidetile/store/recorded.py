"""What a finished store records, without its pixels or its slide."""

import os

from slidetile.format.metadata.store import StoreMetadata
from slidetile.store._metadata import read_root
from slidetile.store.folder import StoreFolder
from slidetile.store.location import check_finished, local_path


def recorded_metadata(path: str | os.PathLike[str]) -> StoreMetadata:
    """Return the metadata of a finished store; a slide that it refers to need not be there.

    Raises
    ------
    StoreError
        It is not a store, is not finished, is damaged, or is of a later version.
    """
    found = local_path(path)
    check_finished(found)
    return read_root(StoreFolder(found))
