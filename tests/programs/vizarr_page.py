"""vizarr in Chromium: what it draws of a served store, beside what the store holds.

    python tests/programs/vizarr_page.py DIST [--pictures FOLDER]

DIST is the folder that vizarr's own build makes in a checkout of it (`vite build`): it is in no
registry that `make programs` could take it from. Stores of the sample in each codec are served, and
of each the pixels around one place are compared. The exit code is 1 unless all are equal.
"""

import argparse
import contextlib
import functools
import http.server
import json
import sys
import tempfile
import threading
import time
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from neuroglancer_page import ARGS, CENTRE, PATIENCE_S, SIDE, is_held  # noqa: E402
from served_stores import CODECS, write  # noqa: E402
from serving_process import served  # noqa: E402

import slidetile as st  # noqa: E402


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        """Say nothing of each request."""


@contextlib.contextmanager
def _page_of(dist):
    """Give the origin at which vizarr's page is served."""
    handler = functools.partial(_Quiet, directory=dist)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def vizarr_shows(browser, origin, address, folder, *, picture=None):
    """Return whether a window around CENTRE is drawn as the store has it, pixel by pixel."""
    store = st.open_store(folder / Path(address).name)
    x, y = (each - SIDE // 2 for each in CENTRE)
    wanted = store.read_region(st.Region(x=x, y=y, width=SIDE, height=SIDE))
    # The plane is one of µm; at this zoom a pixel of the store is one of the screen.
    across, down = store.mpp
    state = {"zoom": -np.log2(across), "target": [CENTRE[0] * across, CENTRE[1] * down]}
    with contextlib.closing(browser.new_page(viewport={"width": 900, "height": 700})) as page:
        page.goto(f"{origin}/?source={address}&viewState={json.dumps(state)}")
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            page.wait_for_timeout(500)
            shot = page.screenshot(path=picture)
            if is_held(np.asarray(Image.open(BytesIO(shot)).convert("RGB")), wanted):
                return True
    return False


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dist", type=Path)
    parser.add_argument("--pictures", type=Path)
    options = parser.parse_args()
    found = {}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for codec in CODECS:
            with st.open_slide(ROOT / "data_samples" / "sample.svs") as slide:
                write(slide, folder / f"{codec}.zarr", codec)
        origin = stack.enter_context(_page_of(options.dist))
        told = stack.enter_context(served(folder, "--cors", origin))
        play = stack.enter_context(sync_playwright())
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=ARGS)
        for codec in CODECS:
            picture = options.pictures and options.pictures / f"{codec}.png"
            address = f"{told['address']}{codec}.zarr"
            found[codec] = vizarr_shows(browser, origin, address, folder, picture=picture)
        sys.stdout.write(json.dumps({"browser": browser.version, "equal": found}) + "\n")
        browser.close()
    sys.exit(0 if all(found.values()) else 1)


if __name__ == "__main__":
    main()
