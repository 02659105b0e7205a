"""Which files of a folder are slides, and what their stores are called."""

import json
import os
import shutil
from pathlib import Path

import dicom_files
import numpy as np
import pytest
from batches import tile_here
from hypothesis import given
from hypothesis import strategies as some
from ome_zarr import change, write_image
from pictures import pattern
from pydicom.uid import generate_uid

import slidetile as st
from slidetile.cohort.inputs.folder import SUFFIXES, find_slides, nothing_found
from slidetile.cohort.inputs.keys import plain_keys


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def found(folder):
    return [str(path.relative_to(folder)) for path in find_slides([folder])]


def test_a_folder_is_searched_in_order(tmp_path):
    touch(tmp_path, "b.svs", "a.NDPI", "notes.txt", "mask.png", "z.ome.tiff")
    touch(tmp_path, "c/x.tif", "c/d/y.mrxs")
    assert found(tmp_path) == ["a.NDPI", "b.svs", "z.ome.tiff", "c/x.tif", "c/d/y.mrxs"]


def test_stores_and_hidden_files_are_no_slides(tmp_path):
    touch(tmp_path, "a.svs", "._a.svs", "a.zarr/x.tif", "b.zarr.partial/0/x.tif")
    assert found(tmp_path) == ["a.svs"]


def test_an_ome_zarr_folder_is_one_slide_and_a_store_is_none(tmp_path, sample):
    touch(tmp_path, "a.svs")
    for name, zarr_format in (("x/b.ome.zarr", 2), ("x/c.zarr", 3), ("x/d", 3)):
        write_image(tmp_path / name, [pattern(75, 105)], zarr_format=zarr_format)
        touch(tmp_path / name, "labels/e.tif")
    st.tile_slide(sample, tmp_path / "store.zarr", st.Recipe(tile=st.TileSpec(size=512)))
    expected = ["a.svs", "x/b.ome.zarr", "x/c.zarr", "x/d"]
    assert sorted(found(tmp_path)) == expected
    assert find_slides([tmp_path / "x/c.zarr"]) == [tmp_path / "x/c.zarr"]
    names = plain_keys([tmp_path / name for name in expected])
    assert names == ["a", "b", "c", "d"]


@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
def test_every_suffix_is_found(tmp_path, suffix):
    touch(tmp_path, f"slide{suffix}", f"other{suffix.upper()}")
    assert sorted(found(tmp_path)) == sorted([f"slide{suffix}", f"other{suffix.upper()}"])


def test_files_given_by_name_are_always_tried(tmp_path):
    touch(tmp_path, "slide.weird")
    given_paths = [tmp_path / "slide.weird", tmp_path / "missing.svs"]
    assert find_slides(given_paths) == given_paths


def test_each_slide_is_found_once(tmp_path, monkeypatch):
    touch(tmp_path, "x/a.svs")
    monkeypatch.chdir(tmp_path)
    paths = ["x/a.svs", "x", tmp_path / "x/a.svs", "x/../x/a.svs", "."]
    assert find_slides(paths) == [Path("x/a.svs")]


def test_a_dicom_series_is_one_slide(shared_slides, tmp_path):
    series = shared_slides / "dicom-CMU-1-Small-Region"
    with st.open_slide(series) as slide:
        finest = slide.name
    assert finest != min(path.name for path in series.glob("*.dcm"))
    for folder in ("one", "two"):
        shutil.copytree(series, tmp_path / folder)
    lone = shared_slides / "multi_frame_jpeg_camelyon_challenge_image.dcm"
    shutil.copy(lone, tmp_path / "one" / "lone.dcm")
    (tmp_path / "broken.dcm").write_bytes(bytes(128) + b"DICM \x20\x00\x0e\x00UI")
    assert found(tmp_path) == ["broken.dcm", f"one/{finest}", "one/lone.dcm", f"two/{finest}"]


