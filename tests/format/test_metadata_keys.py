"""Metadata of stores are refused by the key at fault: nonsense, missing and unknown keys."""

import json
import re

import pytest
from metadata_stores import ANNOTATIONS, OURS, TISSUE, members, refusal

import slidetile as st
from slidetile.errors import StoreError
from slidetile.format.metadata.array import ArrayMetadata
from slidetile.format.metadata.picture import overview_scale
from slidetile.format.metadata.store import StoreMetadata
from slidetile.format.metadata.unfinished import UnfinishedNote
from slidetile.format.picture import PICTURE_CODEC

NONSENSE = (
    *(None, True, -1, -0.5, 1 << 70, 1e308, float("nan"), float("inf")),
    *("NaN", "9" * 5000, "\ud800", [], [[]], {}, {"x": 1}),
)
"""Of any type: too large, negative, no number, text that is half a character."""


def is_free(path):
    """Whether a value is one in free-form JSON."""
    if ".omero.channels[" in path and path.endswith(".label"):
        return True  # a channel's name
    return path.startswith(f"{TISSUE}.") and not path.startswith(ANNOTATIONS)


def is_number(value):
    return type(value) in (int, float) and abs(value) <= 10**6


def is_text(value):
    return isinstance(value, str) and value != "\ud800"


def is_null(value):
    return value is None


def is_short(value):
    return is_text(value) and len(value) <= 200


LEFT_OUT = f"{OURS}.selection.left_out"
LEFT_OUT_TEXTS = ("what", "reason", "option", "choice")

OPTIONAL = re.compile(
    rf"{re.escape(OURS)}\.selection(\.found|(\..*)?_um2|\.left_out\[\d+\]\.(of|.*_px|option|limit|choice))?"
)
"""What of the selection may be absent."""


ALLOWED = {
    "attributes.ome.multiscales[0].name": is_text,
    f"{OURS}.source.name": is_text,
    f"{OURS}.source.vendor": is_text,
    f"{OURS}.source.objective_power": lambda value: value is None or is_number(value),
    f"{OURS}.source.colour_note": lambda value: is_text(value) and len(value) <= 200,
    f"{OURS}.source.scan_area": is_null,
    f"{OURS}.source.scan_area[0]": lambda value: value == -1,
    f"{OURS}.source.scan_area[1]": lambda value: value == -1,
    f"{OURS}.source.mpp": is_null,
    f"{OURS}.parameters.mpp": is_null,
    f"{OURS}.parameters.max_tiles": is_null,
    f"{OURS}.quality.mpp": is_null,
    f"{OURS}.icc_profile": lambda value: value == "9" * 5000,  # the base64 of some bytes
    f"{OURS}.color.profile": lambda value: value == "9" * 5000,
    f"{OURS}.selection.left_out": lambda value: value == [],
    **{f"{LEFT_OUT}[{n}].{key}": is_short for n in range(9) for key in LEFT_OUT_TEXTS},
    TISSUE: lambda value: isinstance(value, dict),
    ANNOTATIONS: lambda value: value == [],
    f"{ANNOTATIONS}[0].classes": lambda value: value == [],
    f"{ANNOTATIONS}[0].classes[0]": is_text,
}
"""What of `NONSENSE` the root may have in a place, looked at by itself."""


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


@pytest.mark.parametrize("name", ["native", "jpeg", "jxl", "srgb", "long"])
def test_nonsense_anywhere_in_the_root_is_refused_by_its_key(described, name):
    data = (described / name / "zarr.json").read_bytes()
    others = {
        (path, value): message
        for path, value, message in nonsense_of(data, StoreMetadata.from_json, ALLOWED)
    }
    # What follows from these is named in their place.
    assert "attributes.ome.multiscales[0]." in others.pop((f"{OURS}.level_0.mpp", None))
    if name == "native":
        assert "parameters.seed is 7" in others.pop((f"{OURS}.parameters.sample", None))
    assert others == {}


@pytest.mark.parametrize("name", ["native", "jpeg", "jxl", "srgb", "long"])
def test_a_key_that_is_missing_or_unknown_is_named(described, name):
    node = json.loads((described / name / "zarr.json").read_bytes())
    optional = {f"{OURS}.icc_profile", f"{OURS}.source.colour_note", ANNOTATIONS}
    optional |= {f"{OURS}.color", f"{OURS}.icc_profile_left_out"}
    for holder, key, path in list(members(node)):
        if isinstance(holder, dict) and not is_free(path):
            before = dict(holder)
            del holder[key]
            message = refusal(StoreMetadata.from_json, node)
            is_optional = path in optional or OPTIONAL.fullmatch(path)
            assert (message is None) if is_optional else (path in message), path
            assert message is None or "is missing" in message, path
            holder.clear()
            holder.update(before)
        if isinstance(holder[key], dict) and path != TISSUE and not is_free(path):
            holder[key]["more"] = 1
            assert f"{path}.more is unknown" in refusal(StoreMetadata.from_json, node)
            del holder[key]["more"]
    node["more"] = 1
    assert "more is unknown" in refusal(StoreMetadata.from_json, node)


@pytest.mark.parametrize("file", ["0/zarr.json", "labels/tissue/0/zarr.json"])
@pytest.mark.parametrize("name", ["native", "zstd", "grey"])
def test_nonsense_anywhere_in_an_array_is_refused_by_its_key(described, name, file):
    codec = (
        st.open_store(described / name).metadata.chunk_codec if file[0] == "0" else PICTURE_CODEC
    )
    data = (described / name / file).read_bytes()

    def parse(mutated):
        ArrayMetadata.from_json(mutated, codec)

    assert list(nonsense_of(data, parse, {})) == []
    node = json.loads(data)
    for key in list(node):
        assert refusal(parse, {k: v for k, v in node.items() if k != key}) == f"{key} is missing"
    assert "more is unknown" in refusal(parse, {**node, "more": {}})


def test_nonsense_anywhere_in_the_overview_is_refused_by_its_key(described):
    data = (described / "jpeg" / "overview" / "zarr.json").read_bytes()
    mpp = st.open_store(described / "jpeg").mpp

    def parse(mutated):
        overview_scale(mutated, mpp)

    assert list(nonsense_of(data, parse, {})) == []
    tissue = (described / "jpeg" / "labels" / "tissue" / "zarr.json").read_bytes()
    with pytest.raises(StoreError, match=r"attributes\.ome\.omero is missing"):
        overview_scale(tissue, mpp)


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
        overview_scale(data, None)


def test_another_version_is_not_taken_for_damage(described):
    node = json.loads((described / "native" / "zarr.json").read_bytes())
    node["attributes"]["slidetile"] = {"format_version": 3, "another": "shape"}
    with pytest.raises(
        StoreError, match="is 3, but this slidetile reads versions 1 and 2: install"
    ):
        StoreMetadata.from_json(json.dumps(node).encode())
