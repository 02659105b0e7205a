"""Stores as DICOM series: what dciodvfy says of them, and what other readers show."""

import json
import re
import shutil
import subprocess

import icc_profiles
import numpy as np
import pydicom
import pytest
from export_readers import check_near, check_openslide, stored
from pydicom.encaps import generate_frames

import slidetile as st
from slidetile.export.dicom import write as writing
from slidetile.export.dicom._header import srgb_profile
from slidetile.export.unfinished import UNFINISHED_SUFFIX

SPARSE = re.compile(r"Error - NumberOfFrames does not match expected value for tiled total pixel")
"""What this dciodvfy says of every sparse image, whoever has made it."""


def files(folder):
    return sorted(folder.iterdir())


def check_conforms(path):
    """Assert that dciodvfy finds no error."""
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy is not here: apt install dicom3tools")
    done = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False)
    told = (done.stdout + done.stderr).splitlines()
    assert "VLWholeSlideMicroscopyImage" in told
    errors = [line for line in told if line.startswith("Error") and not SPARSE.match(line)]
    assert errors == []


def check_wsidicom(folder, store):
    """Assert that wsidicom shows the chunks of each level as the store has them."""
    wsidicom = pytest.importorskip("wsidicom", reason="wsidicom is a test's oracle only")
    with wsidicom.WsiDicom.open(folder) as slide:
        found = {(level.size.width, level.size.height): level.level for level in slide.levels}
        first = store.grid(0).chunk_width, store.grid(0).chunk_height
        for number, level in enumerate(store.levels):
            grid = store.grid(number)
            if (grid.chunk_width, grid.chunk_height) != first:
                continue  # wsidicom leaves out levels whose frames have another size
            pixels, is_there = stored(store, number)
            shown = np.asarray(slide.read_region((0, 0), found[level.size], level.size))
            shown = shown if shown.ndim == 3 else shown[..., np.newaxis]
            check_near(shown, pixels, 0, where=is_there)


@pytest.mark.parametrize(
    ("codec", "choices"),
    [
        ("native", {}),
        pytest.param("jpeg", {}, marks=pytest.mark.slow),
        pytest.param("zstd", {}, marks=pytest.mark.slow),
        pytest.param("native", {"codec": "jpeg2000"}, marks=pytest.mark.slow),
    ],
)
def test_a_series_conforms_and_readers_show_what_the_store_has(stores, tmp_path, codec, choices):
    store, folder = stores(codec), tmp_path / "series"
    told = st.export_store(store, folder, st.DicomExport(**choices))
    assert told.counts["files"] == len(files(folder)) == len(store.levels)
    assert told.size_bytes == sum(path.stat().st_size for path in files(folder))
    for path in files(folder):
        check_conforms(path)
    properties = check_openslide(files(folder)[0], store)
    assert properties["openslide.vendor"] == "dicom"
    check_wsidicom(folder, store)


@pytest.mark.parametrize(
    "name",
    [
        "CMU-1-Small-Region.svs",
        "made/brightfield.ndpi",
        "made/leica.scn",
        "made/dicom_sparse.dcm",
        "multi_frame_jpeg_camelyon_challenge_image.dcm",
    ],
)
def test_frames_of_real_slides_are_copied(shared_slides, tmp_path, name):
    recipe = st.Recipe(codec="native", tile=st.TileSpec(size=256), slide_mpp=0.5)
    store = st.tile_slide(shared_slides / name, tmp_path / "a.zarr", recipe)
    st.export_store(store, tmp_path / "series", st.DicomExport(codec="native"))
    for path in files(tmp_path / "series"):
        check_conforms(path)
    check_openslide(files(tmp_path / "series")[0], store)
    check_wsidicom(tmp_path / "series", store)
    assert sorted(frames(tmp_path / "series")) == sorted(chunks(store))


def frames(folder):
    for path in files(folder):
        dataset = pydicom.dcmread(path)
        found = generate_frames(dataset.PixelData, number_of_frames=int(dataset.NumberOfFrames))
        yield from (frame.rstrip(b"\0") for frame in found)


def chunks(store):
    for level in range(len(store.levels)):
        for cell in store.stored_chunks(level):
            yield store.read_chunk_bytes(*cell, level=level)


