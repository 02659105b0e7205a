"""Where the classes of a store's labels lie, read from its file."""

from slidetile.errors import StoreError
from slidetile.format.labels_file import unpack_labels
from slidetile.format.metadata.store import StoreMetadata
from slidetile.format.names import LABELS
from slidetile.raster.class_areas import ClassAreas
from slidetile.store.folder import StoreFolder


def read_class_areas(
    folder: StoreFolder, metadata: StoreMetadata, size: tuple[int, int]
) -> ClassAreas | None:
    """Return where classes lie, on a level 0 of this size; None where the store has no labels.

    Raises
    ------
    StoreError
        The file is missing or damaged, or not what the root says.
    """
    if metadata.labels is None:
        return None
    try:
        file = folder.open(LABELS)
    except OSError as error:
        raise folder.unread(LABELS, error) from error
    try:
        with file.stream() as stream:
            return unpack_labels(stream, metadata.labels, size)
    except StoreError as error:
        raise StoreError(f"{folder.path / LABELS} is damaged: {error}.") from error