def test_a_folder_that_links_to_itself_ends(tmp_path):
    touch(tmp_path, "a/x.svs")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    assert found(tmp_path) == ["a/x.svs"]


@pytest.mark.parametrize(
    ("slides", "names"),
    [
        (["/d/a.svs", "/d/b.svs"], ["a", "b"]),
        (["/d/a.svs", "/d/a.tiff"], ["a.svs", "a.tiff"]),
        (["/d/1/a.svs", "/d/2/a.svs"], ["1_a", "2_a"]),
        (["/d/1/x/a.svs", "/d/2/x/a.svs"], ["1_x_a", "2_x_a"]),
        (["/d/1/a.svs", "/d/2/A.svs", "/d/b.svs"], ["1_a", "2_A", "b"]),
        (["/d/a.ome.tif"], ["a.ome"]),
        (["/a.svs", "/d/a.svs"], ["a", "d_a"]),
        (["/a.svs", "/A.svs"], ["a.svs", "A.svs-2"]),
    ],
)
def test_a_key_has_as_many_folders_as_tell_the_slides_apart(slides, names):
    assert plain_keys([Path(slide) for slide in slides]) == names


_part = some.sampled_from(["a", "A", "b", "a_b", "a-2", "x.svs", "ä", "a.b"])
_slide = some.lists(_part, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts) + ".svs")


@given(some.lists(_slide, unique=True, max_size=12))
def test_plain_keys_never_collide_even_where_case_does_not_count(slides):
    names = plain_keys([Path(slide) for slide in slides])
    assert len({name.casefold() for name in names}) == len(slides)
    for name, slide in zip(names, slides, strict=True):
        assert "/" not in name
        assert Path(slide).stem in name


def test_names_that_are_no_text_become_text_and_stay_apart():
    slides = [Path(os.fsdecode(b"/d/caf\xe9.svs")), Path(os.fsdecode(b"/d/caf\xe8.svs"))]
    first, second = plain_keys(slides)
    assert first != second
    assert all("caf\ufffd" in name for name in (first, second))
    assert (first + second).encode()


def test_linked_folders_are_searched_once_and_last(tmp_path, caplog):
    touch(tmp_path, "raw/x.svs", "raw/deep/y.svs", "top/m.svs", "top/z/n.svs")
    touch(tmp_path, "a.zarr/tiles/checksums.txt")
    top = tmp_path / "top"
    links = {"b": "../raw", "c": "../raw", "loop": ".", "z/again": "..", "s.zlink": "../a.zarr"}
    for name, target in links.items():
        (top / name).symlink_to(target)
    (tmp_path / "raw" / "back").symlink_to("../raw/deep")
    assert found(top) == ["m.svs", "z/n.svs", "b/x.svs", "b/deep/y.svs"]
    (record,) = caplog.records
    assert record.getMessage() == "stores passed over, since they are made already: 1."


def test_a_link_to_a_folder_above_is_told(tmp_path, caplog):
    touch(tmp_path, "x.svs", "top/m.svs")
    (tmp_path / "top" / "up").symlink_to("..")
    assert found(tmp_path / "top") == ["m.svs"]
    assert f"links to {tmp_path}, a folder above, and is not searched" in caplog.text


def test_hidden_slides_are_counted(tmp_path, caplog):
    touch(tmp_path, "a.svs", *(f"sub/._{number}.svs" for number in range(7)), ".DS_Store")
    assert found(tmp_path) == ["a.svs"]
    (record,) = caplog.records
    assert "left out: 7 (" in record.getMessage()
    assert "._4.svs, …)" in record.getMessage()


def test_files_with_other_suffixes_are_counted(tmp_path, caplog):
    touch(tmp_path, "a.svs", "old.avs", "sub/c.TXT", ".DS_Store", "summary.csv", "a.zarr.owner")
    touch(tmp_path, *(f"{number}.txt" for number in range(9)), "a.xml", "b.xml")
    touch(tmp_path, "m.mrxs", "m/Slidedat.ini", "m/Data0000.dat")
    assert found(tmp_path) == ["a.svs", "m.mrxs", "old.avs"]
    (record,) = caplog.records
    assert record.getMessage() == (
        "files left out, since they are no slides: 12 (.txt 10, .xml 2); a file given by its name "
        "is tried all the same."
    )