@pytest.mark.parametrize("codec", ["native", "jpeg"])
def test_a_series_is_tiled_again_to_the_same_chunks(stores, tmp_path, codec):
    store = stores(codec)
    st.export_store(store, tmp_path / "series", "dicom")
    recipe = st.Recipe(codec="native", tile=st.TileSpec(size=512, min_tissue_fraction=0))
    again = st.tile_slide(files(tmp_path / "series")[0], tmp_path / "again.zarr", recipe)
    assert again.mpp == store.mpp
    for level in range(len(store.levels)):
        for cell in set(store.stored_chunks(level)) & set(again.stored_chunks(level)):
            before, after = (s.read_chunk(*cell, level=level) for s in (store, again))
            assert np.array_equal(before, after)
            if codec == "native":
                assert again.read_chunk_bytes(*cell, level=level) == store.read_chunk_bytes(
                    *cell, level=level
                )


def test_frames_say_where_they_lie(stores, tmp_path):
    store = stores("native")
    st.export_store(store, tmp_path / "series", "dicom")
    corner = [side * mpp / 1000 for side, mpp in zip(store.levels[0].size, store.mpp, strict=True)]
    for number, path in enumerate(files(tmp_path / "series")):
        dataset, grid = pydicom.dcmread(path), store.grid(number)
        assert (dataset.TotalPixelMatrixColumns, dataset.TotalPixelMatrixRows) == grid.size
        assert (dataset.Columns, dataset.Rows) == (grid.chunk_width, grid.chunk_height)
        (shared,) = dataset.SharedFunctionalGroupsSequence
        down, across = map(float, shared.PixelMeasuresSequence[0].PixelSpacing)
        (origin,) = dataset.TotalPixelMatrixOriginSequence
        x, y = origin.XOffsetInSlideCoordinateSystem, origin.YOffsetInSlideCoordinateSystem
        # All levels have the corner of level 0, from which their first pixels' centres are half
        # a pixel away; rows run along -y, columns along -x.
        assert float(x) + down / 2 == pytest.approx(corner[1])
        assert float(y) + across / 2 == pytest.approx(corner[0])
        assert [int(each) for each in dataset.ImageOrientationSlide] == [0, -1, 0, -1, 0, 0]
        for cell, frame in zip(
            store.stored_chunks(number), dataset.PerFrameFunctionalGroupsSequence, strict=True
        ):
            (place,), region = frame.PlanePositionSlideSequence, grid.chunk_region(*cell)
            assert place.ColumnPositionInTotalImagePixelMatrix == region.x + 1
            assert place.RowPositionInTotalImagePixelMatrix == region.y + 1
            assert float(place.YOffsetInSlideCoordinateSystem) == pytest.approx(
                float(y) - region.x * across
            )
            assert float(place.XOffsetInSlideCoordinateSystem) == pytest.approx(
                float(x) - region.y * down
            )
            (content,) = frame.FrameContentSequence
            assert tuple(content.DimensionIndexValues) == (cell[0] + 1, cell[1] + 1)


def test_large_levels_have_an_extended_offset_table(stores, tmp_path, monkeypatch):
    """One of more bytes than the basic table reaches would take minutes: the limit is lowered."""
    store = stores("native")
    monkeypatch.setattr(writing, "LARGEST_BASIC_BYTES", 1)
    st.export_store(store, tmp_path / "series", "dicom")
    dataset = pydicom.dcmread(files(tmp_path / "series")[0])
    assert len(dataset.ExtendedOffsetTable) == 8 * int(dataset.NumberOfFrames)
    assert sorted(frames(tmp_path / "series")) == sorted(chunks(store))
    check_openslide(files(tmp_path / "series")[0], store)
    check_wsidicom(tmp_path / "series", store)
    check_conforms(files(tmp_path / "series")[0])


