"""A server of files on this machine, with HTTP ranges or, as Python's own, without."""

import gzip
import re
import threading
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer


class _Plain(SimpleHTTPRequestHandler):
    """Python's own."""

    def log_message(self, *_):
        pass


class _Ranged(_Plain):
    """As nginx or a bucket answers to one range."""

    def do_GET(self):
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        path = self.translate_path(self.path)
        self.server.asked.append((self.path, self.headers.get("Range")))
        try:
            with open(path, "rb") as file:  # noqa: PTH123  as the base class does
                data = file.read()
        except OSError:
            super().do_GET()
            return
        if wanted is None:
            super().do_GET()
            return
        if self.server.encodes == "whole":  # it compresses files, and gives parts of that
            data = gzip.compress(data)
        first, last = int(wanted[1]), min(int(wanted[2]), len(data) - 1)
        if first >= len(data):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(data)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = data[first : last + 1]
        if self.server.is_short(self.path, self.headers.get("Cache-Control")):
            body = body[: len(body) // 3]
        if self.server.encodes == "nothing of ranges":
            self._send(200, gzip.compress(data), {"Content-Encoding": "gzip"})
            return
        told = {"Content-Range": f"bytes {first}-{last}/{len(data)}"}
        if self.server.encodes == "part":
            body = gzip.compress(body)
        if self.server.encodes:
            told["Content-Encoding"] = "gzip"
        self._send(206, body, {"Content-Type": self.guess_type(path), **told})

    def _send(self, status, body, headers):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def file_server(folder, *, ranges=True, is_short=lambda *_: False, encodes=None):
    """Serve a folder's files; yield the server, which has an address and notes what is asked.

    Of the parts of which `is_short` says so, by path and header Cache-Control, a third is sent.
    `encodes` is what it compresses though it was asked not to: the "part" that is sent, the "whole"
    file before parts are taken, or "nothing of ranges", where it sends the whole in their place.
    """

    def handler(*given):
        return (_Ranged if ranges else _Plain)(*given, directory=str(folder))

    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.asked, server.is_short, server.encodes = [], is_short, encodes
    server.address = f"http://127.0.0.1:{server.server_address[1]}/"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
