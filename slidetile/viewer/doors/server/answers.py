"""What the local server answers to each path; what goes wrong is answered in words.

Knows views and requests. Does not know who may ask.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from slidetile.viewer.cards.folder import FolderCards
from slidetile.viewer.doors.built_page import built_page
from slidetile.viewer.doors.failure import FORESEEN, FailureKind, failure_of
from slidetile.viewer.doors.tabs import Tabs
from slidetile.viewer.views.view import View

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

DAMAGED, GONE, WRONG, MISSING = 422, 410, 400, 404
"""Statuses that the page tells apart."""

_STATUSES: Mapping[FailureKind, int] = {
    "damaged": DAMAGED,
    "gone": GONE,
    "wrong": WRONG,
    "missing": MISSING,
}

MOST_BODY_BYTES = 1 << 16
"""Settings take a few hundred."""


class Answers:
    """What is answered to each path."""

    def __init__(self, views: Sequence[View], folder: FolderCards | None, workers: int) -> None:
        import anyio

        self._views, self._folder = views, folder
        self._tabs = Tabs(views)
        self._files = built_page()
        self._turn = anyio.Semaphore(workers)

    async def page(self, _: "Request") -> "Response":
        """Answer with the page."""
        return self._file("index.html")

    async def file(self, request: "Request") -> "Response":
        """Answer with a file of the page."""
        return self._file(request.path_params["name"])

    async def things(self, _: "Request") -> "Response":
        """Answer with what can be looked at."""
        return _json([{"name": view.name, "kind": view.kind} for view in self._views])

    async def cards(self, request: "Request") -> "Response":
        """Answer with the cards of the folder; null where there is none."""

        def asked() -> "Response":
            return _json(None if self._folder is None else self._folder.cards())

        return await self._answered(request, asked)

    async def picture(self, request: "Request") -> "Response":
        """Answer with the picture of a card."""
        from starlette.responses import Response

        def asked() -> Response:
            number = request.path_params["thing"]
            picture = None if self._folder is None else self._folder.picture(number)
            if picture is None:
                return _error(MISSING, "There is no such picture.")
            return Response(picture.data, media_type=picture.media_type)

        return await self._answered(request, asked)

    async def scene(self, request: "Request") -> "Response":
        """Begin a page, and answer with its scene."""

        def asked() -> "Response":
            return _json(self._tabs.begin(*_asking(request)).scene().json)

        return await self._answered(request, asked)

    async def tile(self, request: "Request") -> "Response":
        """Answer with a tile of the picture, or with 204 where nothing is stored."""
        from starlette.responses import Response

        place = tuple(request.path_params[name] for name in ("level", "column", "row"))

        def asked() -> Response:
            tile = self._view(request).tile(*place)
            if tile is None:
                return Response(status_code=204)
            return Response(tile.data, media_type=tile.media_type)

        return await self._answered(request, asked)

    async def row(self, request: "Request") -> "Response":
        """Answer with what is known of a tile."""

        def asked() -> "Response":
            return _json(self._view(request).row(request.path_params["index"]))

        return await self._answered(request, asked)

    async def replan(self, request: "Request") -> "Response":
        """Make a page's plan anew, and answer with its overlay."""
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
        return self._tabs.view(*_asking(request))

    async def _answered(self, request: "Request", asked: Callable[[], "Response"]) -> "Response":
        """Return an answer that takes work, made in a thread when it is its turn."""
        import anyio.to_thread
        from starlette.responses import Response

        async with self._turn:
            if await request.is_disconnected():  # the page has moved on
                return Response(status_code=204)
            return await anyio.to_thread.run_sync(_told_as_answer, asked)


def _asking(request: "Request") -> tuple[int, str]:
    """Return which thing a page shows, and the page's identity."""
    return request.path_params["thing"], request.query_params.get("tab", "")


def _told_as_answer(asked: Callable[[], "Response"]) -> "Response":
    """Return an answer, or what went wrong in words."""
    try:
        return asked()
    except FORESEEN as error:
        kind, words = failure_of(error)
        return _error(_STATUSES[kind], words)


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
