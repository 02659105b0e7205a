"""The ``zarr.json`` files of a store, read as typed values."""

from slidetile.errors import StoreError
from slidetile.format.codecs.codec import ChunkCodec
from slidetile.format.metadata.array import ArrayMetadata
from slidetile.format.metadata.store import StoreMetadata
from slidetile.store.folder import StoreFolder


def read_root(folder: StoreFolder) -> StoreMetadata:
    """Return the metadata of a finished store.

    Raises
    ------
    StoreError
        They are missing or damaged, or those of a later version.
    """
    data = folder.read_json("zarr.json")
    try:
        return StoreMetadata.from_json(data)
    except StoreError as error:
        raise StoreError(f"{folder.path / 'zarr.json'}: {error}.") from error


def read_array(folder: StoreFolder, name: str, codec: ChunkCodec) -> ArrayMetadata:
    """Return the metadata of one of a store's arrays, given by its path in the store.

    Raises
    ------
    StoreError
        They are missing, or not those of an array of a store.
    """
    key = f"{name}/zarr.json"
    data = folder.read_json(key)
    try:
        return ArrayMetadata.from_json(data, codec)
    except StoreError as error:
        raise StoreError(f"{folder.path / key} is not an array of a store: {error}.") from error
