import functools
import io
import os
import time
import tracemalloc

import imagecodecs
import numpy as np
import pytest
from pictures import pattern
from PIL import Image

from slidetile.raster.jpeg import MOST_SCANS, JpegError, check_jpeg, decode_jpeg

SIDE = 96
RANDOM = np.random.default_rng(4)
PICTURE = (pattern(SIDE, SIDE) // 2 + RANDOM.integers(0, 128, (SIDE, SIDE, 3))).astype(np.uint8)


def encoded(**options):
    return imagecodecs.jpeg8_encode(PICTURE, level=88, **options)


def saved(picture=PICTURE, **options):
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", **options)
    return file.getvalue()


STREAMS = {
    **{f"YCbCr {each}": encoded(subsampling=each) for each in ("444", "422", "420", "440", "411")},
    "RGB by Adobe's marker": encoded(colorspace="RGB", outcolorspace="RGB"),
    "grey": saved(PICTURE[..., 0].copy()),
    "progressive": saved(progressive=True),
    "restarts": saved(restart_marker_blocks=2),
    "optimised": saved(optimize=True),
}


def shape(stream):
    decoded = imagecodecs.jpeg8_decode(stream)
    return decoded.reshape(SIDE, SIDE, -1).shape


@pytest.mark.parametrize("kind", STREAMS)
def test_the_pixels_are_those_of_libjpeg(kind):
    stream = STREAMS[kind]
    out = np.empty(shape(stream), np.uint8)
    assert decode_jpeg(stream, out) is out
    np.testing.assert_array_equal(out, imagecodecs.jpeg8_decode(stream).reshape(out.shape))
    check_jpeg(stream)


@pytest.mark.parametrize("kind", STREAMS)
def test_damage_is_found_alike_at_an_eighth_of_the_size(kind):
    stream = STREAMS[kind]
    begin, found = stream.index(b"\xff\xda") + 20, 0
    for _ in range(60):
        damaged = bytearray(stream)
        for at in RANDOM.integers(begin, len(stream) - 2, 8):
            damaged[at] = RANDOM.integers(256)
        reasons = set()
        out = np.empty(shape(stream), np.uint8)
        for decode in (check_jpeg, functools.partial(decode_jpeg, out=out)):
            try:
                decode(bytes(damaged))
                reasons.add(None)
            except JpegError as error:
                reasons.add(error.reason)
        assert len(reasons) == 1
        found += reasons != {None}
    assert found > 20


def test_grey_where_dots_are_wanted_is_refused():
    with pytest.raises(JpegError, match=r"\(96, 96, 1\) instead of \(96, 96, 3\)"):
        decode_jpeg(STREAMS["grey"], np.empty((SIDE, SIDE, 3), np.uint8))
    with pytest.raises(JpegError, match=r"\(96, 96, 3\) instead of \(96, 96, 1\)"):
        decode_jpeg(STREAMS["YCbCr 420"], np.empty((SIDE, SIDE, 1), np.uint8))


def test_a_size_that_is_claimed_is_compared_first():
    claiming = bytearray(STREAMS["progressive"])
    frame = claiming.index(b"\xff\xc2")
    claiming[frame + 5 : frame + 9] = b"\xff\x00\xff\x00"
    tracemalloc.start()
    with pytest.raises(JpegError, match=r"\(65280, 65280, 3\) instead of"):
        decode_jpeg(bytes(claiming), np.empty((SIDE, SIDE, 3), np.uint8))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


def test_what_is_no_jpeg_has_one_reason():
    for data in (b"", b"\xff\xd8", bytes(500), b"hello"):
        with pytest.raises(JpegError) as caught:
            decode_jpeg(data, np.empty((SIDE, SIDE, 3), np.uint8))
        assert caught.value.reason.startswith("does not decode: ")
        assert not any(sign.isdigit() for sign in caught.value.reason)


def test_thousands_of_scans_are_not_decoded():
    stream = STREAMS["progressive"]
    last = stream.rindex(b"\xff\xda")
    many = stream[:last] + stream[last:-2] * 3000 + b"\xff\xd9"
    for decode in (check_jpeg, lambda data: decode_jpeg(data, np.empty(PICTURE.shape, np.uint8))):
        with pytest.raises(JpegError, match=f"more than {MOST_SCANS} scans"):
            decode(many)


WHOLE_SCAN = [name for name in STREAMS if name != "progressive"]


@pytest.mark.parametrize("name", WHOLE_SCAN)
def test_where_the_first_scan_holds_everything_more_of_them_are_not_decoded(name):
    stream = STREAMS[name]
    scan = stream.rindex(b"\xff\xda")
    many = stream[:scan] + stream[scan:-2] * 3000 + b"\xff\xd9"
    for decode in (check_jpeg, lambda data: decode_jpeg(data, np.empty(shape(stream), np.uint8))):
        begin = time.thread_time()
        decode(stream)
        middle = time.thread_time()
        with pytest.raises(JpegError):
            decode(many)
        assert time.thread_time() - middle < 100 * (middle - begin) + 0.1


def test_thousands_of_scans_of_a_component_each_are_not_decoded():
    stream = STREAMS["YCbCr 444"]
    scan = stream.rindex(b"\xff\xda")
    of_one = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" + stream[scan + 14 : -2]
    many = stream[:scan] + of_one * 3000 + b"\xff\xd9"
    for decode in (check_jpeg, lambda data: decode_jpeg(data, np.empty(PICTURE.shape, np.uint8))):
        with pytest.raises(JpegError, match=f"more than {MOST_SCANS} scans"):
            decode(many)


@pytest.mark.parametrize("name", WHOLE_SCAN)
def test_a_header_that_libjpeg_reads_otherwise_does_not_hide_scans(name):
    stream = STREAMS[name]
    scan = stream.rindex(b"\xff\xda")
    fill = stream[:2] + b"\xff" + stream[2:scan]  # decoders pass over fill bytes
    for head in (fill, stream[:2] + b"\xff\xfe\x00\x06" + stream[scan:][:4] + stream[2:scan]):
        many = head + stream[scan:-2] * 3000 + b"\xff\xd9"
        with pytest.raises(JpegError):
            decode_jpeg(many, np.empty(shape(stream), np.uint8))


def test_reasons_do_not_differ_by_their_numbers():
    tail = "extraneous bytes before marker 0xd9"
    errors = [JpegError(f"Corrupt JPEG data: {count} {tail}") for count in (3, 499)]
    assert {error.reason for error in errors} == {"does not decode: Corrupt JPEG data"}


def test_a_subsampling_that_turbojpeg_does_not_know_is_decoded_to_be_checked():
    stream = bytearray(encoded(subsampling="444"))
    stream[stream.index(b"\xff\xc0") + 11] = 0x31  # luma three times as wide
    table = stream.index(b"\xff\xdb") + 4
    stream[table] = 3  # in place of table 0, which the luma needs
    for decode in (check_jpeg, functools.partial(decode_jpeg, out=np.empty_like(PICTURE))):
        with pytest.raises(JpegError, match=r"[Qq]uantization table"):
            decode(bytes(stream))


def flat(luma, size):
    """A grey stream whose luma has these sampling factors, in 10 blocks a unit or fewer.

    By the standard tables a block without change is 00 1010 for the luma, 00 00 for the chroma.
    """
    width, height = size
    stream = bytearray(encoded(subsampling="444"))
    frame = stream.index(b"\xff\xc0")
    stream[frame + 5 : frame + 9] = height.to_bytes(2) + width.to_bytes(2)
    stream[frame + 11] = luma[0] << 4 | luma[1]
    units = -(-width // (8 * luma[0])) * -(-height // (8 * luma[1]))
    bits = ("001010" * luma[0] * luma[1] + "0000" * 2) * units
    bits += "1" * (-len(bits) % 8)
    scan = stream.index(b"\xff\xda") + 14
    return bytes(stream[:scan]) + int(bits, 2).to_bytes(len(bits) // 8) + b"\xff\xd9"


ODD = [((4, 2), (96, 96)), ((4, 2), (90, 50)), ((3, 1), (240, 17)), ((3, 2), (16, 16))]


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize(("luma", "size"), ODD)
def test_damage_under_an_odd_subsampling_is_found(luma, size, in_memory, monkeypatch):
    if not in_memory:
        monkeypatch.delattr(os, "memfd_create")
    stream = flat(luma, size)
    out = np.empty((*size[::-1], 3), np.uint8)
    assert (decode_jpeg(stream, out) == 128).all()
    check_jpeg(stream)
    half = (stream.index(b"\xff\xda") + 14 + len(stream)) // 2
    spoilt = [stream[:half] + b"\xff\xd9", stream[:half] + b"\xff\xd0" + stream[half:]]
    for damaged in spoilt:
        for decode in (check_jpeg, functools.partial(decode_jpeg, out=out)):
            with pytest.raises(JpegError) as caught:
                decode(damaged)
            assert caught.value.reason == "does not decode: Corrupt JPEG data"
