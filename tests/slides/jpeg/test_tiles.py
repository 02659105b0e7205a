import io

import imagecodecs
import numpy as np
import pytest
import tifffile
from native_streams import check_streams
from pictures import pattern
from PIL import Image

from slidetile.errors import NotNativeError
from slidetile.raster.jpeg import JpegError, check_jpeg
from slidetile.slides.jpeg.colour import contradiction
from slidetile.slides.jpeg.segments import MOST_SCANS, parse_header
from slidetile.slides.jpeg.tiles import JpegTiles
from slidetile.slides.native import Damaged
from slidetile.slides.opening import open_slide

NATIVE = [
    "CMU-1-Small-Region.svs",
    "CMU-1-small.tiff",
    "wsic-CMU-1-Small-Region.jpeg.tiff",
    "petebankhead-OS-1-detail.ome.tif",
]


@pytest.mark.parametrize("name", NATIVE)
def test_streams_decode_anywhere_to_the_slides_pixels(shared_slides, name):
    with open_slide(shared_slides / name) as slide:
        native = slide.native_tiles(0)
        tiles = [(c, r) for r in range(native.rows) for c in range(native.columns)]
        fetched = native.fetch(tiles)
        assert fetched.nbytes >= native.stored_bytes(tiles)
        check_streams(slide, tiles, fetched.streams())


def test_the_scan_data_are_the_files_own(shared_slides):
    path = shared_slides / "CMU-1-Small-Region.svs"
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages.first
        start, count = page.dataoffsets[0], page.databytecounts[0]
    stored = path.read_bytes()[start : start + count]
    with open_slide(path) as slide:
        (stream,) = slide.native_tiles(0).fetch([(0, 0)]).streams()
    assert stream.endswith(stored[2:])
    assert stream[2:18] == b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"


@pytest.fixture
def jpeg():
    return imagecodecs.jpeg8_encode(pattern(64, 64), level=90, subsampling="444")


def amid(jpeg):
    """Return a place in the middle of the scan data."""
    return (jpeg.index(b"\xff\xda") + len(jpeg)) // 2


def segment(marker, body):
    return bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2) + body


def test_what_is_no_whole_jpeg_is_damaged_and_says_why(jpeg):
    tiles = JpegTiles(tables=None, photometric=6)
    assert tiles.native(jpeg, (64, 64)) == jpeg
    half = amid(jpeg)
    damaged = {
        "no start marker": [b"", bytes(500), jpeg[2:], b"\xff" + jpeg],
        "no frame and scan header": [b"\xff\xd8", b"\xff\xd8\xff\xd9"],
        "no end marker": [jpeg[:-2], jpeg[:-1], jpeg[:half]],
        "cut short": [jpeg[:100]],
        "a marker out of place": [jpeg[:20] + bytes(20) + jpeg[40:], jpeg[:2] + jpeg],
        "does not decode: Corrupt JPEG data": [jpeg[: half - 15] + bytes(30) + jpeg[half + 15 :]],
    }
    for reason, streams in damaged.items():
        for data in streams:
            assert tiles.native(data, (64, 64)) == Damaged(reason)


def test_a_header_that_no_decoder_takes_is_damaged_in_every_tile(jpeg):
    frame, scan = jpeg.index(b"\xff\xc0"), jpeg.index(b"\xff\xda")
    for at, value in ((frame + 12, 0x10), (frame + 11, 0x71), (scan + 6, 0x33)):
        data = jpeg[:at] + bytes([value]) + jpeg[at + 1 :]
        tiles = JpegTiles(tables=None, photometric=6)
        for _ in range(2):
            damaged = tiles.native(data, (64, 64))
            assert isinstance(damaged, Damaged), at - frame
            with pytest.raises(JpegError) as raised:
                check_jpeg(data)
            assert raised.value.reason == damaged.reason
        assert tiles.native(jpeg, (64, 64)) == jpeg


@pytest.mark.parametrize("trailer", [bytes(7), b"\xff" * 5, b"39 bytes of a scanner's own"])
def test_what_follows_the_end_is_left_out(jpeg, trailer):
    tiles = JpegTiles(tables=None, photometric=6)
    assert tiles.native(jpeg + trailer, (64, 64)) == jpeg
    assert tiles.standalone(jpeg + trailer) == jpeg


def test_an_end_marker_amid_the_scan_is_damage(jpeg):
    half = amid(jpeg)
    data = jpeg[:half] + b"\xff\xd9" + jpeg[half + 2 :]
    damaged = JpegTiles(tables=None, photometric=6).native(data, (64, 64))
    assert damaged.reason.startswith("does not decode")


