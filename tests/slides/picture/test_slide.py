"""Pictures as slides of one level, against Pillow; what they would lose or cost is refused."""

import io
import pickle
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
from pictures import pattern
from PIL import Image

import slidetile as st
from slidetile.slides.picture import _header
from slidetile.slides.reader import FinalRefusalError

COLOUR = pattern(300, 421)


def saved(path, image, **options):
    image.save(path, **options)
    return path


def picture(pixels, mode=None):
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    return image if mode is None else image.convert(mode)


PICTURES = {
    "colour.png": (picture(COLOUR), {}),
    "grey.png": (picture(pattern(300, 421, 1)), {}),
    "palette.png": (picture(COLOUR, "P"), {}),
    "bits.png": (picture(COLOUR, "1"), {}),
    "colour.jpg": (picture(COLOUR), {"quality": 95}),
    "progressive.jpg": (picture(COLOUR), {"quality": 95, "progressive": True}),
    "grey.jpg": (picture(pattern(300, 421, 1)), {}),
    "colour.jp2": (picture(COLOUR), {"irreversible": False}),
    "grey.jp2": (picture(pattern(300, 421, 1)), {"irreversible": False}),
}


@pytest.mark.parametrize("name", PICTURES)
def test_pixels_are_those_of_pillow(tmp_path, name):
    image, options = PICTURES[name]
    path = saved(tmp_path / name, image, **options)
    with Image.open(path) as opened:
        expected = np.array(opened.convert("L" if "grey" in name or "bits" in name else "RGB"))
    with st.open_slide(path) as slide:
        assert slide.reader == "picture"
        assert [level.size for level in slide.levels] == [(421, 300)]
        read = slide.read_region(slide.bounds)
        np.testing.assert_array_equal(read, expected.reshape(300, 421, -1))
        part = st.Region(x=400, y=-5, width=40, height=20)
        twin = st.ArraySlide(read, background=slide.background)
        np.testing.assert_array_equal(slide.read_region(part), twin.read_region(part))
        with pickle.loads(pickle.dumps(slide)) as again:  # noqa: S301
            np.testing.assert_array_equal(again.read_region(again.bounds), read)


def test_bare_codestreams_are_read(tmp_path):
    path = tmp_path / "a.j2k"
    path.write_bytes(imagecodecs.jpeg2k_encode(COLOUR, codecformat="J2K", reversible=True, level=0))
    with st.open_slide(path) as slide:
        np.testing.assert_array_equal(slide.read_region(slide.bounds), COLOUR)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "palette"])
def test_transparency_is_laid_over_white(tmp_path, mode):
    if mode == "palette":
        image, options = picture(np.zeros((8, 8, 1), np.uint8), "P"), {"transparency": 0}
    else:
        options = {}
        pixels = np.zeros((8, 8, 4 if mode == "RGBA" else 2), np.uint8)
        image = Image.fromarray(pixels, mode) if mode == "RGBA" else Image.new("LA", (8, 8), (0, 0))
    with st.open_slide(saved(tmp_path / "a.png", image, **options)) as slide:
        assert (slide.read_region(slide.bounds) == 255).all()


def test_a_picture_becomes_a_store(cli, shared_slides, tmp_path):
    path, out = shared_slides / "wsic-XYC.png", tmp_path / "a.zarr"
    line = ("tile", path, "-o", out, "--min-tissue-fraction", 0, "--tile-size", 256)
    assert cli(*line).exit_code == 0
    store = st.open_store(out)
    assert store.metadata.not_native == "one picture, not tiles"
    expected = np.array(Image.open(path).convert("RGB"))
    np.testing.assert_array_equal(
        store.read_region(st.Region(x=0, y=0, width=512, height=512)), expected
    )
    assert cli("verify", out, "--deep", "--slide", path).exit_code == 0


def test_resolution_and_profile_are_read(tmp_path):
    options = {"dpi": (50_800, 50_800), "icc_profile": b"profile"}
    with st.open_slide(saved(tmp_path / "a.jpg", picture(COLOUR), **options)) as slide:
        assert slide.mpp == pytest.approx((0.5, 0.5))
        assert slide.icc_profile == b"profile"
    path = saved(tmp_path / "b.png", picture(COLOUR))
    with st.open_slide(path, mpp=0.25) as slide:
        assert slide.mpp == (0.25, 0.25)


