"""Files of regions nobody should trust: a clear error or a warning with numbers, at little cost."""

import gzip
import json
import logging
import os
import pickle
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

import slidetile as st
from slidetile.annotations import _content, _shapes

SQUARE = [[10, 10], [60, 10], [60, 60], [10, 60], [10, 10]]


@pytest.fixture(scope="module")
def slide():
    return st.ArraySlide(np.full((100, 200, 3), 255, np.uint8), mpp=2.0, name="slide.svs")


def polygon(*rings):
    return {"type": "Polygon", "coordinates": rings or [SQUARE]}


def box(left, top, right, bottom):
    return polygon([[left, top], [right, top], [right, bottom], [left, bottom]])


def refused(path, slide, match, **options):
    with pytest.raises(st.AnnotationError, match=match) as caught:
        st.read_annotations(path, slide, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith((".", "?"))
    assert not message.endswith("..")
    assert len(message) < 500
    assert path.name in message


def png(width, height):
    """A PNG of next to no bytes that claims to be large."""
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    framed = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


def npy(shape, dtype="|b1", content=b""):
    header = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape}, }}\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + content


BOMB = '<!DOCTYPE a [<!ENTITY b "bbbbbbbb"><!ENTITY c "&b;&b;&b;">]><Annotations>&c;</Annotations>'

NOT_A_NUMBER = b"""<Annotations><Annotation><Regions><Region><Vertices>
<Vertex X="nan" Y="1"/><Vertex X="2" Y="1"/><Vertex X="2" Y="2"/>
</Vertices></Region></Regions></Annotation></Annotations>"""


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", r"empty \(0 bytes\)"),
        (
            b"PK\x03\x04 a shapefile, zipped",
            "it is a zip archive: unpack it, and give the file in it",
        ),
        (b"{", "not JSON at character 1"),
        (json.dumps(polygon()).encode()[:-9], "not JSON at character|but ',' belongs there"),
        (
            json.dumps([polygon()]).encode()[:-1],
            "has its end at character.*, but ',' belongs there",
        ),
        (json.dumps(polygon()).encode() + b"{}", "something follows its JSON"),
        (b'{"type" "Polygon"}', "'\"' at character 8, but ':' belongs there"),
        (b'{1: "Polygon"}', "has 1 for a key"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"type": "Polygon", "coordinates": [[[1, NaN], [2, 2], [3, 1]]]}', "holds NaN"),
        (b'{"type": "Polygon", "coordinates": [[[1, 1e999], [2, 2], [3, 1]]]}', "coordinate inf"),
        (
            b'{"type": "Polygon", "coordinates": [[[1, 1e99], [2, 2], [3, 1]]]}',
            "1e.99, which is not a number",
        ),
        (b'{"type": "Polygon", "coordinates": [[[1, ' + b"9" * 5000 + b"], [2, 2]]]}", "not JSON"),
        (
            b'{"type": "Polygon", "coordinates": [[["1", "1"], ["2", "2"], ["3", "1"]]]}',
            "not a list of",
        ),
        (b'{"type": "Polygon", "coordinates": [[[1, 1], [2], [3, 1]]]}', "not a list of corners"),
        (
            b'{"type": "Polygon", "coordinates": [[[0, 0], [true, 9], [9, 9]]]}',
            r"not a list of corners \(x, y\): it has \[True, 9\]",
        ),
        (
            b'{"coordinates": [[[0, 0], [9, 0.5], [9, false]]], "type": "Polygon"}',
            r"not a list of corners \(x, y\): it has \[9, False\]",
        ),
        (b'{"type": "Polygon", "coordinates": 1}', "has 1 where GeoJSON needs an array"),
        (b'{"type": "Polygon", "coordinates": [1, 2, 3]}', "not a list of corners"),
        (b'{"type": "Polygon", "coordinates": [[1, 2, 3]]}', "not a list of corners"),
        (b'{"type": "Circle"}', "type 'Circle', which is not one of GeoJSON's"),
        (b"[7]", "feature 1 is not a GeoJSON object, but 7"),
        (b'{"type": "FeatureCollection"}', "type 'FeatureCollection'|has None where"),
        (json.dumps({"name": "Gr\xfcn"}, ensure_ascii=False).encode("latin-1"), "not UTF-8 text"),
        (
            json.dumps(box(0, 0, 1, 0.9)).encode(),
            "none is larger than a pixel. If the coordinates are fractions",
        ),
        (BOMB.encode(), "document type, which could make it grow"),
        (BOMB.encode("utf-16"), "document type, which could make it grow"),
        (b"<scn/>", "begins with <scn>, but ImageScope's begins with <Annotations>"),
        (b"<Annotations><Annotation>", "not XML: no element found"),
        (b"<Annotations><Annotation></Region></Annotations>", "not XML: mismatched tag"),
        (b'<?xml version="1.0" encoding="nonsense"?><Annotations/>', "not XML: unknown encoding"),
        (
            b'<Annotations><Annotation><Regions><Region><Vertices><Vertex X="1" Y="a"/>',
            "Region 1 has 'a' for a coordinate Y",
        ),
        (NOT_A_NUMBER, "Region 1 has the coordinate nan"),
        (png(100_000, 80_000), "80000×100000, but a mask may have at most 64 megapixels"),
        (png(0, 80), "so it is empty"),
        (png(10, 10), "is damaged"),
        (b"\x89PNG\r\n\x1a\n", "so it is empty|is damaged"),
        (b"II*\0" + bytes(60), "is damaged"),
        (npy((100_000, 80_000)), "is damaged|64 megapixels"),
        (npy((100, 80)), "is damaged"),
        (npy((2, 2), "|O", pickle.dumps([1])), "is damaged: .*[Oo]bject"),
        (npy((2, 2), "<f4", bytes(16)), "numbers are float32.*threshold"),
        (
            npy((2, 2, 2), "|u1", bytes(8)),
            r"shape is \(2, 2, 2\), but a mask must have one channel",
        ),
        (npy((4,), "|u1", bytes(4)), "one channel"),
    ],
)
def test_bad_files_are_refused(tmp_path, slide, content, match):
    path = tmp_path / "bad.file"
    path.write_bytes(content)
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    refused(path, slide, match)


