"""The drafted Zarr codec `jpeg`: what it is told, and the same pixels by either name."""

import json

import imagecodecs
import numpy as np
import pytest
import zarr
from jsonschema import Draft202012Validator

import slidetile as st
from slidetile.format.codecs.draft import JpegDraft, UnnamedStreamError
from slidetile.format.codecs.zarr import JpegDraftCodec

SAMPLING = {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 4}}
FACTORS = {**SAMPLING, "minItems": 2, "maxItems": 2}

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"const": "jpeg"},
        "configuration": {
            "type": "object",
            "properties": {
                "quality": {"type": "integer", "minimum": 0, "maximum": 100},
                "encoded_color_space": {"enum": ["ycbcr", "rgb"]},
                "subsampling": {"type": "array", "items": FACTORS, "minItems": 1, "maxItems": 3},
            },
            "required": ["quality", "subsampling"],
            "additionalProperties": False,
        },
    },
    "required": ["name", "configuration"],
    "additionalProperties": False,
}
"""What the draft says of its metadata, of July 2026, with what its text requires beyond its schema:
zarr-developers/zarr-extensions, pull request 66."""

NOISE = np.random.default_rng(5).integers(0, 256, (64, 96, 3), np.uint8)


def encoded(subsampling, quality=77, **colour):
    return bytes(imagecodecs.jpeg8_encode(NOISE, quality, subsampling=subsampling, **colour))


@pytest.mark.parametrize("quality", [1, 30, 50, 75, 90, 100])
@pytest.mark.parametrize(
    ("name", "factors"), [("444", [1, 1]), ("422", [2, 1]), ("440", [1, 2]), ("420", [2, 2])]
)
def test_a_stream_says_its_quality_and_subsampling(name, factors, quality):
    assert JpegDraft.of(encoded(name, quality)).configuration == {
        "quality": quality,
        "encoded_color_space": "ycbcr",
        "subsampling": [factors, [1, 1], [1, 1]],
    }


def test_grey_and_rgb_streams():
    grey = JpegDraft.of(bytes(imagecodecs.jpeg8_encode(NOISE[..., 0].copy(), 60)))
    assert grey.configuration == {"quality": 60, "subsampling": [[1, 1]]}
    rgb = JpegDraft.of(encoded("444", outcolorspace="rgb"))
    assert rgb.encoded_color_space == "rgb"


def test_a_stream_that_the_draft_has_no_words_for():
    adobe = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"
    rgb = b"\xff\xd8" + adobe + encoded("422")[20:]
    with pytest.raises(UnnamedStreamError, match=r"subsampling is .* rgb"):
        JpegDraft.of(rgb)
    with pytest.raises(ValueError, match="not a JPEG"):
        JpegDraft.of(b"RIFF")


@pytest.mark.parametrize("codec", ["native", "jpeg"])
def test_arrays_of_either_name_have_the_same_chunks(sample, tmp_path, codec):
    recipe = st.Recipe(codec=codec)
    usual = st.tile_slide(sample, tmp_path / "usual.zarr", recipe)
    options = st.WriteOptions(codec_name="jpeg")
    named = st.tile_slide(sample, tmp_path / "named.zarr", recipe, options=options)
    for level in range(len(named.levels)):
        node = json.loads((named.path / f"{level}/zarr.json").read_bytes())
        transpose, jpeg, crc32c = node["codecs"][0]["configuration"]["codecs"]
        Draft202012Validator(SCHEMA).validate(jpeg)
        assert transpose == {"name": "transpose", "configuration": {"order": [1, 2, 0]}}
        assert crc32c == {"name": "crc32c"}
        assert np.array_equal(named.zarr[str(level)][:], usual.zarr[str(level)][:])
    changed = {
        path.relative_to(named.path).as_posix()
        for path in named.path.rglob("*")
        if path.is_file()
        and path.read_bytes() != (usual.path / path.relative_to(named.path)).read_bytes()
    }
    levels = {f"{level}/zarr.json" for level in range(len(named.levels))}
    assert changed == {"zarr.json", "tiles/checksums.txt", *levels}
    assert st.verify_store(named.path, deep=True) == ()
    # The same settings are the same store; other ones are not.
    assert st.tile_slide(sample, named.path, recipe, options=options).path == named.path
    with pytest.raises(st.OutdatedStoreError):
        st.tile_slide(sample, named.path, recipe)


def test_grey_chunks_have_the_draft_too(tmp_path):
    slide = st.ArraySlide(NOISE.repeat(8, 0).repeat(8, 1)[..., :1], mpp=0.5)
    plan = st.plan_tiles(slide, st.find_tissue(slide), st.TileSpec(size=64, min_tissue_fraction=0))
    options = st.WriteOptions(codec_name="jpeg")
    store = st.write_tiles(slide, plan, tmp_path / "g.zarr", codec="jpeg", options=options)
    told = store.attributes["parameters"]["codec"]["draft"]
    assert told == {"quality": 90, "subsampling": [[1, 1]]}
    assert np.array_equal(np.moveaxis(store.zarr["0"][:], 0, -1), store.read_region(slide.bounds))
    assert st.verify_store(store.path, deep=True) == ()


def test_other_chunks_have_one_name(sample, tmp_path):
    options = st.WriteOptions(codec_name="jpeg")
    st.tile_slide(sample, tmp_path / "a.zarr", st.Recipe(codec="zstd"), options=options)
    st.tile_slide(sample, tmp_path / "b.zarr", st.Recipe(codec="zstd"))
    assert (tmp_path / "a.zarr/zarr.json").read_bytes() == (
        tmp_path / "b.zarr/zarr.json"
    ).read_bytes()
    with pytest.raises(ValueError, match="codec_name must be one of"):
        st.WriteOptions(codec_name="jpg")


@pytest.mark.parametrize(
    "told",
    [
        None,
        {"quality": 90},
        {"quality": 101, "subsampling": [[1, 1]]},
        {"quality": 90, "subsampling": [[2, 1]]},
        {"quality": 90, "subsampling": [[1, 1], [1, 1], [1, 1]]},
        {"quality": 90, "encoded_color_space": "rgb", "subsampling": [[2, 2], [1, 1], [1, 1]]},
        {"quality": 90, "encoded_color_space": "ycbcr", "subsampling": [[1, 1], [2, 1], [1, 1]]},
        {"quality": 90, "subsampling": [[1, 1]], "more": 1},
    ],
)
def test_the_zarr_codec_refuses_what_the_draft_does_not_allow(told):
    with pytest.raises(ValueError, match="The codec jpeg"):
        JpegDraftCodec.from_dict({"name": "jpeg", "configuration": told})


@pytest.mark.parametrize("space", ["ycbcr", "rgb"])
def test_zarr_python_writes_what_it_says(tmp_path, space):
    factors = [[2, 1], [1, 1], [1, 1]] if space == "ycbcr" else [[1, 1]] * 3
    told = {"quality": 80, "encoded_color_space": space, "subsampling": factors}
    codec = JpegDraftCodec.from_dict({"name": "jpeg", "configuration": told})
    array = zarr.create_array(
        tmp_path / "a.zarr",
        shape=NOISE.shape,
        chunks=NOISE.shape,
        dtype="uint8",
        serializer=codec,
        compressors=None,
    )
    array[:] = NOISE
    stored = next((tmp_path / "a.zarr/c").rglob("0/0/0")).read_bytes()
    assert JpegDraft.of(stored).configuration == told
    assert np.array_equal(array[:], imagecodecs.jpeg8_decode(stored))
    assert codec.to_dict() == {"name": "jpeg", "configuration": told}