def test_where_all_are_slides_nothing_is_told(tmp_path, caplog):
    touch(tmp_path, "a.svs", "b/c.svs")
    assert found(tmp_path) == ["a.svs", "b/c.svs"]
    assert not caplog.records


def test_a_pipe_named_as_a_slide_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.svs")
    assert found(tmp_path) == ["pipe.svs"]


def test_a_folder_that_is_gone_or_locked_is_told(tmp_path, caplog):
    touch(tmp_path, "a.svs", "locked/b.svs")
    (tmp_path / "locked").chmod(0)
    if os.access(tmp_path / "locked", os.R_OK):
        pytest.skip("nothing is forbidden to root")
    assert found(tmp_path) == ["a.svs"]
    assert "could not be searched" in caplog.text


def test_why_nothing_is_found(tmp_path):
    assert nothing_found([tmp_path]) == f"no slides found in {tmp_path}"
    touch(tmp_path, "a.txt", "b.PNG", "c.txt", "noname", ".h.svs")
    touch(tmp_path, "d.zarr/tiles/checksums.txt")
    assert nothing_found([tmp_path]) == (
        f"no slides found in {tmp_path}: hidden files with a slide's suffix: 1; files that are "
        "no slides: 4 (.txt 2, .png 1, no suffix 1); stores, which are made already: 1. Give a "
        "file by its name to try it all the same"
    )


def test_the_whole_file_system_is_not_searched():
    with pytest.raises(st.SlideError, match="/ is the whole file system, which is not searched"):
        find_slides(["/"])


def test_a_file_that_refers_to_a_series_is_not_of_it(shared_slides, tmp_path, caplog):
    """A segmentation names the series of its slide within a sequence, before its own."""
    for name in ("seg_image_sm_dots_tiled_full.dcm", "sm_image.dcm"):
        shutil.copy(shared_slides / name, tmp_path)
    assert found(tmp_path) == ["sm_image.dcm"]
    assert "no slides: 1 (DICOM file of the class Segmentation 1)" in caplog.text


def test_a_series_is_one_slide(shared_slides):
    folder = shared_slides / "dicom-CMU-1-Small-Region"
    (found,) = find_slides([folder])
    with st.open_slide(folder) as slide:
        assert found.name == slide.name


def test_a_series_is_one_slide_however_its_elements_are_stored(tmp_path):
    picture = np.zeros((60, 80, 3), np.uint8)
    for kind in ("raw", "implicit"):
        series = generate_uid()
        for name, shown in (("a", picture), ("b", picture[::2, ::2])):
            path = tmp_path / f"{kind}-{name}"
            dicom_files.write_picture(path, shown, kind=kind, series=series)
    assert found(tmp_path) == ["implicit-a", "raw-a"]


TIFF, PNG = b"II*\0\x08\0\0\0", b"\x89PNG\r\n\x1a\n"


