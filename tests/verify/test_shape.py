"""Metadata that contradict each other or the format are found, whatever they say."""

import json

import numpy as np
import pytest
from tampering import edit_json, names, reseal

import slidetile as st

JSON_CHANGES = {
    "zarr.json": [
        lambda n: n["attributes"]["slidetile"].update(format_version=1),
        lambda n: n["attributes"]["slidetile"].update(complete=False),
        lambda n: n["attributes"]["slidetile"].update(tile_count=-1),
        lambda n: n["attributes"]["slidetile"].update(tile_size=224),
        lambda n: n["attributes"]["slidetile"].update(tile_size=17),
        lambda n: n["attributes"]["slidetile"].update(codec="jpeg"),
        lambda n: n["attributes"]["slidetile"].update(codec="auto"),
        lambda n: n["attributes"]["slidetile"].update(background=[0, 0, 0]),
        lambda n: n["attributes"]["slidetile"].update(icc_profile="*"),
        lambda n: n["attributes"]["slidetile"]["source"].update(width=1532),
        lambda n: n["attributes"]["slidetile"]["source"].update(mpp=[0.5, 0.5]),
        lambda n: n["attributes"]["slidetile"]["source"].update(fingerprint="?"),
        lambda n: n["attributes"]["slidetile"]["parameters"]["codec"].update(level=7),
        lambda n: n["attributes"]["slidetile"]["parameters"].update(plan_sha256="0" * 64),
        lambda n: n["attributes"]["slidetile"].pop("quality"),
        lambda n: n["attributes"]["slidetile"]["quality"].update(level=0),
        lambda n: n["attributes"]["slidetile"]["quality"].update(factor=6),
        lambda n: n["attributes"]["slidetile"]["quality"].update(mpp=[4.0, 4.5]),
        lambda n: n["attributes"]["slidetile"]["quality"].update(pen_method="1"),
        lambda n: n["attributes"]["ome"]["multiscales"][0]["datasets"].pop(),
        lambda n: n["attributes"]["ome"]["multiscales"][0]["datasets"].append({"path": "../x"}),
        lambda n: n["attributes"]["ome"]["multiscales"][0]["axes"][0].update(name="z"),
        lambda n: n["attributes"].pop("slidetile"),
        lambda n: n.update(node_type="array"),
        lambda n: n.update(consolidated_metadata={}),
    ],
    "0/zarr.json": [
        lambda n: n.update(shape=[3, 1107, 1534]),
        lambda n: n.update(shape=[3, 1 << 60, 1 << 60]),
        lambda n: n.update(fill_value=0),
        lambda n: n.update(fill_value="NaN"),
        lambda n: n.update(data_type="int8"),
        lambda n: n["codecs"][0]["configuration"].update(chunk_shape=[3, 1, 1]),
        lambda n: n["codecs"][0]["configuration"].update(index_location="start"),
        lambda n: n["chunk_grid"]["configuration"].update(chunk_shape=[3, 2048, 2048]),
    ],
    "1/zarr.json": [lambda n: n.update(shape=[3, 553, 767])],
    "overview/zarr.json": [
        lambda n: n["attributes"]["ome"]["multiscales"][0]["datasets"].clear(),
        lambda n: n["attributes"]["ome"]["multiscales"][0].update(name="view"),
    ],
    "labels/tissue/0/zarr.json": [
        lambda n: n.update(shape=[9, 9]),
        lambda n: n.update(fill_value=1),
    ],
    "tiles/zarr.json": [lambda n: n["attributes"].update(x=1)],
}


@pytest.mark.parametrize(
    ("name", "change"), [(name, change) for name, all_ in JSON_CHANGES.items() for change in all_]
)
def test_metadata_that_contradict_the_rest_are_found_though_the_manifest_fits(copied, name, change):
    path = copied("zstd")
    edit_json(path, name, change)
    assert st.verify_store(path) != ()


def test_metadata_in_other_bytes_are_found_though_they_say_the_same(copied):
    path = copied("zstd")
    for name in names(path):
        if name.endswith(".json"):
            text = (path / name).read_bytes()
            (path / name).write_text(json.dumps(json.loads(text)))
            reseal(path)
            (finding,) = st.verify_store(path)
            assert (finding.path, "in other bytes" in finding.what) == (name, True)
            (path / name).write_bytes(text)


def leaves(node, keys=()):
    """Yield the path of every value in JSON."""
    yield keys
    items = (
        node.items()
        if isinstance(node, dict)
        else enumerate(node)
        if isinstance(node, list)
        else ()
    )
    for key, value in items:
        yield from leaves(value, (*keys, key))


@pytest.mark.slow
def test_nonsense_anywhere_in_the_metadata_never_raises(copied):
    path = copied("zstd")
    rng = np.random.default_rng(2)
    nonsense = [None, -1, 1 << 70, 1e308, "x", [], {}, [[]], True, [1, 2], "9" * 5000]
    for name in ("zarr.json", "0/zarr.json", "overview/zarr.json", "labels/tissue/0/zarr.json"):
        text = (path / name).read_text()
        for keys in list(leaves(json.loads(text)))[1:]:
            node = json.loads(text)
            inner = node
            for key in keys[:-1]:
                inner = inner[key]
            inner[keys[-1]] = nonsense[rng.integers(len(nonsense))]
            (path / name).write_text(json.dumps(node))
            assert st.verify_store(path, deep=bool(rng.integers(2))) != (), keys
        (path / name).write_text("[" * 100_000)
        assert st.verify_store(path) != ()
        (path / name).write_text(text)
