from concurrent.futures import ThreadPoolExecutor

import imagecodecs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import pattern
from PIL import Image, ImageDraw

from slidetile.raster.jpegxl import decode_jpegxl, encode_jpegxl
from slidetile.raster.jpegxl_header import JpegxlError, JpegxlHeader

PICTURE = pattern(96, 80)


def noise(shape, dtype):
    highest = np.iinfo(dtype).max
    return np.random.default_rng(1).integers(0, highest, shape, dtype, endpoint=True)


def back(stream, like):
    return decode_jpegxl(stream, np.empty(like.shape, like.dtype))


def text():
    """Letters that repeat, which libjxl cuts out as a frame of their own."""
    image = Image.new("RGB", (256, 256), (250, 250, 250))
    for y in range(5, 250, 14):
        ImageDraw.Draw(image).text((5, y), "tissue tile tissue tile tissue", fill=(10, 10, 60))
    return np.asarray(image)


def encoded(pixels, **options):
    return bytes(imagecodecs.jpegxl_encode(pixels, **options))


@given(
    height=st.integers(1, 600),
    width=st.integers(1, 600),
    channels=st.sampled_from([1, 3]),
    dtype=st.sampled_from([np.uint8, np.uint16]),
    effort=st.sampled_from([1, 1, 2]),
    is_flat=st.booleans(),
)
def test_the_pixels_come_back(height, width, channels, dtype, effort, is_flat):
    pixels = noise((height, width, channels), dtype)
    if is_flat:
        pixels[:] = pixels[0, 0]
    stream = encode_jpegxl(pixels, effort)
    assert JpegxlHeader.read(stream) == (height, width, channels, 8 * pixels.itemsize)
    np.testing.assert_array_equal(back(stream, pixels), pixels)


@pytest.mark.parametrize("effort", range(1, 9))
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_effort_makes_plain_streams(effort, dtype):
    for pixels in (PICTURE, text()[:128, :128]):
        given = pixels.astype(dtype)
        np.testing.assert_array_equal(back(encode_jpegxl(given, effort), given), given)


def test_text_would_not_be_plain_with_a_high_effort():
    with pytest.raises(JpegxlError, match="frames that others refer to"):
        JpegxlHeader.read(encoded(text(), effort=7, lossless=True))
    assert encode_jpegxl(text(), 7) == encode_jpegxl(text(), 2)


def test_noise_of_16_bits_does_not_overrun_the_encoder():
    """With effort 1 libjxl 0.11 writes beyond its memory here, and the process may end."""
    pixels = noise((256, 256, 1), np.uint16)
    assert encode_jpegxl(pixels, 1) == encode_jpegxl(pixels, 2)
    larger = noise((257, 256, 1), np.uint16)
    assert encode_jpegxl(larger, 1) != encode_jpegxl(larger, 2)


def test_strides_and_threads_do_not_change_the_bytes():
    pixels = noise((512, 512, 3), np.uint8)
    planes = np.ascontiguousarray(pixels.transpose(2, 0, 1)).transpose(1, 2, 0)
    expected = encode_jpegxl(pixels, 1)
    assert encode_jpegxl(planes, 1) == expected
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda _: encode_jpegxl(pixels, 1), range(16))) == {expected}
    assert encoded(pixels, effort=1, lossless=True, numthreads=4) == expected


