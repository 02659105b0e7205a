"""The local page: a server on this machine alone, for one person with a browser.

Knows views, HTTP and the files of the page. Does not know slides or stores. Paths name nothing but
what is listed here: things by number, tiles by level, column and row, files of the page by name.
"""

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from slidetile.errors import SlidetileError, StoreError, explain
from slidetile.runtime.cpus import worker_count
from slidetile.viewer._guard import HEADERS, new_token, refusal
from slidetile.viewer.built_page import built_page
from slidetile.viewer.folder import FolderCards
from slidetile.viewer.rungs import DamagedTileError
from slidetile.viewer.view import View

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

HOST = "127.0.0.1"

DAMAGED, GONE, WRONG, MISSING = 422, 410, 400, 404
"""Statuses that the page tells apart: damaged pixels, a store that was replaced, a value that is
out of range, and what there is none of."""

MOST_BODY_BYTES = 1 << 16
"""Settings take a few hundred."""

STOP_S = 0.5
"""A server has this long to end."""

Answer = TypeVar("Answer")


class _Guarded:
    """Refuses what comes from elsewhere, and adds headers to every answer."""

    def __init__(self, app: "ASGIApp", token: str) -> None:
        self._app, self._token = app, token

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        from starlette.responses import PlainTextResponse

        if scope["type"] != "http":
            return
        added = [(name.encode(), value.encode()) for name, value in HEADERS.items()]

        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *added]
            await send(message)

        refused = refusal(scope, self._token)
        app = self._app
        if refused is not None:
            status, words = refused
            app = PlainTextResponse(words, status_code=status)
        await app(scope, receive, send_with_headers)


def viewer_app(
    views: Sequence[View],
    token: str,
    *,
    folder: FolderCards | None = None,
    workers: int | None = None,
) -> "ASGIApp":
    """Return the server's application.

    Parameters
    ----------
    views
        What is shown. Each page asks for one by its number.
    token
        The first part of each path.
    folder
        The cards of the folder that the views are of; None where they are of none.
    workers
        So many tiles are decoded at a time; None is one per core.

    Raises
    ------
    PageMissingError
        The page was not built.
    ImportError
        starlette is not installed.
    """
    with _told():
        from starlette.applications import Starlette
        from starlette.routing import Mount, Route, Router

    answers = _Answers(views, folder, worker_count(workers))
    thing = "/things/{thing:int}"
    routes = [
        Route("/", answers.page),
        Route("/things", answers.things),
        Route("/cards", answers.cards),
        Route("/cards/{thing:int}", answers.picture),
        Route(f"{thing}/scene", answers.scene),
        Route(f"{thing}/tiles/{{level:int}}/{{column:int}}/{{row:int}}", answers.tile),
        Route(f"{thing}/rows/{{index:int}}", answers.row),
        Route(f"{thing}/replan", answers.replan, methods=["POST"]),
        Route("/{name:str}", answers.file),
    ]
    app = Starlette(routes=[Mount(f"/{token}", Router(routes, redirect_slashes=False))])
    return _Guarded(app, token)


class _Answers:
    """What is answered to each path."""

    def __init__(self, views: Sequence[View], folder: FolderCards | None, workers: int) -> None:
        import anyio

        self._views, self._folder = views, folder
        self._files = built_page()
        self._turn = anyio.Semaphore(workers)

    async def page(self, _: "Request") -> "Response":
        return self._file("index.html")

    async def file(self, request: "Request") -> "Response":
        return self._file(request.path_params["name"])

    async def things(self, _: "Request") -> "Response":
        return _json([{"name": view.name, "kind": view.kind} for view in self._views])

    async def cards(self, request: "Request") -> "Response":
        def asked() -> "Response":
            return _json(None if self._folder is None else self._folder.cards())

        return await self._answered(request, asked)

    async def picture(self, request: "Request") -> "Response":
        from starlette.responses import Response

        def asked() -> Response:
            number = request.path_params["thing"]
            picture = None if self._folder is None else self._folder.picture(number)
            if picture is None:
                return _error(MISSING, "There is no such picture.")
            return Response(picture.data, media_type=picture.media_type)

        return await self._answered(request, asked)

    async def scene(self, request: "Request") -> "Response":
        def asked() -> "Response":
            return _json(self._view(request).scene().json)

        return await self._answered(request, asked)

    async def tile(self, request: "Request") -> "Response":
        from starlette.responses import Response

        place = tuple(request.path_params[name] for name in ("level", "column", "row"))

        def asked() -> Response:
            tile = self._view(request).tile(*place)
            if tile is None:
                return Response(status_code=204)
            return Response(tile.data, media_type=tile.media_type)

        return await self._answered(request, asked)

    async def row(self, request: "Request") -> "Response":
        def asked() -> "Response":
            return _json(self._view(request).row(request.path_params["index"]))

        return await self._answered(request, asked)

    async def replan(self, request: "Request") -> "Response":
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > MOST_BODY_BYTES:
                return _error(WRONG, "The settings are too long.")

        def asked() -> "Response":
            return _json(self._view(request).replan(_settings(body)).facts)

        return await self._answered(request, asked)

    def _file(self, name: str) -> "Response":
        from starlette.responses import Response

        file = self._files.get(name)
        if file is None:
            return _error(MISSING, "There is no such file.")
        return Response(file.data, headers={"content-type": file.media_type})

    def _view(self, request: "Request") -> View:
        number: int = request.path_params["thing"]
        if not 0 <= number < len(self._views):
            raise IndexError(f"There are {len(self._views)} things to look at, so no {number}.")
        return self._views[number]

    async def _answered(self, request: "Request", asked: Callable[[], "Response"]) -> "Response":
        """Return an answer that takes work, made in a thread when it is its turn."""
        import anyio.to_thread
        from starlette.responses import Response

        async with self._turn:
            if await request.is_disconnected():  # the page has moved on
                return Response(status_code=204)
            return await anyio.to_thread.run_sync(_told_as_answer, asked)


