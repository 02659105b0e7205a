"""Damaged DICOM files: refused, or their frames marked; never wrong pixels, nor much memory."""

import resource
import struct
import tracemalloc
import warnings

import dicom_files
import numpy as np
import pytest
from pydicom.uid import generate_uid

import slidetile as st
from slidetile.errors import SlideReadError

PIXELS = b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff"


def read(path, picture):
    """Return which frames read right, which are damaged, and check that none is wrong."""
    right, damaged = [], []
    with st.open_slide(path) as slide:
        for number, region in enumerate(regions()):
            try:
                pixels = slide.read_region(region)
            except st.DamagedPixelsError as error:
                damaged.append((number, error.reason))
            else:
                np.testing.assert_array_equal(pixels, picture[region.slices])
                right.append(number)
    return right, damaged


def regions():
    return [
        st.Region.from_edges(x, y, min(x + 256, 700), min(y + 256, 530))
        for y in range(0, 530, 256)
        for x in range(0, 700, 256)
    ]


@pytest.fixture
def make(picture, tmp_path):
    """Write the picture as nine lossless frames."""

    def made(kind="jpeg2000", **options):
        photometric = "YBR_RCT" if kind == "jpeg2000" else "RGB"
        options = {"kind": kind, "photometric": photometric, **options}
        return dicom_files.write_picture(tmp_path / "a.dcm", picture, **options)[0]

    return made


@pytest.mark.parametrize("kind", ["jpeg2000", "raw", "rle"])
@pytest.mark.parametrize("table", ["basic", "empty", "extended"])
def test_a_file_that_is_cut_short_loses_its_last_frames(make, picture, kind, table):
    path = make(kind, table=table)
    data = path.read_bytes()
    pixels = data.index(PIXELS[:4])
    refused = []
    for keep in np.linspace(pixels + 500, len(data) - 300, 9).astype(int):
        path.write_bytes(data[:keep])
        try:
            right, damaged = read(path, picture)
        except SlideReadError as error:  # not one frame is whole
            refused.append(str(error))
            continue
        assert [*right, *(number for number, _ in damaged)] == list(range(9))
        assert {reason for _, reason in damaged} <= {
            "beyond the end of the file",
            "no whole frame where the file says",
        }
    assert len(right) >= 8
    assert len(refused) < 5
    assert all("cut short" in message for message in refused)


def test_a_header_that_is_cut_short_is_refused(make):
    path = make()
    data = path.read_bytes()
    for keep in range(132, data.index(PIXELS[:4]) + 12, 7):
        path.write_bytes(data[:keep])
        with pytest.raises(st.SlideError):
            st.open_slide(path).read_region(st.Region(x=0, y=0, width=9, height=9))


def tables(path):
    """Return the file's bytes, and where the basic offset table begins."""
    data = bytearray(path.read_bytes())
    return data, data.index(PIXELS) + len(PIXELS) + 8


LIES = {
    "shuffled": lambda numbers: numbers[::-1],
    "equal": lambda numbers: [numbers[0]] * len(numbers),
    "not from the start": lambda numbers: [number + 8 for number in numbers],
}


@pytest.mark.parametrize("lie", LIES)
def test_an_offset_table_that_cannot_be_true_is_not_believed(make, picture, caplog, lie):
    path = make()
    data, at = tables(path)
    numbers = list(struct.unpack_from("<9I", data, at))
    struct.pack_into("<9I", data, at, *LIES[lie](numbers))
    path.write_bytes(data)
    right, damaged = read(path, picture)
    assert (right, damaged) == (list(range(9)), [])
    assert "its offset table cannot be true" in caplog.text


def test_a_table_that_leads_into_a_frame_marks_it(make, picture):
    path = make()
    data, at = tables(path)
    numbers = list(struct.unpack_from("<9I", data, at))
    numbers[4] += 100
    numbers[8] = 0xFFFFFFF0
    struct.pack_into("<9I", data, at, *numbers)
    path.write_bytes(data)
    right, damaged = read(path, picture)
    within, beyond = "no whole frame where the file says", "beyond the end of the file"
    assert damaged == [(3, within), (4, within), (7, beyond), (8, beyond)]
    assert len(right) == 5


