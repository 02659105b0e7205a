"""Connections that only wait: half a request, none at all, and answers that nobody takes."""

import asyncio
import contextlib
import http.client
import resource
import socket
import subprocess
import threading
from urllib.parse import urlsplit

import pytest
import uvicorn
from half_open import HALF, MANY, half_open
from serving_process import begun, served

from slidetile.serving import connections
from slidetile.serving.listening import listening_socket

PATIENCE_S = 60


def asked(address):
    """Return the status of a request, and its body."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=PATIENCE_S)
    with contextlib.closing(connection):
        connection.request("GET", parts.path)
        answer = connection.getresponse()
        return answer.status, answer.read()


def test_hundreds_of_half_sent_requests_keep_nobody_out(folder):
    with served(folder) as told:
        port = urlsplit(told["address"]).port
        for count in (300, MANY):
            with half_open(port, count):
                assert asked(told["address"])[0] == 200
                assert asked(told["store_addresses"][0] + "/zarr.json")[0] == 200
        assert asked(told["address"])[0] == 200


def test_so_it_is_where_few_files_may_be_open(folder):
    few = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (160, 160))}
    with begun(folder, stderr=subprocess.DEVNULL, **few) as (_, told):
        addresses = [f"{each}/zarr.json" for each in told["store_addresses"]]
        with half_open(urlsplit(told["address"]).port, 300):
            assert [asked(each)[0] for each in addresses] == [200] * len(addresses)


class Waiting:
    """A server whose answers are as large as they are asked for, and wait until they may go."""

    def __init__(self):
        self.go, self.was_asked, self.is_done = (threading.Event() for _ in range(3))
        self.socket = listening_socket("127.0.0.1", 0)
        self.port = self.socket.getsockname()[1]
        options = connections.bounded_connections()
        told = {"log_config": None, "log_level": "critical", "lifespan": "off"}
        config = uvicorn.Config(self.answer, interface="asgi3", **told, **options)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.socket]})
        self.thread.start()

    async def answer(self, scope, _, send):
        self.was_asked.set()
        await asyncio.to_thread(self.go.wait, PATIENCE_S)
        body = b"x" * int(scope["path"].strip("/"))
        length = (b"content-length", str(len(body)).encode())
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": body})
        self.is_done.set()

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE_S)

    def stop(self):
        self.go.set()
        self.server.should_exit = self.server.force_exit = True
        self.thread.join()
        self.socket.close()


@pytest.fixture
def waiting(monkeypatch):
    """A server that ends in no time what only waits."""
    monkeypatch.setattr(connections, "HEADERS_S", 0.1)
    monkeypatch.setattr(connections, "STALLED_S", 0.1)
    server = Waiting()
    yield server
    server.stop()


def until_ended(sock):
    """Wait until the server ends a connection; return what came before."""
    said = b""
    with contextlib.suppress(ConnectionError):
        while part := sock.recv(1 << 16):
            said += part
    return said


@pytest.mark.parametrize(
    ("sent", "end"),
    [
        (b"", b""),
        (b"G", b""),
        (HALF, b""),
        (b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n" + HALF, b"\r\n\r\nx"),
    ],
)
def test_what_only_waits_is_ended(waiting, sent, end):
    waiting.go.set()
    with waiting.connect() as sock:
        sock.sendall(sent)
        assert until_ended(sock).endswith(end)


def test_a_request_that_is_being_answered_is_not_ended(waiting):
    with waiting.connect() as sock:
        sock.sendall(b"GET /5 HTTP/1.1\r\nHost: a\r\n\r\n")
        assert waiting.was_asked.wait(PATIENCE_S)
        with waiting.connect() as other:
            until_ended(other)  # which began to wait after the request was there
        waiting.go.set()
        assert until_ended(sock).endswith(b"\r\n\r\nxxxxx")


def test_an_answer_that_nobody_takes_is_ended(waiting):
    waiting.go.set()
    with waiting.connect() as sock:
        sock.sendall(b"GET /50000000 HTTP/1.1\r\nHost: a\r\n\r\n")
        assert waiting.is_done.wait(PATIENCE_S)
        got = len(until_ended(sock))
    assert 0 < got < 50_000_000
