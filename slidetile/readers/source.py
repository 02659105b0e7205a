"""What identifies a slide's file: its name, its size, and a fingerprint that is quick to take."""

import hashlib
import os
from pathlib import Path

from slidetile.errors import SlideReadError
from slidetile.slide import Source

_MIB = 1 << 20


def read_source(path: Path) -> Source:
    """Return the name, size and fingerprint of a file.

    The fingerprint is the SHA-256, in hex, of the size as 8 bytes (little-endian), the first MiB
    and the last MiB; in a file under 2 MiB the two overlap. A whole slide is gigabytes: to hash
    all of it would take longer than to tile it.

    Raises
    ------
    SlideReadError
        The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            digest = hashlib.sha256(size.to_bytes(8, "little"))
            for start in (0, max(0, size - _MIB)):
                file.seek(start)
                digest.update(file.read(_MIB))
    except OSError as error:
        raise SlideReadError(f"{path} cannot be read: {error.strerror or error}.") from error
    name = os.fsencode(path.name).decode(errors="replace")  # JSON cannot hold what is no text
    return Source(name=name, size_bytes=size, fingerprint=digest.hexdigest())
