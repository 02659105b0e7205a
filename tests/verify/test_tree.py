"""Files that are missing, changed, swapped, linked or not of the store are found."""

import os
import shutil

import numpy as np
import pytest
from tampering import CODECS, TABLE, names, reseal, shards, told

import slidetile as st
from slidetile.format.manifest import FileSum, pack_manifest, unpack_manifest
from slidetile.format.names import MANIFEST


@pytest.mark.parametrize("codec", CODECS)
def test_a_flipped_bit_anywhere_is_found(copied, codec):
    path = copied(codec)
    rng = np.random.default_rng(1)
    for name in names(path):
        file, data = path / name, (path / name).read_bytes()
        last = len(data) - 1
        for place in sorted({0, 7, last // 2, last - 5, last, *rng.integers(0, last, 2).tolist()}):
            flipped = bytearray(data)
            flipped[place] ^= 1 << int(rng.integers(8))
            file.write_bytes(flipped)
            findings = st.verify_store(path)
            assert {finding.path for finding in findings} & {name, MANIFEST}, (name, place)
        file.write_bytes(data)
    assert st.verify_store(path) == ()


@pytest.mark.parametrize("codec", CODECS)
def test_any_missing_or_cut_file_is_found(copied, codec):
    path = copied(codec)
    for name in names(path):
        data = (path / name).read_bytes()
        (path / name).write_bytes(data[:-1])
        assert name in {finding.path for finding in st.verify_store(path)}
        (path / name).write_bytes(data + b"\0")
        assert name in {finding.path for finding in st.verify_store(path)}
        (path / name).unlink()
        if name == MANIFEST:
            assert told(st.verify_store(path)) == f"{MANIFEST}: {MANIFEST} is missing"
        else:
            assert st.Finding(name, "it is missing") in st.verify_store(path)
        (path / name).write_bytes(data)


def test_an_extra_file_is_found_even_where_the_manifest_lists_it(copied):
    path = copied("zstd")
    (path / "tiles" / "notes.txt").write_text("mine")
    extra = st.Finding("tiles/notes.txt", "it is not a file of this store")
    assert st.verify_store(path) == (extra,)
    reseal(path)
    assert st.verify_store(path) == (extra,)


@pytest.mark.parametrize(
    "name", ["0/c/0/0/9", "0/c/0/7/0", "9/c/0/0/0", "0/c/0/0/00", "2/zarr.json"]
)
def test_a_shard_or_level_that_cannot_be_is_found(copied, name):
    path = copied("zstd")
    (path / name).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(path / shards(path)[0], path / name)
    reseal(path)
    assert st.verify_store(path) == (st.Finding(name, "it is not a file of this store"),)


def test_links_are_found_and_not_followed(copied, tmp_path):
    path = copied("zstd")
    shard = path / shards(path)[0]
    shard.rename(tmp_path / "elsewhere")
    shard.symlink_to(tmp_path / "elsewhere")
    (path / "1").rename(tmp_path / "level")
    (path / "1").symlink_to(tmp_path / "level")
    os.mkfifo(path / "pipe")
    found = told(st.verify_store(path, deep=True))
    assert f"{shards(path)[0]}: it is a symbolic link" in found
    assert "1: it is a symbolic link" in found
    assert "1/zarr.json is missing" in found
    assert "pipe: it is not a regular file" in found


def test_empty_folders_mean_nothing_and_names_of_stores_neither(copied, tmp_path):
    path = copied("zstd")
    (path / "0" / "c" / "0" / "99").mkdir()
    path = path.rename(tmp_path / "another name")
    (tmp_path / "link").symlink_to(path)
    assert st.verify_store(tmp_path / "link", deep=True) == ()


def test_swapped_shards_are_found_with_and_without_their_manifest(copied):
    for codec in CODECS[1:]:  # a shard of copied tiles holds all of the sample
        path = copied(codec)
        one, two = (path / name for name in shards(path)[:2])
        data = one.read_bytes(), two.read_bytes()
        one.write_bytes(data[1])
        two.write_bytes(data[0])
        assert {shards(path)[0], shards(path)[1]} <= {f.path for f in st.verify_store(path)}
        reseal(path)
        assert "crc32c" in told(st.verify_store(path))
        shutil.rmtree(path)


def test_a_huge_file_is_not_read(copied):
    path = copied("zstd")
    for name in (shards(path)[0], TABLE, "0/zarr.json"):
        with (path / name).open("r+b") as file:
            file.truncate(1 << 40)
    found = told(st.verify_store(path, deep=True))
    assert f"{shards(path)[0]}: it has {1 << 40} bytes" in found
    with (path / MANIFEST).open("r+b") as file:
        file.truncate(1 << 40)
    assert MANIFEST in {finding.path for finding in st.verify_store(path)}


def test_paths_in_a_manifest_lead_nowhere(copied, tmp_path):
    path = copied("zstd")
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    files = unpack_manifest((path / MANIFEST).read_bytes())
    files["../secret"] = files["/etc/hostname"] = FileSum.of(b"secret")
    (path / MANIFEST).write_bytes(pack_manifest(files))
    assert told(st.verify_store(path)) == "../secret: it is missing\n/etc/hostname: it is missing"
