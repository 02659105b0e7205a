"""Addresses, such as s3://bucket/a.zarr, where a path of this machine is wanted.

Knows how addresses begin. Does not know what is asked of the path.
"""

import os
import re

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+:)/+")
"""One letter is a drive of Windows. A `Path` has kept one of the slashes."""


def address_in(path: str) -> str | None:
    """Return the address that a text is, with both its slashes, or None where it is a path.

    The name of a file or folder that is there is a path, whatever is in it.
    """
    scheme = _SCHEME.match(path)
    if scheme is None or os.path.lexists(path) or os.path.lexists(scheme[1]):
        return None
    return f"{scheme[1]}//{path[scheme.end() :]}"
