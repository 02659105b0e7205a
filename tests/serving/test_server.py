"""The server: who may ask, and what is answered to whom."""

import http.client
import shutil
import socket

import httpx
import numpy as np
import pytest
from page_stores import interrupt

import slidetile as st
from slidetile.serving.access import Access
from slidetile.serving.server import PlainServer
from slidetile.serving.shelf import StoreShelf

TOKEN = "token"  # noqa: S105  of a test
ORIGIN = "https://viewer.example"


@pytest.fixture
def stores(folder, tmp_path):
    """Two stores, one that is being written, a link to one, and a secret beside the folder."""
    place = tmp_path / "stores"
    for name in ("native", "zstd"):
        shutil.copytree(folder / f"{name}.zarr", place / f"{name}.zarr")
    interrupt(place / "begun.zarr", "native")
    (place / "link.zarr").symlink_to(folder / "raw.zarr")
    shutil.copytree(folder / "raw.zarr", tmp_path / "secret.zarr")
    return place


@pytest.fixture
def server(stores):
    access = Access(token=TOKEN, origins=frozenset((ORIGIN,)))
    with PlainServer(StoreShelf(stores), access) as server:
        yield server


def get(server, path, method="GET", **headers):
    with httpx.Client() as client:
        url = httpx.URL(server.address).copy_with(raw_path=path.encode())
        return client.request(method, url, headers=headers)


def test_stores_are_listed_and_read(server):
    assert get(server, "/token/").text.split() == ["native.zarr", "zstd.zarr"]
    answer = get(server, "/token/zstd.zarr/zarr.json")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.headers["cache-control"] == "no-store"
    chunk = get(server, "/token/zstd.zarr/0/c/0/1/1")
    assert chunk.status_code == 200
    head = get(server, "/token/zstd.zarr/0/c/0/1/1", method="HEAD")
    assert (head.content, head.headers["content-length"]) == (b"", str(len(chunk.content)))


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/token/zstd.zarr/9/zarr.json", 404),
        ("/token/zstd.zarr/tiles/tiles.parquet", 404),
        ("/token/none.zarr/zarr.json", 404),
        ("/token/begun.zarr/zarr.json", 404),
        ("/token/begun.zarr.partial/zarr.json", 404),
        ("/token/link.zarr/zarr.json", 404),
        ("/token/../secret.zarr/zarr.json", 404),
        ("/token/%2e%2e/secret.zarr/zarr.json", 404),
        ("/token/..%2Fsecret.zarr/zarr.json", 404),
        ("/token/zstd.zarr/../native.zarr/zarr.json", 404),
        ("/token/zstd.zarr/%2e%2e/native.zarr/zarr.json", 404),
        ("/token/..%5csecret.zarr/zarr.json", 404),
        ("/token/%00/zarr.json", 404),
        ("/zstd.zarr/zarr.json", 403),
        ("/tokens/zstd.zarr/zarr.json", 403),
        ("/", 403),
    ],
)
def test_what_is_not_there_and_what_may_not_be_asked(server, path, status):
    connection = http.client.HTTPConnection(server.host, server.port)  # it leaves paths as they are
    connection.request("GET", path)
    assert connection.getresponse().status == status
    connection.close()


def test_pages_of_allowed_origins_read(server):
    path = "/token/zstd.zarr/zarr.json"
    allowed = get(server, path, origin=ORIGIN)
    assert allowed.headers["access-control-allow-origin"] == ORIGIN
    assert allowed.headers["vary"] == "Origin"
    missing = get(server, "/token/zstd.zarr/9", origin=ORIGIN)
    assert (missing.status_code, missing.headers["access-control-allow-origin"]) == (404, ORIGIN)
    asked = {
        "access-control-request-method": "GET",
        "access-control-request-private-network": "true",
    }
    before = get(server, path, method="OPTIONS", origin=ORIGIN, **asked)
    assert before.status_code == 204
    assert "GET" in before.headers["access-control-allow-methods"]
    assert before.headers["access-control-allow-private-network"] == "true"
    other = get(server, path, origin="https://other.example")
    assert (other.status_code, "--cors" in other.text) == (403, True)
    assert "access-control-allow-origin" not in other.headers
    of_a_file = get(server, path, origin="null")  # what is told can be done
    assert (of_a_file.status_code, "--cors '*'" in of_a_file.text) == (403, True)
    assert get(server, path, method="POST").status_code == 405


