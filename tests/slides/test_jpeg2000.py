"""JPEG 2000 blocks that claim more than they hold cost nothing."""

import struct

import imagecodecs
import numpy as np
import pytest
import tifffile
from pictures import pattern

from slidetile.errors import DamagedPixelsError
from slidetile.raster.jpeg2000_header import Jpeg2000Error, check_codestream, is_subsampled
from slidetile.slides.opening import open_slide

SHAPE = (64, 64, 3)


def encode(kind="j2k", **options):
    return imagecodecs.jpeg2k_encode(pattern(64, 64), level=0, codecformat=kind, **options)


def whole(data):
    return data, 0, len(data)


def at_marker(stream, marker):
    return stream.index(marker)


@pytest.mark.parametrize("kind", ["j2k", "jp2"])
@pytest.mark.parametrize("options", [{}, {"mct": False}, {"resolutions": 3}])
def test_sound_blocks_pass(kind, options):
    stream = encode(kind, **options)
    check_codestream(whole(stream), SHAPE)
    check_codestream((b"xx" + stream + b"yy", 2, 2 + len(stream)), SHAPE)
    assert not is_subsampled(whole(stream))
    with pytest.raises(Jpeg2000Error, match="shape"):
        check_codestream(whole(stream), (64, 65, 3))


def enlarge(stream, side):
    """Let a stream claim to be `side` pixels wide and high."""
    stream = bytearray(stream)
    at = at_marker(stream, b"\xff\x4f\xff\x51")
    for place in (8, 12, 24, 28):
        struct.pack_into(">I", stream, at + place, side)
    return bytes(stream)


def misleading(side):
    """Return a JP2 file that has a codestream of 64×64 in a box which no decoder reads."""
    sound, stream = encode(), encode("jp2")
    box = at_marker(stream, b"jp2c") - 4
    body = sound[:60]
    other = struct.pack(">I4s", 8 + 16 + len(body), b"uuid") + bytes(16) + body
    return stream[:box] + other + enlarge(stream[box:], side)


def test_the_codestream_that_a_decoder_reads_is_checked(tmp_path, command):
    with pytest.raises(Jpeg2000Error, match=r"shape \(6000, 6000, 3\)"):
        check_codestream(whole(misleading(6000)), SHAPE)
    path = tmp_path / "slide.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(
            iter([misleading(20_000)]), shape=SHAPE, dtype="uint8", tile=(64, 64),
            compression=34712, photometric="rgb", metadata=None,
        )  # fmt: skip
    ended = command("info", path)  # it looks for the background
    assert ended.exit_code == 0, ended.stderr
    assert ended.peak_bytes < 400 << 20
    with (
        open_slide(path) as slide,
        pytest.raises(DamagedPixelsError, match=r"\(20000, 20000, 3\)"),
    ):
        slide.read_region(slide.bounds)


def test_as_many_tiles_as_pixels_are_refused():
    stream = bytearray(encode())
    for place in (24, 28):
        struct.pack_into(">I", stream, place, 1)
    with pytest.raises(Jpeg2000Error, match="4096 tiles"):
        check_codestream(whole(bytes(stream)), SHAPE)


@pytest.mark.parametrize(
    ("place", "value", "match"),
    [(6, 0xFFFF, "packets"), (10, 0, "code blocks")],
)
def test_what_is_cut_into_far_too_many_parts_is_refused(place, value, match):
    stream = bytearray(encode())
    at = at_marker(stream, b"\xff\x52")
    if value > 255:
        struct.pack_into(">H", stream, at + place, value)
    else:
        stream[at + place : at + place + 2] = bytes(2)
    with pytest.raises(Jpeg2000Error, match=match):
        check_codestream(whole(bytes(stream)), SHAPE)


def test_precincts_of_a_pixel_are_refused():
    stream = encode()
    at = at_marker(stream, b"\xff\x52")
    body = bytearray(stream[at + 4 : at + 2 + int.from_bytes(stream[at + 2 : at + 4])])
    body[0] |= 1
    body += bytes(body[5] + 1)
    segment = struct.pack(">HH", 0xFF52, len(body) + 2) + bytes(body)
    rest = at + 2 + int.from_bytes(stream[at + 2 : at + 4])
    large = enlarge(stream[:at] + segment + stream[rest:], 512)
    with pytest.raises(Jpeg2000Error, match="packets"):
        check_codestream(whole(large), (512, 512, 3))


def test_a_part_that_ends_before_it_begins_is_no_loop():
    stream = bytearray(encode())
    at = at_marker(stream, b"\xff\x90")
    struct.pack_into(">I", stream, at + 6, 14)
    stream[at + 12 : at + 12] = b"\xff\x64\x00\x04ab" * 3  # comments
    check_codestream(whole(bytes(stream)), SHAPE)


@pytest.mark.parametrize("seed", range(20))
def test_no_bytes_raise_anything_else(seed):
    random = np.random.default_rng(seed)
    for kind in ("j2k", "jp2"):
        stream = bytearray(encode(kind))
        for _ in range(60):
            damaged = bytearray(stream[: random.integers(1, len(stream))])
            for place in random.integers(0, len(damaged), 4):
                damaged[place] = random.integers(256)
            try:
                check_codestream(whole(bytes(damaged)), SHAPE)
            except Jpeg2000Error:
                continue
