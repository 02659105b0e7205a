"""Tags and blocks that state other colours: read as what can be true, and told."""

import imagecodecs
import numpy as np
import pytest
import tifffile
from pictures import pattern
from PIL import Image

from slidetile.errors import NotNativeError
from slidetile.raster.region import Region
from slidetile.slides.opening import open_slide
from slidetile.slides.reader import FinalRefusalError

PICTURE = np.stack([pattern(256, 256, 1)[..., 0] // 2 + 60] * 3, axis=2) // (1, 2, 3)
PICTURE = PICTURE.astype(np.uint8)


def retagged(path, tag):
    with tifffile.TiffFile(path, mode="r+b") as tiff:
        tiff.pages[0].tags[262].overwrite(tag)
    return path


def jpegs(path, tag, *, adobe=None, jfif=False, **options):
    """One tile, whose stream is bare but for these markers, under a tag of 2 or 6."""
    options.setdefault("outcolorspace", "YCBCR")
    stream = imagecodecs.jpeg8_encode(PICTURE, level=95, colorspace="RGB", **options)
    kept, at = bytearray(stream[:2]), 2
    while stream[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(stream[at + 2 : at + 4])
        if stream[at + 1] not in (0xE0, 0xEE) or (jfif and stream[at + 1] == 0xE0):
            kept += stream[at:end]
        at = end
    if adobe is not None:
        kept[2:2] = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00" + bytes([adobe])
    tifffile.imwrite(
        path,
        iter([bytes(kept + stream[at:])]),
        shape=PICTURE.shape,
        dtype="uint8",
        tile=(256, 256),
        photometric="ycbcr",
        compression=7,
        subsampling=(1, 1),
        metadata=None,
    )
    return retagged(path, tag)


def is_true(slide):
    read = slide.read_region(slide.bounds).astype(int)
    return np.abs(read - PICTURE).mean() < 4


@pytest.mark.parametrize(
    ("tag", "options", "note"),
    [
        (2, {"jfif": True, "subsampling": "444"}, "says RGB, but its JPEG is marked as JFIF"),
        (2, {"adobe": 1, "subsampling": "444"}, "says RGB, but its JPEG has Adobe's marker of YCb"),
        (2, {"subsampling": "420"}, "says RGB, but its JPEG stores chroma smaller than luma"),
        (6, {"adobe": 0, "outcolorspace": "RGB"}, "says YCbCr, but its JPEG has Adobe's marker"),
        (6, {"jfif": True, "subsampling": "420"}, None),
        (6, {"subsampling": "444"}, None),
        (2, {"adobe": 0, "outcolorspace": "RGB"}, None),
        (2, {"outcolorspace": "RGB"}, None),
    ],
)
def test_a_tag_against_a_jpeg(tmp_path, tag, options, note, caplog):
    path = jpegs(tmp_path / "slide.tif", tag, **options)
    with open_slide(path) as slide:
        assert is_true(slide)
        if note is None:
            assert slide.colour_note is None
        else:
            assert slide.colour_note.startswith(note)
    assert len(caplog.records) == (note is not None)
    assert (note or "") in caplog.text


def test_bio_formats_ome_tiff_is_read_as_the_stream_says(shared_slides, caplog):
    path = shared_slides / "petebankhead-OS-1-detail.ome.tif"
    with open_slide(path) as slide:
        np.testing.assert_array_equal(slide.read_region(slide.bounds), tifffile.imread(path))
        assert slide.colour_note.endswith("read as YCbCr")
    assert f"{path.name} says RGB" in caplog.text


def test_openslide_goes_by_the_tag_and_it_is_told(tmp_path, caplog):
    path = jpegs(tmp_path / "slide.tif", 2, jfif=True, subsampling="444")
    with open_slide(path, reader="openslide") as slide:
        assert not is_true(slide)
        assert slide.colour_note.endswith("the reader tiff reads it as YCbCr")
    assert "OpenSlide goes by the tag" in caplog.text


def jpeg2000(path, tag, number, *, transforms):
    """One tile of JPEG 2000, with a transform of its own or without, under a number of Aperio's."""
    stream = imagecodecs.jpeg2k_encode(
        PICTURE, level=0, reversible=True, codecformat="J2K", mct=transforms
    )
    tifffile.imwrite(
        path,
        iter([stream]),
        shape=PICTURE.shape,
        dtype="uint8",
        tile=(256, 256),
        photometric="rgb",
        compression=34712,
        metadata=None,
    )
    with tifffile.TiffFile(path, mode="r+b") as tiff:
        tiff.pages[0].tags[259].overwrite(number)
    return retagged(path, tag)


@pytest.mark.parametrize(
    ("tag", "number", "transforms", "is_ycbcr", "is_told"),
    [
        (2, 33005, True, False, False),
        (2, 33005, False, False, False),
        (6, 33005, False, False, False),  # Aperio's number says it
        (2, 33003, False, True, False),
        (2, 33003, True, False, True),
        (2, 34712, True, False, False),
        (6, 34712, False, True, False),
        (6, 34712, True, False, True),
    ],
)
def test_a_number_against_jpeg_2000(tmp_path, tag, number, transforms, is_ycbcr, is_told, caplog):
    path = jpeg2000(tmp_path / "slide.svs", tag, number, transforms=transforms)
    with open_slide(path, reader="tiff") as slide:
        read = slide.read_region(slide.bounds)
        assert (slide.colour_note is not None) == is_told
    expected = PICTURE
    if is_ycbcr:
        luma, cb, cr = np.moveaxis(PICTURE.astype(float), 2, 0)
        green = luma - 0.34414 * (cb - 128) - 0.71414 * (cr - 128)
        rgb = [luma + 1.402 * (cr - 128), green, luma + 1.772 * (cb - 128)]
        expected = np.clip(np.rint(np.stack(rgb, axis=2)), 0, 255)
    assert np.abs(read.astype(int) - expected).max() <= 1
    assert ("has a transform of its own: read as RGB" in caplog.text) == is_told


def tiles_of_jpeg2000(path, number, streams):
    """Write four tiles of 128 px under a number of Aperio's, or tag 262 that says YCbCr."""
    tifffile.imwrite(
        path, iter(streams), shape=PICTURE.shape, dtype="uint8", tile=(128, 128),
        photometric="rgb", compression=34712, metadata=None,
    )  # fmt: skip
    with tifffile.TiffFile(path, mode="r+b") as tiff:
        tiff.pages[0].tags[259].overwrite(number)
    return retagged(path, 6 if number == 34712 else 2)


def encoded(pixels, *, mct):
    return bytes(
        imagecodecs.jpeg2k_encode(pixels, level=0, reversible=True, codecformat="J2K", mct=mct)
    )


def quarters(picture):
    halves = [half for row in np.split(picture, 2) for half in np.split(row, 2, axis=1)]
    return [np.ascontiguousarray(each) for each in halves]


def as_ycbcr(picture):
    with Image.fromarray(picture) as image:
        return np.asarray(image.convert("YCbCr"))


def jp2(codestream, colours):
    """Return a codestream as a JP2 file whose box names its colours by a number."""

    def box(kind, body):
        return (8 + len(body)).to_bytes(4) + kind + body

    head = box(b"ihdr", (128).to_bytes(4) * 2 + (3).to_bytes(2) + b"\7\7\0\0")
    head += box(b"colr", b"\1\0\0" + colours.to_bytes(4))
    start = b"\0\0\0\x0cjP  \r\n\x87\n" + box(b"ftyp", b"jp2 \0\0\0\0jp2 ")
    return start + box(b"jp2h", head) + box(b"jp2c", codestream)


@pytest.mark.parametrize("number", [33003, 34712])
@pytest.mark.parametrize("first", ["transformed", "not transformed", "damaged"])
def test_each_tile_of_jpeg_2000_says_whether_it_is_converted(tmp_path, number, first):
    """The first one says nothing of the others, and damage nothing of any."""
    cells = quarters(PICTURE)
    streams = [encoded(as_ycbcr(cell), mct=False) for cell in cells[:3]]
    streams.append(encoded(cells[3], mct=True))
    if first == "transformed":
        streams[0] = encoded(cells[0], mct=True)
    if first == "damaged":
        streams[0] = bytes(len(streams[0]))
    path = tiles_of_jpeg2000(tmp_path / "a.svs", number, streams)
    with open_slide(path, reader="tiff") as slide:
        read = slide.read_region(Region(x=128, y=0, width=128, height=256))
        assert np.abs(read.astype(int) - PICTURE[:, 128:]).max() <= 3
        if first == "transformed":
            native = slide.native_tiles(0)
            assert len(native.fetch([(0, 0), (1, 1)]).streams()) == 2
            with pytest.raises(NotNativeError, match="YCbCr, which its decoder does not convert"):
                native.fetch([(1, 0)]).streams()
        else:
            assert slide.native_tiles(0) is None


@pytest.mark.parametrize("number", [33003, 34712])
@pytest.mark.parametrize("colours", [16, 18])
def test_what_jp2_calls_its_colours_is_not_converted_twice(tmp_path, number, colours):
    streams = [jp2(encoded(as_ycbcr(cell), mct=False), colours) for cell in quarters(PICTURE)]
    path = tiles_of_jpeg2000(tmp_path / "a.svs", number, streams)
    with open_slide(path, reader="tiff") as slide:
        read = slide.read_region(slide.bounds)
    assert np.abs(read.astype(int) - PICTURE).max() <= 3


@pytest.mark.parametrize(
    ("compression", "photometric", "match"),
    [
        ("jpeg", 0, "3 samples a pixel are grey of which 0 is white, which holds of one"),
        ("deflate", 0, "3 samples a pixel are grey of which 0 is white, which holds of one"),
        ("jpeg", 1, "3 samples a pixel are grey, but its JPEG holds colours"),
        ("webp", 1, "3 samples a pixel are grey, but its WebP holds colours"),
    ],
)
@pytest.mark.parametrize("reader", [None, "openslide"])
def test_colours_called_grey_are_refused(tmp_path, compression, photometric, match, reader):
    path = tmp_path / "slide.tif"
    tifffile.imwrite(
        path,
        pattern(128, 128),
        tile=(64, 64),
        compression=compression,
        metadata=None,
        photometric="rgb",
    )
    retagged(path, photometric)
    told = match if reader is None else "3 samples"
    with pytest.raises(FinalRefusalError, match=told):
        open_slide(path, reader=reader)
