"""The local server's application: which path is answered by what, and to whom.

Knows paths. They name nothing but what is listed here: things by number, tiles by level, column and
row, files of the page by name.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from slidetile.runtime.cpus import worker_count
from slidetile.viewer.cards.folder import FolderCards
from slidetile.viewer.doors.server._guard import HEADERS, refusal
from slidetile.viewer.doors.server.answers import Answers
from slidetile.viewer.views.view import View

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


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
    with extra_told():
        from starlette.applications import Starlette
        from starlette.routing import Mount, Route, Router

    answers = Answers(views, folder, worker_count(workers))
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


@contextlib.contextmanager
def extra_told() -> Iterator[None]:
    """Say which extra is missing."""
    try:
        yield
    except ImportError as error:
        raise ImportError(
            f"{error.name} is not installed; it comes with the extra view: pip install "
            "'slidetile[view]'"
        ) from error
