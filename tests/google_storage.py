"""What of Google's storage differs from Amazon's, before an S3 server: none of Google's runs here.

Google's interface in XML is that of S3, but for numbers of generations in the place of ETags,
wherever something is written on a condition, and for the removal of what is not there, which fails.
"""

import http.client
import json
import threading
from http.server import BaseHTTPRequestHandler

from object_storage import SIGNED, Endpoint, QuietServer

_FIRST = 1_700_000_000_000_000
"""Google's generations are times in microseconds."""


class GoogleServer:
    """Translates requests to Google's storage into those of S3, and the answers back."""

    def __init__(self, server: Endpoint) -> None:
        self.upstream = server.endpoint.removeprefix("http://")
        self.lock = threading.Lock()
        self.generations: dict[tuple[str, str], int] = {}
        self.etags: dict[int, str] = {}

        class Handler(_Handler):
            owner = self

        self._http = QuietServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._http.server_address[1]}"
        threading.Thread(target=self._http.serve_forever, daemon=True, name="google").start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def generation(self, path: str, etag: str) -> int:
        """Return the number of the object that has an ETag."""
        with self.lock:
            number = self.generations.setdefault((path, etag), _FIRST + len(self.generations))
            self.etags[number] = etag
            return number


def google_options(endpoint: str) -> dict[str, str]:
    """Return the storage options that lead to a server, or to a proxy before it."""
    account = dict.fromkeys(("client_email", "private_key", "private_key_id"), "")
    key = json.dumps({**account, "gcs_base_url": endpoint, "disable_oauth": True})
    return {"service_account_key": key, "allow_http": "true"}


class _Handler(BaseHTTPRequestHandler):
    owner: GoogleServer
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        own = ("authorization", "host", "content-length", "connection")
        headers = {n.lower(): v for n, v in self.headers.items() if n.lower() not in own}
        headers.update(SIGNED)
        if (source := headers.pop("x-goog-copy-source", None)) is not None:
            headers["x-amz-copy-source"] = source
        if (number := headers.pop("x-goog-if-generation-match", None)) is not None:
            if number == "0":
                headers["if-none-match"] = "*"
            elif (etag := self.owner.etags.get(int(number))) is None:
                self._send(412, [], b"")
                return
            else:
                headers["if-match"] = etag
        if self.command == "DELETE" and self._asked("HEAD", headers, b"")[0] == 404:
            self._send(404, [], b"<Error><Code>NoSuchKey</Code></Error>")
            return
        self._send(*self._asked(self.command, headers, body))

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _answer  # noqa: N815  names of http.server

    def _asked(
        self, method: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        server = http.client.HTTPConnection(self.owner.upstream, timeout=120)
        try:
            server.request(method, self.path, body, headers)
            answer = server.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            server.close()

    def _send(self, status: int, headers: list[tuple[str, str]], data: bytes) -> None:
        self.send_response_only(status)
        known = {name.lower(): value for name, value in headers}
        length = known.pop("content-length", "0") if self.command == "HEAD" else str(len(data))
        for name in ("transfer-encoding", "connection", "content-length"):
            known.pop(name, None)
        if (etag := known.get("etag")) is not None:
            path = self.path.partition("?")[0]
            known["x-goog-generation"] = str(self.owner.generation(path, etag))
        for name, value in known.items():
            self.send_header(name, value)
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
        self.wfile.flush()
