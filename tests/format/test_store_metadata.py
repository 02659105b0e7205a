"""Metadata of stores: read strictly into typed values, and written as the same bytes."""

import json
import shutil
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from metadata_stores import NAMES, members

import slidetile as st
from slidetile.errors import StoreError
from slidetile.format.codecs.planar import ZstdCodec
from slidetile.format.metadata.array import ArrayMetadata
from slidetile.format.metadata.image import ImageMetadata
from slidetile.format.metadata.level_0 import Level0
from slidetile.format.metadata.node import to_json
from slidetile.format.metadata.picture import PictureMetadata, overview_scale
from slidetile.format.metadata.store import StoreMetadata
from slidetile.format.picture import PICTURE_CODEC


@pytest.mark.parametrize("name", NAMES)
def test_what_is_read_is_written_again_byte_for_byte(described, name):
    path = described / name
    data = (path / "zarr.json").read_bytes()
    metadata = StoreMetadata.from_json(data)
    assert metadata.to_json() == data
    assert StoreMetadata.from_json(metadata.to_json()) == metadata
    assert metadata.attributes == json.loads(data)["attributes"]["slidetile"]
    for level in range(len(metadata.downsamples)):
        array = (path / str(level) / "zarr.json").read_bytes()
        assert ArrayMetadata.from_json(array, metadata.chunk_codec).to_json() == array
    image = (path / "overview" / "zarr.json").read_bytes()
    array = (path / "overview" / "0" / "zarr.json").read_bytes()
    grid = ArrayMetadata.from_json(array, PICTURE_CODEC).grid
    scale = overview_scale(image, metadata.mpp)
    for picture in ("overview", "tissue"):
        again = PictureMetadata.of(picture, metadata, grid, scale)
        assert again.files == {name: (path / name).read_bytes() for name in again.files}


def test_every_value_is_typed(described):
    native = st.open_store(described / "native").metadata
    assert (native.codec, native.tile_size, native.channels, native.fill) == ("native", 512, 3, 255)
    assert native.downsamples == ((1.0, 1.0), (4.0, 4.0))
    assert (native.source.size, native.source.scan_area) == ((3840, 2560), None)
    assert (native.parameters.sample, native.parameters.seed) == (3, 7)
    assert native.parameters.tissue.annotations[0].classes == ("Tumor",)
    assert native.parameters.tissue.detector["name"] == "OpticalDensityDetector"
    averaged = st.open_store(described / "averaged").metadata
    factor = (1.4, 1.4)
    assert averaged.level_0 == Level0(mpp=(0.7, 0.7), slide_level=0, factor=factor, scale=factor)
    assert averaged.level_0.is_averaged
    assert st.open_store(described / "level").metadata.level_0.slide_level == 1
    jpeg = st.open_store(described / "jpeg").metadata
    assert jpeg.source.scan_area == st.Region(x=-3, y=4, width=900, height=2000)
    assert (jpeg.icc_profile, jpeg.chunk_codec) == (b"\0profile\xff", st.JpegCodec(quality=71))
    assert st.open_store(described / "jxl").metadata.chunk_codec == st.JxlCodec(effort=2)
    assert st.open_store(described / "zstd").metadata.chunk_codec == ZstdCodec(compression_level=-7)
    assert st.open_store(described / "anonymous").metadata.source.is_anonymous
    assert st.open_store(described / "grey").metadata.channels == 1


def test_attributes_are_the_callers_to_change(described):
    store = st.open_store(described / "native")
    before = store.attributes
    store.attributes["parameters"]["tissue"]["detector"]["name"] = "another"
    store.attributes["source"].clear()
    assert store.attributes == before


def test_arrays_must_be_those_of_the_root(described, tmp_path):
    path = shutil.copytree(described / "zstd", tmp_path / "s.zarr")
    node = json.loads((path / "0" / "zarr.json").read_bytes())
    (path / "0" / "zarr.json").write_bytes(to_json({**node, "fill_value": 255}))
    with pytest.raises(StoreError, match=r"0/zarr\.json contradicts the store"):
        st.open_store(path)


values = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(), inner, max_size=4),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(data=some.data())
def test_whatever_is_taken_can_be_written_and_taken_again(described, data):
    name = data.draw(some.sampled_from(NAMES))
    node = json.loads((described / name / "zarr.json").read_bytes())
    holder, key, _ = data.draw(some.sampled_from(list(members(node))))
    holder[key] = data.draw(values)
    try:
        metadata = StoreMetadata.from_json(json.dumps(node).encode())
    except StoreError:
        return
    again = metadata.to_json()
    assert StoreMetadata.from_json(again) == metadata
    assert StoreMetadata.from_json(again).to_json() == again


@settings(max_examples=300, deadline=None)
@given(
    d=some.floats(1, 1e6),
    mpp=some.floats(0.05, 50),
    fraction=some.fractions(min_value=1, max_value=5000, max_denominator=5000),
)
def test_a_downsample_is_read_to_the_last_bit_of_what_is_written(d, mpp, fraction):
    image = ImageMetadata(
        name="overview",
        kind="area average",
        channels=3,
        mpp=(mpp, 0.25),
        downsamples=((d, float(fraction)),),
    )
    data = image.to_json()
    scale = overview_scale(data, (mpp, 0.25))
    assert replace(image, downsamples=(scale,)).to_json() == data