def _told_as_answer(asked: Callable[[], "Response"]) -> "Response":
    """Return an answer, or what went wrong in words."""
    try:
        return asked()
    except DamagedTileError as error:
        return _error(DAMAGED, str(error))
    except StoreError as error:
        return _error(GONE, explain(error))
    except (SlidetileError, OSError, MemoryError) as error:
        return _error(DAMAGED, explain(error))
    except IndexError as error:
        return _error(MISSING, explain(error))
    except (ValueError, TypeError) as error:
        return _error(WRONG, explain(error))


def _settings(body: bytes) -> dict[str, float]:
    """Return the settings that a page sends.

    Raises
    ------
    ValueError
        They are not numbers by name.
    """
    settings = json.loads(body)
    if not isinstance(settings, dict):
        raise TypeError("Settings are an object of numbers by name.")
    wrong = [name for name, value in settings.items() if type(value) not in (int, float)]
    if wrong:
        raise ValueError(f"{wrong[0]} must be a number.")
    return settings


def _json(value: Any, status: int = 200) -> "Response":
    from starlette.responses import Response

    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return Response(text, status_code=status, media_type="application/json")


def _error(status: int, words: str) -> "Response":
    return _json({"error": words}, status)


@contextlib.contextmanager
def _told() -> Any:
    """Say which extra is missing."""
    try:
        yield
    except ImportError as error:
        raise ImportError(
            f"{error.name} is not installed; it comes with the extra view: pip install "
            "slidetile[view]"
        ) from error


class ViewerServer:
    """A server of views on this machine, which runs in a thread of its own.

    Its port is taken at once, so that the address is known; it answers once it was started.

    Parameters
    ----------
    views
        What is shown.
    port
        The port; 0 is any that is free.
    folder
        The cards of the folder that the views are of; None where they are of none.

    Raises
    ------
    OSError
        The port is in use.
    PageMissingError
        The page was not built.
    ImportError
        The extra view is not installed.
    """

    def __init__(
        self, views: Sequence[View], *, port: int = 0, folder: FolderCards | None = None
    ) -> None:
        with _told():
            import uvicorn

        self._views, self._token = views, new_token()
        app = viewer_app(views, self._token, folder=folder)
        self._socket = _bound(port)
        config = uvicorn.Config(
            app,
            log_config=None,
            log_level="critical",  # a request that is cut off at the end is no error
            access_log=False,
            lifespan="off",
            ws="none",
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run,
            kwargs={"sockets": [self._socket]},
            name="slidetile_viewer",
            daemon=True,
        )

    @property
    def port(self) -> int:
        """The port."""
        return int(self._socket.getsockname()[1])

    @property
    def address(self) -> str:
        """What is typed into a browser."""
        return f"http://{HOST}:{self.port}/{self._token}/"

    def start(self) -> None:
        """Begin to answer; requests that come earlier wait."""
        self._socket.listen(128)
        self._thread.start()

    def wait(self) -> None:
        """Wait until the server has ended."""
        self._thread.join()

    def stop(self) -> None:
        """End the server, and close what it shows."""
        self._server.should_exit = self._server.force_exit = True
        if self._thread.is_alive():
            self._thread.join(STOP_S)
        self._socket.close()
        for view in self._views:
            view.close()


def _bound(port: int) -> socket.socket:
    """Return a socket of this machine's own address.

    Raises
    ------
    OSError
        The port is in use, or may not be used.
    """
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((HOST, port))
    except OSError as error:
        bound.close()
        raise OSError(
            f"The port {port} cannot be used ({error.strerror}): give another one by --port, or "
            "--port 0 for any that is free."
        ) from error
    return bound
