"""The root of a store: whether there is one, and its metadata."""

from pathlib import Path

from slidetile.errors import IncompleteStoreError, StoreError
from slidetile.format.metadata.store import StoreMetadata
from slidetile.format.names import partial_path
from slidetile.store._array import ArrayFile, read_zarr_json


def read_root(path: Path) -> StoreMetadata:
    """Return the metadata of a finished store.

    Parameters
    ----------
    path
        The store's folder.

    Raises
    ------
    IncompleteStoreError
        There is an unfinished store of that name, or the folder has no root metadata.
    StoreError
        It is not a store, is of a later version, or its metadata are damaged.
    """
    _check_finished(path)
    data = read_zarr_json(path)
    try:
        return StoreMetadata.from_json(data)
    except StoreError as error:
        raise StoreError(f"{path / 'zarr.json'}: {error}.") from error


def open_arrays(path: Path, metadata: StoreMetadata) -> list[ArrayFile]:
    """Open the arrays of all levels of a store, finest first.

    Raises
    ------
    StoreError
        One is missing, damaged, or contradicts the root.
    """
    codec = metadata.chunk_codec
    arrays = [ArrayFile(path / str(level), codec) for level in range(len(metadata.downsamples))]
    expected = ("uint8", metadata.channels, metadata.fill)
    for level, array in enumerate(arrays):
        found = (array.metadata.data_type, array.channels, array.fill)
        if found != expected:
            raise StoreError(
                f"{path / str(level) / 'zarr.json'} contradicts the store: type, channels and "
                f"fill value are {found}, but they must be {expected}."
            )
    return arrays


def _check_finished(path: Path) -> None:
    if (path / "zarr.json").is_file():
        return
    unfinished = next((p for p in (partial_path(path), path) if p.is_dir()), None)
    if unfinished is None:
        raise StoreError(f"{path} does not exist.")
    raise IncompleteStoreError(
        f"{unfinished} has no root zarr.json: it is not finished, or not a store. "
        "Run the command that began it once more."
    )
