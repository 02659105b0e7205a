"""The page as a widget of notebooks: its tiles travel over the kernel's own channel.

No port is opened and none is needed, so it works wherever the notebook does: on JupyterHub, over
SSH, in editors and in Colab. Knows anywidget. Does not know slides or stores.
"""

import asyncio
import base64
from collections.abc import Callable
from typing import Any

import anywidget
import traitlets

from slidetile.viewer.doors.built_page import built_file
from slidetile.viewer.doors.notebook.desk import Desk
from slidetile.viewer.views.view import View


class ViewWidget(anywidget.AnyWidget):
    """A view in a notebook; make one by ``view()`` of a slide, tissue, plan or store.

    Parameters
    ----------
    view
        What is shown.
    name
        What it is called.
    picture
        Its still picture, a JPEG file.
    height
        Height in pixels.

    Raises
    ------
    PageMissingError
        The page was not built.
    """

    name = traitlets.Unicode().tag(sync=True)
    height = traitlets.Int().tag(sync=True)
    still = traitlets.Unicode().tag(sync=True)

    def __init__(self, view: View, *, name: str, picture: bytes, height: int) -> None:
        self._esm = built_file("widget.js").decode()
        super().__init__(name=name, height=height, still=base64.b64encode(picture).decode())
        self._desk = Desk(view, self._send_from_thread)
        self._loop: asyncio.AbstractEventLoop | None = None
        self.on_msg(self._take)

    def close(self) -> None:
        """End the widget: it shows its still picture from now on, and what was shown is closed."""
        if hasattr(self, "_desk"):  # not where it could not be made
            self._desk.close()
        super().close()

    def _repr_mimebundle_(self, **given: Any) -> Any:
        """Return the widget, and its still picture for where no widgets are shown."""
        bundle = super()._repr_mimebundle_(**given)
        if bundle is None:
            return None
        data, metadata = bundle
        return {**data, "image/jpeg": self.still}, metadata

    def _take(self, _: object, message: object, __: object) -> None:
        self._loop = _running_loop()
        self._desk.take(message)

    def _send_from_thread(self, answer: dict[str, Any], data: list[bytes]) -> None:
        """Send from the kernel's own thread, where it has one that waits for events."""

        def send() -> None:
            if self.comm is not None:  # None once it was closed
                self.send(answer, data)

        _call_in(self._loop, send)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _call_in(loop: asyncio.AbstractEventLoop | None, call: Callable[[], None]) -> None:
    """Call at once in the kernel's own thread: a page takes silence until the end for a no."""
    if loop is None or loop is _running_loop():
        call()
        return
    try:
        loop.call_soon_threadsafe(call)
    except RuntimeError:  # the loop was closed: the kernel ends
        return
