"""What is not slidetile reads a store: OME-Zarr models, zarr, tensorstore."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from page_reader import levels_of
from page_stores import CODECS


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("group", ["", "overview", "tissue"])
def test_groups_are_valid_ome_zarr(stores, codec, group):
    import ome_zarr_models
    import zarr

    image = ome_zarr_models.open_ome_zarr(
        zarr.open_group(stores / f"{codec}.zarr" / group, mode="r")
    )
    assert isinstance(image, ome_zarr_models.v05.image.Image)
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
