"""Where frames say that they lie: as pydicom reads it, however it is written, and quickly."""

import struct
import time

import dicom_files
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

import slidetile as st
from slidetile.errors import SlideReadError
from slidetile.slides.dicom import _places
from slidetile.slides.dicom._instance import Instance

PIXELS = b"\xe0\x7f\x10\x00"
PER_FRAME = b"\x00\x52\x30\x92"


def groups(number, kind):
    """Return the groups of a frame at column ``number``."""
    place, path, content, frame = Dataset(), Dataset(), Dataset(), Dataset()
    place.ColumnPositionInTotalImagePixelMatrix = 4 * number + 1
    place.RowPositionInTotalImagePixelMatrix = 1
    path.OpticalPathIdentifier = "1"
    offsets = {
        "alike": "0.0",
        "of some lengths": str(number)[-number % 3 :],
        "of many lengths": "1" * (number % 15 + 1),
    }
    place.XOffsetInSlideCoordinateSystem = offsets.get(kind, "0.0")
    content.DimensionIndexValues = [number, 1]
    frame.FrameContentSequence, frame.OpticalPathIdentificationSequence = [content], [path]
    frame.PlanePositionSlideSequence = [place]
    if kind == "one that differs" and number == 1234:
        content.FrameComments = "torn"
    if kind == "one without a place" and number == 1234:
        del frame.PlanePositionSlideSequence
    if kind == "undefined lengths":
        for name in ("FrameContentSequence", "PlanePositionSlideSequence"):
            frame[name].is_undefined_length = True
            frame[name].value[0].is_undefined_length_sequence_item = True
        frame.is_undefined_length_sequence_item = True
    return frame


KINDS = (
    *("alike", "of some lengths", "of many lengths", "one that differs", "one without a place"),
    "undefined lengths",
)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("syntax", ["raw", "implicit"])
def test_places_are_what_pydicom_reads(tmp_path, kind, syntax):
    count = 1400

    def change(dataset):
        dataset.PerFrameFunctionalGroupsSequence = [groups(n, kind) for n in range(count)]
        last = dataset.PerFrameFunctionalGroupsSequence[-1].OpticalPathIdentificationSequence[0]
        last.OpticalPathIdentifier = "2"

    path = dicom_files.write(
        *(tmp_path / "a.dcm", [bytes(16)] * count),
        size=(4 * count, 4), frame=(4, 4), kind=syntax, photometric="MONOCHROME2",
        cells=[(0, 0)], change=change,
    )  # fmt: skip
    expected = np.full((count, 2), -1)
    names = set()
    for number, frame in enumerate(pydicom.dcmread(path).PerFrameFunctionalGroupsSequence):
        names.add(str(frame.OpticalPathIdentificationSequence[0].OpticalPathIdentifier).encode())
        for place in frame.get("PlanePositionSlideSequence", []):
            x = place.ColumnPositionInTotalImagePixelMatrix
            expected[number] = x - 1, place.RowPositionInTotalImagePixelMatrix - 1
    rest = Instance.read(path).rest
    np.testing.assert_array_equal(rest.places.pairs, expected)
    assert rest.places.paths == names == {b"1", b"2"}


def element(group, number, kind, value):
    if kind in ("SQ", "OB"):
        return struct.pack("<HH2sHI", group, number, kind.encode(), 0, len(value)) + value
    return struct.pack("<HH2sH", group, number, kind.encode(), len(value)) + value


def item(value):
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(value)) + value


def undefined(value):
    return struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF) + value + item_end(0xE00D)


def item_end(number):
    return struct.pack("<HHI", 0xFFFE, number, 0)


def frame_item(column, row, *, has_lengths=True):
    """Return the item of a frame of 8×8 pixels, of 380 bytes, as scanners write them."""
    place = element(0x48, 0x21E, "SL", struct.pack("<i", column * 8 + 1))
    place += element(0x48, 0x21F, "SL", struct.pack("<i", row * 8 + 1))
    remarks = element(0x20, 0x9158, "LT", b"x" * 320)
    content = element(0x20, 0x9111, "SQ", item(remarks))
    if has_lengths:
        return item(content + element(0x48, 0x21A, "SQ", item(place)))
    sequence = struct.pack("<HH2sHI", 0x48, 0x21A, b"SQ", 0, 0xFFFFFFFF)
    return undefined(content + sequence + undefined(place) + item_end(0xE0DD))


def many(path, count, columns, *, has_lengths=True):
    """Write a slide of so many frames that say where they lie."""
    path = dicom_files.write(
        *(path, [bytes(64)]),
        size=(columns * 8, -(-count // columns) * 8), frame=(8, 8), kind="raw",
        photometric="MONOCHROME2", cells=[(0, 0)], series=generate_uid(),
        change=lambda dataset: setattr(dataset, "NumberOfFrames", count),
    )  # fmt: skip
    data = path.read_bytes()
    places = b"".join(
        frame_item(n % columns, n // columns, has_lengths=has_lengths) for n in range(count)
    )
    with path.open("wb") as file:
        file.write(data[: data.index(PER_FRAME)])
        file.write(element(0x5200, 0x9230, "SQ", places))
        file.write(element(0x7FE0, 0x10, "OB", b""))
        file.seek(-4, 1)
        file.write(struct.pack("<I", 64 * count))
        file.truncate(file.tell() + 64 * count)  # black, and a hole on the disk
    return len(places)


@pytest.mark.parametrize("has_lengths", [True, False])
def test_damaged_places_are_read_as_if_each_was_walked(tmp_path, monkeypatch, has_lengths):
    path, count = tmp_path / "a.dcm", 60
    many(path, count, 60, has_lengths=has_lengths)
    data, random = path.read_bytes(), np.random.default_rng(int(has_lengths))
    first = data.index(PER_FRAME) + 8
    last = data.index(PIXELS, first)
    for _ in range(300):
        broken = bytearray(data)
        for at in random.integers(first, last, random.integers(1, 4)):
            broken[at] = random.choice([0, 1, 8, 0x48, 0xFE, 0xFF, random.integers(256)])
        path.write_bytes(broken)
        ours = _read(path)
        with monkeypatch.context() as patch:
            patch.setattr(_places, "_MOST_LAYOUTS", 0)
            walked = _read(path)
        assert ours == walked


def _read(path):
    """Return the places and what follows them, or the error."""
    try:
        rest = Instance.read(path).rest
    except SlideReadError as error:
        return str(error)
    return rest.places.corners.tolist(), rest.places.paths, rest.pixels


def test_more_places_than_a_header_takes_are_read_in_a_second(tmp_path):
    path, count = tmp_path / "a.dcm", 200_000
    assert many(path, count, 500) > 70 << 20
    begin = time.process_time()
    with st.open_slide(path) as slide:
        assert (slide.width, slide.height) == (4000, 3200)
        assert time.process_time() - begin < 5
        assert not slide.read_region(st.Region(x=3990, y=3190, width=10, height=10)).any()


def test_a_header_of_other_things_has_a_limit(tmp_path):
    def change(dataset):
        dataset.OpticalPathSequence[0].ICCProfile = bytes(65 << 20)

    tile = np.zeros((8, 8), np.uint8)
    path, _ = dicom_files.write_picture(
        tmp_path / "a.dcm", tile, frame=(8, 8), kind="raw", change=change
    )
    with pytest.raises(SlideReadError, match="longer than the limit of 64 MiB") as raised:
        st.open_slide(path)
    assert "damaged" not in str(raised.value)
