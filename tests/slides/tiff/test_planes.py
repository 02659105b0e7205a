"""Images of several depths or times: refused with their numbers, never read in part."""

import struct

import numpy as np
import pytest
import tifffile
from pictures import pattern

from slidetile.errors import UnsupportedSlideError
from slidetile.slides.opening import open_slide
from slidetile.slides.reader import FinalRefusalError
from slidetile.slides.tiff._planes import Planes, scn_planes

QPI = (
    '<?xml version="1.0" encoding="utf-16"?>\r\n<PerkinElmer-QPI-ImageDescription>\r\n'
    "<DescriptionVersion>2</DescriptionVersion>\r\n<ImageType>{}</ImageType>\r\n"
    "<Objective>20x</Objective>\r\n</PerkinElmer-QPI-ImageDescription>"
)
READERS = pytest.mark.parametrize("reader", [None, "tiff", "openslide"])


def qptiff(path, full, *, bands):
    """As PerkinElmer orders it: bands, a thumbnail, each level's bands, macro and label."""
    scale = {"resolution": (20_000, 20_000), "resolutionunit": "CENTIMETER"}
    common = {"metadata": None, "software": "PerkinElmer-QPI", "compression": "lzw", **scale}
    tiles = {"tile": (64, 64), "photometric": "rgb" if full.ndim == 3 else "minisblack"}
    strips = {"rowsperstrip": 16, "photometric": "rgb"}
    reduced = QPI.format("ReducedResolution")
    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        for _ in range(bands):
            writer.write(full, description=QPI.format("FullResolution"), **tiles, **common)
        writer.write(pattern(50, 70), description=QPI.format("Thumbnail"), **strips, **common)
        for _ in range(bands):
            half = np.ascontiguousarray(full[::2, ::2])
            writer.write(half, description=reduced, subfiletype=1, **tiles, **common)
        for kind in ("Overview", "Label"):
            writer.write(pattern(600, 600), description=QPI.format(kind), **strips, **common)
    return path


def test_bands_of_a_qptiff_are_kept_from_openslide(tmp_path):
    path = qptiff(tmp_path / "slide.qptiff", pattern(300, 420, 1)[..., 0], bands=5)
    with pytest.raises(FinalRefusalError, match="it has 5 channels, of which this reader"):
        open_slide(path, reader="openslide")


def test_a_brightfield_qptiff_is_read_as_it_is(tmp_path, caplog):
    full = pattern(300, 420)
    path = qptiff(tmp_path / "slide.qptiff", full, bands=1)
    with open_slide(path) as slide:
        assert (slide.vendor, slide.reader) == ("perkinelmer", "tiff")
        assert (slide.mpp, slide.objective_power) == ((0.5, 0.5), 20)
        assert [level.size for level in slide.levels] == [(420, 300), (210, 150)]
        np.testing.assert_array_equal(slide.read_region(slide.bounds), full)
    assert not caplog.records


@READERS
@pytest.mark.parametrize(
    ("axes", "shape", "words"),
    [
        ("ZCYX", (5, 3, 64, 64), "5 depths"),
        ("TZCYX", (2, 5, 3, 64, 64), "5 depths and 2 times"),
        ("TYX", (4, 64, 64), "4 times"),
    ],
)
def test_a_hyperstack_of_imagej_is_refused(tmp_path, axes, shape, words, reader):
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, np.zeros(shape, np.uint8), imagej=True, metadata={"axes": axes})
    with pytest.raises(FinalRefusalError, match=f"spread over {words}, and slidetile reads one"):
        open_slide(path, reader=reader)


@READERS
def test_pages_of_the_slides_size_are_no_levels(tmp_path, reader):
    path = tmp_path / "stack.tiff"
    stack = np.stack([pattern(128, 128, seed=seed) for seed in range(3)])
    tifffile.imwrite(path, stack, photometric="rgb", tile=(64, 64), metadata=None)
    with pytest.raises(FinalRefusalError, match="spread over 3 images"):
        open_slide(path, reader=reader)


def test_a_mask_of_transparency_is_no_plane(tmp_path):
    path = tmp_path / "masked.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(pattern(128, 128), tile=(64, 64), photometric="rgb", metadata=None)
        mask = np.full((128, 128), 255, np.uint8)
        writer.write(mask, tile=(64, 64), subfiletype=1, metadata=None)
    with tifffile.TiffFile(path, mode="r+b") as tiff:
        tiff.pages[1].tags[254].overwrite(4)
    with open_slide(path) as slide:
        assert [level.size for level in slide.levels] == [(128, 128)]


def test_images_that_have_no_directory_are_counted(tmp_path):
    path = tmp_path / "truncated.tif"
    stack = np.zeros((7, 64, 64), np.uint8)
    tifffile.imwrite(path, stack, metadata={"axes": "ZYX"}, photometric="minisblack")
    with tifffile.TiffFile(path) as tiff:
        assert len(tiff.pages) == 7
    tifffile.imwrite(path, stack, photometric="minisblack", metadata={"axes": "ZYX"}, truncate=True)
    with tifffile.TiffFile(path) as tiff:
        assert len(tiff.pages) == 1
    with pytest.raises(FinalRefusalError, match="spread over 7 images"):
        open_slide(path)


