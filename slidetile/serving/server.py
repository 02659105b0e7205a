"""The server of plain stores: a shelf behind addresses.

Knows starlette and uvicorn. Does not know what is in a store.
"""

import logging
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from slidetile.errors import StoreError
from slidetile.serving.access import Access, Answer, part_of, refusal
from slidetile.serving.listening import listening_socket
from slidetile.serving.shelf import StoreShelf

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

_log = logging.getLogger(__name__)

WORKERS = 4
"""Requests that are answered at a time; all others wait."""

DAMAGED = 409
"""Status of what is damaged, lost or replaced: not one of what is not there, which programs take
for background, nor of a server in trouble, which they ask again for minutes."""


_PLAIN = {"x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}


def _body(shelf: StoreShelf, path: str, names: str) -> Answer:
    """Return what lies at a path behind the token."""
    name, _, key = path.partition("/")
    if not name:
        return refusal(200, names)
    try:
        pyramid = shelf.pyramid(name)
        data = None if pyramid is None else pyramid.get(key)
    except (StoreError, OSError) as error:
        _log.warning("%s: %s", path, error)
        return refusal(DAMAGED, str(error))
    if data is None:
        return refusal(404, "Nothing is here.")
    is_json = key.endswith(".json")
    kind = "application/json" if is_json else "application/octet-stream"
    return Answer(200, data, {"content-type": kind, "cache-control": "no-store"})


def make_app(shelf: StoreShelf, access: Access) -> Any:
    """Return the ASGI application that serves a shelf.

    Raises
    ------
    ImportError
        The extra ``view`` is not installed.
    """
    try:
        from anyio import CapacityLimiter, to_thread
        from starlette.applications import Starlette
        from starlette.responses import Response
        from starlette.routing import Route
    except ImportError as error:
        raise ImportError("Serving stores needs an extra: pip install 'slidetile[view]'") from error

    limiter: list[CapacityLimiter] = []  # it is of an event loop, which does not run yet

    async def found(request: "Request") -> Answer:
        if (refused := access.refused(request.headers)) is not None:
            return refused
        if request.method == "OPTIONS":
            return Answer(204, b"", {})
        path = access.path(request.scope["path"])
        if path is None:
            return refusal(403, "The address is not whole: take it from where serve printed it.")
        if not limiter:
            limiter.append(CapacityLimiter(WORKERS))
        return await to_thread.run_sync(_answered, shelf, path, limiter=limiter[0])

    async def respond(request: "Request") -> "Response":
        answer = part_of(await found(request), request.headers.get("range"))
        headers = {**answer.headers, **access.cors(request.headers), **_PLAIN}
        return Response(answer.body, answer.status, headers)

    methods = ["GET", "HEAD", "OPTIONS"]
    return Starlette(routes=[Route("/{path:path}", respond, methods=methods)])


def _answered(shelf: StoreShelf, path: str) -> Answer:
    is_root = not path.partition("/")[0]
    try:
        names = "\n".join(map(quote, shelf.names)) if is_root else ""
    except (StoreError, OSError) as error:
        return refusal(DAMAGED, str(error))
    return _body(shelf, path, names)


class PlainServer:
    """A server in a thread of its own, until it is closed.

    Parameters
    ----------
    shelf
        What is served.
    access
        Who may ask.
    host, port
        Where it listens; port 0 is any that is free.

    Raises
    ------
    OSError
        The port is in use, or may not be used.
    ImportError
        The extra ``view`` is not installed.
    """

    def __init__(
        self, shelf: StoreShelf, access: Access, *, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        app = make_app(shelf, access)
        import uvicorn

        from slidetile.serving.connections import bounded_connections

        self._access = access
        self._socket = listening_socket(host, port)
        self.host, self.port = host, int(self._socket.getsockname()[1])
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=1,
            server_header=False,
            **bounded_connections(),
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="slidetile_serving", daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """What the addresses of stores begin with, a slash at the end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        token = "" if self._access.token is None else f"{self._access.token}/"
        return f"http://{host}:{self.port}/{token}"

    def address_of(self, name: str) -> str:
        """Return the address of a store."""
        return self.address + quote(name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def wait(self) -> None:
        """Wait until the server ends."""
        while self._thread.is_alive():
            self._thread.join(1)

    def close(self) -> None:
        """End it: requests that are being answered have a second."""
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])