def test_what_a_file_holds_decides_whatever_its_name(tmp_path, shared_slides, caplog):
    contents = {
        "noname": TIFF,
        "scan.QPTIFF": TIFF,
        "scan.lsm": TIFF,
        "scan.bin": b"ZISRAWFILE" + bytes(22),
        "old.kfb": b"\xf1\x01\xee\xeeKFB\0",
        "new.bin": b"\xf1\x01\xee\xeeKFBF",
        "b.png": PNG,
        "c.PNG": PNG,
        "notes": b"hello",
        "table.csv": b"a,b\n1,2\n",
        "x.json": b"{}",
        "weird.xyz": b"\x01\x02",
        "wrong.svs": PNG,
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    shutil.copy(shared_slides / "sm_image.dcm", tmp_path / "dicom")
    assert found(tmp_path) == [
        *("dicom", "new.bin", "noname", "old.kfb", "scan.QPTIFF", "scan.bin", "scan.lsm"),
        "wrong.svs",
    ]
    (record,) = caplog.records
    assert "6 (PNG picture 2, text file 2, .xyz 1, JSON file 1)" in record.getMessage()


def test_the_pixels_of_an_olympus_vsi_are_no_slides(tmp_path, caplog):
    for name in ("a.vsi", "_a_/stack1/frame_t.tif", "_b_/c.tif"):
        touch(tmp_path, name)
        (tmp_path / name).write_bytes(TIFF)
    touch(tmp_path, "frame_t.ets")
    (tmp_path / "frame_t.ets").write_bytes(b"SIS\0")
    assert found(tmp_path) == ["a.vsi", "_b_/c.tif"]
    assert "2 (Olympus ETS file 1, folder of an Olympus VSI 1)" in caplog.text


def zarr_group(folder, **attributes):
    folder.mkdir(parents=True)
    (folder / ".zgroup").write_text('{"zarr_format": 2}')
    (folder / ".zattrs").write_text(json.dumps(attributes))
    touch(folder, "0/0.tif")


def test_a_zarr_folder_without_an_image_is_not_searched_but_counted(tmp_path, caplog):
    zarr_group(tmp_path / "image")
    zarr_group(tmp_path / "plate.zarr", plate={"wells": []})
    touch(tmp_path, "a.svs", "b.zarr/c.tif")
    assert found(tmp_path) == ["a.svs"]
    (record,) = caplog.records
    assert record.getMessage() == (
        "files left out, since they are no slides: 3 (OME-Zarr plate 1, Zarr folder without an "
        "image 1, folder named .zarr without Zarr metadata 1); a file given by its name is tried "
        "all the same."
    )


def test_an_ome_zarr_folder_with_unreadable_metadata_is_a_slide_that_says_so(tmp_path):
    for name, file in (("a.ome.zarr", "zarr.json"), ("b", ".zattrs"), ("c.zarr", "0/zarr.json")):
        zarr_format = 2 if file == ".zattrs" else 3
        folder = write_image(tmp_path / name, [pattern(75, 105)], zarr_format=zarr_format)
        (folder / file).write_bytes((folder / file).read_bytes()[:-20])
    assert found(tmp_path) == ["a.ome.zarr", "b", "c.zarr"]
    assert found(tmp_path / "a.ome.zarr") == ["."]
    results = tile_here([tmp_path], tmp_path / "out", st.Recipe()).results
    assert [result.status for result in results] == ["failed"] * 3
    assert all("cannot be read as JSON" in result.reason for result in results)


def test_a_plate_given_by_name_gets_a_row(tmp_path):
    zarr_group(tmp_path / "plate.zarr", plate={"wells": []})
    assert find_slides([tmp_path / "plate.zarr"]) == [tmp_path / "plate.zarr"]


def test_stores_are_counted_whether_their_metadata_can_be_read_or_not(tmp_path, sample, caplog):
    recipe = st.Recipe(tile=st.TileSpec(size=512))
    for name in ("a.zarr", "b.zarr"):
        st.tile_slide(sample, tmp_path / name, recipe)
    change(tmp_path / "a.zarr" / "zarr.json", lambda node: node["attributes"].pop("ome"))
    (tmp_path / "b.zarr" / "zarr.json").write_text("{")
    caplog.clear()
    assert found(tmp_path) == []
    assert "stores passed over, since they are made already: 2." in caplog.text
    caplog.clear()
    assert find_slides([tmp_path], tells_stores=False) == []
    assert caplog.text == ""


def test_a_folder_of_a_series_names_its_store(tmp_path):
    (tmp_path / "1.2.840").mkdir()
    assert plain_keys([tmp_path / "1.2.840"]) == ["1.2.840"]
