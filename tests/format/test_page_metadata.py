"""docs/reference/store-format.md, taken at its word: attributes, and every JSON example."""

import hashlib
import json
import re
import struct

import pyarrow.parquet as pq
import pytest
from page_reader import PAGE, Reader, attributes, section
from page_stores import CODECS, odd_pixels, write_sample
from paths import SAMPLE

import slidetile as st

EXAMPLE = re.compile(r"^\*\*(\w+)\*\*, `([^`]+)`:\n\n```json\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_scale_and_translation(odd):
    for number, dataset in enumerate(
        attributes(odd / "zstd.zarr")["ome"]["multiscales"][0]["datasets"]
    ):
        d = 2**number
        steps = {step["type"]: step[step["type"]] for step in dataset["coordinateTransformations"]}
        assert steps["scale"] == [1, d * 0.25, d * 0.5]
        middle = [0, (d - 1) / 2 * 0.25, (d - 1) / 2 * 0.5]
        assert steps.get("translation", [0, 0, 0]) == middle


ABSENT = {"not_native", "bits", "mapping", "damage", "recoded"}
ABSENT |= {"icc_profile", "icc_profile_left_out", "color", "reference", "cores", "labels"}


def test_attributes_are_the_documented_ones(stores):
    rows = re.findall(r"^\| `(\w+)` \| ", section("### attributes.slidetile"), re.MULTILINE)
    for codec in CODECS:
        told = attributes(stores / f"{codec}.zarr")["slidetile"]
        assert {*told, *ABSENT} == set(rows)
        settings = {"zstd": {"level": 1}, "jxl": {"effort": 1}, "jpeg": {"quality": 90}}
        assert told["parameters"]["codec"] == settings.get(codec, {})


def test_fingerprint_is_as_defined(stores):
    data, mib = SAMPLE.read_bytes(), 1 << 20
    content = struct.pack("<Q", len(data)) + data[:mib] + data[-mib:]
    told = attributes(stores / "native.zarr")["slidetile"]
    assert told["source"]["fingerprint"] == hashlib.sha256(content).hexdigest()
    table = pq.read_table(stores / "native.zarr/tiles/tiles.parquet")
    labels = Reader(stores / "native.zarr/labels/tissue/0", "zstd").whole()
    digest = hashlib.sha256()
    for name in ("column", "row", "tissue_fraction"):
        digest.update(table[name].to_numpy().tobytes())
    digest.update(labels.astype("<i4").tobytes())
    assert told["parameters"]["plan_sha256"] == digest.hexdigest()


def test_fingerprint_of_a_slide_that_was_never_a_file(odd):
    expected = hashlib.sha256(b"(2203, 2117, 3)" + odd_pixels().tobytes()).hexdigest()
    assert attributes(odd / "raw.zarr")["slidetile"]["source"]["fingerprint"] == expected


def test_anonymous_store_leaves_names_out(tmp_path):
    write_sample(tmp_path / "a.zarr", "auto", options=st.WriteOptions(anonymous=True))
    told = attributes(tmp_path / "a.zarr")
    assert not {"name", "vendor"} & set(told["slidetile"]["source"])
    assert told["ome"]["multiscales"][0]["name"] == "slide"
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or not re.search(
            rb'\bsample\b(?!": null)|aperio', path.read_bytes(), re.IGNORECASE
        )


EXAMPLES = EXAMPLE.findall(PAGE)


@pytest.mark.parametrize(
    ("codec", "path", "text"), EXAMPLES, ids=[f"{c}-{p}" for c, p, _ in EXAMPLES]
)
def test_example_is_what_is_written(stores, codec, path, text):
    written = json.loads((stores / f"{codec}.zarr" / path).read_bytes())
    assert_agrees(json.loads(text), written, f"{codec}/{path}")


def test_every_example_is_checked():
    assert len(EXAMPLES) == PAGE.count("```json") == 11


def assert_agrees(example, written, where):
    """Compare with the elisions that the page states."""
    if isinstance(example, dict):
        named = {key: value for key, value in example.items() if key != "…"}
        assert set(named) <= set(written), where
        assert "…" in example or set(named) == set(written), where
        for key, value in named.items():
            assert_agrees(value, written[key], f"{where}.{key}")
    elif isinstance(example, list):
        open_ended = example[-1:] == ["…"]
        items = example[:-1] if open_ended else example
        assert len(items) <= len(written) if open_ended else len(items) == len(written), where
        for number, item in enumerate(items):
            assert_agrees(item, written[number], f"{where}[{number}]")
    elif isinstance(example, str) and example.endswith("…"):
        assert written.startswith(example[:-1]), where
    else:
        assert (type(example), example) == (type(written), written), where
