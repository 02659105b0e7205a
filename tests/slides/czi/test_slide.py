"""Zeiss CZI: levels, scenes and pixels against libCZI and OpenSlide, and against what was written.

The files are made: no real one could be had.
"""

import pickle

import czi_files
import numpy as np
import openslide
import pytest
from czi_files import BGR48, GRAY16, JPEG_XR, LZW, RAW, ZSTD0, ZSTD1, Tile, described, write_czi
from pictures import pattern
from pylibCZIrw import czi as libczi

import slidetile as st
from slidetile.slides.czi import _directory
from slidetile.slides.czi.slide import CziSlide
from slidetile.slides.reader import FinalRefusalError

LEVELS = [pattern(384, 512), pattern(192, 256, seed=3), pattern(96, 128, seed=5)]
COMPRESSIONS = {"raw": RAW, "zstd": ZSTD0, "zstd with a header": ZSTD1, "JPEG XR": JPEG_XR}


def written(folder, tiles, **options):
    return write_czi(folder / "a.czi", tiles, **options)


def by_libczi(path, region, factor=1):
    """The pixels of a level-0 region as Zeiss's own library gives them."""
    with libczi.open_czi(str(path)) as document:
        left, top = document.total_bounding_rectangle_no_pyramid[:2]
        roi = (left + region.x, top + region.y, region.width, region.height)
        return document.read(roi=roi, zoom=1 / factor)[..., ::-1]


def by_openslide(path, level, size):
    with openslide.OpenSlide(path) as slide:
        return np.array(slide.read_region((0, 0), level, size))[..., :3]


@pytest.mark.parametrize("name", COMPRESSIONS)
@pytest.mark.parametrize("origin", [(0, 0), (-4000, 12344)])
def test_every_level_is_that_of_two_oracles(tmp_path, name, origin):
    compression = COMPRESSIONS[name]
    tiles = czi_files.mosaic(LEVELS, tile=120, origin=origin, compression=compression)
    path = written(tmp_path, tiles, metadata=described(size=(512, 384)))
    with st.open_slide(path) as slide:
        assert (slide.reader, slide.vendor, slide.channels) == ("czi", "zeiss", 3)
        assert slide.mpp == pytest.approx((0.5, 0.5))
        assert slide.objective_power == 20
        assert [level.size for level in slide.levels] == [(512, 384), (256, 192), (128, 96)]
        assert [level.downsample for level in slide.levels] == [(1, 1), (2, 2), (4, 4)]
        for number, expected in enumerate(LEVELS):
            read = slide.read_region(slide.bounds, level=number)
            np.testing.assert_array_equal(read, expected)
            if compression != JPEG_XR:  # neither knows the JPEG XR that imagecodecs writes
                np.testing.assert_array_equal(by_libczi(path, slide.bounds, 1 << number), expected)
                size = slide.levels[number].size
                np.testing.assert_array_equal(by_openslide(path, number, size), expected)
        assert slide.holes(st.Region(x=0, y=0, width=128, height=96), level=2) == []


def test_jpegxr_in_blue_green_red_is_read_as_libczi_reads_it(tmp_path):
    stream = bytearray(czi_files.encoded(LEVELS[0], JPEG_XR))
    red_first = bytes.fromhex("24c3dd6f034efe4bb1853d77768dc90d")
    stream[stream.index(red_first) + 15] = 0x0C  # the format that Zeiss writes
    tile = Tile(pixels=LEVELS[0], x=0, y=0, compression=JPEG_XR, stored=bytes(stream))
    path = written(tmp_path, [tile])
    with st.open_slide(path) as slide:
        read = slide.read_region(slide.bounds)
        np.testing.assert_array_equal(read, by_libczi(path, slide.bounds))
        np.testing.assert_array_equal(read, LEVELS[0])


