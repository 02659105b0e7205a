"""The errors of object storage that are not the system's own."""

import errno

from slidetile.cloud.address import Address
from slidetile.errors import SlidetileError


class StorageOptionError(SlidetileError, ValueError):
    """A storage option is unknown, or is not what its bucket takes. No value is ever shown."""


class ObjectChangedError(OSError):
    """An object is not the one that it was, or exists where none was to be."""


def changed(address: Address) -> ObjectChangedError:
    """Return the error that an object is another by now."""
    return ObjectChangedError(errno.ESTALE, "it was replaced or changed meanwhile", str(address))
