"""Frames that are copied: bit for bit what decoding gives, found again, and continued."""

import shutil

import dicom_files
import imagecodecs
import numpy as np
import pytest
from pydicom.uid import generate_uid

import slidetile as st
from slidetile.errors import NotNativeError
from slidetile.slides.native import Damaged

ALL = st.TileSpec(size=256, min_tissue_fraction=0)
REAL = [
    "multi_frame_jpeg_camelyon_challenge_image.dcm",
    "wsi2dcm_jpeg.dcm",
    "dicom-CMU-1-Small-Region",
    "made/dicom_sparse.dcm",
    "made/dicom_fragments.dcm",
]


def everything(image):
    """Take all of a slide for tissue."""
    return np.ones(image.shape[:2], np.bool_)


@pytest.mark.parametrize("name", REAL)
def test_streams_decode_to_the_slides_pixels(shared_slides, name):
    with st.open_slide(shared_slides / name) as slide:
        native = slide.native_tiles(0)
        tiles = [(column, row) for row in range(native.rows) for column in range(native.columns)]
        fetched = native.fetch(tiles)
        between = 8 * len(tiles)  # what DICOM puts between fragments
        assert fetched.nbytes >= native.stored_bytes(tiles) - between > 0
        width, height = native.tile_width_px, native.tile_height_px
        for (column, row), stream in zip(tiles, fetched.streams(), strict=True):
            place = st.Region(x=column * width, y=row * height, width=width, height=height)
            inside = slide.bounds.intersection(place)
            pixels = slide.read_region(inside)
            if stream is None:
                assert (pixels == 255).all()
                continue
            decoded = imagecodecs.jpeg8_decode(stream)
            np.testing.assert_array_equal(decoded[inside.relative_to(place).slices], pixels)


@pytest.mark.parametrize("name", REAL)
def test_a_store_of_copied_frames_is_the_slide(shared_slides, tmp_path, name):
    path = shared_slides / name
    recipe = st.Recipe(codec="native", tile=ALL, detector=everything)
    store = st.tile_slide(path, tmp_path / "x.zarr", recipe)
    with st.open_slide(path) as slide:
        assert st.verify_store(store.path, slide=slide, deep=True) == ()
        for index in range(len(store)):
            theirs = slide.read_region(store.tile_region(index))
            np.testing.assert_array_equal(store[index][: len(theirs), : theirs.shape[1]], theirs)
    assert set(store.tiles["status"].to_pylist()) == {"ok"}


@pytest.fixture
def pyramid(picture, tmp_path):
    """A slide of levels in files, whose frames have sides that TIFF does not have."""
    series = generate_uid()
    folder = tmp_path / "series"
    folder.mkdir()
    frames = {1: (500, 300), 2: (350, 265), 5: (69, 64), 10: (35, 27)}
    for factor, frame in frames.items():
        level = np.ascontiguousarray(picture[::factor, ::factor])
        path = folder / f"{factor}.dcm"
        dicom_files.write_picture(path, level, frame=frame, series=series, mpp=0.5 * factor)
    return folder


def test_odd_sides_are_copied_and_levels_that_are_too_small_left_out(pyramid, tmp_path, cli):
    recipe = st.Recipe(codec="native", tile=ALL, detector=everything)
    store = st.tile_slide(pyramid, tmp_path / "x.zarr", recipe)
    assert [level.size for level in store.levels] == [(700, 530), (350, 265), (140, 106)]
    assert cli("verify", store.path, "--deep", "--slide", pyramid).exit_code == 0
    for path in sorted(pyramid.iterdir()):
        assert cli("verify", store.path, "--slide", path).exit_code == 0
    with st.open_slide(pyramid) as slide:
        for number in range(3):
            whole = slide.read_region(slide.bounds, level=number)
            np.testing.assert_array_equal(store.read_region(slide.bounds, level=number), whole)


def test_a_folder_and_any_file_of_it_are_one_slide_for_every_command(pyramid, tmp_path, cli):
    out = tmp_path / "out"
    told = cli("batch", pyramid, "-o", out, "--tile-size", "256")
    assert told.exit_code == 0, told.output
    assert len(list(out.glob("*.zarr"))) == 1
    first = cli("tile", pyramid, "-o", tmp_path / "x.zarr", "--tile-size", "256")
    assert first.exit_code == 0, first.output
    for path in sorted(pyramid.iterdir()):
        again = cli("tile", path, "-o", tmp_path / "x.zarr", "--tile-size", "256")
        assert "already done" in again.output
        assert "dicom" in cli("info", path).output
    assert cli("plan", pyramid, "-o", tmp_path / "y.zarr").exit_code == 0
    assert cli("info", pyramid).exit_code == 0


