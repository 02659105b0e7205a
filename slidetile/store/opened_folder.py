"""Opening the folder of a finished store, wherever it lies."""

from slidetile.cloud.address import Address, Location
from slidetile.store._local_folder import LocalFolder
from slidetile.store.folder import StoreFolder
from slidetile.store.location import check_finished


def open_folder(place: Location) -> StoreFolder:
    """Return the folder of the finished store at a place.

    Raises
    ------
    IncompleteStoreError
        The store there is not finished, or there is no root metadata.
    StoreError
        There is no store. The message says what is there.
    """
    if isinstance(place, Address):
        from slidetile.store._remote_folder import RemoteFolder  # local stores need none

        return RemoteFolder(place)
    check_finished(place)
    return LocalFolder(place)
