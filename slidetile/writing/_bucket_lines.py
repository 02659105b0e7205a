"""Lines of an unfinished store in a bucket: an object each, since objects cannot be appended to.

Knows names of objects. Does not know what the lines say.
"""

import os

from slidetile.cloud.address import Address
from slidetile.cloud.objects import in_parallel, objects_below, read_object, write_object

_LARGEST_BYTES = 1 << 20
"""What lies beyond is not read, and so not known: what it is about is made anew."""


class BucketLines:
    """The lines; several threads and processes may add some.

    Parameters
    ----------
    address
        What their objects' names begin with; a random suffix follows.
    """

    def __init__(self, address: Address) -> None:
        self._address = address

    def whole_lines(self) -> list[str]:
        """Return the lines of all objects that are there."""
        begin = f"{self._address.key}."
        found = objects_below(self._address.parent)
        mine = sorted(each for each, _ in found if each.key.startswith(begin))
        data = in_parallel(lambda each: read_object(each, _LARGEST_BYTES), mine)
        return [each.decode(errors="replace") for each in data]

    def add(self, line: str) -> None:
        """Add a line; raises OSError where it cannot be written."""
        own = self._address.with_name(f"{self._address.name}.{os.urandom(8).hex()}")
        write_object(own, [line.encode()])