@pytest.mark.parametrize("change", [-2, 2, 100])
def test_a_frame_that_has_lost_or_won_bytes_is_marked(make, picture, change):
    path = make(table="empty")
    data = path.read_bytes()
    at = [n for n in range(len(data)) if data.startswith(b"\xff\x4f\xff\x51", n)][5] + 5000
    own = data[:at] + (data[at - change :] if change < 0 else bytes(change) + data[at:])
    path.write_bytes(own)
    right, damaged = read(path, picture)
    words = "no whole frame where the file says"
    assert right == [0, 1, 2, 3, 4]
    assert damaged == [(5, words), *((n, "beyond the end of the file") for n in (6, 7, 8))]


@pytest.mark.parametrize("change", ["overlap", "too long", "too few", "zero"])
def test_an_extended_table_that_cannot_be_true_is_not_believed(make, picture, caplog, change):
    def lie(dataset):
        lengths = list(struct.unpack("<9Q", dataset.ExtendedOffsetTableLengths))
        match change:
            case "overlap":
                lengths[2] += 1000
            case "too long":
                lengths[8] = 1 << 63
            case "too few":
                lengths.pop()
            case "zero":
                lengths = [1 << 40] * 9
        dataset.ExtendedOffsetTableLengths = struct.pack(f"<{len(lengths)}Q", *lengths)

    path = make(table="extended", change=lie)
    assert read(path, picture) == (list(range(9)), [])
    assert "its offset table cannot be true" in caplog.text


def test_fragments_that_cannot_be_told_into_frames_are_refused(make, picture):
    path = make(table="empty", fragments=2)
    assert read(path, picture) == (list(range(9)), [])
    data = path.read_bytes()
    second = data.index(b"\xff\x4f\xff\x51", data.index(b"\xff\x4f\xff\x51") + 1)
    path.write_bytes(data[:second] + b"\0\0" + data[second + 2 :])
    with pytest.raises(SlideReadError, match=r"18 pieces .* cannot be told into 9 frames"):
        read(path, picture)


def without(data, *items):
    for each in items:
        assert data.count(each) == 1
        data = data.replace(each, b"")
    return data


@pytest.mark.parametrize("kind", ["jpeg2000", "jpegls", "rle"])
def test_a_frame_is_never_taken_for_its_neighbour(picture, tmp_path, kind):
    """Without a table, which frame an item is follows from those before it."""
    frames = [dicom_files.encode(tile, kind) for tile in dicom_files.cut(picture, 256, 256)]
    items = [dicom_files.item(frame) for frame in frames]
    half = len(frames[0]) // 4 * 2
    halves = b"".join(dicom_files.item(each) for each in (frames[0][:half], frames[0][half:]))
    path = dicom_files.write(
        *(tmp_path / "a.dcm", frames),
        size=(700, 530), frame=(256, 256), kind=kind, photometric="RGB", table="empty",
    )  # fmt: skip
    data = path.read_bytes()
    for broken in (
        without(data, items[4]),
        without(data, items[8]),
        without(data, items[8]).replace(items[0], halves),
        data.replace(items[4], dicom_files.item(bytes(len(frames[4])))),
    ):
        path.write_bytes(broken)
        with pytest.raises(SlideReadError, match=r"pieces .* cannot be told into 9 frames"):
            read(path, picture)
    path.write_bytes(data.replace(items[0], halves))
    assert read(path, picture) == (list(range(9)), [])


def numbered(**values):
    def change(dataset):
        for name, value in values.items():
            setattr(dataset, name, value)

    return change