def test_a_series_is_anonymous_unless_a_file_says_more(stores, tmp_path, cli):
    store = stores("native")
    st.export_store(store, tmp_path / "a", "dicom")
    dataset = pydicom.dcmread(files(tmp_path / "a")[0])
    assert (str(dataset.PatientName), dataset.PatientID, dataset.PatientBirthDate) == ("", "", "")
    assert dataset.PatientIdentityRemoved == "YES"
    told = {
        "PatientName": "Muster^Käthe",
        "PatientID": "1234",
        "AccessionNumber": "A-7",
        "StudyInstanceUID": "1.2.3.4",
        "ContainerIdentifier": "S26-1-A",
    }
    (tmp_path / "who.json").write_text(json.dumps(told), encoding="utf-8")
    command = ("export", store.path, "--to", "dicom", "-o", tmp_path / "b")
    result = cli(*command, "--dicom-attributes", tmp_path / "who.json")
    assert result.exit_code == 0, result.output
    for path in files(tmp_path / "b"):
        check_conforms(path)
        dataset = pydicom.dcmread(path)
        assert {keyword: str(dataset[keyword].value) for keyword in told} == told
        assert "PatientIdentityRemoved" not in dataset
    first, second = (pydicom.dcmread(files(tmp_path / name)[0]) for name in "ab")
    assert first.SOPInstanceUID != second.SOPInstanceUID


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"PatientID": "1",\n "PatientIdd": "2"}', "line 2: 'PatientIdd' is not an attribute"),
        ('{"PatientID": "1",\n "Rows": "2"}', "line 2: 'Rows' is not an attribute"),
        ('{"PatientID": "1",\n\n "PatientID": "2"}', "line 3: PatientID is given twice"),
        ('{"PatientID": "1",\n "StudyDate": "May"}', "line 2: StudyDate is 'May', which cannot be"),
        ('{"PatientID": ["1"]}', "line 1: PatientID must be a text"),
        ('{"PatientID": "1"', "line 1: Expecting ',' delimiter"),
        ('["PatientID"]', "is not a JSON object"),
        ('{"PatientName": "a\\\\b"}', "line 1: PatientName"),
        ('{"PatientID": "a\\nb"}', "it holds a control character, or half a character"),
        ('{"PatientID": "a\\ud800"}', "it holds a control character, or half a character"),
        ('{"StudyInstanceUID": ""}', "line 1: StudyInstanceUID is '', which cannot be: it may not"),
        ('{"SeriesNumber": 99999999999}', "it is not a whole number of 32 bits"),
        ('{"PatientSex": "X"}', "it is one of M, F, O, or empty"),
        ('{"PatientBirthDate": "1970-01-31"}', "a date is written YYYYMMDD, such as 19700131"),
        ('{"StudyDate": "20260231"}', "StudyDate is '20260231', which cannot be: there is no such"),
        ('{"AcquisitionDateTime": "20260231120000"}', "there is no such day"),
        ('{"PatientAge": "45"}', "three digits and D, W, M or Y, such as 045Y"),
        ('{"StudyInstanceUID": "abc"}', "a UID is numbers between dots"),
        (
            '{"patientid": "1"}',
            "an attribute that can be given (do you mean PatientID?); those are",
        ),
        ('{"PatientID": null}', "line 1: PatientID must be a text, but it is null"),
        ('{"PatientID": {"Value": true}}', 'must be a text, but it is {"Value": true}'),
        ('{"PatientIdentityRemoved": "YES"}', "so DeidentificationMethod has to say how"),
    ],
)
def test_attributes_that_cannot_be_are_refused_with_their_line(
    stores, tmp_path, cli, text, message
):
    (tmp_path / "who.json").write_text(text)
    command = ("export", stores("native").path, "--to", "dicom", "-o", tmp_path / "b")
    result = cli(*command, "--dicom-attributes", tmp_path / "who.json")
    assert result.exit_code == 2
    assert message in result.output
    assert not list(tmp_path.glob("b*"))


@pytest.mark.parametrize(
    ("told", "removed"),
    [
        ({"Manufacturer": "Aperio", "SeriesDescription": "tissue", "PatientID": ""}, "YES"),
        ({"AccessionNumber": "A-7"}, None),
        ({"StudyInstanceUID": "1.2.3.4"}, None),
        ({"ContainerIdentifier": "S26-1-A"}, None),
        ({"PatientIdentityRemoved": "NO"}, "NO"),
        (
            {
                "PatientID": "trial-7",
                "PatientIdentityRemoved": "YES",
                "DeidentificationMethod": "by hand",
            },
            "YES",
        ),
    ],
)
def test_a_series_says_that_it_is_anonymous_only_where_nothing_leads_to_a_person(
    stores, tmp_path, told, removed
):
    (tmp_path / "who.json").write_text(json.dumps(told))
    spec = st.DicomExport(dicom_attributes=tmp_path / "who.json")
    st.export_store(stores("native"), tmp_path / "a", spec)
    dataset = pydicom.dcmread(files(tmp_path / "a")[0])
    assert dataset.get("PatientIdentityRemoved") == removed
    assert ("DeidentificationMethod" in dataset) == (removed == "YES")
    check_conforms(files(tmp_path / "a")[0])


@pytest.mark.parametrize(
    ("name", "code"), [("test3-DAPI.ndpi", "111743"), ("CMU-1-Small-Region.svs", "111744")]
)
def test_fluorescence_is_not_called_brightfield(shared_slides, tmp_path, name, code):
    recipe = st.Recipe(codec="native", tile=st.TileSpec(size=1024, sample=2))
    store = st.tile_slide(shared_slides / name, tmp_path / "a.zarr", recipe)
    st.export_store(store, tmp_path / "series", "dicom")
    for path in files(tmp_path / "series"):
        check_conforms(path)
        (optical,) = pydicom.dcmread(path, stop_before_pixels=True).OpticalPathSequence
        assert optical.IlluminationTypeCodeSequence[0].CodeValue == code