def test_a_metamorph_stack_is_refused(tmp_path):
    path = tmp_path / "a.stk"
    planes = (33629, "Q", 4, (0,) * 4, True)
    tifffile.imwrite(path, pattern(64, 64, 1)[..., 0], metadata=None, extratags=[planes])
    with pytest.raises(FinalRefusalError, match="spread over 4 images"):
        open_slide(path)


def test_a_zeiss_lsm_is_refused(tmp_path):
    path = tmp_path / "a.lsm"
    info = struct.pack("<IIiiiii", 0x00400494C, 512, 64, 64, 6, 2, 1) + bytes(512 - 28)
    tag = (34412, 1, len(info), info, True)
    tifffile.imwrite(path, pattern(64, 64, 1)[..., 0], metadata=None, extratags=[tag])
    with pytest.raises(FinalRefusalError, match="spread over 2 channels and 6 depths"):
        open_slide(path)


@READERS
def test_the_depths_of_an_argos_slide_are_refused(shared_slides, reader):
    with pytest.raises(FinalRefusalError, match="spread over 3 depths"):
        open_slide(shared_slides / "made" / "argos_z.avs", reader=reader)


@READERS
def test_the_depths_of_an_ndpi_are_refused(shared_slides, tmp_path, reader):
    """A Hamamatsu scan's levels are linked once more, as of another focal plane."""
    whole = (shared_slides / "made" / "brightfield.ndpi").read_bytes()
    path = tmp_path / "depths.ndpi"
    path.write_bytes(_with_another_focus(whole))
    with pytest.raises(FinalRefusalError, match="spread over 2 depths"):
        open_slide(path, reader=reader)


def _with_another_focus(data):
    """Append a copy of an NDPI's first directory, whose focus (tag 65424) is another."""
    (first,) = struct.unpack_from("<Q", data, 4)
    (count,) = struct.unpack_from("<H", data, first)
    end = first + 2 + 12 * count
    entries = [bytearray(data[at : at + 12]) for at in range(first + 2, end, 12)]
    focus = struct.pack("<HHIi", 65424, 9, 1, 400)
    kept = [entry for entry in entries if struct.unpack_from("<H", entry)[0] != 65424]
    copied = sorted([*map(bytes, kept), focus], key=lambda entry: struct.unpack_from("<H", entry))
    (following,) = struct.unpack_from("<Q", data, end)
    high = data[end + 8 : end + 8 + 4 * count]  # NDPI's upper words of each value
    appended = struct.pack("<H", len(copied)) + b"".join(copied) + struct.pack("<Q", following)
    appended += high + bytes(4)
    return data[:end] + struct.pack("<Q", len(data)) + data[end + 8 :] + appended


def test_the_planes_of_an_scn_are_counted():
    one = '<dimension sizeX="277" sizeY="370" r="0" ifd="0"/>'
    assert scn_planes(one) == Planes()
    more = "".join(
        f'<dimension sizeX="9" r="0" z="{z}" ifd="0" c="{c}"/>' for z in range(3) for c in (0, 1)
    )
    assert scn_planes(one + more) == Planes(channels=2, depths=3)


def test_several_scenes_of_one_size_are_scenes(tmp_path, caplog):
    path = tmp_path / "scenes.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as writer:
        for name in ("first", "second"):
            metadata = {"axes": "YXS", "Name": name}
            writer.write(pattern(128, 192), photometric="rgb", tile=(64, 64), metadata=metadata)
    with open_slide(path) as slide:
        assert slide.levels[0].size == (192, 128)
    assert "2 scenes: only “first”" in caplog.text


def test_more_pages_than_ome_xml_says_are_refused(tmp_path):
    path = tmp_path / "more.ome.tif"
    xml = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
        '<Pixels SizeX="192" SizeY="128" SizeC="3" SizeZ="1" SizeT="1"/></Image></OME>'
    )
    with tifffile.TiffWriter(path) as writer:
        for text in (xml, ""):
            common = {"photometric": "rgb", "tile": (64, 64), "metadata": None}
            writer.write(pattern(128, 192), description=text, **common)
    with pytest.raises(FinalRefusalError, match="spread over 2 images"):
        open_slide(path)


_COMPANION = '<BinaryOnly MetadataFile="all.companion.ome" UUID="urn:uuid:1"/>'
_ELSEWHERE = (
    '<Image ID="Image:0"><Pixels SizeX="64" SizeY="64"><TiffData><UUID '
    'FileName="pixels.ome.tif">urn:uuid:2</UUID></TiffData></Pixels></Image>'
)


@pytest.mark.parametrize(
    ("xml", "words"), [(_COMPANION, "all.companion.ome"), (_ELSEWHERE, "pixels.ome.tif")]
)
def test_an_ome_tiff_whose_image_lies_elsewhere_is_refused(tmp_path, xml, words):
    path = tmp_path / "part.ome.tif"
    text = f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:1">{xml}'
    tifffile.imwrite(path, pattern(64, 64, 1)[..., 0], description=f"{text}</OME>", metadata=None)
    with pytest.raises(UnsupportedSlideError, match=words):
        open_slide(path)
