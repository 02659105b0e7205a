"""Channels and bits as every reader gives them, compared with tifffile, pydicom and zarr."""

import pickle

import numpy as np
import pydicom
import pytest
import tifffile
from channel_files import COLOURS, NAMES, halved, ome_tiff, qptiff, signal
from dicom_files import cut, encode, write
from ome_zarr import write_image
from pydicom.pixels.encoders import RLELosslessEncoder

from slidetile.choices import UnfitChoiceError
from slidetile.raster.region import Region
from slidetile.slides.opening import open_slide
from slidetile.slides.reader import FinalRefusalError

HEIGHT, WIDTH = 300, 420


def read(slide, level=0):
    """The whole of a level."""
    size = slide.levels[level].size
    return slide.read_block(Region(x=0, y=0, width=size[0], height=size[1]), level=level)


def planar(path, pixels, **options):
    """OME-TIFF: a directory for each channel."""
    ome_tiff(path, pixels, levels=2, **options)
    return np.moveaxis(tifffile.imread(path), 0, -1)


def samples(path, pixels, planarconfig="contig", **options):
    """A TIFF of one directory, whose pixels have a sample for each channel."""
    planes = pixels if planarconfig == "contig" else np.moveaxis(pixels, -1, 0)
    common = {"photometric": "minisblack", "planarconfig": planarconfig, "metadata": None}
    tifffile.imwrite(path, planes, tile=(64, 64), **common, **options)
    found = tifffile.imread(path)
    return found if planarconfig == "contig" else np.moveaxis(found, 0, -1)


def strips(path, pixels, **options):
    return samples(path, pixels, tile=None, rowsperstrip=7, **options)


def imagej(path, pixels):
    """ImageJ's hyperstack, which is big-endian, in strips."""
    tifffile.imwrite(path, np.moveaxis(pixels, -1, 0), imagej=True, metadata={"axes": "CYX"})
    return np.moveaxis(tifffile.imread(path), 0, -1)


def imagej_at_once(path, pixels):
    """ImageJ's stack with one directory, behind whose image the others lie."""
    planes = np.moveaxis(pixels, -1, 0)
    options = {"imagej": True, "metadata": {"axes": "CYX"}}
    tifffile.imwrite(path, planes, truncate=True, **options)
    return pixels


def bands(path, pixels):
    qptiff(path, pixels)
    return pixels


CASES = {
    "OME-TIFF, planes": planar,
    "OME-TIFF, planes, deflate with differences": lambda p, x: planar(
        p, x, compression="deflate", predictor=True
    ),
    "OME-TIFF, planes, LZW, big-endian": lambda p, x: planar(
        p, x, compression="lzw", byteorder=">"
    ),
    "OME-TIFF, planes, JPEG 2000": lambda p, x: planar(p, x, compression="jpeg2000"),
    "samples together": samples,
    "samples together, big-endian, differences": lambda p, x: samples(
        p, x, byteorder=">", predictor=True, compression="deflate"
    ),
    "samples apart": lambda p, x: samples(p, x, "separate"),
    "ImageJ": imagej,
    "ImageJ, one directory": imagej_at_once,
    "QPTIFF": bands,
}


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("kind", CASES)
def test_a_tiff_has_the_pixels_that_tifffile_reads(tmp_path, kind, bits):
    path = tmp_path / "slide.ome.tif"
    expected = CASES[kind](path, signal(HEIGHT, WIDTH, 5, bits=bits))
    with open_slide(path) as slide:
        assert (slide.reader, slide.channels, slide.bits) == ("tiff", 5, bits)
        assert slide.dtype == expected.dtype
        assert slide.background == (0, 0, 0)
        np.testing.assert_array_equal(read(slide), expected)
        part = Region(x=50, y=61, width=200, height=131)
        np.testing.assert_array_equal(slide.read_region(part), expected[part.slices])
        fetched = slide.fetch(part).crop(Region(x=7, y=9, width=70, height=100))
        np.testing.assert_array_equal(fetched.pixels(), expected[part.slices][9:109, 7:77])
        assert slide.native_tiles(0) is None
        copy = pickle.loads(pickle.dumps(slide))  # noqa: S301 - our own bytes
    with copy:
        np.testing.assert_array_equal(copy.read_region(part), expected[part.slices])


