"""The local page: a server on this machine alone, for one person with a browser.

Knows sockets and threads. Does not know slides or stores, nor what is answered.
"""

import threading
from collections.abc import Sequence

from slidetile.serving.listening import listening_socket
from slidetile.viewer.cards.folder import FolderCards
from slidetile.viewer.doors.server._guard import new_token
from slidetile.viewer.doors.server.app import extra_told, viewer_app
from slidetile.viewer.views.view import View

HOST = "127.0.0.1"

STOP_S = 0.5
"""A server has this long to end."""


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
        with extra_told():
            import uvicorn

            from slidetile.serving.connections import bounded_connections

        self._views, self._token = views, new_token()
        app = viewer_app(views, self._token, folder=folder)
        self._socket = listening_socket(HOST, port)
        config = uvicorn.Config(
            app,
            log_config=None,
            log_level="critical",  # a request that is cut off at the end is no error
            access_log=False,
            lifespan="off",
            ws="none",
            **bounded_connections(),
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
