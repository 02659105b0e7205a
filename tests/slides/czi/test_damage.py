"""Damaged CZI files: a tile is marked, the rest is read, and nothing else is raised."""

import czi_files
import numpy as np
import pytest
from czi_files import JPEG_XR, RAW, ZSTD0, ZSTD1, Tile, described, write_czi
from pictures import pattern
from pylibCZIrw import czi as libczi

import slidetile as st

WHOLE = pattern(512, 512)


def tiles(compression=RAW, **changes):
    """Four tiles side by side, of which the last is changed."""
    found = czi_files.mosaic([WHOLE], tile=256, compression=compression)
    for name, value in changes.items():
        setattr(found[3], name, value)
    return found


def cut(compression):
    """The stored bytes of the last tile, without their end."""
    return tiles(compression)[3].stored[:-100]


DAMAGED = {
    "cut": ({"stored": cut(RAW)}, RAW, "196508 bytes instead of 196608"),
    "cut JPEG XR": ({"stored": cut(JPEG_XR)}, JPEG_XR, "cut short, or has no header"),
    "cut zstd": ({"stored": cut(ZSTD0)}, ZSTD0, "does not decode"),
    "less in zstd": (
        {"stored": czi_files.encoded(WHOLE[:64, :256], ZSTD0)},
        ZSTD0,
        "49152 bytes instead of 196608",
    ),
    "more in zstd": ({"stored": czi_files.encoded(WHOLE, ZSTD0)}, ZSTD0, "does not decode"),
    "no header": ({"stored": b"\x07" + bytes(100)}, ZSTD1, "unknown header"),
    "shuffled": ({"stored": b"\x03\x01\x01" + bytes(100)}, ZSTD1, "shuffled"),
    "another shape": (
        {"stored": czi_files.encoded(WHOLE, JPEG_XR)},
        JPEG_XR,
        "of another shape",
    ),
    "garbage": ({"stored": b"II\xbc\x01" + bytes(range(256)) * 9}, JPEG_XR, "cut short"),
    "nowhere": ({"position": 1 << 40}, RAW, "beyond the end of the file"),
    "no tile": ({"position": 32}, RAW, "its head is not that of a tile"),
    "another": ({"entry": {"compression": ZSTD0}}, RAW, "of another tile"),
    "long": ({"stored": bytes(1_000_000)}, RAW, "too many bytes"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_tile_is_an_error_and_the_others_are_read(tmp_path, name):
    changes, compression, words = DAMAGED[name]
    path = write_czi(tmp_path / "a.czi", tiles(compression, **changes))
    with st.open_slide(path) as slide:
        for _ in range(2):
            with pytest.raises(st.DamagedPixelsError, match=words):
                slide.read_region(slide.bounds)
        upper = st.Region(x=0, y=0, width=512, height=256)
        np.testing.assert_array_equal(slide.read_region(upper), WHOLE[:256])
        shown = slide.fetch_shown(slide.bounds, level=0).pixels()
        np.testing.assert_array_equal(shown[:256], WHOLE[:256])


def test_what_libczi_fills_with_black_is_damage_here(tmp_path):
    path = write_czi(tmp_path / "a.czi", tiles(stored=bytes(WHOLE[:64, :256].tobytes())))
    with libczi.open_czi(str(path)) as document:
        assert (document.read()[400:, 256:] == 0).all()  # why it is not used to read
    with st.open_slide(path) as slide, pytest.raises(st.DamagedPixelsError):
        slide.read_region(slide.bounds)


def test_a_damaged_coarse_tile_is_averaged_from_the_finer_level(tmp_path):
    coarse = Tile(pixels=WHOLE[::2, ::2], x=0, y=0, downsample=2, stored=b"?")
    path = write_czi(tmp_path / "a.czi", [*tiles(), coarse])
    with st.open_slide(path) as slide:
        read = slide.read_region(slide.bounds, level=1).astype(int)
        mean = WHOLE.astype(int).reshape(256, 2, 256, 2, 3).mean(axis=(1, 3))
        assert np.abs(read - mean).max() <= 1
        assert slide.replaced.counts == {1: 1}


def test_a_damaged_tile_is_marked_in_the_store(tmp_path, cli):
    large = czi_files.mosaic([pattern(1024, 1024)], tile=512)
    large[3].stored = b"?"
    path = write_czi(tmp_path / "a.czi", large)
    out = tmp_path / "a.zarr"
    line = ("tile", path, "-o", out, "--min-tissue-fraction", 0, "--tile-size", 512)
    assert cli(*line).exit_code == 3
    assert st.open_store(out).unreadable == 1
    assert cli("verify", out, "--deep", "--slide", path).exit_code == 0


@pytest.mark.parametrize("kept", [4, 31, 100, 600, 3000, 50_000, 700_000])
def test_a_file_that_is_cut_short_is_not_opened(tmp_path, kept):
    whole = write_czi(tmp_path / "whole.czi", tiles()).read_bytes()
    path = tmp_path / "a.czi"
    path.write_bytes(whole[:kept] if kept > 4 else b"ZISRAWFILE")
    with pytest.raises(st.SlideReadError, match=r"cut short|has no list"):
        st.open_slide(path)
    with pytest.raises(st.SlideError):
        st.open_slide(path, reader="openslide")


def test_a_head_without_anything_true_behind_it_is_an_error(tmp_path):
    path = tmp_path / "a.czi"
    for seed in range(20):
        garbage = np.random.default_rng(seed).bytes(5000)
        path.write_bytes(b"ZISRAWFILE" + bytes(6) + garbage)
        for reader in (None, "openslide"):
            with pytest.raises(st.SlideError, match=r"a\.czi cannot be opened"):
                st.open_slide(path, reader=reader)


@pytest.mark.parametrize("entries", [0, 5, 1 << 30, -1])
def test_a_list_that_claims_another_number_is_an_error(tmp_path, entries):
    path = write_czi(tmp_path / "a.czi", tiles(), entries=entries)
    with pytest.raises(st.SlideError, match="tiles"):
        st.open_slide(path)


@pytest.mark.parametrize("seed", range(60))
def test_damage_anywhere_raises_nothing_else(tmp_path, seed):
    random = np.random.default_rng(seed)
    compression = (RAW, ZSTD0, ZSTD1, JPEG_XR)[seed % 4]
    pair = [*tiles(compression), Tile(pixels=WHOLE[::2, ::2], x=0, y=0, downsample=2)]
    path = write_czi(tmp_path / "a.czi", pair, metadata=described(size=(512, 512)))
    data = bytearray(path.read_bytes())
    begin = data.index(b"ZISRAWDIRECTORY") if seed % 3 else 0
    for _ in range(4):
        data[random.integers(begin, min(len(data), begin + 1200))] = random.integers(256)
    path.write_bytes(data)
    try:
        with st.open_slide(path) as slide:
            for level in range(len(slide.levels)):
                slide.read_region(st.Region(x=200, y=200, width=80, height=80), level=level)
    except st.SlideError:
        pass


def test_a_file_that_changes_stops_the_run(tmp_path):
    path = write_czi(tmp_path / "a.czi", tiles())
    with st.open_slide(path) as slide:
        with path.open("ab") as file:
            file.write(b"more")
        with pytest.raises(st.SlideReadError, match="changed while it was read") as caught:
            slide.read_region(slide.bounds)
        assert not isinstance(caught.value, st.DamagedPixelsError)