@pytest.mark.parametrize("kind", CASES)
def test_channels_are_picked_by_number_in_any_order(tmp_path, kind):
    path = tmp_path / "slide.ome.tif"
    expected = CASES[kind](path, signal(HEIGHT, WIDTH, 5))
    with open_slide(path, channels=["3", "1"]) as slide:
        assert slide.channels == 2
        np.testing.assert_array_equal(read(slide), expected[..., [3, 1]])
        copy = pickle.loads(pickle.dumps(slide))  # noqa: S301 - our own bytes
    with copy:
        np.testing.assert_array_equal(read(copy), expected[..., [3, 1]])


@pytest.mark.parametrize("write_file", [ome_tiff, qptiff])
def test_names_and_colours_are_those_of_the_file(tmp_path, write_file):
    path = write_file(tmp_path / "slide.ome.tif", signal(HEIGHT, WIDTH, 5))
    with open_slide(path, channels=["ck", "DAPI"]) as slide:
        assert [channel.name for channel in slide.channel_info] == ["CK", "DAPI"]
        assert [channel.colour for channel in slide.channel_info] == [COLOURS[3], COLOURS[0]]
    with pytest.raises(UnfitChoiceError, match=r"no channel 'CD4': there are DAPI \(0\), CD3 \(1"):
        open_slide(path, channels=["CD4"])
    with pytest.raises(UnfitChoiceError, match="name one twice"):
        open_slide(path, channels=["DAPI", "0"])


@pytest.mark.parametrize("write_file", [ome_tiff, qptiff])
def test_levels_of_channels_are_theirs(tmp_path, write_file):
    pixels = signal(HEIGHT, WIDTH, 3)
    options = {"levels": 2} if write_file is ome_tiff else {}
    path = write_file(tmp_path / "slide.ome.tif", pixels, **options)
    with open_slide(path, channels=["2", "0"]) as slide:
        assert [level.size for level in slide.levels] == [(420, 300), (210, 150)]
        np.testing.assert_array_equal(read(slide, 1), halved(pixels)[..., [2, 0]])
        assert slide.mpp == (0.5, 0.5)


def test_depths_and_times_are_chosen_or_refused_with_their_numbers(tmp_path):
    stack = np.stack([[signal(64, 80, 2, seed=10 * t + z) for z in range(3)] for t in range(2)])
    path = ome_tiff(tmp_path / "stack.ome.tif", stack)
    with pytest.raises(FinalRefusalError, match=r"3 depths and 2 times.*--z 0 to 2 and --t 0 to 1"):
        open_slide(path)
    with pytest.raises(FinalRefusalError, match=r"2 times.*choose it by --t 0 to 1"):
        open_slide(path, z=1)
    with pytest.raises(UnfitChoiceError, match="3 depths, so there is no --z 3, but 0 to 2"):
        open_slide(path, z=3, t=0)
    for z, t in np.ndindex(3, 2):
        with open_slide(path, z=z, t=t) as slide:
            np.testing.assert_array_equal(read(slide), stack[t, z])


def test_depths_of_imagej_are_chosen(tmp_path):
    stack = np.stack([[signal(64, 80, 2, seed=10 * t + z) for z in range(3)] for t in range(2)])
    path = tmp_path / "stack.tif"
    planes = np.moveaxis(stack, -1, 2)
    tifffile.imwrite(path, planes, imagej=True, metadata={"axes": "TZCYX"})
    with open_slide(path, z=2, t=1, channels=["1"]) as slide:
        np.testing.assert_array_equal(read(slide)[..., 0], stack[1, 2, ..., 1])