def test_another_name_of_this_machine_is_refused(server):
    assert get(server, "/token/zstd.zarr/zarr.json", host="evil.example").status_code == 403
    assert get(server, "/token/zstd.zarr/zarr.json", host="[::bad").status_code == 403
    assert get(server, "/token/zstd.zarr/zarr.json", host="localhost:1").status_code == 200


@pytest.mark.parametrize(
    ("asked", "part", "status"),
    [
        ("bytes=0-9", slice(0, 10), 206),
        ("bytes=10-", slice(10, None), 206),
        ("bytes=-7", slice(-7, None), 206),
        ("bytes=5-99999999", slice(5, None), 206),
        ("bytes=99999999-", slice(0), 416),
        ("bytes=9-5", slice(0), 416),
        ("bytes=-0", slice(0), 416),
        ("bytes=0-1,3-4", slice(None), 200),
        ("bytes=-", slice(None), 200),
        ("lines=1-2", slice(None), 200),
    ],
)
def test_parts_of_a_chunk_are_given(server, asked, part, status):
    whole = get(server, "/token/zstd.zarr/0/c/0/1/1")
    assert whole.headers["accept-ranges"] == "bytes"
    found = get(server, "/token/zstd.zarr/0/c/0/1/1", range=asked)
    assert (found.status_code, found.content) == (status, whole.content[part])
    if status == 206:
        start, stop, _ = part.indices(len(whole.content))
        assert found.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(whole.content)}"


def test_a_damaged_chunk_is_an_error_that_is_not_asked_again(server, stores):
    shard = stores / "zstd.zarr/0/c/0/1/1"
    shard.write_bytes(shard.read_bytes()[:100] + b"\xff" * 4 + shard.read_bytes()[104:])
    answer = get(server, "/token/zstd.zarr/0/c/0/2/2")
    assert (answer.status_code, "damaged" in answer.text) == (409, True)


def test_a_store_that_is_replaced_is_an_error_and_a_new_one_is_served(server, stores):
    before = get(server, "/token/zstd.zarr/zarr.json").content
    shutil.rmtree(stores / "zstd.zarr")
    shutil.copytree(stores / "native.zarr", stores / "zstd.zarr")
    for key in ("zarr.json", "0/zarr.json", "0/c/0/1/1"):
        assert get(server, f"/token/zstd.zarr/{key}").status_code == 409
    shutil.copytree(stores / "native.zarr", stores / "new.zarr")
    assert get(server, "/token/new.zarr/zarr.json").content == before


def test_tensorstore_reads_the_levels(server, stores):
    import tensorstore

    store = st.open_store(stores / "native.zarr")
    for level, source in ((0, 0), (2, 1)):
        kvstore = {
            "driver": "http",
            "base_url": f"{server.address_of('native.zarr')}/{level}/",
        }
        read = tensorstore.open({"driver": "zarr3", "kvstore": kvstore}).result().read().result()
        whole = st.Region(x=0, y=0, width=3840, height=2560)
        assert np.array_equal(np.moveaxis(read, 0, -1), store.read_region(whole, level=source))


def test_a_port_in_use_is_said(server, stores):
    with pytest.raises(
        OSError, match=f"The port {server.port} of 127.0.0.1 cannot be used .*--port 0"
    ):
        PlainServer(StoreShelf(stores), Access(token=None), port=server.port)


def test_answers_in_two_parts_do_not_wait_for_each_other(server):
    """Connections have the option of the socket that they come in by."""
    assert server._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize(
    "origin", ["viewer.example", "https://viewer.example/", "ftp://a", "http://["]
)
def test_what_is_no_origin_is_refused(origin):
    with pytest.raises(ValueError, match="An origin is"):
        Access(token=None, origins=frozenset((origin,)))


def test_what_is_no_store_and_no_folder_of_stores_is_refused(tmp_path):
    with pytest.raises(st.StoreError):
        StoreShelf(tmp_path / "none.zarr")
    with pytest.raises(st.StoreError):
        StoreShelf(tmp_path)
