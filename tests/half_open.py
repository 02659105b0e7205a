"""Connections with half a request on each."""

import contextlib
import socket

PATIENCE_S = 60
HALF = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Half: "
MANY = 700
"""More than a server has room for."""


@contextlib.contextmanager
def half_open(port, count):
    """Open so many connections, each with half a request on it."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE_S))
            with contextlib.suppress(OSError):  # it was ended at once
                sock.sendall(HALF)
        yield
