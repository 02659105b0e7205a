"""The one error of object storage that callers act on; all others are errors of the system."""

import errno

from slidetile.cloud.address import Address


class ObjectChangedError(OSError):
    """An object is not the one that it was, or exists where none was to be."""


def changed(address: Address) -> ObjectChangedError:
    """Return the error that an object is another by now."""
    return ObjectChangedError(errno.ESTALE, "it was replaced or changed meanwhile", str(address))