def test_other_bad_masks(tmp_path, slide):
    path = tmp_path / "mask.png"
    Image.fromarray(np.arange(300, dtype=np.uint8).reshape(10, 10, 3)).save(path)
    refused(path, slide, "one channel: save it as grey")
    path = tmp_path / "mask.tif"
    tifffile.imwrite(path, np.zeros((16, 16), np.uint8), tile=(16, 16))
    with tifffile.TiffFile(path, mode="r+") as tiff:
        tiff.pages.first.tags["TileWidth"].overwrite(1 << 20)
        tiff.pages.first.tags["TileLength"].overwrite(1 << 20)
    refused(path, slide, "1048576×1048576, but a mask may have at most 64 megapixels")


def test_a_picture_within_a_mask_that_is_larger_than_its_page(tmp_path, slide, command, sample):
    path, large = tmp_path / "mask.tif", tmp_path / "large.tif"
    options = {"tile": (64, 64), "compression": "jpeg", "photometric": "minisblack"}
    tifffile.imwrite(path, np.zeros((64, 64), np.uint8), **options)
    refused(path, slide, "its compression is .*7.*, which may change its numbers: save it uncom")
    tifffile.imwrite(large, np.zeros((9000, 9000), np.uint8), **options | {"tile": (8992, 8992)})
    with tifffile.TiffFile(large) as tiff, path.open("r+b") as file:
        start, size = tiff.pages.first.dataoffsets[0], tiff.pages.first.databytecounts[0]
        jpeg = large.read_bytes()[start : start + size]
        end = file.seek(0, 2)
        file.write(jpeg)
    with tifffile.TiffFile(path, mode="r+") as tiff:
        tiff.pages.first.tags["TileOffsets"].overwrite(end)
        tiff.pages.first.tags["TileByteCounts"].overwrite(len(jpeg))
    ended = command("plan", sample, "--annotations", path)
    assert ended.exit_code == 1
    assert ended.peak_bytes < command("plan", sample).peak_bytes + 30e6  # its pixels take 81 MB


def test_a_png_says_its_size_first(tmp_path, slide):
    path = tmp_path / "mask.png"
    text = struct.pack(">I", 4) + b"tEXta\0bc" + struct.pack(">I", zlib.crc32(b"tEXta\0bc"))
    whole = png(100_000, 80_000)
    path.write_bytes(whole[:8] + text + whole[8:])
    refused(path, slide, r"a PNG begins with its size \(IHDR\): save it again")


