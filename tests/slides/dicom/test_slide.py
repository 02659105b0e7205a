"""DICOM slides: how files become levels, and frames pixels, as other libraries read them."""

import logging
import shutil

import dicom_files
import numpy as np
import openslide
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from wsidicom import WsiDicom

import slidetile as st
from slidetile.errors import SlideReadError, UnsupportedSlideError
from slidetile.slides.reader import FinalRefusalError

REAL = [
    "multi_frame_jpeg_camelyon_challenge_image.dcm",
    "wsi2dcm_jpeg.dcm",
    "sm_image.dcm",
    "dicom-CMU-1-Small-Region",
    "made/dicom_sparse.dcm",
    "made/dicom_fragments.dcm",
]
SERIES = "dicom-CMU-1-Small-Region"


def whole(slide, level=0):
    return slide.read_region(slide.bounds, level=level)


def on_white(image):
    rgba = np.asarray(image)
    return np.where(rgba[..., 3:] == 0, 255, rgba[..., :3])


@pytest.mark.parametrize("name", REAL)
def test_every_pixel_and_the_metadata_are_openslides(shared_slides, name):
    path = shared_slides / name
    file = next(path.glob("*.dcm")) if path.is_dir() else path
    with st.open_slide(path) as ours, openslide.OpenSlide(file) as theirs:
        assert (ours.reader, ours.vendor) == ("dicom", "dicom")
        assert [level.size for level in ours.levels] == list(theirs.level_dimensions)
        read = on_white(theirs.read_region((0, 0), 0, theirs.dimensions))
        np.testing.assert_array_equal(whole(ours), read)
        mpp = [float(theirs.properties[f"openslide.mpp-{axis}"]) for axis in "xy"]
        assert ours.mpp == pytest.approx(mpp, rel=1e-12)
        profile = theirs.color_profile
        assert ours.icc_profile == (profile.tobytes() if profile else None)


@pytest.mark.parametrize("name", ["multi_frame_jpeg_camelyon_challenge_image.dcm", SERIES])
def test_every_pixel_is_wsidicoms(shared_slides, name):
    path = shared_slides / name
    with st.open_slide(path) as ours, WsiDicom.open(path) as theirs:
        size = ours.width, ours.height
        read = np.asarray(theirs.read_region((0, 0), 0, size))
        np.testing.assert_array_equal(whole(ours), read)