def test_a_file_of_zeiss_own_library_is_read(tmp_path):
    path = tmp_path / "a.czi"
    with libczi.create_czi(str(path)) as document:
        for x, options in ((300, "uncompressed:"), (812, "zstd1:ExplicitLevel=3")):
            turned = np.ascontiguousarray(LEVELS[0][..., ::-1])
            document.write(turned, location=(x, -50), compression_options=options)
        document.write_metadata("a", scale_x=0.44e-6, scale_y=0.45e-6)
    with st.open_slide(path) as slide:
        assert slide.mpp == pytest.approx((0.44, 0.45))
        read = slide.read_region(slide.bounds)
        np.testing.assert_array_equal(read, np.hstack([LEVELS[0], LEVELS[0]]))
        np.testing.assert_array_equal(read, by_libczi(path, slide.bounds))


def test_grey_is_one_channel(tmp_path):
    grey = pattern(300, 421, 1)
    for compression in COMPRESSIONS.values():
        path = written(tmp_path, czi_files.mosaic([grey], compression=compression))
        with st.open_slide(path) as slide:
            assert slide.channels == 1
            np.testing.assert_array_equal(slide.read_region(slide.bounds), grey)
            if compression != JPEG_XR:
                np.testing.assert_array_equal(by_libczi(path, slide.bounds), grey)


def test_the_highest_tile_of_the_stack_is_on_top(tmp_path):
    colours = [np.full((100, 100, 3), value, np.uint8) for value in (10, 90, 170)]
    places = [(0, 0, 5), (50, 50, 7), (60, 0, 2)]
    tiles = [
        Tile(pixels=pixels, x=x, y=y, mosaic=mosaic)
        for pixels, (x, y, mosaic) in zip(colours, places, strict=True)
    ]
    path = written(tmp_path, tiles)
    with st.open_slide(path) as slide:
        read = slide.read_region(slide.bounds)
        assert read[75, 75, 0] == 90
        assert read[20, 75, 0] == 10
        assert read[20, 120, 0] == 170
        white = by_libczi(path, slide.bounds).copy()
        white[(white == 0).all(axis=2)] = 255  # where nothing was scanned, it is black
        np.testing.assert_array_equal(read, white)
        assert slide.background == (255, 255, 255)


def scenes(*, second_levels):
    """Two scenes apart, the second with a lower pyramid, which begins between coarse pixels."""
    first = czi_files.mosaic(LEVELS, tile=512, dimensions={"S": 0})
    second = czi_files.mosaic(
        LEVELS[:second_levels], tile=512, origin=(1001, 602), dimensions={"S": 1}
    )
    return [*first, *second]


def test_all_scenes_lie_on_one_canvas(tmp_path):
    path = written(
        tmp_path, scenes(second_levels=3), metadata=described(scenes=2, size=(1513, 986))
    )
    with st.open_slide(path) as slide:
        assert (slide.width, slide.height) == (1513, 986)
        read = slide.read_region(slide.bounds)
        np.testing.assert_array_equal(read[:384, :512], LEVELS[0])
        np.testing.assert_array_equal(read[602:, 1001:], LEVELS[0])
        assert (read[:600, 520:] == 255).all()
        opaque = by_openslide(path, 0, (1513, 986))
        np.testing.assert_array_equal(read[602:, 1001:], opaque[602:, 1001:])
        coarse = slide.read_region(slide.bounds, level=2)  # 1001 is nearest to 250 pixels of 4
        np.testing.assert_array_equal(coarse[151:246, 250:378], LEVELS[2][:95])
        assert not slide.replaced.counts


