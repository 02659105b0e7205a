"""A real S3 server on this machine, and a proxy before it that counts, waits and fails.

The server is moto's, in a process of its own. The proxy is ours: it tells what was asked for, and
does to requests what networks and buckets do. Used by the tests and by benchmarks/cloud.py.
"""

import contextlib
import http.client
import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Protocol
from xml.sax.saxutils import escape

OPTIONS = {"access_key_id": "test", "secret_access_key": "not-a-secret-42", "region": "us-east-1"}
"""Credentials that moto takes. The secret is looked for in all that is printed and written."""

BUCKET = "lab"
_REMOVED = re.compile(r"<Key>(.*?)</Key>")
_PIECE = 1 << 16
SIGNED = {
    "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, "
    "SignedHeaders=host, Signature=0"
}
"""moto does not look at signatures."""


@dataclass(frozen=True)
class S3Server:
    """A running server."""

    endpoint: str

    def make_bucket(self, name: str = BUCKET) -> None:
        """Make a bucket."""
        self._put(name)

    def publish(self, key: str) -> None:
        """Let everybody read an object over the web, without credentials."""
        self._put(f"{urllib.parse.quote(key)}?acl", headers={"x-amz-acl": "public-read", **SIGNED})

    def _put(self, what: str, headers: dict[str, str] | None = None) -> None:
        request = urllib.request.Request(  # noqa: S310  on loopback
            f"{self.endpoint}/{what}", method="PUT", headers=headers or {}
        )
        urllib.request.urlopen(request).close()  # noqa: S310  on loopback


@contextlib.contextmanager
def s3_server() -> Iterator[S3Server]:
    """Run moto's server, empty but for one bucket, until the block ends."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    env = {**os.environ, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env
    ) as process:
        try:
            server = S3Server(f"http://127.0.0.1:{port}")
            wait_for(port, process, "moto's server")
            server.make_bucket()
            yield server
        finally:
            process.kill()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int, process: "subprocess.Popen[bytes]", name: str) -> None:
    """Wait until a server that was started listens."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"{name} ended with {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"{name} did not begin within 60 s")


@dataclass
class Request:
    """A request that came to the proxy, and what became of it."""

    method: str
    key: str
    """Bucket and object, without the query."""
    query: str = ""
    range: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 0
    sent: int = 0
    """Bytes of the answer's body that were sent."""
    received: int = 0
    """Bytes of the request's body."""
    removes: tuple[str, ...] = ()
    """The objects that a list of such names, sent to the bucket, has removed."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What is done to a request instead of answering it."""

    status: int | None = None
    """Answer with this status and `code`, without asking the server."""
    code: str = "InternalError"
    text: str = ""
    """What is answered instead of an error of that code."""
    cut_after: int | None = None
    """Send so many bytes of the body and close the connection."""
    shift: int = 0
    """Send other bytes: those so much further on, and say so in Content-Range."""
    pause_s: float = 0.0
    """Wait so long before each piece of 64 KiB of the body."""
    without: str = ""
    """Leave out this header."""
    lose_answer: bool = False
    """Let the server do it, and close the connection without an answer."""


class Endpoint(Protocol):
    """What a proxy stands before."""

    @property
    def endpoint(self) -> str:
        """The address of the server."""
        ...


class Proxy:
    """A proxy before a server: every request passes through it, waits and may fail.

    ``fault`` is asked for each request, from several threads, and returns what is to go wrong.
    """

    def __init__(self, server: "Endpoint", *, latency_s: float = 0.0) -> None:
        self.latency_s = latency_s
        self.fault: Callable[[Request], Fault | None] = lambda _: None
        self.requests: list[Request] = []
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()
        self._upstream = server.endpoint.removeprefix("http://")
        proxy = self

        class Handler(_Handler):
            owner = proxy

        self._http = QuietServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._http.server_address[1]}"
        threading.Thread(target=self._http.serve_forever, daemon=True, name="proxy").start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def clear(self) -> None:
        """Forget what was asked for so far, and let nothing fail."""
        with self._lock:
            self.requests.clear()
            self.most_at_once = 0
        self.fault = lambda _: None

    def of(self, *methods: str, ending: str = "") -> list[Request]:
        """Return the requests of some methods to objects whose names end so."""
        with self._lock:
            return [
                each
                for each in self.requests
                if (not methods or each.method in methods) and each.key.endswith(ending)
            ]

    @property
    def fetched_bytes(self) -> int:
        """Bytes of all bodies that were sent for GET."""
        return sum(each.sent for each in self.of("GET"))

    @contextlib.contextmanager
    def _counted(self, request: Request) -> Iterator[None]:
        with self._lock:
            self.requests.append(request)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            yield
        finally:
            with self._lock:
                self._at_once -= 1


