"""A file that is taken up again: what fits its list stays, the rest is cut off."""

import struct

import pytest

from slidetile.export.appended import Appended

HEAD = b"head"
PARTS = [b"one", b"", b"three"]


def write(path):
    with Appended(path, path.with_name("listed"), len(HEAD)) as file:
        for part in PARTS:
            file.append(part)


@pytest.mark.parametrize("length", [4, 1 << 40, (1 << 64) - 1])
def test_a_length_that_is_damaged_cuts_off_its_part(tmp_path, length):
    path = tmp_path / "image.tif"
    write(path)
    listed = tmp_path / "listed"
    data = bytearray(listed.read_bytes())
    data[-12:-4] = struct.pack("<Q", length)
    listed.write_bytes(data)
    with Appended(path, path.with_name("listed"), len(HEAD)) as file:
        assert file.done == 2
        assert file.parts().tolist() == [[4, 3], [7, 0]]
        file.append(PARTS[2])
        assert file.finish(HEAD) == 12
    assert path.read_bytes() == HEAD + b"".join(PARTS)
