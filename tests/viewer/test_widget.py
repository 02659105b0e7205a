"""The widget in a running JupyterLab, in a real Chromium: zoomed, clicked, moved, and abandoned."""

import base64
import io
import json
import os
import secrets
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import numpy as np
import pyarrow.compute as pc
import pytest
from patience import wait_until
from PIL import Image
from tampering import damage_chunk

import slidetile as st

pytestmark = pytest.mark.slow

PATIENCE_S = 120
HOSTILE = "<img src=x onerror=document.title='broken'>"
BEGUN = "() => document.querySelector('.jp-InputPrompt')?.textContent.trim() !== '[ ]:'"
PAGE = "document.querySelector('.slidetile').slidetile"


@pytest.fixture(scope="module")
def lab(tmp_path_factory, needs_page):  # noqa: ARG001  it skips
    """A JupyterLab of its own, with a folder of its own for all that it writes."""
    pytest.importorskip("anywidget", reason="the extra notebook is not installed")
    pytest.importorskip("jupyterlab", reason="needs jupyterlab")
    root = tmp_path_factory.mktemp("lab")
    lab = Lab(root)
    yield lab
    lab.stop()


class Lab:
    """A running JupyterLab."""

    def __init__(self, root):
        self.root, self.token = root, secrets.token_hex(16)
        own = {f"JUPYTER_{name}_DIR": str(root / name) for name in ("CONFIG", "DATA", "RUNTIME")}
        settings = root / "CONFIG" / "lab" / "user-settings" / "@jupyterlab"
        for plugin, wanted in (
            ("apputils-extension/notification", {"fetchNews": "false", "checkForUpdates": False}),
            ("docmanager-extension/plugin", {"autosave": False}),
        ):
            path = settings / f"{plugin}.jupyterlab-settings"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(wanted))
        self.log = (root / "lab.log").open("wb")
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--port=0"),
                f"--IdentityProvider.token={self.token}",
                f"--ServerApp.root_dir={root}",
                "--ServerApp.port_retries=0",
            ],
            env={**os.environ, **own, "HOME": str(root), "IPYTHONDIR": str(root / "ipython")},
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )
        self.address = self._address()

    def _address(self):
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end and self.process.poll() is None:
            for note in (self.root / "RUNTIME").glob("jpserver-*.json"):
                try:
                    address = json.loads(note.read_text())["url"]
                    self.ask(address + "api")
                except (ValueError, URLError, OSError):
                    continue
                return address
            time.sleep(0.2)
        pytest.fail(f"JupyterLab does not answer: {(self.root / 'lab.log').read_text()[-2000:]}")

    def ask(self, address, method="GET"):
        headers = {"Authorization": f"token {self.token}"}
        request = Request(address, method=method, headers=headers)  # noqa: S310  our own
        with urlopen(request, timeout=10) as answer:  # noqa: S310
            return json.loads(answer.read() or b"null")

    def notebook(self, name, *codes):
        nbformat = pytest.importorskip("nbformat")
        cells = [nbformat.v4.new_code_cell(code) for code in codes]
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
        nbformat.write(notebook, self.root / name)
        return (
            f"{self.address}lab/workspaces/{Path(name).stem}/tree/{name}?token={self.token}&reset"
        )

    def end_kernels(self):
        for kernel in self.ask(self.address + "api/kernels"):
            self.ask(f"{self.address}api/kernels/{kernel['id']}", "DELETE")

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


