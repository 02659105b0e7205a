"""Files nobody should trust: each is refused with the right error, in one line, at little cost."""

import logging
import os
import struct
import subprocess
import sys
import tracemalloc

import imagecodecs
import numpy as np
import pytest
import tifffile
from paths import ROOT
from pictures import pattern

from slidetile.errors import SlideReadError, UnsupportedSlideError, one_line
from slidetile.raster.region import Region
from slidetile.slides.native import Damaged
from slidetile.slides.opening import open_slide
from slidetile.slides.reader import FinalRefusalError
from slidetile.slides.tiff.checks import check_tiff


def refused(path, kind, match, **options):
    with pytest.raises(kind, match=match) as caught:
        open_slide(path, **options).close()
    assert type(caught.value).__mro__.index(kind) <= 1
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith((".", "?"))


@pytest.fixture
def tiled(tmp_path):
    path = tmp_path / "slide.tiff"
    options = {"tile": (64, 64), "compression": "jpeg", "metadata": None}
    tifffile.imwrite(path, pattern(300, 421), photometric="rgb", **options)
    return path


def retag(path, code, value):
    with tifffile.TiffFile(path, mode="r+") as tiff:
        tiff.pages.first.tags[code].overwrite(value)


def test_missing_file_folder_and_empty_file(tmp_path):
    refused(tmp_path / "none.svs", SlideReadError, "does not exist")
    refused(tmp_path, SlideReadError, "is a folder.*DICOM")
    (tmp_path / "empty.svs").touch()
    refused(tmp_path / "empty.svs", SlideReadError, "empty")
    with pytest.raises(OSError, match="does not exist"):
        open_slide("nowhere")


@pytest.mark.parametrize("reader", [None, "tiff", "openslide"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"hello", "it is a text file"),
        (b"hello\nthere\n" * 99, "it is a text file"),
        (b"PK\x03\x04", "it is a zip archive"),
        (b"\x01\x02", "its content is of no kind that slidetile knows"),
    ],
)
def test_no_slide_at_all(tmp_path, content, words, reader):
    path = tmp_path / "text.svs"
    path.write_bytes(content)
    refused(path, UnsupportedSlideError, words, reader=reader)


class OwnPath:
    def __init__(self, path):
        self._path = path

    def __fspath__(self):
        return self._path


def str_path(path):
    return OwnPath(str(path))


def bytes_path(path):
    return OwnPath(bytes(path))


@pytest.mark.parametrize("kind", [str, bytes, str_path, bytes_path])
def test_a_path_is_text_bytes_or_of_a_class_of_its_own(tiled, kind):
    with open_slide(kind(tiled)) as slide:
        assert slide.path == tiled


def test_what_looks_like_an_address_may_be_a_path(tmp_path, monkeypatch):
    refused("file:///nowhere/a.svs", SlideReadError, "/nowhere/a.svs does not exist")
    with pytest.raises(ValueError, match="ftp:// is not read: an address begins with s3://"):
        open_slide("ftp://host/a.svs")
    refused("C:/slides/a.svs", SlideReadError, "does not exist")
    refused("run:1/a.svs", SlideReadError, "does not exist")
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "s3:" / "bucket"
    folder.mkdir(parents=True)
    with pytest.raises(SlideReadError, match="is a folder"):
        open_slide("s3://bucket")


def test_none_is_no_path():
    with pytest.raises(TypeError, match="None"):
        open_slide(None)


@pytest.mark.parametrize("reader", [None, "tiff", "openslide"])
def test_a_pipe_is_not_waited_for(tmp_path, reader):
    path = tmp_path / "x.svs"
    os.mkfifo(path)
    refused(path, SlideReadError, "not a regular file", reader=reader)


