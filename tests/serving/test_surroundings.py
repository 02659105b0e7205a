"""Around the server: others beside it, folders that change, names that are HTML, many requests."""

import http.client
import os
import shutil
import sys
from urllib.parse import quote, urlsplit

import httpx
import psutil
import pytest
from serving_process import served

from slidetile.serving.access import Access
from slidetile.serving.server import PlainServer
from slidetile.serving.shelf import StoreShelf

HOSTILE = "<img src=x onerror=alert(1)>&amp;.zarr"


def test_two_servers_of_a_folder_answer_for_themselves(folder):
    shelves = StoreShelf(folder), StoreShelf(folder)
    with (
        PlainServer(shelves[0], Access(token="one")) as one,  # noqa: S106  of a test
        PlainServer(shelves[1], Access(token="two")) as two,  # noqa: S106  of a test
    ):
        assert one.port != two.port
        answers = [httpx.get(f"{each.address}zstd.zarr/0/c/0/1/1") for each in (one, two)]
        assert answers[0].status_code == 200
        assert answers[0].content == answers[1].content
        assert httpx.get(f"http://127.0.0.1:{two.port}/one/zstd.zarr/zarr.json").status_code == 403
    with pytest.raises(httpx.ConnectError):
        httpx.get(one.address)


def test_stores_that_come_and_go_are_there_and_gone(folder, tmp_path):
    shutil.copytree(folder / "zstd.zarr", tmp_path / "a.zarr")
    with PlainServer(StoreShelf(tmp_path), Access(token=None)) as server:
        assert httpx.get(server.address).text.split() == ["a.zarr"]
        shutil.copytree(folder / "raw.zarr", tmp_path / "b.zarr")
        assert httpx.get(server.address).text.split() == ["a.zarr", "b.zarr"]
        assert httpx.get(f"{server.address}b.zarr/0/c/0/1/1").status_code == 200
        shutil.rmtree(tmp_path / "a.zarr")
        assert httpx.get(server.address).text.split() == ["b.zarr"]
        assert httpx.get(f"{server.address}a.zarr/zarr.json").status_code == 404
        shutil.rmtree(tmp_path / "b.zarr")  # it was open: its readers hold a store that is no more
        gone = httpx.get(f"{server.address}b.zarr/zarr.json")
        assert (gone.status_code, "deleted or moved" in gone.text) == (409, True)


def test_names_of_html_are_text(folder, tmp_path):
    shutil.copytree(folder / "zstd.zarr", tmp_path / HOSTILE)
    with PlainServer(StoreShelf(tmp_path), Access(token=None)) as server:
        address = server.address_of(HOSTILE)
        assert "<" not in address
        listed = httpx.get(server.address)
        assert listed.text.split() == [quote(HOSTILE)]
        assert httpx.get(f"{address}/zarr.json").json()["node_type"] == "group"
        (tmp_path / HOSTILE / "0/c/0/1/1").unlink()
        damaged = httpx.get(f"{address}/0/c/0/3/3")
        missing = httpx.get(f"{server.address}{quote('<script>')}/zarr.json")
        assert [each.status_code for each in (listed, damaged, missing)] == [200, 409, 404]
        for answer in (listed, damaged, missing):
            assert answer.headers["content-type"] == "text/plain; charset=utf-8"
            assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.skipif(sys.platform == "darwin", reason="names are text there")
def test_a_name_that_is_no_text_is_escaped(folder, tmp_path):
    place = tmp_path / os.fsdecode(b"caf\xe9.zarr")
    shutil.copytree(folder / "zstd.zarr", place)
    with PlainServer(shelf := StoreShelf(place), Access(token=None)) as server:
        name = "caf~dce9~.zarr"
        assert shelf.names == [name]
        assert httpx.get(server.address).text.split() == [name]
        assert httpx.get(f"{server.address_of(name)}/zarr.json").status_code == 200


@pytest.mark.slow
def test_ten_thousand_requests_take_no_more_memory(folder, tmp_path):
    """Once all is kept that is kept: chunks, parts of them, metadata, nothing, and damage."""
    for name in ("native.zarr", "zstd.zarr"):
        shutil.copytree(folder / name, tmp_path / name)
    (tmp_path / "zstd.zarr/0/c/0/1/1").unlink()
    keys = [f"native.zarr/{level}/c/0/{row}/{row}" for level in range(4) for row in range(3)]
    keys += ["zstd.zarr/0/c/0/3/3", "zstd.zarr/zarr.json", "none.zarr/zarr.json", "../a", ""]
    with served(tmp_path) as told:
        parts = urlsplit(told["address"])
        process = psutil.Process(told["pid"])
        connection = http.client.HTTPConnection(parts.hostname, parts.port)

        def ask(count):
            statuses = set()
            for number in range(count):
                part = {"range": "bytes=0-99"} if number % 3 else {}
                connection.request("GET", parts.path + keys[number % len(keys)], headers=part)
                answer = connection.getresponse()
                answer.read()
                statuses.add(answer.status)
            return statuses

        assert ask(2000) == {200, 206, 404, 409}
        before = process.memory_info().rss
        ask(10_000)
        assert process.memory_info().rss - before < 24 << 20
        assert process.num_threads() < 40
        connection.close()