def test_a_mask_of_wide_numbers_and_of_many(tmp_path, slide):
    path = tmp_path / "mask.npy"
    with path.open("wb") as file:
        file.write(npy((8000, 4001), "<i8"))
        file.truncate(128 + 8000 * 4001 * 8)
    refused(path, slide, "8000×4001 numbers of 8 bytes are more than 128 MB: save it in grey")
    np.save(path, np.arange(1 << 21, dtype=np.uint32).reshape(1024, 2048))
    refused(path, slide, "more than 1,048,576 different numbers, which are no classes: save 1")


def test_a_tag_that_is_too_long(tmp_path, slide):
    path = tmp_path / "mask.tif"
    for is_big in (False, True):
        tifffile.imwrite(path, np.zeros((64, 64), np.uint8), bigtiff=is_big, metadata=None)
        with tifffile.TiffFile(path) as tiff:
            tag = tiff.pages.first.tags["StripOffsets"].offset
        data = bytearray(path.read_bytes())
        place = tag + 4
        data[place : place + 4] = struct.pack("<I", 1 << 22)
        path.write_bytes(data)
        refused(
            path, slide, "one of its tags has more than 4 MiB: save it in larger strips or tiles"
        )


def test_a_mask_packed_by_gzip(tmp_path, slide):
    path = tmp_path / "mask.png.gz"
    Image.fromarray(np.ones((4, 4), np.uint8)).save(tmp_path / "mask.png")
    path.write_bytes(gzip.compress((tmp_path / "mask.png").read_bytes()))
    refused(path, slide, "mask packed by gzip: unpack it first")


def test_what_gzip_packed_is_read_and_bounded(tmp_path, slide, monkeypatch):
    path = tmp_path / "drawn.geojson.gz"
    packed = gzip.compress(json.dumps(polygon()).encode())
    path.write_bytes(packed)
    assert [area.area_px for area in st.read_annotations(path, slide).areas] == [2500]
    for damaged in (packed[:-12], packed[:12] + b"\xff" * 9 + packed[21:], packed[:3] + b"xyz"):
        path.write_bytes(damaged)
        refused(path, slide, "what gzip packed in it is damaged .*: copy or pack it again")
    monkeypatch.setattr(_content, "LARGEST_CONTENT_BYTES", 1 << 20)
    path.write_bytes(gzip.compress(json.dumps(polygon()).encode() + b" " * (1 << 21)))
    refused(path, slide, "unpacks to more than 1 MiB: export only")


def test_a_pipe_is_not_waited_for(tmp_path, slide):
    os.mkfifo(tmp_path / "drawn.geojson")
    refused(tmp_path / "drawn.geojson", slide, "it is not a file")
    spec = st.AnnotationsSpec(path=tmp_path)
    with pytest.raises(st.AnnotationError, match=r"holds no annotations for slide\.svs"):
        spec.read(slide)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
def test_json_in_other_encodings(tmp_path, slide, encoding):
    path = tmp_path / "drawn.geojson"
    path.write_bytes(json.dumps(polygon()).encode(encoding))
    assert [area.area_px for area in st.read_annotations(path, slide).areas] == [2500]


def test_xml_that_would_make_its_parser_grow(tmp_path, slide):
    path = tmp_path / "drawn.xml"
    path.write_bytes(b"<Annotations>" + b"<a>" * 100_000)
    refused(path, slide, "more than 64 elements in each other")
    path.write_bytes(b"<Annotations>" + b"".join(b"<a%d/>" % n for n in range(5000)))
    refused(path, slide, "more than 4,096 names")
    path.write_bytes(b'<Annotations a="' + b"x" * (5 << 20))
    refused(path, slide, "elements is longer than 4 MiB: export")
    path.write_bytes(b"<Annotations>" + b" " * (9 << 20) + b"</Annotations>")
    assert st.read_annotations(path, slide).is_empty


@pytest.mark.parametrize("encoding", ["utf-32", "utf-32-le"])
def test_xml_in_an_encoding_that_is_not_read(tmp_path, slide, encoding):
    path = tmp_path / "drawn.xml"
    text = f'<?xml version="1.0" encoding="{encoding}"?><Annotations/>'
    for content in (text.encode(encoding), text.encode()):
        path.write_bytes(content)
        refused(path, slide, "it is not XML: .*: save it again, as UTF-8")


