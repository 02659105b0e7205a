"""Metadata of stores: values that contradict each other, are out of range, or too large."""

import json
from dataclasses import replace

import numpy as np
import pytest
from metadata_stores import refusal

import slidetile as st
from slidetile.errors import StoreError
from slidetile.format.codecs.planar import ZstdCodec
from slidetile.format.layout import ChunkGrid
from slidetile.format.metadata.array import ArrayMetadata
from slidetile.format.metadata.node import to_json
from slidetile.format.metadata.parameters import CodecParameters
from slidetile.format.metadata.store import StoreMetadata
from slidetile.format.metadata.tissue import TissueParameters


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"quality": 2}, "quality.level is 2, but the store's 2 levels"),
        ({"level": 2}, "level_0.slide_level is 2, but the slide's 2 levels"),
        ({"codec": "zstd"}, "downsample|multiscales"),
        ({"seed": 3, "sample": None}, "seed is 3, but it must be 0 without a sample"),
        ({"max_tiles": 3}, "sample is 3, but it must be null beside max_tiles"),
        ({"classes": ["b", "a"]}, r"regions\[0\]\.classes is not in order"),
        ({"classes": ["a", "a"]}, r"regions\[0\]\.classes is not in order"),
    ],
)
def test_keys_that_contradict_each_other_are_named(described, change, message):
    node = json.loads((described / "native" / "zarr.json").read_bytes())
    ours = node["attributes"]["slidetile"]
    for key, value in change.items():
        if key == "quality":
            ours["quality"]["level"] = value
        elif key == "level":
            ours["level_0"]["slide_level"] = value
        elif key == "classes":
            ours["parameters"]["tissue"]["regions"][0]["classes"] = value
        else:
            (ours if key == "codec" else ours["parameters"])[key] = value
    with pytest.raises(StoreError, match=message):
        StoreMetadata.from_json(json.dumps(node).encode())


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("zstd", {}, "level is missing"),
        ("zstd", {"compression_level": 1, "quality": 3}, "quality is 3, but the codec"),
        ("jpeg", {}, "quality is missing"),
        ("jxl", {}, "effort is missing"),
        ("zstd", {"compression_level": 1, "effort": 1}, "effort is 1, but the codec zstd does not"),
        ("raw", {"compression_level": 1}, "level is 1, but the codec raw does not have"),
    ],
)
def test_a_codec_has_its_own_parameters_only(name, parameters, message):
    with pytest.raises(ValueError, match=message):
        CodecParameters(**parameters).codec(name)


def test_wrong_values_are_refused_at_birth(described):
    metadata = st.open_store(described / "native").metadata
    for change, message in [
        ({"tile_size": 17}, "tile_size is 17, but it must be a whole number from 16 to 8192 in"),
        ({"tile_count": -1}, "tile_count is -1"),
        ({"downsamples": ((2.0, 2.0), (4.0, 4.0))}, "downsamples"),
        ({"downsamples": ()}, "1 to 32 levels"),
        ({"channels": 2}, "is not described"),
        ({"name": "\udcff"}, "name is text"),
        ({"background": (0, 0, 256)}, r"background\[2\] is 256"),
    ]:
        with pytest.raises(ValueError, match=message):
            replace(metadata, **change)
    for source in ({"width": 0}, {"fingerprint": "?"}, {"vendor": None}, {"reader": ""}):
        with pytest.raises(ValueError, match=f"^{next(iter(source))} is "):
            replace(metadata.source, **source)
    for values, error in [({"a": float("nan")}, ValueError), ({"a": np.int32(1)}, TypeError)]:
        with pytest.raises(error):
            TissueParameters(values=values)
    with pytest.raises(ValueError, match=r"tissue\.regions\[0\]\.mode is missing"):
        TissueParameters(values={"regions": [{}]})


def test_json_that_no_reader_takes_is_not_written():
    with pytest.raises(ValueError, match="at most 16777216 bytes, but this one 16777"):
        to_json({"a": "x" * (1 << 24)})
    assert len(to_json({"a": "x" * ((1 << 24) - 100)})) <= 1 << 24


def nested(depth):
    return {"a": nested(depth - 1)} if depth else {}


def test_free_form_parameters_are_bounded_in_depth(described):
    node = json.loads((described / "native" / "zarr.json").read_bytes())
    node["attributes"]["slidetile"]["parameters"]["tissue"] = nested(30)
    assert refusal(StoreMetadata.from_json, node) is None
    node["attributes"]["slidetile"]["parameters"]["tissue"] = nested(300)
    assert "at most 32 objects within each other" in refusal(StoreMetadata.from_json, node)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 1 << 25}, "more than 16777216"),
        ({"chunks_across": 1 << 16}, "more than 16777216"),
        ({"chunk_width": 1 << 14, "chunk_height": 1 << 14, "chunks_across": 1}, "bytes, more"),
        ({"chunk_width": 8, "chunk_height": 8, "chunks_across": 512, "chunks_down": 512}, "chunks"),
        ({"width": (1 << 21) + 1, "height": 1 << 21}, "4097×4096 chunks, more than 16777216"),
    ],
)
def test_sizes_are_bounded_before_memory_is_taken(change, message):
    grid = ChunkGrid.about((5000, 4000), (512, 512), 1024)
    array = ArrayMetadata(grid=grid, codec=ZstdCodec(), channels=3, fill=0)
    with pytest.raises(ValueError, match=message):
        replace(array, grid=replace(grid, **change))
    node = array.to_node()
    wide = replace(grid, **change)
    node["shape"] = [3, wide.height, wide.width]
    node["chunk_grid"]["configuration"]["chunk_shape"] = [3, wide.shard_height, wide.shard_width]
    inner = node["codecs"][0]["configuration"]
    inner["chunk_shape"] = [3, wide.chunk_height, wide.chunk_width]
    with pytest.raises(StoreError, match=r"shape"):
        ArrayMetadata.from_json(to_json(node), ZstdCodec())
