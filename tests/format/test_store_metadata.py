"""Metadata of stores: read strictly, written as the same bytes, and refused by the key at fault."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from paths import SAMPLE, SAMPLES

import slidetile as st
from slidetile.errors import StoreError
from slidetile.format.codecs.planar import ZstdCodec
from slidetile.format.layout import ChunkGrid
from slidetile.format.metadata.array import ArrayMetadata
from slidetile.format.metadata.image import ImageMetadata
from slidetile.format.metadata.level_0 import Level0
from slidetile.format.metadata.node import to_json
from slidetile.format.metadata.parameters import CodecParameters
from slidetile.format.metadata.picture import PictureMetadata, picture_scale
from slidetile.format.metadata.store import StoreMetadata
from slidetile.format.metadata.tissue import TissueParameters
from slidetile.format.metadata.unfinished import UnfinishedNote
from slidetile.format.picture import PICTURE_CODEC

NONSENSE = (
    *(None, True, -1, -0.5, 1 << 70, 1e308, float("nan"), float("inf")),
    *("NaN", "9" * 5000, "\ud800", [], [[]], {}, {"x": 1}),
)
"""Of any type: too large, negative, no number, text that is half a character."""

OURS = "attributes.slidetile"
TISSUE = f"{OURS}.parameters.tissue"
ANNOTATIONS = f"{TISSUE}.regions"


@pytest.fixture(scope="module")
def stores(tmp_path_factory) -> Path:
    """Stores that together hold every key there is."""
    folder = tmp_path_factory.mktemp("stores")
    drawn = st.AnnotationsSpec(path=SAMPLES / "sample.geojson", mode="exclude", classes=["Tumor"])
    few = st.TileSpec(size=512, sample=3, seed=7, edge="shift")
    st.tile_slide(SAMPLE, folder / "native", st.Recipe(annotations=drawn, tile=few))
    st.tile_slide(SAMPLE, folder / "level", st.Recipe(mpp=2.0, tile=replace(few, edge="drop")))
    st.tile_slide(SAMPLE, folder / "averaged", st.Recipe(mpp=0.7))
    st.tile_slide(SAMPLE, folder / "anonymous", options=st.WriteOptions(anonymous=True))
    grey = st.ArraySlide(np.full((300, 2000, 1), 9, np.uint8), objective_power=20)
    write(grey, folder / "grey", "raw", st.TileSpec(size=64, min_tissue_fraction=0, max_tiles=2))
    array = np.random.default_rng(0).integers(0, 256, (1107, 1533, 3), np.uint8)
    slide = st.ArraySlide(
        [array, array[::2, ::2], array[::7, ::7]],
        mpp=(0.2514, 0.2373),
        name="naïve “slide”\n",
        icc_profile=b"\0profile\xff",
        background=(240, 0, 20),
        scan_area=st.Region(x=-3, y=4, width=900, height=2000),
    )
    write(slide, folder / "jpeg", st.JpegCodec(quality=71), st.TileSpec(size=208))
    write(slide, folder / "jxl", st.JxlCodec(effort=2), st.TileSpec(size=208))
    write(slide, folder / "zstd", ZstdCodec(compression_level=-7), st.TileSpec(size=208))
    return folder


def write(slide, path, codec, spec):
    overview = st.read_overview(slide, mpp=9.1)
    mask = np.zeros(overview.image.shape[:2], np.bool_)
    mask[-9:, -20:] = True
    parameters = {"detector": "a hand", "more": {"a": (1, 2.0, None, "é")}, "z": 1e-7, "y": []}
    tissue = st.TissueMask.from_mask(mask, overview, parameters=parameters)
    st.write_tiles(slide, st.plan_tiles(slide, tissue, spec), path, codec=codec)


NAMES = ("native", "level", "averaged", "anonymous", "grey", "jpeg", "jxl", "zstd")


@pytest.mark.parametrize("name", NAMES)
def test_what_is_read_is_written_again_byte_for_byte(stores, name):
    path = stores / name
    data = (path / "zarr.json").read_bytes()
    metadata = StoreMetadata.from_json(data)
    assert metadata.to_json() == data
    assert StoreMetadata.from_json(metadata.to_json()) == metadata
    assert metadata.attributes == json.loads(data)["attributes"]["slidetile"]
    for level in range(len(metadata.downsamples)):
        array = (path / str(level) / "zarr.json").read_bytes()
        assert ArrayMetadata.from_json(array, metadata.chunk_codec).to_json() == array
    for picture in ("overview", "tissue"):
        image = (path / picture / "zarr.json").read_bytes()
        array = (path / picture / "0" / "zarr.json").read_bytes()
        grid = ArrayMetadata.from_json(array, PICTURE_CODEC).grid
        scale = picture_scale(image, picture, metadata.mpp)
        again = PictureMetadata.of(picture, metadata, grid, scale)
        assert (again.image.to_json(), again.array.to_json()) == (image, array)


def test_every_value_is_typed(stores):
    native = st.open_store(stores / "native").metadata
    assert (native.codec, native.tile_size, native.channels, native.fill) == ("native", 512, 3, 255)
    assert native.downsamples == ((1.0, 1.0), (4.0, 4.0))
    assert (native.source.size, native.source.scan_area) == ((3840, 2560), None)
    assert (native.parameters.sample, native.parameters.seed) == (3, 7)
    assert native.parameters.tissue.annotations[0].classes == ("Tumor",)
    assert native.parameters.tissue.detector["name"] == "OpticalDensityDetector"
    averaged = st.open_store(stores / "averaged").metadata
    factor = (1.4, 1.4)
    assert averaged.level_0 == Level0(mpp=(0.7, 0.7), slide_level=0, factor=factor, scale=factor)
    assert averaged.level_0.is_averaged
    assert st.open_store(stores / "level").metadata.level_0.slide_level == 1
    jpeg = st.open_store(stores / "jpeg").metadata
    assert jpeg.source.scan_area == st.Region(x=-3, y=4, width=900, height=2000)
    assert (jpeg.icc_profile, jpeg.chunk_codec) == (b"\0profile\xff", st.JpegCodec(quality=71))
    assert st.open_store(stores / "jxl").metadata.chunk_codec == st.JxlCodec(effort=2)
    assert st.open_store(stores / "zstd").metadata.chunk_codec == ZstdCodec(compression_level=-7)
    assert st.open_store(stores / "anonymous").metadata.source.is_anonymous
    assert st.open_store(stores / "grey").metadata.channels == 1


def test_attributes_are_the_callers_to_change(stores):
    store = st.open_store(stores / "native")
    before = store.attributes
    store.attributes["parameters"]["tissue"]["detector"]["name"] = "another"
    store.attributes["source"].clear()
    assert store.attributes == before


def members(node, path=""):
    """Yield (holder, key, path) of every value in JSON."""
    if isinstance(node, dict | list):
        for key in list(node) if isinstance(node, dict) else range(len(node)):
            inner = f"{path}[{key}]" if isinstance(node, list) else f"{path}.{key}".lstrip(".")
            yield node, key, inner
            yield from members(node[key], inner)


def is_free(path):
    """Whether a value is one in free-form JSON."""
    return path.startswith(f"{TISSUE}.") and not path.startswith(ANNOTATIONS)


def is_number(value):
    return type(value) in (int, float) and abs(value) <= 10**6


def is_text(value):
    return isinstance(value, str) and value != "\ud800"


def is_null(value):
    return value is None


ALLOWED = {
    "attributes.ome.multiscales[0].name": is_text,
    f"{OURS}.source.name": is_text,
    f"{OURS}.source.vendor": is_text,
    f"{OURS}.source.objective_power": lambda value: value is None or is_number(value),
    f"{OURS}.source.scan_area": is_null,
    f"{OURS}.source.scan_area[0]": lambda value: value == -1,
    f"{OURS}.source.scan_area[1]": lambda value: value == -1,
    f"{OURS}.source.mpp": is_null,
    f"{OURS}.parameters.mpp": is_null,
    f"{OURS}.parameters.max_tiles": is_null,
    f"{OURS}.quality.mpp": is_null,
    f"{OURS}.icc_profile": lambda value: value == "9" * 5000,  # the base64 of some bytes
    TISSUE: lambda value: isinstance(value, dict),
    ANNOTATIONS: lambda value: value == [],
    f"{ANNOTATIONS}[0].classes": lambda value: value == [],
    f"{ANNOTATIONS}[0].classes[0]": is_text,
}
"""What of `NONSENSE` the root may have in a place, looked at by itself."""


def refusal(parse, node):
    """Return why JSON is refused, or None where it is taken."""
    try:
        parse(json.dumps(node).encode())
    except StoreError as error:
        return str(error)
    return None


def nonsense_of(data, parse, allowed):
    """Replace every value by nonsense; yield what is refused by another key, or not at all.

    ``allowed`` says by path which values are to be taken.
    """
    node = json.loads(data)
    for holder, key, path in list(members(node)):
        before = holder[key]
        for value in NONSENSE:
            holder[key] = value
            is_same = type(value) is type(before) and value == before
            message = refusal(parse, node)
            if is_same or allowed.get(path, lambda _: False)(value):
                fits = message is None
            else:
                fits = path in (message or "") and "\n" not in message and len(message) < 400
            if not fits and not is_free(path):
                yield path, value, message
        holder[key] = before


@pytest.mark.parametrize("name", ["native", "jpeg", "jxl"])
def test_nonsense_anywhere_in_the_root_is_refused_by_its_key(stores, name):
    data = (stores / name / "zarr.json").read_bytes()
    others = {
        (path, value): message
        for path, value, message in nonsense_of(data, StoreMetadata.from_json, ALLOWED)
    }
    # What follows from these is named in their place.
    assert "attributes.ome.multiscales[0]." in others.pop((f"{OURS}.level_0.mpp", None))
    if name == "native":
        assert "parameters.seed is 7" in others.pop((f"{OURS}.parameters.sample", None))
    assert others == {}


@pytest.mark.parametrize("name", ["native", "jpeg", "jxl"])
def test_a_key_that_is_missing_or_unknown_is_named(stores, name):
    node = json.loads((stores / name / "zarr.json").read_bytes())
    optional = {f"{OURS}.icc_profile", ANNOTATIONS}
    for holder, key, path in list(members(node)):
        if isinstance(holder, dict) and not is_free(path):
            before = dict(holder)
            del holder[key]
            message = refusal(StoreMetadata.from_json, node)
            assert (message is None) if path in optional else (path in message), path
            assert message is None or "is missing" in message, path
            holder.clear()
            holder.update(before)
        if isinstance(holder[key], dict) and path != TISSUE and not is_free(path):
            holder[key]["more"] = 1
            assert f"{path}.more is unknown" in refusal(StoreMetadata.from_json, node)
            del holder[key]["more"]
    node["more"] = 1
    assert "more is unknown" in refusal(StoreMetadata.from_json, node)


@pytest.mark.parametrize("file", ["0/zarr.json", "tissue/0/zarr.json"])
@pytest.mark.parametrize("name", ["native", "zstd", "grey"])
def test_nonsense_anywhere_in_an_array_is_refused_by_its_key(stores, name, file):
    codec = st.open_store(stores / name).metadata.chunk_codec if file[0] == "0" else PICTURE_CODEC
    data = (stores / name / file).read_bytes()

    def parse(mutated):
        ArrayMetadata.from_json(mutated, codec)

    assert list(nonsense_of(data, parse, {})) == []
    node = json.loads(data)
    for key in list(node):
        assert refusal(parse, {k: v for k, v in node.items() if k != key}) == f"{key} is missing"
    assert "more is unknown" in refusal(parse, {**node, "more": {}})


@pytest.mark.parametrize("picture", ["overview", "tissue"])
def test_nonsense_anywhere_in_a_picture_is_refused_by_its_key(stores, picture):
    data = (stores / "jpeg" / picture / "zarr.json").read_bytes()
    mpp = st.open_store(stores / "jpeg").mpp

    def parse(mutated):
        picture_scale(mutated, picture, mpp)

    assert list(nonsense_of(data, parse, {})) == []
    other = {"overview": "tissue", "tissue": "overview"}[picture]
    with pytest.raises(StoreError, match=r"attributes\.ome\.multiscales\[0\]\.\w+ is"):
        picture_scale(data, other, mpp)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"{}",
        b'"text"',
        b"\xff{}",
        "{}".encode("utf-16"),
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"zarr_format": 3, "zarr_format": 3}',
        b'{"attributes": {"slidetile": 1}}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b"{}" + b" " * (1 << 24),
    ],
    ids=lambda data: repr(data[:20]),
)
def test_what_is_no_json_of_a_store_is_refused(data):
    with pytest.raises(StoreError, match=r"JSON|object|larger than 16777216|missing|not a slide"):
        StoreMetadata.from_json(data)
    with pytest.raises(StoreError):
        ArrayMetadata.from_json(data, PICTURE_CODEC)
    with pytest.raises(StoreError):
        UnfinishedNote.from_json(data)
    with pytest.raises(StoreError):
        picture_scale(data, "overview", None)


def test_another_version_is_not_taken_for_damage(stores):
    node = json.loads((stores / "native" / "zarr.json").read_bytes())
    node["attributes"]["slidetile"] = {"format_version": 2, "another": "shape"}
    with pytest.raises(StoreError, match="is 2, but this slidetile reads version 1: install"):
        StoreMetadata.from_json(json.dumps(node).encode())


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
def test_keys_that_contradict_each_other_are_named(stores, change, message):
    node = json.loads((stores / "native" / "zarr.json").read_bytes())
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


def test_wrong_values_are_refused_at_birth(stores):
    metadata = st.open_store(stores / "native").metadata
    for change, message in [
        ({"tile_size": 17}, "tile_size is 17, but it must be a whole number from 16 to 8192 in"),
        ({"tile_count": -1}, "tile_count is -1"),
        ({"downsamples": ((2.0, 2.0), (4.0, 4.0))}, "downsamples"),
        ({"downsamples": ()}, "1 to 32 levels"),
        ({"channels": 2}, "1 or 3 channels"),
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


def test_free_form_parameters_are_bounded_in_depth(stores):
    node = json.loads((stores / "native" / "zarr.json").read_bytes())
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


def test_arrays_must_be_those_of_the_root(stores, tmp_path):
    path = shutil.copytree(stores / "zstd", tmp_path / "s.zarr")
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
def test_whatever_is_taken_can_be_written_and_taken_again(stores, data):
    name = data.draw(some.sampled_from(NAMES))
    node = json.loads((stores / name / "zarr.json").read_bytes())
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
    scale = picture_scale(data, "overview", (mpp, 0.25))
    assert replace(image, downsamples=(scale,)).to_json() == data
