"""Lines of an unfinished store in a bucket: an object each, since objects cannot be appended to.

Knows names of objects. Does not know what the lines say.
"""

import os
from collections.abc import Callable, Collection

from slidetile.cloud.address import Address
from slidetile.cloud.objects import in_parallel, read_object, write_object

_LARGEST_BYTES = 1 << 20
"""What lies beyond is not read, and so not known: what it is about is made anew."""


class BucketLines:
    """The lines; several threads and processes may add some.

    Parameters
    ----------
    address
        What their objects' names begin with; a random suffix follows.
    known
        The names of all objects beside it, as they were when the run began.
    check
        Makes sure that this process may still write the store.
    """

    def __init__(self, address: Address, known: Collection[str], check: Callable[[], None]) -> None:
        self._address, self._check = address, check
        self._known = [name for name in known if name.startswith(f"{address.name}.")]

    def whole_lines(self) -> list[str]:
        """Return the lines that were there when the run began."""
        mine = [self._address.with_name(name) for name in sorted(self._known)]
        data = in_parallel(lambda each: read_object(each, _LARGEST_BYTES), mine)
        return [each.decode(errors="replace") for each in data]

    def add(self, line: str) -> None:
        """Add a line.

        Raises
        ------
        StoreBusyError
            Another process has taken over.
        OSError
            It cannot be written.
        """
        self._check()
        own = self._address.with_name(f"{self._address.name}.{os.urandom(8).hex()}")
        write_object(own, [line.encode()])