@pytest.mark.parametrize("table", ["basic", "empty", "extended"])
@pytest.mark.parametrize("fragments", [1, 2, 3])
@pytest.mark.parametrize("frame", [(256, 256), (240, 240), (500, 500), (370, 277), (69, 64)])
def test_frames_are_found_by_every_table(picture, tmp_path, table, fragments, frame):
    if table == "extended" and fragments > 1:
        fragments = 1  # an extended table knows whole frames alone
    path, frames = dicom_files.write_picture(
        tmp_path / "a.dcm", picture, frame=frame, table=table, fragments=fragments
    )
    data = pydicom.dcmread(path)
    with st.open_slide(path) as slide:
        assert (slide.levels[0].tile_width_px, slide.levels[0].tile_height_px) == frame
        pixels = whole(slide)
        tiles = dicom_files.cut(pixels, *frame)
        for number, theirs in enumerate(pydicom.pixels.iter_pixels(data)):
            ours = tiles[number]
            row, column = divmod(number, -(-slide.width // frame[0]))
            inside = (
                slice(0, min(frame[1], slide.height - row * frame[1])),
                slice(0, min(frame[0], slide.width - column * frame[0])),
            )
            # pydicom converts YCbCr by itself, where libjpeg does it with the upsampling
            difference = np.abs(ours[inside].astype(int) - theirs[inside])
            assert difference.mean() < 1
            np.testing.assert_array_equal(ours[inside], dicom_files.decoded(frames[number])[inside])


def test_openslide_agrees_on_what_is_made_here(picture, tmp_path):
    path, _ = dicom_files.write_picture(tmp_path / "a.dcm", picture, frame=(240, 200))
    with st.open_slide(path) as ours, openslide.OpenSlide(path) as theirs:
        read = on_white(theirs.read_region((0, 0), 0, theirs.dimensions))
        np.testing.assert_array_equal(whole(ours), read)


@pytest.mark.parametrize("is_implicit", [False, True])
def test_sparse_frames_lie_where_they_say(picture, tmp_path, is_implicit):
    kind = "implicit" if is_implicit else "raw"
    cells = [(2, 1), (0, 0), (1, 2)]
    all_frames = [dicom_files.encode(tile, kind) for tile in dicom_files.cut(picture, 256, 256)]
    frames = [all_frames[row * 3 + column] for column, row in cells]
    path = dicom_files.write(
        tmp_path / "a.dcm",
        frames,
        size=(700, 530),
        frame=(256, 256),
        kind=kind,
        photometric="RGB",
        cells=cells,
    )
    expected = np.full_like(picture, 255)
    for column, row in cells:
        place = np.s_[row * 256 : row * 256 + 256, column * 256 : column * 256 + 256]
        expected[place] = picture[place]
    with st.open_slide(path) as slide:
        np.testing.assert_array_equal(whole(slide), expected)


@pytest.mark.parametrize("table", ["basic", "empty", "extended"])
def test_a_frame_without_bytes_is_background(picture, tmp_path, table):
    frames = [dicom_files.encode(tile, "jpeg2000") for tile in dicom_files.cut(picture, 256, 256)]
    frames[4] = b""
    path = dicom_files.write(
        tmp_path / "a.dcm",
        frames,
        size=(700, 530),
        frame=(256, 256),
        kind="jpeg2000",
        photometric="YBR_RCT",
        table=table,
    )
    with st.open_slide(path) as slide:
        expected = picture.copy()
        expected[256:512, 256:512] = 255
        np.testing.assert_array_equal(whole(slide), expected)


def pyramid(folder, picture, *, series=None, factors=(1, 2, 5), **options):
    """Write a level for each factor; the names are not in their order."""
    folder.mkdir(exist_ok=True)
    series = series or generate_uid()
    for factor in factors:
        level = np.ascontiguousarray(picture[::factor, ::factor])
        path = folder / f"{9 - factor}.dcm"
        options = {"frame": (128, 128), "kind": "raw", "mpp": 0.5 * factor} | options
        dicom_files.write_picture(path, level, series=series, **options)
    for flavor in ("LABEL", "OVERVIEW", "THUMBNAIL"):
        name = folder / f"0{flavor}.dcm"
        dicom_files.write_picture(name, picture[:90, :80], series=series, flavor=flavor)
    return folder


def test_levels_are_files_and_any_of_them_and_the_folder_is_the_slide(picture, tmp_path):
    folder = pyramid(tmp_path / "s", picture)
    slides = [folder, *sorted(folder.iterdir())]
    sources = set()
    for path in slides:
        with st.open_slide(path) as slide:
            assert [level.size for level in slide.levels] == [(700, 530), (350, 265), (140, 106)]
            for level, factor in enumerate((1, 2, 5)):
                np.testing.assert_array_equal(whole(slide, level), picture[::factor, ::factor])
            assert slide.mpp == (0.5, 0.5)
            assert slide.name == "8.dcm"
            sources.add(slide.source)
    assert len(sources) == 1


def test_labels_and_overviews_are_never_read(picture, tmp_path):
    folder = pyramid(tmp_path / "s", picture)
    for name in ("LABEL", "OVERVIEW", "THUMBNAIL"):
        path = folder / f"0{name}.dcm"
        data = path.read_bytes()
        path.write_bytes(data[: data.index(b"\xe0\x7f\x10\x00")])  # all up to the pixels
    with st.open_slide(folder) as slide:
        assert len(slide.levels) == 3
        np.testing.assert_array_equal(whole(slide), picture)
        assert {path.name for path in slide.beside} == {"7.dcm", "4.dcm"}


def test_series_in_a_folder_are_told_apart(picture, tmp_path):
    folder = pyramid(tmp_path / "s", picture, factors=(1, 2))
    other, _ = dicom_files.write_picture(folder / "other.dcm", picture[:300, :200], kind="raw")
    with st.open_slide(folder / "7.dcm") as slide:
        assert [level.size for level in slide.levels] == [(700, 530), (350, 265)]
    with st.open_slide(other) as slide:
        assert [level.size for level in slide.levels] == [(200, 300)]
    with pytest.raises(FinalRefusalError) as raised:
        st.open_slide(folder)
    message = str(raised.value)
    assert "holds 2 DICOM slides" in message
    assert "0LABEL.dcm (5 files)" in message
    assert "other.dcm (1 file)" in message
    assert "Name a file of the one you mean" in message


def test_a_folder_with_a_slide_that_is_no_dicom_is_not_one_slide(picture, sample, tmp_path):
    folder = pyramid(tmp_path / "s", picture, factors=(1,))
    (folder / "notes.txt").write_text("nothing of a slide")
    with st.open_slide(folder) as slide:
        assert len(slide.levels) == 1
    shutil.copy(sample, folder / "b.svs")
    told = r"a DICOM slide and 1 other slide \(b\.svs\)\. Name"
    with pytest.raises(FinalRefusalError, match=told):
        st.open_slide(folder)


def test_a_series_of_labels_alone_is_refused_and_passed_over(picture, tmp_path):
    folder = pyramid(tmp_path / "s", picture, factors=(1,))
    label, _ = dicom_files.write_picture(folder / "l.dcm", picture[:90, :80], flavor="LABEL")
    with st.open_slide(folder) as slide:
        assert slide.width == 700
    with pytest.raises(FinalRefusalError, match=r"no scanned image \(VOLUME\), but 1 LABEL image"):
        st.open_slide(label)
    shutil.copytree(folder, tmp_path / "t", ignore=lambda *_: {"8.dcm"})
    with pytest.raises(FinalRefusalError, match=r"holds no whole slide: .* 2 LABEL images"):
        st.open_slide(tmp_path / "t")


def test_a_concatenation_is_one_level(picture, tmp_path):
    frames = [dicom_files.encode(tile, "jpegls") for tile in dicom_files.cut(picture, 128, 128)]
    whole_object, series = generate_uid(), generate_uid()
    bounds = [(0, 11), (11, 12), (12, len(frames))]

    def write(number):
        first, last = bounds[number]

        def change(dataset):
            dataset.ConcatenationUID = whole_object
            dataset.InConcatenationNumber = number + 1
            dataset.InConcatenationTotalNumber = 3
            dataset.ConcatenationFrameOffsetNumber = first

        return dicom_files.write(
            tmp_path / f"{3 - number}.dcm",
            frames[first:last],
            size=(700, 530),
            frame=(128, 128),
            kind="jpegls",
            photometric="RGB",
            series=series,
            table=("basic", "empty", "extended")[number],
            change=change,
        )

    parts = [write(number) for number in range(3)]
    for path in (tmp_path, *parts):
        with st.open_slide(path) as slide:
            np.testing.assert_array_equal(whole(slide), picture)
            assert slide.name == "3.dcm"
            assert len(slide.beside) == 2
    away = tmp_path / "away"
    away.mkdir()
    for number, missing in enumerate(parts):
        missing.rename(away / "a.dcm")
        with pytest.raises(SlideReadError, match=r"\(a concatenation\)"):
            st.open_slide(parts[number - 1])
        (away / "a.dcm").rename(missing)


def test_a_copy_of_a_file_beside_it_changes_nothing(picture, tmp_path):
    folder = pyramid(tmp_path / "s", picture, factors=(1, 2))
    shutil.copy(folder / "8.dcm", folder / "8 (copy).dcm")
    with st.open_slide(folder) as slide:
        assert len(slide.levels) == 2


def test_two_images_that_say_they_are_one_are_refused(picture, tmp_path):
    """The one by the first name would have hidden the other, which may be the finest."""
    series, own = generate_uid(), generate_uid()
    folder = pyramid(tmp_path / "s", picture, series=series, change=spread(SOPInstanceUID=own))
    for path in (folder, *folder.glob("?.dcm")):
        with pytest.raises(SlideReadError, match=r"4\.dcm and 7\.dcm say that they are one image"):
            st.open_slide(path)


def test_metadata_are_the_headers(picture, tmp_path):
    def change(dataset):
        spacing = dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
        spacing.PixelSpacing = ["0.00025", "0.00026"]  # of the rows first
        path = dataset.OpticalPathSequence[0]
        path.ObjectiveLensPower, path.ICCProfile = "40", b"profile!"

    path, _ = dicom_files.write_picture(tmp_path / "a.dcm", picture, change=change)
    with st.open_slide(path) as slide:
        assert slide.mpp == pytest.approx((0.26, 0.25))
        assert (slide.objective_power, slide.icc_profile) == (40, b"profile!")
        assert slide.scan_area == slide.bounds
    with st.open_slide(path, mpp=1.0) as slide:
        assert slide.mpp == (1.0, 1.0)


def test_no_word_about_the_patient_leaves_the_file(picture, tmp_path, cli, caplog, tree):
    folder = pyramid(tmp_path / "s", picture, kind="jpeg")
    caplog.set_level(logging.DEBUG)
    told = cli("-vv", "info", folder / "8.dcm")
    assert told.exit_code == 0
    recipe = st.Recipe(tile=st.TileSpec(size=256, min_tissue_fraction=0))
    store = st.tile_slide(folder, tmp_path / "x.zarr", recipe)
    texts = [told.output, caplog.text, *map(repr, _damaged_errors(folder / "8.dcm", tmp_path))]
    for secret in dicom_files.SECRETS:
        assert not [text for text in texts if secret in text]
        assert not [name for name, data in tree(store.path).items() if secret.encode() in data]


def _damaged_errors(path, folder):
    """Yield the errors of a file whose header is damaged here and there."""
    data = path.read_bytes()
    random = np.random.default_rng(0)
    for _ in range(150):
        broken = bytearray(data)
        for at in random.integers(132, 1500, 3):
            broken[at] = random.integers(256)
        other = folder / "broken.dcm"
        other.write_bytes(broken)
        try:
            st.open_slide(other).close()
        except st.SlidetileError as error:
            yield error, error.__cause__, error.__context__


def spread(**values):
    def change(dataset):
        for name, value in values.items():
            setattr(dataset, name, value)

    return change


def two_paths(dataset):
    dataset.OpticalPathSequence = [Dataset(), Dataset()]


REFUSED = {
    "depths": (spread(TotalPixelMatrixFocalPlanes=7), "spread over 7 focal planes"),
    "channels": (spread(NumberOfOpticalPaths=4), "spread over 4 optical paths"),
    "paths": (two_paths, "spread over 2 optical paths"),
    "bits": (spread(BitsAllocated=32, BitsStored=32), "32-bit unsigned numbers"),
    "deep colours": (
        spread(BitsAllocated=16, BitsStored=12, HighBit=11),
        "its colours have 12 bits",
    ),
    "signed": (spread(PixelRepresentation=1), "8-bit signed numbers"),
    "CT": (spread(SOPClassUID="1.2.840.10008.5.1.4.1.1.2"), "a DICOM file of the class CT Image"),
    "label": (spread(ImageType=["ORIGINAL", "PRIMARY", "LABEL", "NONE"]), "1 LABEL image"),
    "size": (spread(TotalPixelMatrixRows=1 << 23), "more than the 4194304 a side"),
}


@pytest.mark.parametrize("reader", [None, "dicom", "openslide"])
@pytest.mark.parametrize("kind", REFUSED)
def test_what_would_be_lost_is_refused_with_its_number(picture, tmp_path, kind, reader):
    change, words = REFUSED[kind]
    path, _ = dicom_files.write_picture(tmp_path / "a.dcm", picture, change=change)
    if reader == "openslide" and kind in ("CT", "label"):
        pytest.skip("what is no level, OpenSlide refuses by itself: tests only levels")
    with pytest.raises(FinalRefusalError, match=words):
        st.open_slide(path, reader=reader)


def test_real_files_that_would_be_lost_are_refused(shared_slides):
    with pytest.raises(FinalRefusalError, match=r"16 bits, of which this reader leaves 8"):
        st.open_slide(shared_slides / "sm_image_grayscale.dcm", reader="openslide")
    with pytest.raises(FinalRefusalError, match=r"of the class Segmentation, .*name a file of"):
        st.open_slide(shared_slides / "seg_image_sm_dots_tiled_full.dcm")


def test_frames_at_one_place_are_refused(picture, tmp_path):
    frames = [dicom_files.encode(tile, "raw") for tile in dicom_files.cut(picture, 256, 256)[:3]]
    path = dicom_files.write(
        tmp_path / "a.dcm",
        frames,
        size=(700, 530),
        frame=(256, 256),
        kind="raw",
        photometric="RGB",
        cells=[(1, 1), (0, 1), (1, 1)],
    )
    with pytest.raises(FinalRefusalError, match="2 frames at one place"):
        st.open_slide(path)


def off_the_grid(dataset):
    (place,) = dataset.PerFrameFunctionalGroupsSequence[1].PlanePositionSlideSequence
    place.ColumnPositionInTotalImagePixelMatrix += 9


def at_one_place(dataset):
    groups = dataset.PerFrameFunctionalGroupsSequence
    groups[1] = groups[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [(off_the_grid, "do not lie in a grid"), (at_one_place, "2 frames at one place")],
)
def test_only_a_level_off_the_grid_is_left_out(picture, tmp_path, caplog, change, words):
    folder = pyramid(tmp_path / "s", picture, factors=(1, 5))
    small = np.ascontiguousarray(picture[::2, ::2])
    series = str(pydicom.dcmread(folder / "8.dcm").SeriesInstanceUID)
    tiles = dicom_files.cut(small, 128, 128)
    dicom_files.write(
        folder / "7.dcm", [dicom_files.encode(tile, "raw") for tile in tiles],
        size=(350, 265), frame=(128, 128), kind="raw", photometric="RGB", series=series,
        cells=[(n % 3, n // 3) for n in range(len(tiles))], change=change,
    )  # fmt: skip
    for path in (folder, folder / "7.dcm"):
        with st.open_slide(path) as slide:
            assert slide.reader == "dicom"
            assert [level.size for level in slide.levels] == [(700, 530), (140, 106)]
            np.testing.assert_array_equal(whole(slide, 1), picture[::5, ::5])
            assert {path.name for path in slide.beside} == {"4.dcm"}
        assert "A coarser level is left out: 7.dcm, a file of its series: " in caplog.text
        assert words in caplog.text
        caplog.clear()


def test_images_of_one_size_are_refused(picture, tmp_path):
    series = generate_uid()
    for name in "abc":
        dicom_files.write_picture(tmp_path / f"{name}.dcm", picture, series=series, kind="raw")
    with pytest.raises(FinalRefusalError, match="holds 3 images of 700×530 pixels"):
        st.open_slide(tmp_path / "a.dcm")


UNKNOWN = {
    "big-endian": ("1.2.840.10008.1.2.2", "big-endian DICOM"),
    "deflated": ("1.2.840.10008.1.2.1.99", "deflated DICOM"),
    "lossless JPEG": ("1.2.840.10008.1.2.4.57", "JPEG Lossless, Non-Hierarchical"),
    "unknown": ("1.2.3.4.5", "stored as 1.2.3.4.5"),
}


@pytest.mark.parametrize("kind", UNKNOWN)
def test_what_is_stored_in_another_way_is_named(picture, tmp_path, kind):
    syntax, words = UNKNOWN[kind]
    path, _ = dicom_files.write_picture(tmp_path / "a.dcm", picture)
    data = path.read_bytes()
    own = str(dicom_files.SYNTAXES["jpeg"]).encode()
    path.write_bytes(data.replace(own, syntax.encode().ljust(len(own), b"\0"), 1))
    with pytest.raises(UnsupportedSlideError, match=words):
        st.open_slide(path)


def test_a_folder_of_no_slide_is_refused(tmp_path):
    with pytest.raises(SlideReadError, match=r"is a folder, not a slide: .*DICOM"):
        st.open_slide(tmp_path)
    (tmp_path / "notes.txt").write_text("of the scanner")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(SlideReadError, match="is a folder, not a slide"):
        st.open_slide(tmp_path)
    (tmp_path / "a.dcm").write_bytes(bytes(128) + b"DICM")
    with pytest.raises(SlideReadError, match=r"a\.dcm in its folder cannot be read"):
        st.open_slide(tmp_path)


def test_a_file_that_changes_while_it_is_read_stops_the_run(picture, tmp_path):
    folder = pyramid(tmp_path / "s", picture)
    with st.open_slide(folder) as slide:
        (folder / "7.dcm").touch()
        with pytest.raises(SlideReadError, match=r"7\.dcm changed while it was read"):
            whole(slide, 1)
        np.testing.assert_array_equal(whole(slide), picture)


@pytest.mark.parametrize("field", ["ImageType", "PhotometricInterpretation"])
def test_what_is_no_code_is_not_quoted(picture, tmp_path, field):
    """A field may be filled with a name."""

    def fill(dataset):
        setattr(
            dataset, field, ["ORIGINAL", "PRIMARY", "MUSTER"] if field == "ImageType" else "MUSTER"
        )

    path, _ = dicom_files.write_picture(tmp_path / "a.dcm", picture, change=fill)
    with pytest.raises(st.SlideError) as caught:
        st.open_slide(path)
    assert "MUSTER" not in str(caught.value)