def test_a_depth_of_a_slide_of_one_is_its_own(tmp_path):
    path = ome_tiff(tmp_path / "slide.ome.tif", signal(64, 80, 2))
    with open_slide(path, z=0, t=0) as slide:
        assert slide.channels == 2
    with pytest.raises(UnfitChoiceError, match="1 depth, so there is no --z 1, but only 0"):
        open_slide(path, z=1)


def test_stated_significant_bits_are_no_promise(tmp_path):
    pixels = signal(HEIGHT, WIDTH, 2, bits=12)
    pixels[3, 5] = 65_535
    path = ome_tiff(tmp_path / "slide.ome.tif", pixels, significant=12)
    with open_slide(path) as slide:
        assert (slide.bits, slide.dtype) == (16, np.uint16)
        np.testing.assert_array_equal(read(slide), pixels)


@pytest.mark.parametrize("compression", ["zstd", "lzw", "zlib"])
@pytest.mark.parametrize("predictor", [False, True])
def test_grey_of_16_bits_in_every_lossless_compression(tmp_path, compression, predictor):
    pixels = signal(HEIGHT, WIDTH, 1)[..., 0]
    path = tmp_path / "slide.tif"
    options = {"compression": compression, "predictor": predictor, "metadata": None}
    tifffile.imwrite(path, pixels, tile=(64, 64), **options)
    with open_slide(path) as slide:
        assert slide.reader == "tiff"
        np.testing.assert_array_equal(read(slide)[..., 0], pixels)


def test_the_reason_why_16_bits_are_not_read_is_the_true_one(tmp_path):
    path = tmp_path / "slide.tif"
    rgba = signal(HEIGHT, WIDTH, 4)
    tifffile.imwrite(path, rgba, photometric="rgb", extrasamples=["unassalpha"], metadata=None)
    with pytest.raises(FinalRefusalError, match=r"16 bits, which .* but it has transparency"):
        open_slide(path)


@pytest.mark.parametrize("planarconfig", ["contig", "separate"])
def test_colours_of_16_bits_are_colours(tmp_path, planarconfig):
    pixels = signal(HEIGHT, WIDTH, 3)
    path = tmp_path / "slide.tif"
    planes = pixels if planarconfig == "contig" else np.moveaxis(pixels, -1, 0)
    options = {"photometric": "rgb", "planarconfig": planarconfig, "metadata": None}
    tifffile.imwrite(path, planes, tile=(64, 64), **options)
    with open_slide(path) as slide:
        assert slide.is_plain
        assert slide.bits == 16
        np.testing.assert_array_equal(read(slide), pixels)
    with open_slide(path, channels=["green"]) as slide:
        np.testing.assert_array_equal(read(slide), pixels[..., 1:2])


@pytest.mark.parametrize("inverted", [False, True])
def test_grey_of_16_bits_is_grey(tmp_path, inverted):
    pixels = signal(HEIGHT, WIDTH, 1)
    path = tmp_path / "slide.tif"
    kind = "miniswhite" if inverted else "minisblack"
    tifffile.imwrite(path, pixels[..., 0], photometric=kind, tile=(64, 64), metadata=None)
    with open_slide(path) as slide:
        assert slide.is_plain
        np.testing.assert_array_equal(read(slide), 65535 - pixels if inverted else pixels)


def test_what_is_stored_16_bits_deep_lies_beyond_its_edges_too(tmp_path):
    path = ome_tiff(tmp_path / "slide.ome.tif", signal(HEIGHT, WIDTH, 4))
    with open_slide(path) as slide:
        outside = slide.read_region(Region(x=WIDTH - 5, y=HEIGHT - 5, width=10, height=10))
        assert (outside[5:] == 0).all()
        np.testing.assert_array_equal(outside[:5, :5], read(slide)[-5:, -5:])


def test_a_real_ome_tiff_of_16_bits(shared_slides):
    path = shared_slides / "2048x2048_ome6_tiled.ome.tif"
    expected = np.moveaxis(tifffile.imread(path), 0, -1)
    with tifffile.TiffFile(path) as tiff:
        coarse = np.moveaxis(tiff.series[0].levels[1].asarray(), 0, -1)
    with open_slide(path) as slide:
        assert (slide.channels, slide.bits) == (3, 16)
        np.testing.assert_array_equal(read(slide), expected)
        np.testing.assert_array_equal(read(slide, 1), coarse)


