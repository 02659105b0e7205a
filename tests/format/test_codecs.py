import numpy as np
import pytest

from slidetile.format.checksum import crc32c
from slidetile.format.codecs.jpeg import JpegCodec
from slidetile.format.codecs.jxl import JxlCodec
from slidetile.format.codecs.named import make_codec
from slidetile.format.codecs.native import NativeCodec
from slidetile.format.codecs.planar import RawCodec, ZstdCodec


@pytest.fixture(params=[1, 3])
def pixels(request):
    ramp = np.add.outer(np.arange(64), np.arange(48)).astype(np.uint8)
    return np.dstack([ramp + 40 * c for c in range(request.param)])


def sealed_and_back(codec, payload):
    return codec.unseal(b"".join(codec.seal(payload, crc32c(payload))))


@pytest.mark.parametrize("codec", [RawCodec(), ZstdCodec(), JxlCodec(), JxlCodec(effort=3)])
def test_lossless_codecs_give_the_pixels_back(codec, pixels):
    payload = sealed_and_back(codec, codec.encode(pixels))
    shape = pixels.shape
    assert np.array_equal(codec.decode(payload, shape), pixels)


def test_jpeg_comes_close(pixels):
    codec = JpegCodec(quality=95)
    decoded = codec.decode(codec.encode(pixels), pixels.shape)
    assert decoded.dtype == np.uint8
    assert np.abs(decoded.astype(int) - pixels).mean() < 3


def test_better_quality_takes_more_bytes(pixels):
    noisy = pixels ^ np.random.default_rng(1).integers(0, 32, pixels.shape, np.uint8)
    assert len(JpegCodec(quality=95).encode(noisy)) > len(JpegCodec(quality=50).encode(noisy))


@pytest.mark.parametrize("codec", [JpegCodec(), NativeCodec(), JxlCodec()])
def test_every_flipped_bit_of_a_sealed_chunk_is_found(codec, pixels):
    payload = (JxlCodec() if codec.name == "jxl" else JpegCodec()).encode(pixels)
    stored = b"".join(codec.seal(payload, crc32c(payload)))
    for bit in range(0, 8 * len(stored), 11):
        damaged = bytearray(stored)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ValueError, match="checksum"):
            codec.unseal(bytes(damaged))


@pytest.mark.parametrize("codec", [RawCodec(), ZstdCodec(), JxlCodec(), JpegCodec()])
@pytest.mark.parametrize("shape", [(63, 48, 3), (64, 480, 3), (64, 48, 1)])
def test_a_chunk_of_another_size_is_refused(codec, shape):
    payload = codec.encode(np.zeros((64, 48, 3), np.uint8))
    with pytest.raises(ValueError, match=r"instead of|Zstandard|not a JPEG"):
        codec.decode(payload, shape)


@pytest.mark.parametrize("codec", [ZstdCodec(), JxlCodec(), JpegCodec()])
def test_garbage_is_refused(codec):
    with pytest.raises(ValueError, match=r"Zstandard|not a JPEG"):
        codec.decode(b"no chunk at all", (8, 8, 3))


def test_a_zstd_frame_carries_the_checksum_of_its_content():
    payload = bytearray(ZstdCodec().encode(np.zeros((64, 48, 3), np.uint8)))
    assert payload[4] & 0x04  # RFC 8878, 3.1.1.1.1: Content_Checksum_flag
    payload[-1] ^= 1
    with pytest.raises(ValueError, match="Zstandard"):
        ZstdCodec().decode(bytes(payload), (64, 48, 3))


def test_a_frame_that_inflates_beyond_its_chunk_is_stopped():
    bomb = ZstdCodec().encode(np.zeros((4096, 4096, 1), np.uint8))
    with pytest.raises(ValueError, match="Zstandard"):
        ZstdCodec().decode(bomb, (8, 8, 3))


@pytest.mark.parametrize("shape", [(512, 512, 3), (511, 300, 1)])
def test_jxl_takes_16_bits(shape):
    pixels = np.random.default_rng(2).integers(0, 1 << 16, shape, np.uint16)
    codec = JxlCodec()
    payload = sealed_and_back(codec, codec.encode(pixels))
    found = codec.decode(payload, shape, np.empty(shape, np.uint16))
    assert found.dtype == np.uint16
    assert np.array_equal(found, pixels)
    with pytest.raises(ValueError, match=r"'uint16'\) instead of .*'uint8'"):
        codec.decode(payload, shape)


def test_codecs_have_names_and_bounds():
    names = ["native", "zstd", "jxl", "jpeg", "raw"]
    assert [make_codec(name).name for name in names] == names
    with pytest.raises(ValueError, match="native, zstd, jxl, jpeg, raw or reference"):
        make_codec("webp")
    with pytest.raises(ValueError, match="1–100, but this one is 0"):
        JpegCodec(quality=0)
    for effort in (0, 10):
        with pytest.raises(ValueError, match=f"1–9, but this one is {effort}"):
            JxlCodec(effort=effort)
    for compression_level in (23, -(1 << 17) - 1):
        with pytest.raises(ValueError, match=f"-131072–22, but this one is {compression_level}"):
            ZstdCodec(compression_level=compression_level)
    assert ZstdCodec(compression_level=3).parameters == {"level": 3}
    with pytest.raises(TypeError, match="copied, not encoded"):
        NativeCodec().encode(np.zeros((8, 8, 3), np.uint8))