SECRETS = [
    segment(0xFE, b"secret"),
    segment(0xE1, b"Exif\0\0secret"),
    segment(0xE0, b"JFXX\0secret"),
]


@pytest.mark.parametrize("secret", SECRETS)
def test_no_text_of_the_file_is_copied(jpeg, secret):
    tables, scan = jpeg.index(b"\xff\xdb"), jpeg.index(b"\xff\xda")
    for at in (2, tables, scan):
        data = jpeg[:at] + secret + jpeg[at:]
        tiles = JpegTiles(tables=b"\xff\xd8" + secret + b"\xff\xd9", photometric=6)
        assert tiles.native(data, (64, 64)) == jpeg
        assert tiles.standalone(data) == jpeg
    thumbnail = segment(0xE0, b"JFIF\0\1\2\1\0\x48\0\x48\2\1secret")
    assert (
        JpegTiles(tables=None, photometric=6).native(jpeg[:2] + thumbnail + jpeg[20:], (64, 64))
        == jpeg
    )


def test_no_text_between_scans_is_copied():
    file = io.BytesIO()
    Image.fromarray(pattern(64, 64)).save(file, "JPEG", progressive=True)
    jpeg = file.getvalue()
    last = jpeg.rindex(b"\xff\xda")
    tiles = JpegTiles(tables=None, photometric=6)
    assert tiles.standalone(jpeg[:last] + SECRETS[0] + jpeg[last:]) == tiles.standalone(jpeg)


@pytest.mark.parametrize("secret", SECRETS)
def test_a_segment_amid_scan_data_is_damage(jpeg, secret):
    half = amid(jpeg)
    tiles = JpegTiles(tables=None, photometric=6)
    for data in (jpeg[:half] + secret + jpeg[half:], jpeg[: half - 9] + secret + jpeg[half:]):
        assert tiles.native(data, (64, 64)) == Damaged("a marker out of place")
        with pytest.raises(JpegError):
            check_jpeg(tiles.standalone(data))
    before_the_end = jpeg[:-2] + secret + jpeg[-2:]
    assert tiles.native(before_the_end, (64, 64)) == jpeg


@pytest.mark.parametrize("transform", [None, 0, 1])
@pytest.mark.parametrize("is_jfif", [False, True])
@pytest.mark.parametrize("names", [b"\1\2\3", b"\0\1\2", b"RGB"])
@pytest.mark.parametrize("photometric", [2, 6])
def test_the_colours_stay_those_that_libjpeg_sees(jpeg, transform, is_jfif, names, photometric):
    bare = bytearray(jpeg[:2] + jpeg[20:])
    frame, scan = bare.index(b"\xff\xc0"), bare.index(b"\xff\xda")
    for number, name in enumerate(names):
        bare[frame + 10 + 3 * number] = bare[scan + 5 + 2 * number] = name
    markers = b"" if transform is None else segment(0xEE, b"Adobe" + bytes(6) + bytes([transform]))
    data = bytes(bare[:2]) + (jpeg[2:20] if is_jfif else b"") + markers + bytes(bare[2:])
    stream = JpegTiles(tables=None, photometric=photometric).native(data, (64, 64))
    assert stream.count(b"Adobe") + stream.count(b"JFIF") == 1
    decoded = imagecodecs.jpeg8_decode(stream)
    if transform is None and not is_jfif:  # then the directory states them
        colours = {2: "RGB", 6: "YCBCR"}[photometric]
        expected = imagecodecs.jpeg8_decode(data, colorspace=colours, outcolorspace="RGB")
    else:
        expected = imagecodecs.jpeg8_decode(data)
    np.testing.assert_array_equal(decoded, expected)


@pytest.mark.parametrize("subsampling", ["420", "422"])
@pytest.mark.parametrize("markers", [b"", segment(0xEE, b"Adobe" + bytes(7))])
def test_subsampled_chroma_is_ycbcr_whatever_is_said(subsampling, markers):
    whole = imagecodecs.jpeg8_encode(pattern(64, 64), level=90, subsampling=subsampling)
    data = whole[:2] + markers + whole[20:]
    stream = JpegTiles(tables=None, photometric=2).native(data, (64, 64))
    decoded = imagecodecs.jpeg8_decode(stream)
    np.testing.assert_array_equal(decoded, imagecodecs.jpeg8_decode(whole))
    np.testing.assert_array_equal(decoded, np.asarray(Image.open(io.BytesIO(whole))))