@pytest.mark.parametrize("kind", ["dicom", "mirax", "vms"])
def test_a_pipe_beside_the_slide_is_not_waited_for(tmp_path, shared_slides, kind):
    name, folder = {"dicom": "a.dcm", "mirax": "a.mrxs", "vms": "a.vms"}[kind], tmp_path
    path = tmp_path / name
    if kind == "dicom":
        path.write_bytes((shared_slides / "sm_image.dcm").read_bytes())
    else:
        path.write_text("[Virtual Microscope Specimen]\nNoLayers=1\n")
    if kind == "mirax":
        folder = tmp_path / "a"
        folder.mkdir()
    os.mkfifo(folder / "pipe")
    words = "pipe, a device or a socket.*would wait"
    refused(path, SlideReadError, words, reader="openslide" if kind == "dicom" else None)
    if kind == "dicom":  # the reader of DICOM passes it over
        open_slide(path).close()
        open_slide(folder).close()


def test_callers_mistakes(tiled):
    with pytest.raises(ValueError, match="reader is"):
        open_slide(tiled, reader="bioformats")
    with pytest.raises(ValueError, match=r"0\.05 and 200"):
        open_slide(tiled, mpp=264)


def test_the_name_does_not_matter(tiled, tmp_path):
    renamed = tmp_path / "slide.jpg.txt"
    renamed.write_bytes(tiled.read_bytes())
    with open_slide(renamed) as slide:
        assert slide.reader == "tiff"


def test_unknown_compression(shared_slides):
    refused(shared_slides / "unopenable.tiff", UnsupportedSlideError, "compression 52479.*vips")


@pytest.mark.parametrize("reader", [None, "tiff", "openslide"])
@pytest.mark.parametrize(
    ("pixels", "options", "reason"),
    [
        (pattern(300, 421).astype(np.float32), {"photometric": "rgb"}, "32-bit .*floating-point"),
        (pattern(300, 421, 1)[..., 0].view(np.int8), {}, "8-bit signed"),
        (np.zeros((300, 421, 6), np.uint8), {"photometric": "rgb"}, r"6 samples \(channels\)"),
    ],
)
def test_no_reader_opens_what_would_be_lost(tmp_path, reader, pixels, options, reason):
    path = tmp_path / "deep.tiff"
    tifffile.imwrite(path, pixels, tile=(64, 64), planarconfig="contig", **options)
    refused(path, UnsupportedSlideError, reason, reader=reader)


@pytest.mark.parametrize("reader", ["openslide"])
@pytest.mark.parametrize(
    ("pixels", "options", "reason"),
    [
        (
            pattern(300, 421).astype(np.uint16),
            {"photometric": "rgb"},
            "have 16 bits, of which this reader keeps 8",
        ),
        (
            pattern(300, 421, 1)[..., 0].astype(np.uint16),
            {},
            "have 16 bits, of which this reader keeps 8",
        ),
        (
            np.zeros((300, 421, 5), np.uint8),
            {"photometric": "minisblack", "extrasamples": [0] * 4},
            r"5 samples \(channels\)",
        ),
    ],
)
def test_openslide_opens_nothing_that_it_would_lose(tmp_path, reader, pixels, options, reason):
    path = tmp_path / "deep.tiff"
    tifffile.imwrite(path, pixels, tile=(64, 64), planarconfig="contig", **options)
    refused(path, UnsupportedSlideError, reason, reader=reader)


@pytest.mark.parametrize("mark", ["</scn>", "Ventana"])
def test_kinds_left_to_openslide_lose_nothing_either(tmp_path, mark):
    path = tmp_path / "slide.tif"
    pages = [pattern(64, 64), pattern(300, 421).astype(np.uint16)]
    with tifffile.TiffWriter(path) as writer:
        for page in pages:
            writer.write(
                page,
                photometric="rgb",
                tile=(64, 64),
                metadata=None,
                description=f"<scn>{mark}" if mark[0] == "<" else None,
                software=None if mark[0] == "<" else mark,
                extratags=[(700, 1, 6, b"<iScan", False)],
            )
    refused(path, UnsupportedSlideError, "have 16 bits")


