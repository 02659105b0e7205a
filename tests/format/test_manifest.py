"""The manifest names every file, and no bit of it may change."""

import pytest

from slidetile.format.checksum import crc32c
from slidetile.format.manifest import FileSum, pack_manifest, unpack_manifest


def test_every_bit_of_a_manifest_counts():
    files = {
        "0/zarr.json": FileSum.of(b"{}"),
        "zarr.json": FileSum.of(b""),
        "é x": FileSum.of(b"a"),
    }
    data = pack_manifest(files)
    assert unpack_manifest(data) == files
    assert data.splitlines()[0] == b"%08x 2 0/zarr.json" % crc32c(b"{}")
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ValueError, match=r"line|utf-8"):
            unpack_manifest(bytes(flipped))
    for length in range(len(data)):
        with pytest.raises(ValueError, match=r"line|utf-8"):
            unpack_manifest(data[:length])