def test_corners_are_counted_before_they_are_kept(tmp_path, slide, monkeypatch):
    monkeypatch.setattr(_shapes, "LARGEST_CORNER_COUNT", 1000)
    path = tmp_path / "long.geojson"
    ring = ",".join(["[1,2]"] * 1001)
    match = r"more than 1,000 corners: keep the classes you need \(--annotations-class\)"
    for text in (
        f'{{"type": "Polygon", "coordinates": [[{ring}',  # it is not read to its end
        f'[{{"type": "MultiPoint", "coordinates": [{ring}',
        json.dumps([box(0, 0, 9, 9)] * 251),
        '<Annotations><Annotation><Region Type="9">' + '<V X="1" Y="2"/>' * 1001,
        "<Annotations><Region Type='2'><V X='0' Y='0'/><V X='9e8' Y='9e8'/></Region>",
    ):
        path.write_text(text)
        refused(path, slide, match)
    path.write_text(json.dumps([{"type": "MultiPoint", "coordinates": [[1, 2]] * 900}] * 9))
    assert st.read_annotations(path, slide).left_out == {"points": 9}


def test_no_file_and_a_folder(tmp_path, slide):
    with pytest.raises(st.AnnotationError, match=r"none.geojson cannot be read: No such file"):
        st.read_annotations(tmp_path / "none.geojson", slide)
    refused(tmp_path, slide, "it is not a file")


def test_callers_mistakes(tmp_path, slide):
    with pytest.raises(ValueError, match="unit must be one of auto, px, um, but it is 'mm'"):
        st.read_annotations(tmp_path, slide, unit="mm")
    with pytest.raises(ValueError, match="origin must be one of"):
        st.read_annotations(tmp_path, slide, origin="centre")
    with pytest.raises(ValueError, match="mode must be one of replace, intersect, exclude"):
        st.AnnotationsSpec(path="x", mode="add")
    with pytest.raises(TypeError, match=r"give \('Tumor',\)"):
        st.AnnotationsSpec(path="x", classes="Tumor")


def test_a_file_that_is_too_long_is_not_even_read(tmp_path, slide):
    path = tmp_path / "long.geojson"
    with path.open("wb") as file:
        file.truncate(257 << 20)
    refused(path, slide, "has 257 MiB, but at most 256 are read")


def test_a_value_that_is_too_long(tmp_path, slide):
    path = tmp_path / "long.geojson"
    path.write_text('[{"name": "' + "a" * (5 << 20))
    refused(path, slide, "value at character 10 is longer than 4 Mi characters, in feature 1: ")


@pytest.mark.slow
def test_too_many_areas(tmp_path, slide):
    triangle = '{"type":"Polygon","coordinates":[[[1,2],[3,4],[5,1]]]}'
    path = tmp_path / "many.geojson"
    path.write_text("[" + ",".join([triangle] * 200_001) + "]")
    refused(path, slide, "more than 200,000 areas: keep the classes you need")


@pytest.mark.slow
def test_a_hundred_megabytes_take_little_memory(tmp_path, command, sample):
    angles = np.linspace(0, 2 * np.pi, 1000, endpoint=False)
    ring = 1500 + 400 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    drawn = {"type": "Feature", "properties": {"objectType": "annotation"}}
    drawn = json.dumps({**drawn, "geometry": polygon(ring.tolist())})
    path = tmp_path / "long.geojson"
    with path.open("w") as file:
        file.write('{"type":"FeatureCollection","features":[')
        for _ in range(310):
            file.write(",\n".join([drawn.replace("annotation", "cell"), *[drawn] * 9, ""]))
        file.write(drawn + "]}")
    assert path.stat().st_size > 100e6
    ended = command("plan", sample, "--annotations", path)
    assert ended.exit_code == 0, ended.stderr
    assert "left out: 310 cells" in ended.stderr
    bare = command("plan", sample)
    assert ended.peak_bytes < bare.peak_bytes + 200e6  # json.load would take 1 GB


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["geojson", "xml"])
def test_a_long_outline_takes_the_memory_of_its_corners(tmp_path, command, sample, kind):
    angles = np.linspace(0, 2 * np.pi, 1_000_000, endpoint=False)
    x, y = (1500 + 400 * np.stack([np.cos(angles), np.sin(angles)])).tolist()
    path = tmp_path / f"long.{kind}"
    if kind == "xml":
        corners = "".join(f'<V X="{a}" Y="{b}"/>' for a, b in zip(x, y, strict=True))
        path.write_text(
            f"<Annotations><Annotation><Region>{corners}</Region></Annotation></Annotations>"
        )
    else:
        path.write_text(json.dumps(polygon(list(zip(x, y, strict=True)))))
    assert path.stat().st_size > 35e6
    ended = command("plan", sample, "--annotations", path)
    assert ended.exit_code == 0, ended.stderr
    bare = command("plan", sample)
    assert ended.peak_bytes < bare.peak_bytes + 150e6  # as objects of Python, it took 900 MB