@pytest.mark.parametrize("reader", [None, "tiff", "openslide"])
@pytest.mark.parametrize("tag", [322, 323])
def test_a_tile_larger_than_memory_ends_no_process(tiled, reader, tag):
    """OpenSlide would abort."""
    with tifffile.TiffFile(tiled) as tiff:
        count = len(tiff.pages.first.dataoffsets)
    needed = {322: -(-300 // 64), 323: -(-421 // 64)}[tag]
    retag(tiled, tag, 2**31)
    for table in (324, 325):
        with tifffile.TiffFile(tiled, mode="r+") as tiff:
            tiff.pages.first.tags[table].overwrite([8] * needed)
    assert needed < count
    code = f"""
import slidetile as st
try:
    st.open_slide({str(tiled)!r}, reader={reader!r})
except st.UnsupportedSlideError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "2147483648" in done.stdout
    assert "more than 256 MiB each" in done.stdout


def test_a_tile_that_claims_more_than_the_file_is_not_left_to_openslide(tiled):
    """OpenSlide would take the memory, and abort where there is not so much."""
    with tifffile.TiffFile(tiled, mode="r+") as tiff:
        counts = list(tiff.pages.first.databytecounts)
        tiff.pages.first.tags[325].overwrite([*counts[:-1], 2**32 - 8446])
    refused(tiled, SlideReadError, "claims 4294958850 bytes", reader="openslide")
    with open_slide(tiled) as slide:  # where one tile is damaged, the others are read
        assert slide.read_region(Region(x=0, y=0, width=64, height=64)).any()


@pytest.mark.parametrize("reader", ["tiff", "openslide"])
def test_a_side_no_scanner_has_is_refused_by_every_reader(tiled, reader):
    retag(tiled, 256, 2**23)
    refused(
        tiled, UnsupportedSlideError, "8388608×300 pixels, more than the 4194304", reader=reader
    )


@pytest.mark.parametrize("reader", ["tiff", "openslide"])
def test_many_directories_that_share_a_table_are_not_parsed(tmp_path, command, reader):
    """Parsed, it would be 3 GB and a minute."""
    path = tmp_path / "shared.tif"
    path.write_bytes(_sharing(directories=400, tiles=500_000))
    ended = command("info", path, "--reader", reader)
    assert ended.exit_code == 1
    assert "claim" in ended.stderr
    assert "more than the 2" in ended.stderr
    assert ended.peak_bytes < 250 << 20


@pytest.mark.parametrize("kind", [2, 5, 11, 12])
def test_sub_directories_of_odd_types_are_not_followed(tiled, kind):
    with tifffile.TiffFile(tiled, mode="r+") as tiff:
        tag = tiff.pages.first.tags[305]
        place = tag.offset
    data = bytearray(tiled.read_bytes())
    struct.pack_into("<HH", data, place, 330, kind)
    tiled.write_bytes(data)
    for reader in ("tiff", "openslide"):
        refused(tiled, SlideReadError, "not given in whole numbers", reader=reader)


def _sharing(*, directories, tiles):
    """Return a TIFF of which all directories have the same table of tiles."""
    table = 8
    at = table + 4 * tiles
    parts = [struct.pack("<2sHI", b"II", 42, at), bytes(4 * tiles)]
    tags = {256: 16 * tiles, 257: 16, 258: 8, 259: 1, 262: 1, 277: 1, 322: 16, 323: 16}
    for number in range(directories):
        entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
        entries += b"".join(struct.pack("<HHII", tag, 4, tiles, table) for tag in (324, 325))
        size = 2 + len(entries) + 4
        after = at + size * (number + 1) if number + 1 < directories else 0
        parts.append(struct.pack("<H", len(entries) // 12) + entries + struct.pack("<I", after))
    return b"".join(parts)


def test_a_description_is_bounded_before_it_is_parsed(tmp_path, command):
    path = tmp_path / "long.ome.tif"
    xml = "<OME>" + "<Image/>" * 700_000 + "</OME>"
    tifffile.imwrite(
        path, pattern(100, 130), photometric="rgb", tile=(64, 64), description=xml, metadata=None
    )
    for reader in ("tiff", "openslide"):
        refused(path, UnsupportedSlideError, r"5\.3 MiB, more than the 4 MiB", reader=reader)
    path.unlink()
    xml = "<OME>" + "<Image/>" * 500_000 + "</OME>"
    tifffile.imwrite(
        path, pattern(100, 130), photometric="rgb", tile=(64, 64), description=xml, metadata=None
    )
    ended = command("info", path)
    assert ended.exit_code == 1
    assert "500000 images, more than 1000" in ended.stderr
    assert ended.peak_bytes < 400 << 20


def test_an_aperio_description_of_spaces_takes_no_time(tmp_path):
    """A regular expression took 33 s for 4,000 spaces, and eight times that for twice as many."""
    path = tmp_path / "spaces.svs"
    text = f"Aperio Image Library v11\r\n|{' ' * 1_000_000}|AppMag = 20|MPP = 0.499"
    tifffile.imwrite(
        path, pattern(100, 130), photometric="rgb", tile=(64, 64), description=text, metadata=None
    )
    code = f"import slidetile as st; print(st.open_slide({str(path)!r}).mpp)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout.strip() == "(0.499, 0.499)", done.stderr


def test_vendors_tiffs_are_left_to_openslide(scanned_slide):
    refused(scanned_slide, UnsupportedSlideError, "Leica SCN", reader="tiff")


def test_an_image_spread_over_planes_is_refused(tmp_path):
    path = tmp_path / "times.ome.tif"
    stack = np.zeros((4, 128, 128), np.uint8)
    tifffile.imwrite(path, stack, ome=True, tile=(64, 64), metadata={"axes": "TYX"})
    refused(path, FinalRefusalError, "spread over 4 times")


def test_a_directory_behind_the_end(tiled):
    with tifffile.TiffWriter(tiled) as writer:
        for index in range(2):
            writer.write(pattern(300 >> index, 420 >> index), tile=(64, 64), metadata=None)
        writer.close()
    with tifffile.TiffFile(tiled) as tiff:
        offset = tiff.pages[1].offset
    tiled.write_bytes(tiled.read_bytes()[: offset + 10])
    refused(tiled, SlideReadError, "cut short|damaged")


def test_a_first_directory_behind_the_end(tiled):
    data = bytearray(tiled.read_bytes())
    data[4:8] = struct.pack("<I", len(data) + 1000)
    tiled.write_bytes(data)
    refused(tiled, SlideReadError, "cut short|damaged")


def test_a_directory_loop(tiled):
    data = bytearray(tiled.read_bytes())
    (offset,) = struct.unpack_from("<I", data, 4)
    (entries,) = struct.unpack_from("<H", data, offset)
    struct.pack_into("<I", data, offset + 2 + 12 * entries, offset)
    tiled.write_bytes(data)
    refused(tiled, SlideReadError, "loop")


@pytest.mark.parametrize("side", [500, 2**16, 2**22, 2**31 - 1, 2**32 - 1])
def test_absurd_dimensions_cost_no_memory(tiled, side):
    retag(tiled, 256, side)
    retag(tiled, 257, side)
    kind = UnsupportedSlideError if side > 2**22 else SlideReadError
    refused(tiled, kind, "needs|more than")  # loads the libraries, which is not counted
    tracemalloc.start()
    refused(tiled, kind, "needs|more than")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 30 << 20


def test_absurd_tiles_cost_no_memory(tiled):
    retag(tiled, 322, 2**30)
    retag(tiled, 323, 2**30)
    refused(tiled, SlideReadError, "needs")


def test_no_pixels(tiled):
    retag(tiled, 322, 0)
    refused(tiled, SlideReadError, "cannot be opened")


def test_missing_tile_data_is_an_error_at_reading(tiled):
    with tifffile.TiffFile(tiled) as tiff:
        offsets = tiff.pages.first.dataoffsets
        end = tiff.pages.first.tags[324].valueoffset
    data = tiled.read_bytes()
    if end > offsets[-1]:
        pytest.fail("the test expects the tables before the tiles")
    tiled.write_bytes(data[: offsets[-1] + 5])
    with open_slide(tiled) as slide:
        slide.read_region(Region(x=0, y=0, width=64, height=64))
        with pytest.raises(SlideReadError, match=r"column 6, row 4 of level 0 of slide\.tiff"):
            slide.read_region(slide.bounds)
        streams = slide.native_tiles(0).fetch([(0, 0), (6, 4)]).streams()
        assert streams[0]
        assert streams[1] == Damaged("beyond the end of the file")


def test_a_file_that_shrinks_while_open(tiled):
    with open_slide(tiled) as slide:
        tiled.write_bytes(tiled.read_bytes()[:1000])
        for read in (
            lambda: slide.read_region(slide.bounds),
            lambda: slide.native_tiles(0).fetch([(6, 4)]),
        ):
            with pytest.raises(SlideReadError, match="ended before byte"):
                read()


def test_a_broken_jpeg_names_its_place(shared_slides):
    with open_slide(shared_slides / "openslide-python-unreadable.svs") as slide:
        with pytest.raises(SlideReadError, match="column 0, row 0 of level 0") as caught:
            slide.read_region(slide.bounds)
        assert "\n" not in str(caught.value)
        assert slide.background == (255, 255, 255)
        assert slide.native_tiles(0).fetch([(0, 0)]).streams() == [Damaged("a marker out of place")]


@pytest.mark.parametrize("reader", ["tiff", "openslide"])
def test_an_uncompressed_tile_of_few_bytes_is_damaged(tmp_path, reader):
    path = tmp_path / "slide.tiff"
    tifffile.imwrite(path, pattern(20, 30), photometric="rgb", tile=(64, 64), metadata=None)
    retag(path, 325, 20 * 30 * 3 + 5)
    with (
        open_slide(path, reader=reader) as slide,
        pytest.raises(SlideReadError, match=r"(does|do) not decode"),
    ):
        slide.read_region(slide.bounds)
    retag(path, 325, 20 * 30 * 3)  # a tile cut at the image's edges
    if reader == "tiff":
        with open_slide(path, reader=reader) as slide:
            assert slide.read_region(slide.bounds).shape == (20, 30, 3)


def test_a_size_below_nothing_is_refused(tmp_path):
    """Of this overlap OpenSlide makes a negative width."""
    path = tmp_path / "slide.tif"
    overlap = "Objective Power=20;Background Color=FFFFFF;OverlapsXY=1550267026 0"
    options = {"tile": (64, 64), "compression": "jpeg", "software": "MedScan v1"}
    tifffile.imwrite(
        path, pattern(200, 200), photometric="rgb", description=overlap, metadata=None, **options
    )
    refused(path, UnsupportedSlideError, "pixels, fewer than 1×1", reader="openslide")


def test_a_property_whose_name_is_no_text_is_left_out(tmp_path):
    path = tmp_path / "slide.tif"
    description = "Objective Power=20;Background Color=FFFFFF;Overlaps X=0 0;File=A"
    options = {"tile": (64, 64), "compression": "jpeg", "metadata": None}
    tifffile.imwrite(
        path, pattern(200, 200), photometric="rgb", description=description,
        software="MedScan v1", **options,
    )  # fmt: skip
    data = path.read_bytes()
    path.write_bytes(data.replace(b"Overlaps X", b"Overlap\xce X"))
    with open_slide(path, reader="openslide") as slide:
        assert slide.vendor == "trestle"
        assert slide.objective_power == 20


def test_a_deflate_bomb_stays_within_its_tile(tmp_path):
    path = tmp_path / "bomb.tiff"
    bomb = imagecodecs.zlib_encode(bytes(200 << 20), level=9)
    options = {"tile": (64, 64), "compression": "deflate", "photometric": "rgb", "metadata": None}
    with tifffile.TiffWriter(path) as writer:
        writer.write(iter([bomb[:60_000]]), shape=(64, 64, 3), dtype="uint8", **options)
    with open_slide(path) as slide:
        tracemalloc.start()
        with pytest.raises(SlideReadError, match="does not decode"):
            slide.read_region(slide.bounds)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 5 << 20


@pytest.mark.parametrize("compression", ["jpeg", "deflate", "lzw", "webp", "jpeg2000"])
def test_damaged_bytes_raise_nothing_unexpected(tmp_path, compression):
    path = tmp_path / "slide.tiff"
    options = {"tile": (64, 64), "compression": compression, "metadata": None}
    tifffile.imwrite(path, pattern(100, 130), photometric="rgb", **options)
    data = path.read_bytes()
    random = np.random.default_rng(0)
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    for _ in range(150):
        damaged = bytearray(data)
        for position in random.integers(8, len(data), 6):
            damaged[position] = random.integers(256)
        path.write_bytes(damaged)
        try:
            with open_slide(path, reader="tiff") as slide:
                slide.read_region(Region(x=0, y=0, width=130, height=100))
        except (SlideReadError, UnsupportedSlideError) as error:
            assert "\n" not in str(error)  # noqa: PT017 - most damage goes unnoticed
    logging.getLogger("tifffile").setLevel(logging.NOTSET)


def test_implausible_mpp_is_ignored_aloud(shared_slides, caplog):
    path = shared_slides / "wsic-CMU-1-Small-Region.jpeg.tiff"
    for reader in ("tiff", "openslide"):
        caplog.clear()
        with open_slide(path, reader=reader) as slide:
            assert slide.mpp is None
        assert "0.00499" in caplog.text
        assert "--slide-mpp on the command line, slide_mpp of a recipe" in caplog.text
        with open_slide(path, reader=reader, mpp=0.499) as slide:
            assert slide.mpp == (0.499, 0.499)


def test_xml_that_grows_is_not_parsed(tmp_path):
    path = tmp_path / "bomb.ome.tif"
    entities = "".join(f'<!ENTITY e{i + 1} "{f"&e{i};" * 10}">' for i in range(12))
    xml = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e0 "lol">{entities}]><OME>&e12;</OME>'
    options = {"photometric": "rgb", "tile": (64, 64), "metadata": None}
    tifffile.imwrite(path, pattern(100, 130), description=xml, **options)
    with open_slide(path) as slide:
        assert slide.vendor == "generic-tiff"


def test_other_libraries_errors_are_quoted_in_one_short_line():
    assert one_line(ValueError("Tag InkNames:\n  Value 1")) == "Tag InkNames: Value 1"
    assert one_line(ValueError()) == "ValueError"
    assert len(one_line(ValueError("long " * 1000))) == 200


def test_no_library_is_imported_before_a_slide_is_opened():
    heavy = "{'openslide', 'tifffile', 'imagecodecs'}"
    code = f"import sys, slidetile.slides.opening; print(sorted({heavy} & set(sys.modules)))"
    root = ROOT
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_an_ndpi_of_more_than_4_gib_is_left_to_openslide(tmp_path):
    """The upper 32 bits of its numbers stand behind the directory."""
    path, lies_at, bits_at = tmp_path / "long.ndpi", (5 << 30) + 64, (5 << 30) + 8
    short = [(256, 3, 1, 512), (257, 3, 1, 512), (258, 3, 3, bits_at & 0xFFFF_FFFF)]
    short += [(262, 3, 1, 6), (273, 4, 1, 4096), (277, 3, 1, 3), (279, 4, 1, 512), (65420, 4, 1, 1)]
    with path.open("wb") as file:
        file.write(b"II*\0" + struct.pack("<Q", lies_at))
        file.seek(bits_at & 0xFFFF_FFFF)
        file.write(b"\xff" * 64)
        file.seek(bits_at)
        file.write(struct.pack("<3H", 8, 8, 8))
        file.seek(lies_at)
        file.write(struct.pack("<H", len(short)))
        file.write(b"".join(struct.pack("<HHII", *entry) for entry in short))
        highs = [5 << 30 >> 32 if tag == 258 else 0 for tag, *_ in short]
        file.write(bytes(8) + struct.pack(f"<{len(highs)}I", *highs))
    check_tiff(path)