def test_colours_of_a_pseudo_coloured_scan_are_picked(shared_slides):
    path = shared_slides / "test3-DAPI.ndpi"
    area = Region(x=500, y=700, width=300, height=200)
    with open_slide(path) as slide, open_slide(path, channels=["blue"]) as blue:
        assert (blue.channels, blue.background) == (1, (0, 0, 0))
        np.testing.assert_array_equal(
            blue.read_region(area)[..., 0], slide.read_region(area)[..., 2]
        )
        assert blue.native_obstacle(0) == "some of its channels were chosen"


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("dtype", ["uint8", "<u2", ">u2"])
def test_an_ome_zarr_has_its_pixels_and_names(tmp_path, zarr_format, dtype):
    if zarr_format == 3 and dtype == ">u2":
        pytest.skip("Zarr 3 has the order of bytes in its codec, below")
    bits = 8 if dtype == "uint8" else 16
    pixels = signal(HEIGHT, WIDTH, 4, bits=bits).astype(dtype)
    described = [
        {"label": name, "color": bytes(colour).hex(), "window": {"start": 1, "end": 99}}
        for name, colour in zip(NAMES, COLOURS[:4], strict=False)
    ]
    ome = {"omero": {"channels": described}}
    levels = [pixels, halved(pixels)]
    folder = write_image(
        tmp_path / "slide.zarr", levels, zarr_format=zarr_format, planes=1, ome=ome
    )
    with open_slide(folder) as slide:
        assert (slide.channels, slide.bits) == (4, bits)
        assert [channel.name for channel in slide.channel_info] == list(NAMES[:4])
        assert slide.channel_info[1].window == (1, 99)
        np.testing.assert_array_equal(read(slide), pixels)
        np.testing.assert_array_equal(read(slide, 1), halved(pixels))
        assert read(slide).dtype == (np.uint8 if bits == 8 else np.uint16)
    with open_slide(folder, channels=["CK", "dapi"]) as slide:
        np.testing.assert_array_equal(read(slide), pixels[..., [3, 0]])


def test_a_big_endian_ome_zarr_of_zarr_3(tmp_path):
    pixels = signal(HEIGHT, WIDTH, 2)
    endian = {"serializer": {"name": "bytes", "configuration": {"endian": "big"}}}
    folder = write_image(tmp_path / "slide.zarr", [pixels], **endian)
    with open_slide(folder) as slide:
        np.testing.assert_array_equal(read(slide), pixels)


def test_a_real_ome_zarr_of_fractions_is_refused(shared_slides):
    path = shared_slides / "omezarr" / "blobs_image_v04.ome.zarr"
    with pytest.raises(FinalRefusalError, match=r"64-bit floating-point numbers.*round\(\(value"):
        open_slide(path)


def sixteen_bits(stored):
    def change(dataset):
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, stored, stored - 1

    return change


