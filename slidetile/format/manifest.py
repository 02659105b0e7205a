"""The list of a store's files, with the length and the checksum of each.

Without it, no checksum would cover some bytes of a store: raw chunks, ``zarr.json`` files and the
coarser levels. Only a list shows that a file is missing.
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Self

from slidetile.format.checksum import crc32c
from slidetile.format.names import MANIFEST

LARGEST_MANIFEST_BYTES = 1 << 26
"""A million and a half files; a slide of 100,000 × 100,000 pixels has ten thousand shards."""

_LINE = re.compile(r"([0-9a-f]{8}) (\d{1,18}) (.+)")


class FileSum(NamedTuple):
    """The checksum and the length of a file's content."""

    crc32c: int
    """CRC-32C of all its bytes."""

    size_bytes: int
    """Number of its bytes."""

    @classmethod
    def of(cls, *parts: bytes) -> Self:
        """Return the sum of a file with this content."""
        return cls(crc32c(*parts), sum(map(len, parts)))


def pack_manifest(files: Mapping[str, FileSum]) -> bytes:
    """Return the manifest of ``files``, given by path; its last line describes the lines above it.

    Sorted by path, so that the same files give the same bytes.
    """
    lines = "".join(sum_line(name, files[name]) for name in sorted(files)).encode()
    return lines + sum_line(MANIFEST, FileSum.of(lines)).encode()


def unpack_manifest(data: bytes) -> dict[str, FileSum]:
    """Return the files that a manifest lists, by path.

    Raises
    ------
    ValueError
        It is not, byte for byte, what `pack_manifest` makes of them.
    """
    files: dict[str, FileSum] = {}
    for line in data.decode().split("\n")[:-2]:
        parts = _LINE.fullmatch(line)
        if parts is None:
            raise ValueError(f"it has a line {line[:80]!r}")
        files[parts[3]] = FileSum(int(parts[1], 16), int(parts[2]))
    if pack_manifest(files) != data:
        raise ValueError("its last line does not fit the lines above it")
    return files


def sums_in(lines: Iterable[str]) -> dict[str, FileSum]:
    """Return the files that lines are about, if any; the last line of a path counts."""
    files: dict[str, FileSum] = {}
    for line in lines:
        parts = _LINE.fullmatch(line)
        if parts is not None:
            files[parts[3]] = FileSum(int(parts[1], 16), int(parts[2]))
    return files


def sum_line(name: str, file: FileSum) -> str:
    """Return the line about a file."""
    return f"{file.crc32c:08x} {file.size_bytes} {name}\n"