@pytest.fixture
def run(chromium, lab):
    """Open a notebook of some cells, and run them all."""
    errors = pytest.importorskip("playwright.sync_api")
    context = chromium.new_context(viewport={"width": 1500, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(PATIENCE_S * 1000)

    def run(name, *codes):
        page.goto(lab.notebook(name, *codes))
        page.wait_for_selector(".jp-Notebook .jp-CodeCell")
        page.wait_for_selector(".jp-NotebookPanel-toolbar [data-status=idle]")
        page.locator(".jp-CodeCell .jp-InputArea-editor").first.click()
        for _ in range(10):  # what is run before the kernel is connected is lost, and not told
            page.get_by_role("menuitem", name="Run", exact=True).click()
            page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
            try:
                page.wait_for_function(BEGUN, timeout=10_000)
            except errors.TimeoutError:
                continue
            return page
        pytest.fail("JupyterLab runs no cell")

    yield run
    context.close()
    lab.end_kernels()


def opened(page):
    page.wait_for_selector(".slidetile [data-state=open]")
    page.wait_for_function(f"() => {PAGE}")
    drawn(page)
    return page


def drawn(page):
    page.wait_for_function(f"() => {PAGE}.viewer.world.getItemAt(0)?.getFullyLoaded()")


@pytest.fixture
def native(stores):
    return st.open_store(stores / "native.zarr")


def test_a_store_is_zoomed_clicked_and_chosen_from(run, native):
    page = opened(
        run("store.ipynb", f"import slidetile as st\nst.open_store({str(native.path)!r}).view()")
    )
    region = native.tile_region(40)
    page.evaluate(
        "([x, y]) => { const v = document.querySelector('.slidetile').slidetile.viewer;"
        "v.viewport.fitBounds(v.viewport.imageToViewportRectangle(x, y, 300, 300), true);"
        "v.forceRedraw() }",
        [region.x, region.y],
    )
    drawn(page)
    assert page.evaluate(f"{PAGE}.viewer.viewport.getZoom(true)") > 3
    page.evaluate(f"{PAGE}.viewer.viewport.goHome(true)")
    stage = page.locator(".slidetile .stage").bounding_box()
    x, y = page.evaluate(
        "([x, y]) => { const v = document.querySelector('.slidetile').slidetile.viewer.viewport;"
        "const p = v.pixelFromPoint(v.imageToViewportCoordinates(x, y), true); return [p.x, p.y] }",
        [region.x + 128, region.y + 128],
    )
    page.mouse.click(stage["x"] + x, stage["y"] + y)
    page.wait_for_selector(".slidetile .tile canvas[data-drawn='40']")
    shown = page.evaluate(
        "() => [...document.querySelector('.slidetile').shadowRoot"
        ".querySelector('.tile canvas').getContext('2d').getImageData(0, 0, 256, 256).data]"
    )
    pixels = np.array(shown).reshape(256, 256, 4)[..., :3]
    assert np.abs(pixels - native[40].astype(int)).max() <= 3
    page.get_by_label("least tissue_fraction", exact=True).fill("700")
    text = page.locator(".slidetile .expression").inner_text().splitlines()[0]
    chosen = eval(text, {"store": native, "pc": pc})  # noqa: S307
    count = page.locator(".slidetile .counts").get_attribute("data-count")
    assert int(count) == len(chosen) < len(native)


def test_a_plan_is_made_again(run, sample):
    code = (
        f"import slidetile as st\nslide = st.open_slide({str(sample)!r})\n"
        "st.Recipe(tile=st.TileSpec(size=512)).plan(slide).view(slide)"
    )
    page = opened(run("plan.ipynb", code))
    page.get_by_label("tile size, typed").fill("256")
    page.wait_for_function(f"() => {PAGE}.table.size === 256 && !{PAGE}.isPlanning")
    with st.open_slide(sample) as slide:
        plan = st.Recipe(tile=st.TileSpec(size=256)).plan(slide)
    assert page.evaluate(f"[...{PAGE}.table.columns]") == plan.columns.tolist()


def test_slides_and_tissue_are_looked_at_and_markup_in_names_is_text(run, sample):
    code = (
        f"import slidetile as st\nslide = st.open_slide({str(sample)!r})\n"
        "tissue = st.Recipe().tissue(slide)\n"
        "import numpy as np\n"
        f"named = st.ArraySlide(np.full((600, 800, 3), 240, np.uint8), mpp=0.5, name={HOSTILE!r})"
    )
    page = run("three.ipynb", code, "tissue.view()", "slide.view()", "named.view(st.Recipe())")
    page.wait_for_function(
        "() => [...document.querySelectorAll('.slidetile')].filter(e => e.slidetile).length === 3"
    )
    names = page.locator(".slidetile h1").all_inner_texts()
    assert sorted(names) == sorted(["tissue", sample.name, HOSTILE])
    assert page.locator("[onerror]").count() == 0
    assert "broken" not in page.title()


def test_a_damaged_chunk_is_marked_and_told(run, store_copy):
    store = st.open_store(store_copy)
    row = store.tiles.slice(40, 1).to_pylist()[0]
    damage_chunk(store_copy, row["column"], row["row"])
    code = f"import slidetile as st\nst.open_store({str(store_copy)!r}).view()"
    page = opened(run("damaged.ipynb", code))
    page.evaluate(
        "([x, y]) => { const v = document.querySelector('.slidetile').slidetile.viewer;"
        "v.viewport.fitBounds(v.viewport.imageToViewportRectangle(x, y, 256, 256), true);"
        "v.forceRedraw() }",
        [row["x"], row["y"]],
    )
    page.wait_for_selector(".slidetile .trouble")
    assert "is damaged" in page.locator(".slidetile .trouble").first.inner_text()


def gone(page):
    page.wait_for_selector(".slidetile .gone")
    return page.locator(".slidetile .gone").inner_text()


def again(page):
    """Run the cell again, which the notebook has clicked last."""
    page.locator(".jp-CodeCell .jp-InputArea-editor").first.click()
    page.keyboard.press("Control+Enter")
    page.wait_for_selector(".slidetile .gone", state="detached")
    return opened(page)


def test_a_closed_kernel_is_told(run, lab, native):
    page = opened(
        run("closed.ipynb", f"import slidetile as st\nst.open_store({str(native.path)!r}).view()")
    )
    lab.end_kernels()
    assert "The kernel was closed: run the cell again" in gone(page)


def test_a_kernel_that_was_restarted_is_told_at_once_and_its_cell_brings_all_back(run, native):
    page = opened(
        run("restart.ipynb", f"import slidetile as st\nst.open_store({str(native.path)!r}).view()")
    )
    page.keyboard.press("Escape")
    page.keyboard.press("0")
    page.keyboard.press("0")
    page.locator(".jp-Dialog button.jp-mod-accept").click()
    assert "The kernel was restarted" in gone(page)
    assert page.locator(".slidetile .silence").is_hidden()
    again(page)


def test_a_kernel_that_was_restarted_from_elsewhere_is_told_once_it_is_asked(run, lab, native):
    """The notebook is told nothing of it: the kernel takes a question and knows no such page."""
    page = opened(
        run("behind.ipynb", f"import slidetile as st\nst.open_store({str(native.path)!r}).view()")
    )
    for kernel in lab.ask(lab.address + "api/kernels"):
        lab.ask(f"{lab.address}api/kernels/{kernel['id']}/restart", "POST")
    page.evaluate(f"{PAGE}.viewer.viewport.zoomTo(9, null, true), {PAGE}.viewer.forceRedraw()")
    assert "run the cell again to bring it back" in gone(page)
    again(page)


def test_a_saved_notebook_whose_kernel_was_restarted_shows_the_still_picture_and_says_so(
    run, lab, native
):
    """The page has no channel to the kernel, which has nothing to do and does not answer."""
    code = f"import slidetile as st\nst.open_store({str(native.path)!r}).view()"
    page = opened(run("saved.ipynb", code))
    page.get_by_role("menuitem", name="Settings", exact=True).click()
    page.get_by_role("menuitem", name="Save Widget State Automatically").click()
    page.locator(".jp-CodeCell .jp-InputArea-editor").first.click()
    opened(page)

    def is_saved():
        page.keyboard.press("Control+s")
        page.wait_for_selector(".jp-NotebookPanel-toolbar [data-status=idle]")
        return "widget-state" in (lab.root / "saved.ipynb").read_text()

    wait_until(is_saved)
    for kernel in lab.ask(lab.address + "api/kernels"):
        lab.ask(f"{lab.address}api/kernels/{kernel['id']}/restart", "POST")
    page.reload()
    page.wait_for_selector(".slidetile .failure")
    assert "The kernel was restarted" in page.locator(".slidetile .failure").inner_text()
    assert page.locator(".slidetile .still").is_visible()


def test_a_busy_kernel_is_told_and_the_still_picture_is_there(run, native, tmp_path):
    """The cell below keeps the kernel busy until a file is there."""
    go = tmp_path / "go"
    wait = f"import time, pathlib\nwhile not pathlib.Path({str(go)!r}).exists(): time.sleep(0.1)"
    show = f"import slidetile as st\nst.open_store({str(native.path)!r}).view()"
    page = run("busy.ipynb", show, wait)
    # Where comms have a thread of their own, they are answered all the same.
    page.wait_for_selector(".slidetile [data-state=open], .slidetile .still")
    go.touch()
    opened(page)


def test_a_saved_notebook_has_a_still_picture_of_bounded_size(native):
    pytest.importorskip("anywidget", reason="the extra notebook is not installed")
    widget = native.view(height=400)
    data, _ = widget._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    with Image.open(io.BytesIO(base64.b64decode(data["image/jpeg"]))) as picture:
        assert 240 <= max(picture.size) <= 800
        green = np.asarray(picture.convert("RGB")).astype(int)
    assert ((green[..., 1] - green[..., 0] > 60) & (green[..., 1] > 120)).any()  # the outline
    assert len(data["image/jpeg"]) < 200_000
    state = widget.get_state()
    assert len(json.dumps({key: str(value) for key, value in state.items()})) < 1_000_000
    widget.close()


def test_a_height_out_of_range_is_refused(native):
    pytest.importorskip("anywidget", reason="the extra notebook is not installed")
    with pytest.raises(ValueError, match="200 to 4,000 px"):
        native.view(height=10)


def test_without_the_extra_it_is_named(native, monkeypatch):
    monkeypatch.setitem(sys.modules, "anywidget", None)
    monkeypatch.delitem(sys.modules, "slidetile.viewer.doors.notebook.widget", raising=False)
    with pytest.raises(ImportError, match=r"slidetile\[notebook\]"):
        native.view()
