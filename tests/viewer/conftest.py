"""Stores to look at, a server to look at them with, and a real browser."""

import shutil
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from needed import needs_page

import slidetile as st
from slidetile.viewer.views.opened import OpenedView


@pytest.fixture(scope="session")
def stores(made_once, sample) -> Path:
    """The sample slide as stores of tiles of 256 px, one a codec; for reading alone."""

    def fill(folder):
        for codec in ("native", "jpeg", "zstd", "raw"):
            recipe = st.Recipe(codec=codec, tile=st.TileSpec(size=256))
            st.tile_slide(sample, folder / f"{codec}.zarr", recipe)

    return made_once("viewed", fill)


@pytest.fixture
def store_copy(stores, tmp_path) -> Path:
    """A native store of its own, to be damaged or replaced."""
    return Path(shutil.copytree(stores / "native.zarr", tmp_path / "copy.zarr"))


@pytest.fixture(scope="session", name="needs_page")
def _needs_page() -> None:
    """Skip where the page is not built, which takes npm."""
    needs_page()


@pytest.fixture
def served(needs_page):  # noqa: ARG001  it skips
    """Serve views, or what lies at paths, on this machine."""
    pytest.importorskip("uvicorn", reason="the extra view is not installed")
    from slidetile.viewer.doors.server.server import ViewerServer

    servers = []

    def serve(*things, port=0, folder=None):
        views = [OpenedView(each) if isinstance(each, Path) else each for each in things]
        server = ViewerServer(views, port=port, folder=folder)
        server.start()
        servers.append(server)
        return Served(server)

    yield serve
    for server in servers:
        server.stop()


class Served:
    """A server, and what it answers."""

    def __init__(self, server):
        self.server, self.address = server, server.address
        self.path = urlsplit(server.address).path

    def ask(self, path, *, method="GET", below=True, body=None, headers=None):
        """Return (status, headers, body); no client tidies up the path."""
        with_host = {"Host": f"127.0.0.1:{self.server.port}", **(headers or {})}
        connection = HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        try:
            target = f"{self.path}{path}" if below else path
            connection.putrequest(method, target, skip_host=True)
            data = (body or "").encode()
            for name, value in {**with_host, "Content-Length": str(len(data))}.items():
                connection.putheader(name, value)
            connection.endheaders(data)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()


@pytest.fixture
def tab(chromium, served, tmp_path):  # noqa: ARG001  servers and files outlive the pages
    """An empty page of the browser, whose console has to stay empty; see `Tab.expects`."""
    context = chromium.new_context(
        viewport={"width": 1280, "height": 860},
        permissions=["clipboard-read", "clipboard-write"],
        reduced_motion="reduce",
    )
    tab = Tab(context.new_page())
    yield tab
    context.close()
    assert tab.unexpected == []


class Tab:
    """The viewer's page as a person uses it."""

    def __init__(self, page):
        self.page = page
        self.said: list[str] = []
        self.asked: list[str] = []
        self._expected: tuple[str, ...] = ()
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))

    def _hear(self, message):
        self.said.append(f"{message.text} ({message.location.get('url', '')})")

    def expects(self, *parts):
        """Let the console say what holds one of these, from before it goes wrong until the end."""
        self._expected += parts

    @property
    def unexpected(self):
        return [text for text in self.said if not any(part in text for part in self._expected)]

    def beside(self):
        """Return another tab of the same window."""
        return Tab(self.page.context.new_page())

    def open(self, served, fragment="", state="open"):
        self.page.goto(served.address + fragment)
        self.page.wait_for_selector(f"#page[data-state={state}]")
        return self

    def run(self, script, *given):
        return self.page.evaluate(script, *given)

    def wait(self, script):
        self.page.wait_for_function(script)

    def drawn(self):
        """Wait until all tiles in view are there and drawn."""
        self.wait(
            "() => { const i = slidetile.viewer.world.getItemAt(0);"
            "return i && i.getFullyLoaded() && !slidetile.viewer.isAnimating?.() }"
        )
        self.run("() => new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))")

    @property
    def count(self):
        return int(self.page.locator(".counts").get_attribute("data-count"))

    def look_at(self, x, y, width):
        """Show level-0 pixels from (x, y) on, so many across, at once."""
        self.run(
            "([x, y, w]) => { const s = slidetile, v = s.viewer.viewport;"
            "const box = v.imageToViewportRectangle(x, y, w, w / v.getAspectRatio());"
            "v.fitBounds(box, true); s.viewer.forceRedraw(); }",
            [x, y, width],
        )

    def on_screen(self, x, y):
        """Return where a level-0 pixel is on the page."""
        return self.run(
            "([x, y]) => { const v = slidetile.viewer, p = v.viewport.pixelFromPoint("
            "v.viewport.imageToViewportCoordinates(x, y), true);"
            "const b = v.canvas.getBoundingClientRect(); return [b.x + p.x, b.y + p.y] }",
            [x, y],
        )