REFUSED = {
    "lossy": (lambda: encoded(PICTURE, distance=1.0, lossless=False), "coded with loss"),
    "animation": (lambda: encoded(np.stack([PICTURE] * 2)), "an animation"),
    "alpha": (lambda: encoded(np.dstack([PICTURE, PICTURE[..., 0]])), "besides its colours"),
    "container": (lambda: encoded(PICTURE, usecontainer=True), "does not begin"),
    "10 bits": (lambda: encoded(PICTURE.astype(np.uint16), bitspersample=10), "'uint10'"),
    "16 bits": (lambda: encode_jpegxl(PICTURE.astype(np.uint16), 1), "'uint16'"),
    "grey": (lambda: encode_jpegxl(PICTURE[..., :1], 1), r"\(96, 80, 1, 'uint8'\)"),
    "turned": (lambda: encode_jpegxl(PICTURE.transpose(1, 0, 2), 1), r"\(80, 96, 3, 'uint8'\)"),
    "nothing": (lambda: b"", "ends within its header"),
    "a header alone": (lambda: encode_jpegxl(PICTURE, 1)[:18], "NEED_MORE_INPUT"),
    "cut short": (lambda: encode_jpegxl(PICTURE, 1)[:-1], "NEED_MORE_INPUT"),
    "JPEG": (lambda: bytes(imagecodecs.jpeg8_encode(PICTURE)), "does not begin"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_plain_or_not_as_expected_is_refused(case):
    make, message = REFUSED[case]
    with pytest.raises(JpegxlError, match=message):
        back(make(), PICTURE)


def test_a_bomb_is_refused_by_its_header():
    bomb = encoded(np.zeros((8000, 8000), np.uint8), effort=2, lossless=True)
    assert len(bomb) < 100_000, "64 megapixels"
    with pytest.raises(JpegxlError, match=r"8000, 8000, 1, 'uint8'\) instead of \(96, 80, 3"):
        back(bomb, PICTURE)  # libjxl does not begin: imagecodecs has other words


def test_damage_that_no_checksum_has_seen_gives_pixels_or_an_error_of_ours():
    stream, random = encode_jpegxl(PICTURE, 1), np.random.default_rng(5)
    refused = 0
    for number in range(600):
        damaged = bytearray(stream)
        at = int(random.integers((20, 200, len(stream))[number % 3]))
        damaged[at] ^= 1 << int(random.integers(8))
        try:
            back(bytes(damaged), PICTURE)
        except JpegxlError:
            refused += 1
    assert 200 < refused < 600


class Bits:
    """Writes the fields of a header, as ISO/IEC 18181-1 has them."""

    def __init__(self):
        self.value, self.length = 0, 0

    def put(self, *fields):
        for value, count in fields:
            self.value |= value << self.length
            self.length += count
        return self

    def end_byte(self):
        self.length = -(-self.length // 8) * 8
        return self

    def bytes(self):
        return self.value.to_bytes(-(-self.length // 8) + 8, "little")


IMAGE = {
    "signature": (0x0AFF, 16),
    "small": (1, 1),
    "height": (11, 5),
    "ratio": (0, 3),
    "width": (9, 5),
    "defaults": (0, 1),
    "extra fields": (0, 1),
    "fractions": (0, 1),
    "depth": (0, 2),
    "16-bit buffers": (1, 1),
    "extra channels": (0, 2),
    "xyb": (0, 1),
    "colours": (1, 1),
    "extensions": (0, 2),
    "transforms": (1, 1),
}
FRAME = {
    "frame defaults": (0, 1),
    "type": (0, 2),
    "modular": (1, 1),
    "flags": (0, 2),
    "ycbcr": (0, 1),
    "upsampling": (0, 2),
    "group size": (1, 2),
    "passes": (0, 2),
    "crop": (0, 1),
    "blending": (0, 2),
    "last": (1, 1),
}


def header(**changes):
    changes = {name.replace("_", " "): value for name, value in changes.items()}
    assert changes.keys() <= {*IMAGE, *FRAME}
    bits = Bits().put(*({**IMAGE, **changes}[name] for name in IMAGE)).end_byte()
    return bits.put(*({**FRAME, **changes}[name] for name in FRAME)).bytes()


def test_a_header_made_by_hand_is_plain():
    assert JpegxlHeader.read(header()) == (96, 80, 3, 8)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"defaults": (1, 1)}, "with loss"),
        ({"extra_fields": (1, 1)}, "orientation"),
        ({"fractions": (1, 1)}, "fractions"),
        ({"extra_channels": (1, 2)}, "besides its colours"),
        ({"xyb": (1, 1)}, "with loss"),
        ({"colours": (0b10, 2)}, "a colour profile"),
        ({"extensions": (1, 6)}, "extensions"),
        ({"extensions": (3, 2)}, "larger number"),
        ({"transforms": (0, 1)}, "transforms"),
        ({"frame_defaults": (1, 1)}, "with loss"),
        ({"type": (1, 2)}, "others refer to"),
        ({"type": (2, 2)}, "others refer to"),
        ({"modular": (0, 1)}, "with loss"),
        ({"flags": (1 | 1 << 2, 6)}, "patches, splines or noise"),
        ({"ycbcr": (1, 1)}, "YCbCr"),
        ({"upsampling": (3, 2)}, "enlarge"),
        ({"passes": (1, 2)}, "several passes"),
        ({"crop": (1, 1)}, "another size"),
        ({"blending": (1, 2)}, "layers"),
        ({"last": (0, 1)}, "several frames"),
    ],
)
def test_whatever_makes_decoding_costly_is_refused(changes, message):
    with pytest.raises(JpegxlError, match=message):
        JpegxlHeader.read(header(**changes))
