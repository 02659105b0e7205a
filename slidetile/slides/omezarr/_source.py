"""What identifies a slide that is a folder of thousands of files, without reading all of them."""

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from slidetile.runtime.files import open_regular, read_opened
from slidetile.slides.file_state import FileState, unreadable
from slidetile.slides.omezarr._inside import inside
from slidetile.slides.omezarr._json import LARGEST_BYTES
from slidetile.slides.slide import Source

_MOST_CHUNKS = 1024
_MOST_BYTES = 2 << 20


def read_source(
    name: str, folder: Path, metadata: Sequence[Path], chunks: Iterable[Path]
) -> Source:
    """Return the name, size and fingerprint of a slide in a folder.

    The fingerprint is the SHA-256, in hex, of the metadata files of the image and of its levels,
    and of the first 1024 chunk files, in the order of the chunk grid, of the coarsest level, up to
    2 MiB: each with its path within the folder, a zero byte, and its size as 8 bytes
    (little-endian) before its content. The coarsest level shows the whole slide, so another slide
    has other chunks there; copies of a folder have the same fingerprint, whatever their time
    stamps. The size is that of all these files.

    Parameters
    ----------
    name
        The slide's name.
    folder
        Its folder.
    metadata
        The files that describe it.
    chunks
        The files that the coarsest level may have, in order; those that are not there are skipped.

    Raises
    ------
    SlideReadError
        A file cannot be read.
    """
    digest, size, left = hashlib.sha256(), 0, _MOST_BYTES
    for path in metadata:
        size += _add(digest, path, folder, LARGEST_BYTES)
    for number, path in enumerate(chunks):
        if number == _MOST_CHUNKS:
            break
        found = _add(digest, path, folder, left)
        size, left = size + found, max(0, left - found)
    return Source(name=name, size_bytes=size, fingerprint=digest.hexdigest())


def _add(digest: "hashlib._Hash", path: Path, folder: Path, most_bytes: int) -> int:
    """Add a file to a digest, and return its size; 0 where it is not there."""
    own = path.relative_to(folder)
    real = os.path.realpath(inside(folder, *own.parts))
    try:
        file = open_regular(real, follows_links=False)
        size = FileState.of(file).size
        data = read_opened(file, most_bytes)
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except OSError as error:
        raise unreadable(path, error) from error
    digest.update(os.fsencode(own) + b"\0" + size.to_bytes(8, "little") + data)
    return size