@pytest.mark.parametrize(
    ("geometry", "match"),
    [
        (
            box(500, 500, 600, 550),
            r"from \(500, 500\) to \(600, 550\), where the slide has 200×100 px",
        ),
        (box(-90, -90, -10, -10), "Do the slide and the file belong together"),
        (box(250, 120, 390, 190), "mpp of 2 they would be inside: they look like µm"),
        (box(2100, 1100, 3900, 1900), "reach 19.5 times as far as the slide"),
    ],
)
def test_all_outside_is_refused_with_numbers(tmp_path, slide, geometry, match):
    path = tmp_path / "outside.geojson"
    path.write_text(json.dumps(geometry))
    refused(path, slide, match)


def test_some_outside_is_told_with_numbers(tmp_path, slide, caplog):
    path = tmp_path / "partly.geojson"
    path.write_text(json.dumps([box(150, 50, 250, 90), box(300, 0, 350, 9), box(0, 0, 200, 100)]))
    tissue = st.draw_tissue(slide, st.read_annotations(path, slide))
    assert tissue.mask.all()
    assert caplog.messages[0] == (
        "2 of the 3 areas reach beyond the slide, 1 of them wholly: 6 of all 12 corners are "
        "outside (50.0 %). What is outside is cut off. All areas together reach from (0, 0) to "
        "(350, 100), where the slide has 200×100 px. Divided by the slide's mpp of 2 they would be "
        "inside: they look like µm, so give the unit um (--annotations-unit um)."
    )


def test_a_hand_that_slipped_over_the_edge_is_told_without_a_guess(tmp_path, slide, caplog):
    path = tmp_path / "slipped.geojson"
    path.write_text(json.dumps([box(-3, 50, 90, 90), box(10, 0, 50, 9), box(0, 0, 20, 10)]))
    st.draw_tissue(slide, st.read_annotations(path, slide))
    assert caplog.messages[0] == (
        "1 of the 3 areas reach beyond the slide: 2 of all 12 corners are outside (16.7 %). What "
        "is outside is cut off. All areas together reach from (-3, 0) to (90, 90), where the slide "
        "has 200×100 px."
    )


def test_a_self_crossing_ring_is_told_with_numbers(tmp_path, slide, caplog):
    path = tmp_path / "crossed.geojson"
    path.write_text(json.dumps([polygon([[0, 0], [200, 100], [200, 0], [0, 100]]), polygon()]))
    st.draw_tissue(slide, st.read_annotations(path, slide))
    assert "crossed.geojson: 1 of 2 outlines cross themselves, over 5000 pixels" in caplog.text


def test_nothing_is_never_silent(tmp_path, slide, caplog):
    path = tmp_path / "empty.geojson"
    path.write_text('{"type": "FeatureCollection", "features": []}')
    empty = st.read_annotations(path, slide)
    tissue = st.TissueMask.from_mask(np.ones((25, 50), bool), st.read_overview(slide, mpp=8))
    with pytest.raises(st.AnnotationError, match=r"empty.geojson holds no areas"):
        st.draw_tissue(slide, empty)
    with pytest.raises(st.AnnotationError, match=r"empty.geojson holds no areas"):
        st.cut_tissue(tissue, empty)
    assert st.cut_tissue(tissue, empty, mode="exclude").mask.all()
    assert "empty.geojson holds no areas: nothing is excluded" in caplog.text
    path.write_text(json.dumps(box(0, 0, 200, 100)))
    every = st.read_annotations(path, slide)
    assert not st.cut_tissue(tissue, every, mode="exclude").mask.any()
    told = "the tissue has 1250 pixels of the mask and the annotations 1250, but none"
    assert told in caplog.text
    path.write_text(json.dumps(box(10.1, 10.1, 11.6, 11.6)))
    assert not st.draw_tissue(slide, st.read_annotations(path, slide), mpp=8).mask.any()
    assert "cover no pixel of the mask, each of which is 4×4 level-0 pixels" in caplog.text
