"""What is not slidetile reads a store: OME-Zarr models, zarr, tensorstore."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import google_crc32c
import numpy as np
import pytest
from page_reader import levels_of
from page_stores import CODECS

from slidetile.format.codecs.jxl import JxlCodec


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("group", ["", "overview", "labels/tissue"])
def test_groups_are_valid_ome_zarr(stores, codec, group):
    import ome_zarr_models
    import zarr

    image = ome_zarr_models.open_ome_zarr(
        zarr.open_group(stores / f"{codec}.zarr" / group, mode="r")
    )
    kind = ome_zarr_models.v05.ImageLabel if "labels" in group else ome_zarr_models.v05.Image
    assert isinstance(image, kind)
    assert image.attributes.ome.version == "0.5"


def test_the_validators_command_agrees(stores):
    command = [
        Path(sys.executable).with_name("ome-zarr-models"),
        "validate",
        stores / "native.zarr",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Valid OME-Zarr" in done.stdout


PLAIN_ZARR = """
import hashlib, sys, zarr
assert "slidetile" not in sys.modules
for path in sys.argv[1:]:
    group = zarr.open(path, mode="r")
    for dataset in group.attrs["ome"]["multiscales"][0]["datasets"]:
        print(hashlib.sha256(group[dataset["path"]][:].tobytes()).hexdigest())
"""


def test_plain_zarr_reads_every_level(stores):
    """With no import of slidetile: zarr finds the JPEG codec by its entry point."""
    paths = [stores / f"{codec}.zarr" for codec in CODECS]
    command = [sys.executable, "-c", PLAIN_ZARR, *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=stores)
    assert done.returncode == 0, done.stderr
    ours = [
        hashlib.sha256(level.whole().tobytes()).hexdigest()
        for codec, path in zip(CODECS, paths, strict=True)
        for level in levels_of(path, codec)
    ]
    assert done.stdout.split() == ours


def test_tensorstore_reads_lossless_stores(stores):
    import tensorstore

    for codec in ("zstd", "raw"):
        for level in levels_of(stores / f"{codec}.zarr", codec):
            kvstore = {"driver": "file", "path": f"{level.folder}/"}
            array = tensorstore.open({"driver": "zarr3", "kvstore": kvstore}).result()
            np.testing.assert_array_equal(array.read().result(), level.whole())


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_zarr_and_the_jxl_codec_read_each_others_chunks(tmp_path, dtype, channels):
    """16 bits, too, which no slide has so far."""
    import zarr

    highest = np.iinfo(dtype).max
    pixels = np.random.default_rng(3).integers(0, highest, (300, 280, channels), dtype)
    codec = JxlCodec()
    transpose, jpegxl, crc32c = codec.zarr_codecs
    array = zarr.create_array(
        tmp_path / "a.zarr",
        shape=(channels, 300, 280),
        chunks=(channels, 300, 280),
        dtype=dtype,
        filters=[transpose],
        serializer=jpegxl,
        compressors=[crc32c],
    )
    assert json.loads((tmp_path / "a.zarr/zarr.json").read_bytes())["codecs"] == codec.zarr_codecs
    array[:] = pixels.transpose(2, 0, 1)
    chunk = tmp_path / "a.zarr/c/0/0/0"
    if dtype == np.uint8:  # zarr's 16 bits are in a container, which slidetile does not write
        theirs = codec.decode(codec.unseal(chunk.read_bytes()), pixels.shape)
        np.testing.assert_array_equal(theirs, pixels)
    payload = codec.encode(pixels)
    assert chunk.read_bytes() != payload
    chunk.write_bytes(b"".join(codec.seal(payload, google_crc32c.value(payload))))
    np.testing.assert_array_equal(array[:].transpose(1, 2, 0), pixels)
