"""The references of a store without pixels, read by fsspec and zarr-python."""

import json

import fsspec
import numpy as np
import pytest
import tifffile
import zarr
from zarr.storage import FsspecStore

import slidetile as st
from slidetile.format.names import REFERENCES

RECIPE = st.Recipe(codec="reference", tile=st.TileSpec(size=256, min_tissue_fraction=0))

PLAIN = (
    "petebankhead-OS-1-detail.ome.tif",
    "wsic-CMU-1-Small-Region.jpeg.tiff",
    "multi_frame_jpeg_camelyon_challenge_image.dcm",
    "wsi2dcm_jpeg.dcm",
    "made/philips.tiff",
    "made/motic.svs",
    "made/leica.scn",
    "made/dicom_sparse.dcm",
)
JOINED = (
    "CMU-1-Small-Region.svs",  # its tiles share tables
    "made/brightfield.ndpi",  # a tile is many stripes
    "made/dicom_fragments.dcm",  # a frame is two fragments
    "wsic-XYC.png",
)


def read_by_others(path, **options):
    files = fsspec.filesystem("reference", fo=str(path), **options)
    return zarr.open_group(FsspecStore.from_mapper(files.get_mapper("")), mode="r")


def whole(store, level):
    """Read all of a level, which may end a pixel before the slide."""
    size = store.levels[0].size
    height, width = store.levels[level].height, store.levels[level].width
    region = st.Region(x=0, y=0, width=size[0], height=size[1])
    return store.read_region(region, level=level)[:height, :width]


@pytest.mark.parametrize("name", PLAIN)
def test_zarr_reads_through_fsspec_what_the_store_reads(shared_slides, name, tmp_path):
    store = st.tile_slide(shared_slides / name, tmp_path / "a.zarr", RECIPE)
    assert store.references == store.path / REFERENCES
    group = read_by_others(store.references)
    assert group.attrs["ome"]["multiscales"][0]["datasets"][0]["path"] == "0"
    for number in range(len(store.levels)):
        theirs = group[str(number)][:].transpose(1, 2, 0)
        np.testing.assert_array_equal(theirs, whole(store, number))


@pytest.mark.parametrize("name", JOINED)
def test_none_is_written_where_a_tile_is_more_than_a_range(shared_slides, name, tmp_path):
    store = st.tile_slide(shared_slides / name, tmp_path / "a.zarr", RECIPE)
    assert store.references is None
    assert not (store.path / REFERENCES).exists()


def test_tiles_of_rgb_without_a_marker_are_none(tmp_path):
    pixels = np.random.default_rng(0).integers(60, 200, (64, 96, 3), np.uint8)
    pixels = pixels.repeat(8, axis=0).repeat(8, axis=1)
    path = tmp_path / "a.tif"
    options = {"compression": "jpeg", "photometric": "rgb", "tile": (256, 256)}
    tifffile.imwrite(path, pixels, compressionargs={"outcolorspace": "RGB"}, **options)
    store = st.tile_slide(path, tmp_path / "a.zarr", RECIPE)
    if store.references is not None:  # then other programs read the same
        theirs = read_by_others(store.references)["0"][:].transpose(1, 2, 0)
        np.testing.assert_array_equal(theirs, whole(store, 0))


def test_only_what_tiles_need_is_listed_and_the_path_is_given_anew(shared_slides, tmp_path):
    slide = tmp_path / "a.tiff"
    slide.write_bytes((shared_slides / "made/philips.tiff").read_bytes())
    recipe = st.Recipe(codec="reference", tile=st.TileSpec(size=256, max_tiles=2))
    store = st.tile_slide(slide, tmp_path / "a.zarr", recipe)
    document = json.loads(store.references.read_bytes())
    assert document["templates"] == {"slide": f"file://{slide.resolve()}"}
    finest = [key for key in document["refs"] if key.startswith("0/c/")]
    assert 1 <= len(finest) <= 2
    moved = slide.rename(tmp_path / "moved.tiff")
    group = read_by_others(store.references, template_overrides={"slide": f"file://{moved}"})
    again = st.open_store(store.path, slide=moved)
    np.testing.assert_array_equal(group["0"][:].transpose(1, 2, 0), whole(again, 0))


def test_they_are_read_from_wherever_one_is(tmp_path, monkeypatch):
    pixels = np.random.default_rng(0).integers(60, 200, (512, 512, 3), np.uint8)
    (tmp_path / "there").mkdir()
    slide = tmp_path / "there" / "a.tif"
    tifffile.imwrite(slide, pixels, compression="jpeg2000", photometric="rgb", tile=(256, 256))
    monkeypatch.chdir(tmp_path)
    typed = st.tile_slide("there/a.tif", "typed.zarr", RECIPE)
    whole_path = st.tile_slide(slide, "whole.zarr", RECIPE)
    assert typed.references.read_bytes() == whole_path.references.read_bytes()
    monkeypatch.chdir("there")
    theirs = read_by_others(tmp_path / "typed.zarr" / REFERENCES)["0"][:]
    np.testing.assert_array_equal(theirs.transpose(1, 2, 0), pixels)
    document = json.loads((tmp_path / "typed.zarr" / REFERENCES).read_bytes())
    document["templates"]["slide"] = "file://there/a.tif"
    (tmp_path / "typed.zarr" / REFERENCES).write_text(json.dumps(document))
    found = [finding.path for finding in st.verify_store(tmp_path / "typed.zarr")]
    assert REFERENCES in found


def test_verify_compares_them_with_the_slide(shared_slides, tmp_path):
    store = st.tile_slide(shared_slides / "made/philips.tiff", tmp_path / "a.zarr", RECIPE)
    assert st.verify_store(store.path) == ()
    document = json.loads(store.references.read_bytes())
    key = next(key for key in document["refs"] if key.startswith("0/c/"))
    document["refs"][key][1] += 1
    store.references.write_text(json.dumps(document, indent=0))
    found = [finding.what for finding in st.verify_store(store.path) if finding.path == REFERENCES]
    assert any("do not lie where it says" in what for what in found)
    expected = whole(st.open_store(store.path), 0)  # which slidetile does not read
    np.testing.assert_array_equal(expected, whole(store, 0))
    store.references.unlink()
    found = [finding.what for finding in st.verify_store(store.path) if finding.path == REFERENCES]
    assert "it is missing" in found[0]
