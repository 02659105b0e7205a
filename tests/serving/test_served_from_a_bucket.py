"""Stores in buckets are served as those on a disk are."""

import httpx
import pytest

import slidetile as st
from slidetile.cloud.objects import remove_objects
from slidetile.serving.access import Access
from slidetile.serving.plain import PlainPyramid
from slidetile.serving.server import PlainServer
from slidetile.serving.shelf import StoreShelf

KEYS = ("zarr.json", "0/zarr.json", "0/c/0/1/1", "1/c/0/1/1", "3/c/0/0/0", "labels/tissue/0/c/0/0")


def get(server, name, key):
    return httpx.get(f"{server.address_of(name)}/{key}")


@pytest.fixture
def server(lab, folder):
    for name in ("native", "zstd"):
        lab.put(folder / f"{name}.zarr", f"stores/{name}.zarr")
    with PlainServer(StoreShelf(lab.home / "stores"), Access(token=None)) as server:
        yield server


def test_a_prefix_of_stores_gives_what_a_folder_gives(server, folder):
    assert httpx.get(server.address).text.split() == ["native.zarr", "zstd.zarr"]
    for name in ("native.zarr", "zstd.zarr"):
        local = PlainPyramid(st.open_store(folder / name))
        for key in KEYS:
            answer = get(server, name, key)
            assert (answer.status_code, answer.content) == (200, local.get(key)), key
    assert get(server, "zstd.zarr", "0/c/0/99/0").status_code == 404
    assert get(server, "none.zarr", "zarr.json").status_code == 404


def test_a_single_store_is_served_by_its_name(lab, folder):
    address = lab.put(folder / "zstd.zarr")
    with PlainServer(StoreShelf(address), Access(token=None)) as server:
        assert get(server, "zstd.zarr", "0/c/0/1/1").status_code == 200


def test_a_lost_object_is_an_error_and_never_glass(server, lab):
    remove_objects([lab.home / "stores/zstd.zarr/0/c/0/1/1"])
    answer = get(server, "zstd.zarr", "0/c/0/3/3")
    assert (answer.status_code, "damaged" in answer.text) == (409, True)
    assert get(server, "zstd.zarr", "0/c/0/0/2").status_code in (200, 404)


def test_no_chunk_of_a_store_that_replaced_another_is_given(server, lab, folder):
    """Objects are read on the condition that they are those that were listed."""
    assert get(server, "zstd.zarr", "0/c/0/1/1").status_code == 200
    lab.put(folder / "jpeg.zarr", "stores/zstd.zarr")
    for key in ("0/c/0/3/3", "1/c/0/1/1"):
        answer = get(server, "zstd.zarr", key)
        assert (answer.status_code, "replaced" in answer.text) == (409, True), key