@pytest.mark.parametrize("codec", ["native", "zstd"])
def test_a_run_that_was_stopped_continues_to_the_same_bytes(pyramid, tmp_path, tree, codec):
    recipe = st.Recipe(codec=codec, tile=ALL, detector=everything)
    expected = tree(st.tile_slide(pyramid, tmp_path / "whole.zarr", recipe).path)

    class Stopped(Exception):  # noqa: N818 - no error
        pass

    def stop(progress):
        if progress.shards_done:
            raise Stopped

    with pytest.raises(Stopped):
        st.tile_slide(pyramid / "2.dcm", tmp_path / "x.zarr", recipe, on_progress=stop)
    assert tree(st.tile_slide(pyramid / "5.dcm", tmp_path / "x.zarr", recipe).path) == expected


def test_levels_are_opened_when_they_are_read(pyramid):
    with st.open_slide(pyramid) as slide:
        opened = slide._files._files
        assert not opened
        slide.read_region(slide.bounds, level=2)
        assert [path.name for path in opened] == ["5.dcm"]
    assert not opened


def test_damaged_frames_are_marked_and_coarse_ones_averaged(pyramid, tmp_path):
    for name in ("1.dcm", "2.dcm"):
        path = pyramid / name
        data = path.read_bytes()
        scan = data.index(b"\xff\xda", data.index(b"\xe0\x7f\x10\x00"))
        path.write_bytes(data[: scan + 600] + bytes(40) + data[scan + 640 :])
    recipe = st.Recipe(tile=ALL, detector=everything, codec="native")
    store = st.tile_slide(pyramid, tmp_path / "x.zarr", recipe)
    status = store.tiles["status"].to_pylist()
    assert "unreadable" in status
    assert "ok" in status
    assert store.metadata.damage is not None
    with st.open_slide(pyramid) as slide:
        assert st.verify_store(store.path, slide=slide, deep=True) == ()
        (stream,) = slide.native_tiles(0).fetch([(0, 0)]).streams()
        assert isinstance(stream, Damaged)
        with pytest.raises(st.DamagedPixelsError, match="Frame column 0, row 0 of level 0"):
            slide.read_region(st.Region(x=0, y=0, width=10, height=10))


def test_missing_frames_are_absent_chunks(picture, tmp_path):
    tiles = dicom_files.cut(picture, 256, 256)
    cells = [(0, 0), (2, 0), (1, 1), (2, 2)]
    frames = [dicom_files.encode(tiles[row * 3 + column], "jpeg") for column, row in cells]
    path = dicom_files.write(
        tmp_path / "a.dcm", frames, size=(700, 530), frame=(256, 256), cells=cells, table="empty"
    )
    recipe = st.Recipe(codec="native", tile=ALL, detector=everything)
    store = st.tile_slide(path, tmp_path / "x.zarr", recipe)
    stored = [tile["bytes"] > 0 for tile in store.tiles.to_pylist()]
    assert stored == [(n % 3, n // 3) in cells for n in range(9)]
    assert set(store.tiles["status"].to_pylist()) == {"ok"}
    with st.open_slide(path) as slide:
        assert st.verify_store(store.path, slide=slide, deep=True) == ()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"kind": "jpeg2000"}, None),
        ({"kind": "jpegls"}, "its frames are JPEG-LS, not JPEG or JPEG 2000"),
        ({"kind": "raw"}, "its frames are uncompressed, not JPEG or JPEG 2000"),
        ({"frame": (63, 200)}, "frames of 63×200 px do not fit: sides are 64–4096 px"),
        ({}, None),
    ],
)
def test_why_frames_cannot_be_copied(picture, tmp_path, options, why):
    path, _ = dicom_files.write_picture(tmp_path / "a.dcm", picture, **options)
    with st.open_slide(path) as slide:
        assert slide.native_obstacle(0) == why
        assert (slide.native_tiles(0) is None) == (why is not None)


def test_a_progressive_frame_makes_the_slide_zstd(picture, tmp_path, cli):
    tiles = dicom_files.cut(picture, 256, 256)
    frames = [dicom_files.encode(tile, "jpeg") for tile in tiles]
    frames[5] = dicom_files.progressive(tiles[5])
    path = dicom_files.write(tmp_path / "a.dcm", frames, size=(700, 530), frame=(256, 256))
    recipe = st.Recipe(tile=ALL, detector=everything)
    assert st.tile_slide(path, tmp_path / "x.zarr", recipe).codec == "zstd"
    refused = cli("tile", path, "-o", tmp_path / "y.zarr", "--codec", "native")
    assert "not baseline" in refused.output