ABSURD = {
    "frames": (numbered(NumberOfFrames=2_000_000_000), "claims 2000000000 frames"),
    "no frames": (numbered(NumberOfFrames=0), "claims 0 frames"),
    "more frames": (numbered(NumberOfFrames=10), "needs 9 frames .* lists 10"),
    "no size": (numbered(Rows=0), "256×0 pixels"),
    "small frames": (numbered(Rows=1, Columns=1, NumberOfFrames=9), "needs 371000 frames"),
    "tiny frames": (
        numbered(Rows=1, Columns=1, TotalPixelMatrixColumns=1 << 21, TotalPixelMatrixRows=1 << 21),
        "more than 16777216",
    ),
    "large frames": (numbered(Rows=65535, Columns=65535), "more than 256 MiB each"),
}


@pytest.mark.parametrize("kind", ABSURD)
def test_absurd_numbers_are_refused(make, kind):
    change, words = ABSURD[kind]
    path = make(change=change)
    with pytest.raises(st.SlideError, match=words):
        st.open_slide(path)


def test_a_claimed_length_takes_no_memory(make):
    path = make("raw")
    data = path.read_bytes()
    tracemalloc.start()
    try:
        for tag in (b"\x08\x00\x08\x00CS", b"\x48\x00\x05\x01SQ", b"\x10\x00\x10\x00PN"):
            at = data.index(tag)
            broken = data[: at + 4] + b"UN\0\0" + struct.pack("<I", 0xFFFFFFF0) + data[at + 12 :]
            path.write_bytes(broken)
            with pytest.raises(st.SlideError):
                st.open_slide(path)
        assert tracemalloc.get_traced_memory()[1] < 60 << 20
    finally:
        tracemalloc.stop()


def test_a_sequence_of_endless_depth_is_refused(make):
    path = make("raw")
    data = path.read_bytes()
    at = data.index(b"\x48\x00\x05\x01SQ")
    nested = (
        b"\x48\x00\x05\x01SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    ) * 5000
    path.write_bytes(data[:at] + nested + data[at:])
    with pytest.raises(SlideReadError, match=r"its DICOM header is damaged"):
        st.open_slide(path)


def test_a_file_of_the_series_that_cannot_be_read_is_not_passed_over(picture, tmp_path):
    """It may hold the finest level: the slide would come out coarser than it is."""
    series = generate_uid()
    dicom_files.write_picture(tmp_path / "a.dcm", picture[::2, ::2], series=series, kind="raw")
    path, _ = dicom_files.write_picture(tmp_path / "b.dcm", picture, series=series, kind="raw")
    data = path.read_bytes()
    at = data.index(b"\x28\x00\x08\x00IS")
    path.write_bytes(data[:at] + b"\x28\x00\x08\x00SQ\0\0\x08\x00\0\0" + data[at + 8 :])
    with pytest.raises(st.SlideError, match=r"b\.dcm"):
        st.open_slide(tmp_path / "a.dcm")


@pytest.mark.parametrize("kind", ["jpeg2000", "jpeg", "jpegls", "rle", "raw"])
@pytest.mark.parametrize("is_sparse", [False, True])
def test_damage_anywhere_raises_nothing_unexpected(picture, tmp_path, kind, is_sparse):
    frames = [dicom_files.encode(tile, kind) for tile in dicom_files.cut(picture, 256, 256)]
    cells = [(n % 3, n // 3) for n in range(9)] if is_sparse else None
    path = dicom_files.write(
        tmp_path / "a.dcm",
        frames,
        size=(700, 530),
        frame=(256, 256),
        kind=kind,
        photometric="YBR_FULL_422" if kind == "jpeg" else "RGB",
        cells=cells,
    )
    data = path.read_bytes()
    header = data.index(PIXELS[:4]) + 80
    random = np.random.default_rng(len(kind) + is_sparse)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(250):
            broken = bytearray(data)
            for at in random.integers(128, header, random.integers(1, 4)):
                broken[at] = random.integers(256)
            path.write_bytes(broken)
            try:
                with st.open_slide(path, mpp=0.5) as slide:
                    slide.read_region(st.Region(x=250, y=250, width=20, height=20))
            except st.SlidetileError as error:
                assert "\n" not in str(error)  # noqa: PT017 - some mutants are read
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400 << 10