def test_the_file_of_attributes_may_be_named_by_a_text(stores, tmp_path):
    (tmp_path / "who.json").write_text('{"PatientID": "1", "PatientSex": "", "SeriesNumber": 5}')
    spec = st.DicomExport(dicom_attributes=f"{tmp_path / 'who.json'}")
    st.export_store(stores("native"), tmp_path / "a", spec)
    dataset = pydicom.dcmread(files(tmp_path / "a")[0])
    assert (dataset.PatientID, dataset.PatientSex, dataset.SeriesNumber) == ("1", "", 5)


def test_the_bytes_do_not_depend_on_workers_or_interruptions(stores, tmp_path, tree, stop, stopped):
    store, spec = stores("zstd"), st.DicomExport(codec="jpeg")
    st.export_store(store, tmp_path / "a", spec, workers=1)
    with pytest.raises(stopped):
        st.export_store(store, tmp_path / "b", spec, workers=2, on_progress=stop(40))
    assert (tmp_path / f"b{UNFINISHED_SUFFIX}" / "series" / "level-0.dcm").exists()
    st.export_store(store, tmp_path / "b", spec, workers=2)
    assert tree(tmp_path / "a") == tree(tmp_path / "b")
    assert not (tmp_path / f"b{UNFINISHED_SUFFIX}").exists()


def test_the_colour_profile_is_the_slides_or_that_of_srgb(sample, stores, tmp_path):
    told = st.export_store(stores("native"), tmp_path / "a", "dicom")
    dataset = pydicom.dcmread(files(tmp_path / "a")[0])
    assert dataset.OpticalPathSequence[0].ICCProfile.rstrip(b"\0") == srgb_profile().rstrip(b"\0")
    assert "stated as sRGB" in told.notes[0]
    with st.open_slide(sample) as slide:
        pixels = slide.read_region(st.Region(x=1024, y=768, width=1000, height=700))
    profile = icc_profiles.matrix_profile()
    made = st.ArraySlide(pixels, mpp=0.5, icc_profile=profile)
    plan = st.plan_tiles(made, st.find_tissue(made, min_piece_area_um2=0))
    store = st.write_tiles(made, plan, tmp_path / "a.zarr", codec="jpeg")
    assert st.export_store(store, tmp_path / "b", "dicom").notes == ()
    with st.open_slide(tmp_path / "b" / "level-0.dcm") as again:
        assert again.icc_profile == profile


def test_only_a_series_of_ours_is_replaced(stores, tmp_path, cli, tree):
    command = ("export", stores("native").path, "--to", "dicom", "-o", tmp_path / "a")
    assert cli(*command).exit_code == 0
    before = tree(tmp_path / "a")
    refused = cli(*command, "--codec", "jpeg")
    assert (refused.exit_code, "exists already, made of another" in refused.output) == (1, True)
    assert cli(*command, "--overwrite").exit_code == 0
    assert tree(tmp_path / "a") == before
    (tmp_path / "a" / "notes.txt").write_text("mine")
    refused = cli(*command, "--overwrite")
    assert (refused.exit_code, "and not a DICOM series" in refused.output) == (1, True)
    assert (tmp_path / "a" / "notes.txt").read_text() == "mine"


def test_what_cannot_be_dicom_is_refused(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (300, 300, 4), np.uint8)
    four = st.ArraySlide(pixels, mpp=0.5)
    blind = st.ArraySlide(pixels[..., :3])
    for slide, message in ((four, "has 4 channels"), (blind, "mpp of .* is unknown")):
        tissue = st.TissueMask.from_mask(
            np.ones(st.read_overview(slide).image.shape[:2], np.bool_), st.read_overview(slide)
        )
        path = tmp_path / f"{slide.channels}.zarr"
        store = st.write_tiles(slide, st.plan_tiles(slide, tissue), path)
        with pytest.raises(ValueError, match=message):
            st.export_store(store, tmp_path / "series", "dicom")
    assert not list(tmp_path.glob("series*"))


def test_grey_of_16_bits_loses_nothing(shared_slides, tmp_path):
    """OpenSlide opens no grey DICOM."""
    recipe = st.Recipe(codec="zstd", min_piece_area_um2=0)
    store = st.tile_slide(shared_slides / "sm_image_grayscale.dcm", tmp_path / "a.zarr", recipe)
    st.export_store(store, tmp_path / "series", "dicom")
    check_conforms(tmp_path / "series" / "level-0.dcm")
    with st.open_slide(tmp_path / "series" / "level-0.dcm") as slide:
        assert np.array_equal(slide.read_region(slide.bounds), stored(store, 0)[0])