def test_a_slide_of_another_folder_is_not_verified_as_this(pyramid, picture, tmp_path, cli):
    other = shutil.copytree(pyramid, tmp_path / "other")
    dicom_files.write_picture(other / "1.dcm", picture[::-1], frame=(500, 300))
    for name in ("2.dcm", "5.dcm", "10.dcm"):
        (other / name).unlink()
    store = st.tile_slide(pyramid, tmp_path / "x.zarr", st.Recipe(tile=ALL))
    assert cli("verify", store.path, "--slide", other).exit_code == 1


def jpeg2000(tile, *, mct):
    """Return a frame as a codestream, with a transform of its own or none."""
    pixels = np.ascontiguousarray(tile)
    return bytes(imagecodecs.jpeg2k_encode(pixels, level=0, codecformat="j2k", mct=mct))


@pytest.mark.parametrize(
    ("photometric", "mct"), [("YBR_RCT", True), ("YBR_ICT", True), ("RGB", True), ("RGB", False)]
)
def test_jpeg_2000_is_copied_when_asked_for(picture, tmp_path, photometric, mct):
    frames = [jpeg2000(tile, mct=mct) for tile in dicom_files.cut(picture, 256, 256)]
    path = dicom_files.write(
        tmp_path / "a.dcm", frames, size=picture.shape[1::-1], frame=(256, 256), kind="jpeg2000",
        photometric=photometric, fragments=2,
    )  # fmt: skip
    recipe = st.Recipe(codec="native", tile=ALL, detector=everything)
    store = st.tile_slide(path, tmp_path / "x.zarr", recipe)
    with st.open_slide(path) as slide:
        assert st.verify_store(store.path, slide=slide, deep=True) == ()
    whole = st.Region(x=0, y=0, width=picture.shape[1], height=picture.shape[0])
    np.testing.assert_array_equal(store.read_region(whole), picture)
    automatic = st.tile_slide(path, tmp_path / "y.zarr", st.Recipe(tile=ALL, detector=everything))
    assert automatic.codec == "zstd"
    assert automatic.metadata.not_native == "JPEG 2000 takes ten times as long to read as zstd"


def test_jpeg_2000_that_is_still_to_be_converted_is_not_copied(picture, tmp_path):
    frames = [jpeg2000(tile, mct=False) for tile in dicom_files.cut(picture, 256, 256)]
    path = dicom_files.write(
        tmp_path / "a.dcm", frames, size=picture.shape[1::-1], frame=(256, 256), kind="jpeg2000",
        photometric="YBR_ICT",
    )  # fmt: skip
    recipe = st.Recipe(codec="native", tile=ALL, detector=everything)
    with pytest.raises(NotNativeError, match="holds YCbCr, which its decoder does not convert"):
        st.tile_slide(path, tmp_path / "x.zarr", recipe)
    assert not (tmp_path / "x.zarr").exists()


@pytest.mark.parametrize(("photometric", "is_reversible"), [("YBR_RCT", True), ("YBR_ICT", False)])
@pytest.mark.parametrize("harm", ["zeros", "no header", "a hole"])
def test_a_damaged_jpeg_2000_frame_is_marked_and_the_others_copied(
    picture, tmp_path, photometric, is_reversible, harm
):
    frames = [
        bytes(imagecodecs.jpeg2k_encode(
            np.ascontiguousarray(tile), level=0, codecformat="j2k", mct=True,
            reversible=is_reversible,
        ))
        for tile in dicom_files.cut(picture, 256, 256)
    ]  # fmt: skip
    count = len(frames[4])
    header = frames[4].index(b"\xff\x52")  # the segment that says whether there is a transform
    frames[4] = {
        "zeros": bytes(count),
        "no header": frames[4][:header] + bytes(count - header),
        "a hole": frames[4][: count // 2] + bytes(count - count // 2),
    }[harm]
    path = dicom_files.write(
        tmp_path / "a.dcm", frames, size=picture.shape[1::-1], frame=(256, 256), kind="jpeg2000",
        photometric=photometric,
    )  # fmt: skip
    recipe = st.Recipe(codec="native", tile=ALL, detector=everything)
    store = st.tile_slide(path, tmp_path / "x.zarr", recipe)
    assert store.codec == "native"
    assert store.tiles["status"].to_pylist() == ["ok"] * 4 + ["unreadable"] + ["ok"] * 4
    with st.open_slide(path) as slide:
        assert st.verify_store(store.path, slide=slide, deep=True) == ()