def frame_of(tile, kind):
    if kind != "rle":
        return encode(tile, kind)
    return RLELosslessEncoder.encode(
        tile,
        rows=tile.shape[0],
        columns=tile.shape[1],
        samples_per_pixel=1,
        bits_allocated=16,
        bits_stored=16,
        pixel_representation=0,
        photometric_interpretation="MONOCHROME2",
        number_of_frames=1,
    )


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("bits", [12, 16])
@pytest.mark.parametrize("kind", ["raw", "implicit", "rle", "jpegls", "jpeg2000"])
def test_a_grey_dicom_has_the_pixels_that_pydicom_reads(tmp_path, kind, bits, photometric):
    pixels = signal(HEIGHT, WIDTH, 1, bits=bits)[..., 0]
    frames = [frame_of(np.ascontiguousarray(tile), kind) for tile in cut(pixels, 64, 64)]
    path = write(
        tmp_path / "slide.dcm",
        frames,
        size=(WIDTH, HEIGHT),
        frame=(64, 64),
        kind=kind,
        photometric=photometric,
        change=sixteen_bits(bits),
    )
    if kind in ("raw", "implicit", "rle"):
        read_by = pydicom.dcmread(path).pixel_array
        assert (read_by[0] == pixels[:64, :64]).all()
    expected = pixels if photometric == "MONOCHROME2" else (1 << bits) - 1 - pixels
    assert expected.max() < 1 << bits
    with open_slide(path) as slide:
        assert (slide.reader, slide.channels, slide.bits) == ("dicom", 1, bits)
        np.testing.assert_array_equal(read(slide)[..., 0], expected)
    with pytest.raises(FinalRefusalError, match=f"samples have {bits} bits"):
        open_slide(path, reader="openslide")


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_bits_above_those_of_a_sample_are_none_of_it(tmp_path, photometric):
    pixels = signal(64, 64, 1, bits=12)[..., 0]
    stored = pixels | (np.arange(64, dtype=np.uint16) % 16 << 12)  # as overlays were stored
    path = write(
        tmp_path / "slide.dcm",
        [stored.tobytes()],
        size=(64, 64),
        frame=(64, 64),
        kind="raw",
        photometric=photometric,
        change=sixteen_bits(12),
    )
    expected = pixels if photometric == "MONOCHROME2" else 4095 - pixels
    with open_slide(path) as slide:
        np.testing.assert_array_equal(read(slide)[..., 0], expected)


def test_a_real_grey_dicom(shared_slides):
    path = shared_slides / "sm_image_grayscale.dcm"
    frames = pydicom.dcmread(path).pixel_array
    expected = np.block([[frames[5 * row + column] for column in range(5)] for row in range(5)])
    with open_slide(path) as slide:
        assert slide.bits == 16
        np.testing.assert_array_equal(read(slide)[..., 0], expected)


def signed(dataset):
    dataset.PixelRepresentation = 1


def ten_in_sixteen_but_high(dataset):
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 10, 15


@pytest.mark.parametrize(
    ("change", "words"),
    [(signed, "8-bit signed numbers"), (ten_in_sixteen_but_high, "highest of the 10 bits")],
)
def test_odd_numbers_of_dicom_are_refused(tmp_path, change, words):
    pixels = np.zeros((64, 64), np.uint16 if change is ten_in_sixteen_but_high else np.uint8)
    options = {"kind": "raw", "photometric": "MONOCHROME2", "change": change}
    path = write(tmp_path / "a.dcm", [pixels.tobytes()], size=(64, 64), frame=(64, 64), **options)
    with pytest.raises(Exception, match=words):
        open_slide(path, reader="dicom")


@pytest.mark.parametrize("reader", [None, "tiff", "openslide"])
@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        (np.zeros((64, 64), np.float32), r"32-bit floating-point numbers.*round\(\(value"),
        (np.zeros((64, 64), np.int16), "16-bit signed numbers.*save them as unsigned"),
        (np.zeros((64, 64), np.int8), "8-bit signed numbers"),
        (np.zeros((64, 64), np.uint32), "32-bit unsigned numbers"),
        (np.zeros((64, 64), np.bool_), "have 1 bit: it is a mask"),
    ],
)
def test_other_numbers_of_a_tiff_are_refused(tmp_path, pixels, words, reader):
    path = tmp_path / "slide.tif"
    tifffile.imwrite(path, pixels, photometric="minisblack", metadata=None)
    if reader == "openslide":
        words = "64|bit"
    with pytest.raises(FinalRefusalError if reader != "openslide" else Exception, match=words):
        open_slide(path, reader=reader)


@pytest.mark.parametrize("bits", [8, 16])
def test_openslide_is_not_given_channels_that_it_leaves_out(tmp_path, bits):
    path = ome_tiff(tmp_path / "slide.ome.tif", signal(HEIGHT, WIDTH, 3, bits=bits))
    with pytest.raises(FinalRefusalError, match=r"3 channels|have 16 bits, of which"):
        open_slide(path, reader="openslide")
