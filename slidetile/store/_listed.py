"""The files that a store's manifest lists."""

from slidetile.errors import StoreError
from slidetile.format.manifest import LARGEST_MANIFEST_BYTES, FileSum, unpack_manifest
from slidetile.format.names import MANIFEST
from slidetile.store.folder import StoreFolder


def listed_files(folder: StoreFolder) -> dict[str, FileSum]:
    """Return the length and the checksum of each file of a store, by path.

    Raises
    ------
    StoreError
        The manifest cannot be read, or is damaged.
    """
    data = folder.read(MANIFEST, LARGEST_MANIFEST_BYTES + 1)
    try:
        return unpack_manifest(data)
    except ValueError as error:
        raise StoreError(f"{folder.path / MANIFEST} is damaged: {error}.") from error