def test_contradictions_are_told_in_words():
    full = imagecodecs.jpeg8_encode(pattern(64, 64), subsampling="444")
    bare, half = full[:2] + full[20:], imagecodecs.jpeg8_encode(pattern(64, 64), subsampling="420")
    marked = bare[:2] + segment(0xEE, b"Adobe" + bytes(7)) + bare[2:]

    def told(data, tagged):
        header = parse_header(data)
        return contradiction(header, header.frame, tagged)

    assert told(full, "RGB") == "says RGB, but its JPEG is marked as JFIF: read as YCbCr"
    assert told(half, "RGB").endswith("its JPEG stores chroma smaller than luma: read as YCbCr")
    assert told(marked, "YCbCr").endswith("its JPEG has Adobe's marker of RGB: read as RGB")
    for data, tagged in ((full, "YCbCr"), (bare, "RGB"), (bare, "YCbCr"), (marked, "RGB")):
        assert told(data, tagged) is None
    assert told(full, None) is None


def restarting(**options):
    file = io.BytesIO()
    Image.fromarray(pattern(64, 64)).save(file, "JPEG", subsampling=0, **options)
    return file.getvalue()


def test_restart_markers_out_of_order_are_damage():
    jpeg = restarting(restart_marker_blocks=4)
    tiles = JpegTiles(tables=None, photometric=6)
    assert tiles.native(jpeg, (64, 64)) == tiles.standalone(jpeg)
    second, third = jpeg.index(b"\xff\xd1"), jpeg.index(b"\xff\xd2")
    fourth = jpeg.index(b"\xff\xd3")
    swapped = jpeg[:second] + jpeg[third:fourth] + jpeg[second:third] + jpeg[fourth:]
    dropped = jpeg[:second] + jpeg[third:]
    for data in (swapped, dropped):
        assert "Corrupt JPEG data" in tiles.native(data, (64, 64)).reason


def test_a_stream_of_thousands_of_scans_is_refused_unseen():
    file = io.BytesIO()
    Image.fromarray(pattern(64, 64)).save(file, "JPEG", progressive=True)
    jpeg = file.getvalue()
    last = jpeg.rindex(b"\xff\xda")
    many = jpeg[:last] + jpeg[last:-2] * 3000 + b"\xff\xd9"
    refused = JpegTiles(tables=None, photometric=6).standalone(many)
    assert refused == Damaged(f"more than {MOST_SCANS} scans")


def test_progressive_or_other_sizes_cannot_be_copied(jpeg):
    tiles = JpegTiles(tables=None, photometric=6)
    with pytest.raises(NotNativeError, match="64×64 pixels instead of 128×64"):
        tiles.native(jpeg, (128, 64))
    file = io.BytesIO()
    Image.fromarray(pattern(64, 64)).save(file, "JPEG", progressive=True)
    with pytest.raises(NotNativeError, match="not baseline"):
        tiles.native(file.getvalue(), (64, 64))
    grey = imagecodecs.jpeg8_encode(pattern(64, 64, 1)[..., 0])
    with pytest.raises(NotNativeError, match="1 component instead of 3"):
        tiles.native(grey, (64, 64))


def test_the_remembered_header_does_not_outlive_its_tile(jpeg):
    other = imagecodecs.jpeg8_encode(pattern(64, 64), level=30, subsampling="444")
    tiles = JpegTiles(tables=None, photometric=6)
    for data in (jpeg, other, jpeg, other):
        assert tiles.native(b"xx" + data + b"yy", (64, 64), 2, 2 + len(data)) == data


def test_colour_markers_are_added_only_where_missing(jpeg):
    header = parse_header(jpeg)
    assert header.is_jfif
    assert JpegTiles(tables=None, photometric=2).standalone(jpeg) == jpeg
    bare = jpeg[:2] + jpeg[20:]  # without its JFIF segment
    assert not parse_header(bare).is_jfif
    for photometric, transform in ((2, b"\0"), (6, b"\1")):
        stream = JpegTiles(tables=None, photometric=photometric).standalone(bare)
        assert stream[2:18].endswith(transform)
        assert parse_header(stream).adobe == transform[0]
        assert stream[18:] == bare[2:]


@pytest.mark.parametrize("count", [1, 3, 17])
def test_damage_never_raises_anything_unexpected(jpeg, count):
    random = np.random.default_rng(count)
    tiles = JpegTiles(tables=None, photometric=6)
    for _ in range(300):
        data = bytearray(jpeg)
        for position in random.integers(0, 700, count):
            data[position] = random.integers(256)
        try:
            stream = tiles.native(bytes(data), (64, 64))
        except NotNativeError:
            continue
        assert isinstance(stream, Damaged) or bytes(data).endswith(stream[-100:])
