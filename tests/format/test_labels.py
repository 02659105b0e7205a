"""The tissue is a label of the image, in OME-Zarr's words; stores of version 1 stay readable."""

import json

import numpy as np
import ome_zarr_models
import pytest
import zarr
from earlier_stores import make_earlier
from tampering import reseal

import slidetile as st


@pytest.fixture
def store(sample, tmp_path):
    return st.tile_slide(sample, tmp_path / "a.zarr", st.Recipe(tile=st.TileSpec(size=512)))


def test_the_tissue_is_a_label_of_the_image(store):
    group = zarr.open_group(store.path, mode="r")
    assert group["labels"].attrs["ome"]["labels"] == ["tissue"]
    tissue = group["labels/tissue"]
    label = ome_zarr_models.open_ome_zarr(tissue)
    assert isinstance(label, ome_zarr_models.v05.image_label.ImageLabel)
    ome = tissue.attrs["ome"]
    assert ome["image-label"]["source"] == {"image": "../../"}
    assert tissue["0"].metadata.dimension_names == ("y", "x")
    assert len(ome["multiscales"][0]["datasets"]) == len(store.levels)  # as the standard has it
    for level in range(len(store.levels)):
        step = 1 << level
        assert np.array_equal(tissue[str(level)][:], store.tissue[::step, ::step])
    glass, *pieces = ome["image-label"]["colors"]
    assert glass == {"label-value": 0, "rgba": [0, 0, 0, 0]}
    assert all(each["rgba"][3] == 255 for each in pieces)
    image = group["overview"].attrs["ome"]["multiscales"][0]["datasets"][0]
    label_steps, image_steps = (
        [step[step["type"]][-2:] for step in dataset["coordinateTransformations"]]
        for dataset in (ome["multiscales"][0]["datasets"][0], image)
    )
    assert label_steps == image_steps


def test_a_store_of_version_1_reads_verifies_and_is_renamed(store):
    tissue, tiles = store.tissue, [store[number] for number in (0, 7)]
    make_earlier(store.path)
    earlier = st.open_store(store.path)
    assert not (store.path / "labels").exists()
    assert np.array_equal(earlier.tissue, tissue)
    assert np.array_equal(earlier[7], tiles[1])
    assert st.verify_store(earlier.path, deep=True) == ()
    st.rename_codec(earlier.path)
    assert st.verify_store(earlier.path, deep=True) == ()
    assert st.open_store(earlier.path).metadata.format_version == 1


@pytest.mark.parametrize(
    "name",
    [
        "labels/zarr.json",
        "labels/tissue/zarr.json",
        "labels/tissue/0/c/0/0",
        "labels/tissue/1/c/0/0",
    ],
)
def test_what_of_the_label_is_lost_is_found(store, name):
    (store.path / name).unlink()
    assert name in {finding.path for finding in st.verify_store(store.path)}


def test_coarser_labels_that_are_not_those_of_the_finest_are_found(store):
    name = "labels/tissue/1/c/0/0"
    array = zarr.open_array(store.path / "labels/tissue/1", mode="r+")
    array[3, 4] = 77
    reseal(store.path)
    findings = st.verify_store(store.path)
    assert ["not the halving" in each.what for each in findings] == [True], findings
    (store.path / name).write_bytes(b"")
    reseal(store.path)
    assert name in {finding.path for finding in st.verify_store(store.path)}


def test_a_label_with_channels_is_refused(store):
    path = store.path / "labels/tissue/0/zarr.json"
    node = json.loads(path.read_bytes())
    node["shape"].insert(0, 1)
    path.write_text(json.dumps(node))
    with pytest.raises(st.StoreError):
        _ = st.open_store(store.path).tissue