def test_what_a_coarse_level_leaves_out_is_averaged_from_the_next(tmp_path):
    path = written(tmp_path, scenes(second_levels=1))
    with st.open_slide(path) as slide:
        coarse = slide.read_region(slide.bounds, level=2)
        mean = slide.read_region(st.Region(x=1200, y=700, width=64, height=64)).mean(axis=(0, 1))
        found = coarse[700 // 4 : 764 // 4, 1200 // 4 : 1264 // 4].mean(axis=(0, 1))
        assert np.abs(found - mean).max() < 1
        np.testing.assert_array_equal(coarse[:96, :128], LEVELS[2])
        assert slide.replaced.counts


@pytest.mark.parametrize("overlap", [0, 17])
def test_any_region_is_a_part_of_the_whole(tmp_path, overlap):
    path = written(tmp_path, czi_files.mosaic(LEVELS[:1], tile=100, overlap=overlap))
    random = np.random.default_rng(7)
    with st.open_slide(path) as slide:
        twin = st.ArraySlide(LEVELS[0], background=slide.background)
        for _ in range(40):
            x, y = random.integers(-60, 512), random.integers(-60, 384)
            width, height = random.integers(1, 300, 2)
            region = st.Region(x=x, y=y, width=width, height=height)
            np.testing.assert_array_equal(slide.read_region(region), twin.read_region(region))
            crop = st.Region(x=0, y=0, width=max(1, width // 2), height=max(1, height // 3))
            cropped = slide.fetch(region).crop(crop).pixels()
            np.testing.assert_array_equal(cropped, twin.read_region(region)[crop.slices])


def test_rounded_edges_of_a_pyramid_belong_to_its_level(tmp_path):
    whole = pattern(301, 6350)
    coarse = whole[::64, ::64][:5, :100]
    tiles = [
        *czi_files.mosaic([whole], tile=1024),
        Tile(pixels=coarse[:4, :64], x=0, y=0, downsample=64),
        Tile(pixels=coarse[:4, 64:], x=4096, y=0, downsample=64, size=(2254, 256)),
    ]
    with st.open_slide(written(tmp_path, tiles)) as slide:
        assert [level.size for level in slide.levels] == [(6350, 301), (99, 4)]
        read = slide.read_region(slide.bounds, level=1)
        np.testing.assert_array_equal(read, coarse[:4, :99])


@pytest.mark.parametrize("compression", [RAW, ZSTD1, JPEG_XR])
def test_a_row_less_than_stated_at_the_edge_of_a_coarse_level_is_repeated(tmp_path, compression):
    coarse = LEVELS[1][:, :250]
    tile = Tile(
        pixels=coarse,
        x=0,
        y=0,
        downsample=2,
        compression=compression,
        stored=czi_files.encoded(coarse[:-1], compression),
    )
    path = written(tmp_path, [*czi_files.mosaic([LEVELS[0][:, :500]]), tile])
    with st.open_slide(path) as slide:
        read = slide.read_region(slide.bounds, level=1)
        np.testing.assert_array_equal(read[:-1], coarse[:-1])
        np.testing.assert_array_equal(read[-1], coarse[-2])


def test_bytes_that_only_claim_to_be_jpegxr_are_read_as_they_are(tmp_path):
    raw = czi_files.encoded(LEVELS[2], RAW)
    tile = Tile(pixels=LEVELS[2], x=0, y=0, compression=JPEG_XR, stored=raw)
    with st.open_slide(written(tmp_path, [tile])) as slide:
        np.testing.assert_array_equal(slide.read_region(slide.bounds), LEVELS[2])


def one(pixels=LEVELS[2], **options):
    return Tile(pixels=pixels, x=0, y=0, **options)


WIDE = LEVELS[2].astype(np.uint16)
REFUSED = {
    "channels": (
        [one(WIDE[..., :1].astype(np.uint8), dimensions={"C": n}) for n in range(3)],
        "spread over 3 channels; slidetile reads one grey or RGB image",
    ),
    "depths and times": (
        [one(dimensions={"Z": z, "T": t}) for z in range(5) for t in range(2)],
        "spread over 5 depths and 2 times",
    ),
    "16-bit colour": ([one(WIDE, pixel_type=BGR48)], "its samples are 16-bit numbers"),
    "16-bit grey": ([one(WIDE[..., :1], pixel_type=GRAY16)], "its samples are 16-bit numbers"),
    "floats": ([one(pixel_type=2)], "32-bit floating-point numbers"),
    "BGRA": ([one(pixel_type=9)], "of Zeiss's type 9, not 8-bit grey or colour"),
    "LZW": ([one(compression=LZW)], "its tiles are stored as LZW"),
    "camera": ([one(compression=123)], "Zeiss's compression 123"),
    "both": ([one(), one(LEVELS[2][..., :1])], "some of its tiles are grey"),
    "huge": ([one(), Tile(pixels=LEVELS[2], x=1 << 30, y=0)], "more than the 4194304 a side"),
    "halves": ([one(), one(downsample=2, size=(300, 192))], "no level of a pyramid"),
    "large tile": ([one(size=(90_000, 90_000), entry={})], "no level of a pyramid|MiB each"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("reader", [None, "czi", "openslide"])
def test_what_would_be_lost_is_refused_whoever_is_asked(tmp_path, name, reader):
    tiles, words = REFUSED[name]
    path = written(tmp_path, tiles, metadata=described(size=(128, 96)))
    with pytest.raises((FinalRefusalError, st.SlideReadError), match=words) as caught:
        st.open_slide(path, reader=reader)
    assert str(caught.value).startswith("a.czi cannot be opened: ")


def test_limits_are_asked_before_memory_is_taken(tmp_path, monkeypatch):
    stored = (20_000, 20_000)
    tile = one(size=stored)
    monkeypatch.setattr(Tile, "described", _claiming(Tile.described, stored))
    with pytest.raises(FinalRefusalError, match="its tiles are 20000×20000 pixels"):
        st.open_slide(written(tmp_path, [tile]))
    monkeypatch.undo()
    monkeypatch.setattr(_directory, "MOST_TILES", 2)
    with pytest.raises(FinalRefusalError, match="it lists 3 tiles, more than the 2"):
        st.open_slide(written(tmp_path, [one()] * 3))


def _claiming(describe, size):
    def claimed(tile, position, **changes):
        return describe(tile, position, width=size[0], height=size[1], **changes)

    return claimed


def test_one_part_of_several_files_is_refused(tmp_path):
    path = written(tmp_path, [one()])
    data = bytearray(path.read_bytes())
    data[80] = 2  # the part's number, behind two identifiers
    path.write_bytes(data)
    with pytest.raises(FinalRefusalError, match="part 2 of an image in several files"):
        st.open_slide(path)


def test_metadata_say_nothing_of_people_and_may_be_missing(tmp_path, caplog):
    extra = "<AttachmentInfos><Label><Barcode>SECRET-17</Barcode></Label></AttachmentInfos>"
    path = written(tmp_path, [one()], metadata=described(extra=extra), attachment=b"LABEL" * 100)
    with st.open_slide(path) as slide:
        assert "SECRET" not in repr(vars(slide))
        assert slide.mpp == pytest.approx((0.5, 0.5))
    for metadata in (b"<a><b></a>", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', b"<a>" * 5000):
        with st.open_slide(written(tmp_path, [one()], metadata=metadata)) as slide:
            assert slide.mpp is None
        assert "its metadata cannot be read" in caplog.text
        caplog.clear()
    with st.open_slide(written(tmp_path, [one()], metadata=described(mpp=None))) as slide:
        assert slide.mpp is None
    with st.open_slide(path, mpp=0.3) as slide, pickle.loads(pickle.dumps(slide)) as again:  # noqa: S301
        assert again.mpp == (0.3, 0.3)


def test_a_file_becomes_a_store(tmp_path, cli):
    tiles = czi_files.mosaic(LEVELS, tile=200, compression=JPEG_XR)
    path, out = written(tmp_path, tiles), tmp_path / "a.zarr"
    line = ("tile", path, "-o", out, "--min-tissue-fraction", 0, "--tile-size", 128)
    assert cli(*line).exit_code == 0
    store = st.open_store(out)
    assert store.metadata.not_native == "tiles that overlap and lie in no grid"
    read = store.read_region(st.Region(x=0, y=0, width=512, height=384))
    np.testing.assert_array_equal(read, LEVELS[0])
    assert cli("verify", out, "--deep", "--slide", path).exit_code == 0


def test_another_file_is_left_to_others(tmp_path):
    path = tmp_path / "a.czi"
    path.write_bytes(b"ZISRAWFIL?" + bytes(600))
    with pytest.raises(st.UnsupportedSlideError, match="not a CZI"):
        st.open_slide(path, reader="czi")
    with pytest.raises(st.UnsupportedSlideError, match="it is no CZI"):
        CziSlide(path)
