"""The command `serve`, read by programs that know no JPEG in Zarr."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from urllib.parse import unquote

import httpx
import numpy as np
import pytest
from serving_process import begun, served

import slidetile as st

ZARRS = """
import sys, hashlib, zarr, zarrs
with zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"}):
    group = zarr.open_group(sys.argv[1], mode="r")
    print(hashlib.sha256(group["0"][:].tobytes()).hexdigest())
"""


def test_zarr_python_and_zarrs_read_a_served_store(folder):
    store = st.open_store(folder / "native.zarr")
    whole = st.Region(x=0, y=0, width=3840, height=2560)
    expected = np.ascontiguousarray(np.moveaxis(store.read_region(whole), -1, 0))
    with served(folder / "native.zarr") as told:
        (address,) = told["store_addresses"]
        assert address == told["address"] + "native.zarr"
        command = [sys.executable, "-c", ZARRS, address]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == hashlib.sha256(expected).hexdigest()


def test_without_a_token_addresses_have_none(folder):
    with served(folder, "--no-token", "--cors", "*", "--codec", "raw") as told:
        assert told["address"].count("/") == 3
        assert len(told["store_addresses"]) == 6
        answer = httpx.get(f"{told['address']}zstd.zarr/zarr.json", headers={"origin": "http://a"})
        assert answer.headers["access-control-allow-origin"] == "http://a"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_ends_it_ends_it_well(folder, number):
    if signal.getsignal(number) is signal.SIG_IGN:
        pytest.skip("the tests were begun in the background of a shell, which ignores Ctrl-C")
    with begun(folder / "native.zarr", stderr=subprocess.PIPE) as (process, told):
        assert httpx.get(told["store_addresses"][0] + "/zarr.json").status_code == 200
        process.send_signal(number)
        assert process.stderr.read() == ""
        assert process.wait() == 0


@pytest.mark.skipif(sys.platform == "darwin", reason="names are text there")
def test_stores_of_names_that_no_address_can_show_are_served_and_told(folder, tmp_path):
    for name in (
        "plain.zarr",
        "a\x1b[31m.zarr",
        os.fsdecode(b"b\xff.zarr"),
        "c\n.zarr",
        "c~0a~.zarr",
    ):
        shutil.copytree(folder / "raw.zarr", tmp_path / name)
    with begun(tmp_path, stderr=subprocess.PIPE) as (process, told):
        names = [unquote(each.rpartition("/")[2]) for each in told["store_addresses"]]
        assert names == ["a~1b~[31m.zarr", "b~dcff~.zarr", "c~0a~.zarr", "plain.zarr"]
        for address in told["store_addresses"]:
            assert httpx.get(f"{address}/zarr.json").status_code == 200
        process.terminate()
        said = process.stderr.read().splitlines()
    assert [line.split(",")[0] for line in said] == [
        r"warning: a\x1b[31m.zarr is served as a~1b~[31m.zarr",
        r"warning: b\udcff.zarr is served as b~dcff~.zarr",
        r"warning: c\n.zarr is not served",
    ]


def test_wrong_usage_and_what_is_not_there(cli, folder, tmp_path):
    wrong = cli("serve", folder, "--cors", "here")
    assert (wrong.exit_code, "An origin is" in wrong.stderr) == (2, True)
    missing = cli("serve", tmp_path / "none.zarr")
    assert (missing.exit_code, "does not exist" in missing.stderr) == (1, True)