class QuietServer(ThreadingHTTPServer):
    """A server of many clients at once, which may give up when they like."""

    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that give up close their connections."""


class _Handler(BaseHTTPRequestHandler):
    owner: Proxy
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._server: http.client.HTTPConnection | None = None

    def finish(self) -> None:
        if self._server is not None:
            self._server.close()
        super().finish()

    def _answer(self) -> None:
        key, _, query = self.path.lstrip("/").partition("?")
        body = self._body()
        request = Request(
            self.command,
            key,
            query,
            self.headers.get("Range"),
            {name.lower(): value for name, value in self.headers.items()},
            received=len(body),
            removes=tuple(_REMOVED.findall(body.decode())) if query == "delete" else (),
        )
        with self.owner._counted(request):
            if self.owner.latency_s:
                time.sleep(self.owner.latency_s)
            fault = self.owner.fault(request) or Fault()
            if fault.status is not None:
                self._refuse(request, fault)
            else:
                self._forward(request, body, fault)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _answer  # noqa: N815  names of http.server

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _refuse(self, request: Request, fault: Fault) -> None:
        request.status = fault.status or 500
        error = f"<Error><Code>{fault.code}</Code><Message>as asked</Message></Error>"
        text = (fault.text or error).encode()
        self.send_response(request.status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)
        self.wfile.flush()

    def _forward(self, request: Request, body: bytes, fault: Fault) -> None:
        left_out = ("transfer-encoding", "content-length", fault.without)
        headers = {n: v for n, v in self.headers.items() if n.lower() not in left_out}
        if body or self.command in ("PUT", "POST"):
            headers["Content-Length"] = str(len(body))
        if fault.shift and request.range:
            first, _, last = request.range.removeprefix("bytes=").partition("-")
            headers = {n: v for n, v in headers.items() if n.lower() != "range"}
            headers["Range"] = f"bytes={int(first) + fault.shift}-{int(last) + fault.shift}"
        answer, data = self._asked(headers, body)
        request.status = answer.status
        if fault.lose_answer:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                self.send_header(name, value)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else None
        self.send_header("Content-Length", length or str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self._send(request, data, fault)
        self.wfile.flush()

    def _asked(
        self, headers: dict[str, str], body: bytes
    ) -> tuple[http.client.HTTPResponse, bytes]:
        for attempt in (0, 1):
            if self._server is None:
                self._server = http.client.HTTPConnection(self.owner._upstream, timeout=120)
            try:
                self._server.request(self.command, self.path, body or None, headers)
                answer = self._server.getresponse()
                return answer, answer.read()
            except (OSError, http.client.HTTPException):
                self._server.close()
                self._server = None
                if attempt:
                    raise
        raise AssertionError

    def _send(self, request: Request, data: bytes, fault: Fault) -> None:
        end = len(data) if fault.cut_after is None else min(fault.cut_after, len(data))
        step = _PIECE if fault.pause_s else max(1, end)
        for start in range(0, end, step):
            if fault.pause_s:
                self.wfile.flush()
                time.sleep(fault.pause_s)
            piece = data[start : min(end, start + step)]
            self.wfile.write(piece)
            request.sent += len(piece)
        if fault.cut_after is not None:
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)


class FileServer:
    """A web server of a folder's files, which tells their marks and sends ranges of them.

    moto copies a whole object for each range of it. This one is for slides of a GB, and for
    measuring what reads and not what serves. A folder in it is a bucket of S3 that can be listed
    and read.
    """

    def __init__(self, folder: Path) -> None:
        class Handler(_FileHandler):
            root = folder

        self._http = QuietServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._http.server_address[1]}"
        threading.Thread(target=self._http.serve_forever, daemon=True, name="files").start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


class _FileHandler(BaseHTTPRequestHandler):
    root: Path
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        name, _, query = self.path.lstrip("/").partition("?")
        path = self.root / urllib.parse.unquote(name)
        if "list-type=2" in query and path.is_dir():
            self._list(path, dict(urllib.parse.parse_qsl(query)))
            return
        if not path.is_file():
            self._end(404)
            return
        state = path.stat()
        etag = _etag(state)
        if self.headers.get("If-Match", etag) != etag:
            self._end(412)
            return
        first, last = 0, state.st_size - 1
        asked = self.headers.get("Range", "").removeprefix("bytes=")
        if asked.startswith("-"):  # so many of its last bytes
            first = max(0, state.st_size - int(asked[1:]))
        elif asked:
            first, last = int(asked.partition("-")[0]), min(last, int(asked.partition("-")[2]))
        self.send_response(206 if asked else 200)
        self.send_header("ETag", etag)
        self.send_header("Last-Modified", self.date_time_string(int(state.st_mtime)))
        self.send_header("Content-Length", str(last - first + 1))
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{last}/{state.st_size}")
        self.end_headers()
        if self.command == "GET":
            with path.open("rb") as file:
                file.seek(first)
                self.wfile.write(file.read(last - first + 1))

    def _list(self, bucket: Path, query: dict[str, str]) -> None:
        """List what begins with a prefix, all at once."""
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter")
        top = bucket / prefix.rpartition("/")[0]
        entries, prefixes = [], set()
        for file in sorted(each for each in top.rglob("*") if each.is_file()):
            key = file.relative_to(bucket).as_posix()
            if not key.startswith(prefix):
                continue
            deeper = delimiter and key[len(prefix) :].partition(delimiter)
            if deeper and deeper[1]:
                prefixes.add(f"{prefix}{deeper[0]}{delimiter}")
                continue
            state = file.stat()
            when = datetime.fromtimestamp(state.st_mtime, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
            entries.append(
                f"<Contents><Key>{escape(key)}</Key><LastModified>{when}</LastModified><ETag>"
                f"{escape(_etag(state))}</ETag><Size>{state.st_size}</Size></Contents>"
            )
        entries += [
            f"<CommonPrefixes><Prefix>{escape(each)}</Prefix></CommonPrefixes>"
            for each in sorted(prefixes)
        ]
        text = (
            f"<ListBucketResult><Name>{bucket.name}</Name><Prefix>{escape(prefix)}</Prefix>"
            f"<KeyCount>{len(entries)}</KeyCount><MaxKeys>{len(entries)}</MaxKeys>"
            f"<IsTruncated>false</IsTruncated>{''.join(entries)}</ListBucketResult>"
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _end(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()


def _etag(state: os.stat_result) -> str:
    return f'"{state.st_mtime_ns:x}-{state.st_size:x}"'