def test_a_picture_that_is_to_be_turned_is_told(tmp_path, caplog):
    exif = Image.Exif()
    exif[274] = 6
    with st.open_slide(saved(tmp_path / "a.jpg", picture(COLOUR), exif=exif)) as slide:
        assert (slide.width, slide.height) == (421, 300)
    assert "to be shown turned" in caplog.text


def png(width, height, bits=8, colour=2, extra=b""):
    def chunk(kind, data):
        body = kind + data
        return len(data).to_bytes(4) + body + zlib.crc32(body).to_bytes(4)

    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head)
    return start + extra + chunk(b"IDAT", zlib.compress(bytes(8))) + chunk(b"IEND", b"")


def cmyk():
    file = io.BytesIO()
    Image.new("CMYK", (64, 64)).save(file, "JPEG")
    return file.getvalue()


def sixteen_bits():
    pixels = np.zeros((64, 64), np.uint16)
    return imagecodecs.jpeg2k_encode(pixels, codecformat="JP2")


REFUSED = {
    "large.png": (png(20_000, 20_000), "20000×20000 pixels, which is decoded at once.*vips"),
    "huge.png": (png(1 << 30, 1 << 30), "more than the 4194304 a side"),
    "deep.png": (png(64, 64, bits=16), "16-bit numbers"),
    "deep.jp2": (sixteen_bits(), "16-bit numbers"),
    "cmyk.jpg": (cmyk(), "4 components"),
    "moving.png": (png(8, 8, extra=b"\0\0\0\x08acTL" + bytes(12)), "animation"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_be_lost_or_is_too_large_is_refused(tmp_path, name):
    content, words = REFUSED[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FinalRefusalError, match=words):
        st.open_slide(tmp_path / name)


def test_the_limit_is_asked_before_memory_is_taken(tmp_path, monkeypatch):
    monkeypatch.setattr(_header, "LARGEST_PX", 300 * 421 - 1)
    for name in ("colour.png", "colour.jpg", "colour.jp2"):
        image, options = PICTURES[name]
        with pytest.raises(FinalRefusalError, match="421×300 pixels, which is decoded at once"):
            st.open_slide(saved(tmp_path / name, image, **options))


@pytest.mark.parametrize("name", ["colour.png", "colour.jpg", "colour.jp2"])
def test_a_cut_picture_is_damaged_never_grey(tmp_path, name):
    image, options = PICTURES[name]
    path = saved(tmp_path / name, image, **options)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with st.open_slide(path) as slide:
        for _ in range(2):
            with pytest.raises(st.DamagedPixelsError, match="does not decode"):
                slide.read_region(slide.bounds)
    path.write_bytes(whole[:20])
    with pytest.raises(st.SlideReadError, match="header is damaged"):
        st.open_slide(path)


def test_a_part_of_a_vms_slide_is_refused(tmp_path):
    saved(tmp_path / "a_map2.jpg", picture(COLOUR))
    text = "[Virtual Microscope Specimen]\nMapFile=a_map2.jpg\n"
    (tmp_path / "a.vms").write_text(text)
    with pytest.raises(FinalRefusalError, match=r"one part of the slide a\.vms"):
        st.open_slide(tmp_path / "a_map2.jpg")


def test_the_preview_of_a_mirax_slide_is_not_the_slide(tmp_path):
    path = tmp_path / "a.mrxs"
    picture(COLOUR).save(path, format="JPEG")
    for reader in (None, "picture", "openslide"):
        with pytest.raises(st.UnsupportedSlideError, match=r"a MIRAX slide.*folder of its name"):
            st.open_slide(path, reader=reader)


@pytest.mark.parametrize("seed", range(40))
def test_damage_raises_nothing_else(tmp_path, seed):
    random = np.random.default_rng(seed)
    image, options = PICTURES[list(PICTURES)[seed % len(PICTURES)]]
    path = tmp_path / f"a{list(PICTURES)[seed % len(PICTURES)]}"
    data = bytearray(saved(path, image, **options).read_bytes())
    for _ in range(8):
        data[random.integers(4, min(len(data), 400))] = random.integers(256)
    path.write_bytes(data)
    try:
        with st.open_slide(path) as slide:
            slide.read_region(st.Region(x=0, y=0, width=64, height=64))
    except st.SlideError:
        pass


def test_16_bits_of_a_png_have_a_way_in(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(np.zeros((64, 64), np.uint16)).save(path)
    with pytest.raises(FinalRefusalError, match="save it as TIFF, of which all 16 bits are read"):
        st.open_slide(path)
