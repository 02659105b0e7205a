"""Hamamatsu NDPI: tiles made of restart segments, with OpenSlide and Pillow as oracles."""

import io
import logging

import imagecodecs
import numpy as np
import pytest
from native_streams import check_streams
from ndpi_files import EOI, LONG, Level, levels_of, write_ndpi
from pictures import pattern
from PIL import Image

import slidetile as st
from slidetile.errors import DamagedPixelsError, UnsupportedSlideError
from slidetile.raster.region import Region
from slidetile.slides.native import Damaged
from slidetile.slides.reader import FinalRefusalError
from slidetile.slides.slide_file import LocalFile

REAL = ["made/brightfield.ndpi", "test3-DAPI.ndpi"]
STRIPE = 256
WIDTH, HEIGHT = 4 * STRIPE, 1280


@pytest.fixture
def made():
    return levels_of(pattern(HEIGHT, WIDTH), STRIPE)


def assert_equals_openslide(path):
    """Compare each level as a whole, and in parts, with OpenSlide's of the same size."""
    with st.open_slide(path) as ours, st.open_slide(path, reader="openslide") as oracle:
        assert ours.reader == "tiff"
        theirs = [level.size for level in oracle.levels]
        for number, level in enumerate(ours.levels):
            twin = theirs.index(level.size)
            whole = ours.read_region(ours.bounds, level=number)
            np.testing.assert_array_equal(whole, oracle.read_region(oracle.bounds, level=twin))
            part = Region(x=ours.width // 3, y=ours.height // 7, width=301, height=ours.height)
            np.testing.assert_array_equal(
                ours.read_region(part, level=number), oracle.read_region(part, level=twin)
            )


def decoded_whole(level):
    """Return a level as Pillow decodes its one JPEG."""
    with Image.open(io.BytesIO(level.jpeg)) as image:
        return np.asarray(image)


def tiles_of(native):
    return [(column, row) for row in range(native.rows) for column in range(native.columns)]


@pytest.mark.parametrize("name", REAL)
def test_stored_levels_are_openslides(shared_slides, name):
    assert_equals_openslide(shared_slides / name)


@pytest.mark.parametrize("name", REAL)
def test_metadata_are_openslides(shared_slides, name):
    path = shared_slides / name
    with st.open_slide(path) as ours, st.open_slide(path, reader="openslide") as oracle:
        for fact in ("mpp", "objective_power", "vendor", "background", "scan_area", "icc_profile"):
            assert getattr(ours, fact) == getattr(oracle, fact), fact
        assert (ours.width, ours.height) == (oracle.width, oracle.height)
        known = {level.size: level.downsample for level in oracle.levels}
        assert [known[level.size] for level in ours.levels] == [
            level.downsample for level in ours.levels
        ]


def test_levels_that_are_not_in_the_file_are_left_out(shared_slides):
    with st.open_slide(shared_slides / REAL[0]) as slide:
        assert [level.size for level in slide.levels] == [(4096, 1280), (1024, 320)]


@pytest.mark.parametrize(
    ("name", "tile"), [(REAL[0], (2048, 512)), (REAL[1], (3968, 256))], ids=REAL
)
def test_copied_tiles_decode_anywhere_to_the_slides_pixels(shared_slides, name, tile):
    with st.open_slide(shared_slides / name) as slide:
        native = slide.native_tiles(0)
        width, height = native.tile_width_px, native.tile_height_px
        assert (width, height) == tile
        cells = tiles_of(native)
        fetched = native.fetch(cells)
        check_streams(slide, cells, fetched.streams())


def test_the_stripes_of_a_tile_are_the_files_own(tmp_path, made):
    path = write_ndpi(tmp_path / "a.ndpi", made)
    with st.open_slide(path) as slide:
        native = slide.native_tiles(0)
        (stream,) = native.fetch([(2, 1)]).streams()
        assert native.stored_bytes([(2, 1)]) == sum(
            len(made[0].stripes[4 * row + 2]) + 2 for row in range(64, 128)
        )
    at = stream.index(b"\xff\xda")
    for row in range(64, 128):
        at = stream.index(made[0].stripes[4 * row + 2], at)
        at += len(made[0].stripes[4 * row + 2])
        last = row == 127
        assert stream[at : at + 2] == (EOI if last else bytes((0xFF, 0xD0 + row % 8)))


def test_below_the_last_row_a_tile_is_of_one_colour(tmp_path, made):
    path = write_ndpi(tmp_path / "a.ndpi", made)
    with st.open_slide(path) as slide:
        (stream,) = slide.native_tiles(0).fetch([(0, 2)]).streams()
    decoded = imagecodecs.jpeg8_decode(stream)
    assert decoded.shape == (512, STRIPE, 3)
    assert len(np.unique(decoded[HEIGHT - 1024 :].reshape(-1, 3), axis=0)) == 1
    np.testing.assert_array_equal(decoded[: HEIGHT - 1024], decoded_whole(made[0])[1024:, :STRIPE])


@pytest.mark.parametrize("height", [1280, 1000, 1003, 9, 8, 1])
@pytest.mark.parametrize("width", [1024, 1020])
def test_all_sizes_decode_as_the_whole_jpeg_does(tmp_path, width, height):
    level = Level(pixels=pattern(height, width), stripe=STRIPE)
    with st.open_slide(write_ndpi(tmp_path / "a.ndpi", [level]), reader="tiff") as slide:
        np.testing.assert_array_equal(slide.read_region(slide.bounds), decoded_whole(level))


def test_a_coarse_level_without_stripes_is_read_as_a_whole(tmp_path, made):
    small = Level(pixels=np.ascontiguousarray(made[0].pixels[::16, ::16]), stripe=0, lens=1.25)
    path = write_ndpi(tmp_path / "a.ndpi", [*made, small])
    assert_equals_openslide(path)
    with st.open_slide(path) as slide:
        assert len(slide.levels) == 3
        assert [slide.native_tiles(n) is None for n in range(3)] == [False, False, True]


def test_a_level_wider_than_its_jpeg_can_say(tmp_path):
    pixels = pattern(16, 65_600)
    level = Level(pixels=pixels, stripe=1600)
    assert b"\xff\xc0\0\x11\x08\0\x10\0\0" in level.header
    path = write_ndpi(tmp_path / "a.ndpi", [level])
    assert_equals_openslide(path)
    with st.open_slide(path) as slide:
        assert (slide.width, slide.height) == (65_600, 16)
        part = slide.read_region(Region(x=64_000, y=0, width=1600, height=16))
        assert np.abs(part.astype(int) - pixels[:, 64_000:]).mean() < 8


def test_a_file_of_more_than_4_gib(tmp_path, made):
    """Its numbers have 32 bits more behind each directory, and its stripes a second table."""
    begin = (5 << 30) + 12
    for level in made:
        level.tags[65432] = (LONG, [0] * len(level.starts))
    short = st.open_slide(write_ndpi(tmp_path / "short.ndpi", made))
    with short, st.open_slide(write_ndpi(tmp_path / "long.ndpi", made, begin=begin)) as long:
        assert long.path.stat().st_size > begin
        assert [level.size for level in long.levels] == [level.size for level in short.levels]
        assert (long.mpp, long.objective_power) == (short.mpp, short.objective_power)
        for number in range(2):
            np.testing.assert_array_equal(
                long.read_region(long.bounds, level=number),
                short.read_region(short.bounds, level=number),
            )


def test_stripes_beyond_4_gib_of_their_jpeg(tmp_path):
    """The second table has the upper 32 bits of where they begin."""
    level = Level(pixels=pattern(16, 2 * STRIPE), stripe=STRIPE, hole=(2, 4 << 30))
    with st.open_slide(write_ndpi(tmp_path / "a.ndpi", [level]), reader="tiff") as slide:
        left, right = slide.native_tiles(0).fetch([(0, 0), (1, 0)]).streams()
        assert isinstance(right, Damaged), "its upper stripe ends 4 GiB further on"
        whole = decoded_whole(level)
        np.testing.assert_array_equal(imagecodecs.jpeg8_decode(left)[:16], whole[:, :STRIPE])


def test_other_depths_are_refused(tmp_path, made):
    path = tmp_path / "a.ndpi"
    deeper = [
        Level(pixels=each.pixels, stripe=each.stripe, lens=each.lens, depth=d)
        for d in (-2000, 2000)
        for each in made
    ]
    write_ndpi(path, [*made, *deeper])
    for reader in (None, "tiff", "openslide"):
        with pytest.raises(FinalRefusalError, match=r"spread over 3 depths"):
            st.open_slide(path, reader=reader)


LEFT = {
    "its chroma is subsampled": (
        lambda level: setattr(level, "header", level.header.replace(b"\1\x11\0", b"\1\x22\0")),
        "whose chroma is subsampled",
    ),
    "JPEG XR": (lambda level: level.tags.update({259: (3, [22610])}), "compression 22610"),
    "no table": (lambda level: level.tags.update({65426: (LONG, [1])}), "does not list"),
    "progressive": (
        lambda level: setattr(level, "header", level.header.replace(b"\xff\xc0", b"\xff\xc2")),
        "not baseline",
    ),
    "another size": (
        lambda level: level.tags.update({257: (LONG, [HEIGHT - 8])}),
        "whose JPEG has",
    ),
    "no header": (
        lambda level: setattr(level, "header", b"\0" + level.header[1:]),
        "no whole header",
    ),
    "a scan of nothing": (
        lambda level: setattr(
            level, "header", level.header[: level.header.index(b"\xff\xda")] + b"\xff\xda\0\2"
        ),
        "a scan for each component",
    ),
    "a scan of one component": (
        lambda level: setattr(
            level, "header", level.header.replace(b"\xff\xda\0\x0c\3", b"\xff\xda\0\x0c\1")
        ),
        "a scan for each component",
    ),
    "markers within rows": (
        lambda level: setattr(
            level, "header", level.header.replace(b"\xff\xdd\0\4\0\x20", b"\xff\xdd\0\4\0\x21")
        ),
        "do not divide its rows",
    ),
}


@pytest.mark.parametrize("kind", LEFT)
def test_what_is_stored_otherwise_is_left_to_openslide(tmp_path, made, kind):
    spoil, why = LEFT[kind]
    spoil(made[0])
    path = write_ndpi(tmp_path / "a.ndpi", made)
    with pytest.raises(UnsupportedSlideError, match=why):
        st.open_slide(path, reader="tiff")


def test_openslide_reads_one_whose_stripes_are_not_listed(tmp_path, made):
    made[0].tags[65426] = (LONG, [1])
    with st.open_slide(write_ndpi(tmp_path / "a.ndpi", made)) as slide:
        assert slide.reader == "openslide"
        np.testing.assert_array_equal(slide.read_region(slide.bounds), decoded_whole(made[0]))


def test_a_coarser_level_that_is_stored_otherwise_is_left_out(tmp_path, made, caplog):
    made[1].tags[259] = (3, [22610])
    with st.open_slide(write_ndpi(tmp_path / "a.ndpi", made)) as slide:
        assert len(slide.levels) == 1
    assert "A coarser level of a.ndpi is left out: it is a Hamamatsu NDPI of compr" in caplog.text


def test_the_macro_is_never_read(tmp_path, made, caplog):
    caplog.set_level(logging.WARNING)
    macro = Level(pixels=np.zeros((3000, 3000, 3), np.uint8), stripe=0, lens=-1.0)
    with st.open_slide(write_ndpi(tmp_path / "a.ndpi", [macro, *made])) as slide:
        assert [level.size for level in slide.levels] == [
            (WIDTH, HEIGHT),
            (WIDTH // 4, HEIGHT // 4),
        ]
    assert not caplog.text


def damaged_at(number):
    return number % 4, number // 4 // 64


def zeros(level, number):
    stripe = level.stripes[number]
    level.stripes[number] = stripe[: len(stripe) // 3] + bytes(len(stripe) - len(stripe) // 3)


def unmarked(level, number):
    level.markers[number] = b"\x12\x34"


def wrong_marker(level, number):
    level.markers[number] = bytes((0xFF, 0xD0 + (number + 3) % 8))


def lying(level, number):
    level.starts[number] += 5


def far(level, number):
    level.starts[number] = 0x7FFF_FFFF


def before(level, number):
    level.starts[number] = 3


DAMAGE = {
    zeros: "does not decode|marker",
    unmarked: "no restart marker",
    wrong_marker: "no restart marker",
    lying: "no restart marker",
    far: "not where the file lists it",
    before: "not where the file lists it",
}


@pytest.mark.parametrize("spoil", DAMAGE, ids=lambda spoil: spoil.__name__)
@pytest.mark.parametrize("number", [5, 291, 639])
def test_damage_marks_its_tile_and_no_other(tmp_path, made, spoil, number):
    whole = decoded_whole(made[0])
    spoil(made[0], number)
    path = write_ndpi(tmp_path / "a.ndpi", made)
    neighbour = number - 1 if spoil in (lying, far, before) else number + 1
    is_marker = spoil is not zeros and neighbour < 640
    expected = {damaged_at(number), *([damaged_at(neighbour)] if is_marker else [])}
    with st.open_slide(path, reader="tiff") as slide:
        native = slide.native_tiles(0)
        cells = tiles_of(native)
        streams = native.fetch(cells).streams()
        is_damaged = [isinstance(stream, Damaged) for stream in streams]
        assert {
            cell for cell, damaged in zip(cells, is_damaged, strict=True) if damaged
        } == expected
        for (column, row), damaged in zip(cells, is_damaged, strict=True):
            bottom = min(HEIGHT, 512 * row + 512)
            place = Region.from_edges(column * STRIPE, row * 512, (column + 1) * STRIPE, bottom)
            if damaged:
                with pytest.raises(DamagedPixelsError, match=DAMAGE[spoil]):
                    slide.read_region(place)
            else:
                np.testing.assert_array_equal(slide.read_region(place), whole[place.slices])


@pytest.mark.parametrize("place", [3, 0x7FFF_FFFF])
def test_a_first_stripe_that_does_not_follow_the_header_is_damaged(tmp_path, made, place):
    made[0].starts[0] = place
    with st.open_slide(write_ndpi(tmp_path / "a.ndpi", made), reader="tiff") as slide:
        first, second = slide.native_tiles(0).fetch([(0, 0), (1, 0)]).streams()
        assert isinstance(first, Damaged)
        assert isinstance(second, bytes)


def test_a_list_that_is_shifted_is_not_trusted(tmp_path, made):
    """Markers repeat after eight: each stripe of such a list has its own, and is another's."""
    starts = made[0].starts
    made[0].starts = starts[8:] + starts[-8:]
    with pytest.raises(UnsupportedSlideError, match="does not begin with the first stripe"):
        st.open_slide(write_ndpi(tmp_path / "a.ndpi", made), reader="tiff")


def test_a_file_that_was_cut_within_its_last_level(tmp_path, made):
    """Directories that lie behind are lost; where they are before, what is there is read."""
    path = write_ndpi(tmp_path / "a.ndpi", made)
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(st.SlideError, match="cut short"):
        st.open_slide(path)


def test_a_stripe_longer_than_any_is_not_read(tmp_path, made):
    """A table may list one over all the file."""
    made[0].stripes[5] += bytes(200_000)
    made[0].restart()
    with st.open_slide(write_ndpi(tmp_path / "a.ndpi", made), reader="tiff") as slide:
        native = slide.native_tiles(0)
        assert isinstance(native.fetch([(1, 0)]).streams()[0], Damaged)
        assert native.stored_bytes([(1, 0)]) == 0


class Watched(LocalFile):
    """Counts the bytes that are read, and how often."""

    reads = nbytes = 0

    def read(self, offset, count):
        self.reads, self.nbytes = self.reads + 1, self.nbytes + count
        return super().read(offset, count)


@pytest.mark.parametrize(("columns", "whole"), [(4, False), (14, True), (40, True)])
def test_rows_are_read_whole_where_more_than_a_third_is_wanted(tmp_path, columns, whole):
    """Pieces that lie far apart are read one by one."""
    noise = np.random.default_rng(0).integers(0, 255, (64, 40 * STRIPE, 3), np.uint8)
    level = Level(pixels=noise, stripe=STRIPE)
    row_bytes = sum(len(stripe) + 2 for stripe in level.stripes[:40])
    assert row_bytes > 120_000
    with st.open_slide(write_ndpi(tmp_path / "a.ndpi", [level])) as slide:
        native = slide.native_tiles(0)
        native._file = file = Watched(slide.path)
        cells = [(column, 0) for column in range(columns)]
        fetched = native.fetch(cells)
        assert all(isinstance(stream, bytes) for stream in fetched.streams())
        total = sum(len(stripe) + 2 for stripe in level.stripes)
        assert (file.nbytes > 0.95 * total) == whole
        assert fetched.nbytes < native.stored_bytes(cells) + 6000 * columns
        if not whole:
            assert file.reads == 8
