"""Where a page's questions are answered one by one, when they come as messages and not over HTTP.

Knows views and messages. Does not know what carries them.

A question is ``{"id": …, "ask": "scene" | "tile" | "row" | "replan", "given": [...]}``, with a
``"tab"`` that tells the pages of one widget apart; its answer
``{"id": …, "state": "ok" | "damaged" | "gone" | "failed", …}`` with the words of an error, a value,
or bytes beside it. ``{"drop": [id, …]}`` takes questions back, and ``{"ping": …}``
asks whether anybody is there.
"""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from slidetile.viewer.doors.deflated import QUICK, deflated
from slidetile.viewer.doors.failure import FORESEEN, failure_of
from slidetile.viewer.doors.tabs import Tabs
from slidetile.viewer.views.view import View

WORKERS = 2
"""Questions that are answered at a time."""

MOST_WAITING = 64
"""Questions that may wait; of more, the oldest is taken back: its place was scrolled away."""

Send = Callable[[dict[str, Any], list[bytes]], None]
"""Sends an answer, and bytes beside it. Called from any thread."""


class Desk:
    """Answers a page's questions about a view, a few at a time, in threads of its own.

    Parameters
    ----------
    view
        What is asked about.
    send
        Where answers go.
    """

    def __init__(self, view: View, send: Send) -> None:
        self._tabs, self._send = Tabs([view]), send
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="slidetile_view")
        self._waiting: dict[str, Future[None]] = {}
        self._lock = threading.Lock()

    @property
    def waiting(self) -> int:
        """How many questions wait, or are being answered."""
        with self._lock:
            return len(self._waiting)

    def take(self, message: object) -> None:
        """Take a message of the page; what is none is ignored, since anybody may send it."""
        if not isinstance(message, Mapping):
            return
        dropped = message.get("drop")
        if isinstance(dropped, list):
            for each in dropped:
                self._drop(str(each))
        if "ping" in message:
            self._send({"pong": message["ping"]}, [])
        number, what, given = message.get("id"), message.get("ask"), message.get("given")
        if isinstance(number, str) and isinstance(what, str) and isinstance(given, list):
            self._begin(number, what, str(message.get("tab", "")), given)

    def close(self) -> None:
        """Take back what waits, and answer no more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _begin(self, number: str, what: str, tab: str, given: list[Any]) -> None:
        self._make_room()
        with self._lock:
            try:
                future = self._pool.submit(self._answer, number, what, tab, given)
            except RuntimeError:  # closed meanwhile
                return
            self._waiting[number] = future
        future.add_done_callback(lambda _: self._forget(number))

    def _make_room(self) -> None:
        with self._lock:
            waiting = [*self._waiting]
        for oldest in waiting[: WORKERS + 1] if len(waiting) >= MOST_WAITING else ():
            if self._drop(oldest):  # the first few may be at work
                return

    def _drop(self, number: str) -> bool:
        """Take a question back; return whether nobody had begun with it."""
        with self._lock:
            future = self._waiting.get(number)
        if future is None or not future.cancel():
            return False
        self._send({"id": number, "state": "dropped"}, [])
        return True

    def _forget(self, number: str) -> None:
        with self._lock:
            self._waiting.pop(number, None)

    def _answer(self, number: str, what: str, tab: str, given: list[Any]) -> None:
        answer, data = _answered(self._tabs, what, tab, given)
        self._send({"id": number, **answer}, data)


def _answered(
    tabs: Tabs, what: str, tab: str, given: list[Any]
) -> tuple[dict[str, Any], list[bytes]]:
    """Return the answer to a question, or what went wrong in words."""
    try:
        view = tabs.begin(0, tab) if what == "scene" else tabs.view(0, tab)
        return _ANSWERS[what](view, *given)
    except FORESEEN as error:
        kind, words = failure_of(error)
        return {"state": kind if kind in ("damaged", "gone") else "failed", "words": words}, []


def _scene(view: View) -> tuple[dict[str, Any], list[bytes]]:
    return {"state": "ok"}, [deflated(view.scene().json, QUICK)]


def _tile(view: View, level: int, column: int, row: int) -> tuple[dict[str, Any], list[bytes]]:
    tile = view.tile(int(level), int(column), int(row))
    if tile is None:
        return {"state": "ok", "type": None}, []
    return {"state": "ok", "type": tile.media_type}, [tile.data]


def _row(view: View, index: int) -> tuple[dict[str, Any], list[bytes]]:
    return {"state": "ok", "value": view.row(int(index))}, []


def _replan(view: View, settings: Mapping[str, float]) -> tuple[dict[str, Any], list[bytes]]:
    numbers = {str(name): float(value) for name, value in dict(settings).items()}
    return {"state": "ok"}, [deflated(view.replan(numbers).facts, QUICK)]


_ANSWERS: Mapping[str, Callable[..., tuple[dict[str, Any], list[bytes]]]] = {
    "scene": _scene,
    "tile": _tile,
    "row": _row,
    "replan": _replan,
}
