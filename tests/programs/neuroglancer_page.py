"""neuroglancer in Chromium: what it draws of a served store, beside what the store holds."""

import json
import subprocess
import time
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright

import slidetile as st

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-viewers/bin/python"
SHADER = """void main() {
  emitRGB(vec3(toNormalized(getDataValue(0)), toNormalized(getDataValue(1)),
    toNormalized(getDataValue(2))));
}"""
CENTRE = 1500, 1200
SIDE = 300
PATIENCE_S = 30
ARGS = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-sandbox"]


def neuroglancer_shows(address, folder, *, picture=None):
    """Return whether a window around CENTRE is drawn as the store has it, pixel by pixel."""
    store = st.open_store(folder / Path(address).name)
    half = SIDE // 2
    x, y = CENTRE
    wanted = store.read_region(st.Region(x=x - half, y=y - half, width=SIDE, height=SIDE))
    script = Path(__file__).with_name("neuroglancer_server.py")
    command = [PYTHON, script, json.dumps(_state(address))]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        told = json.loads(process.stdout.readline())
        try:
            is_equal, browser = _is_drawn(told["address"], wanted, picture)
        finally:
            process.stdin.close()
    return {
        "version": told["version"],
        "browser": browser.partition(".")[0],
        "is_equal": is_equal,
    }


def _state(address):
    scale = {"x": [0.5e-6, "m"], "y": [0.5e-6, "m"]}
    source = {
        "url": f"{address}/|zarr3:",
        "transform": {
            "outputDimensions": {"c^": [1, ""], "y": scale["y"], "x": scale["x"]},
        },
    }
    layer = {
        "type": "image",
        "name": "slide",
        "source": source,
        "shader": SHADER,
        "opacity": 1,
        "blend": "default",
    }
    return {
        "dimensions": scale,
        "position": list(CENTRE),
        "crossSectionScale": 1,
        "layers": [layer],
        "layout": "xy",
        "showAxisLines": False,
        "showScaleBar": False,
        "crossSectionBackgroundColor": "#808080",
    }


def _is_drawn(address, wanted, picture):
    """Return whether a page comes to draw what is wanted, and the browser's version."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=ARGS)
        page = browser.new_page(viewport={"width": 900, "height": 700})
        page.goto(address)
        until = time.monotonic() + PATIENCE_S
        is_equal = False
        while not is_equal and time.monotonic() < until:
            page.wait_for_timeout(500)
            shot = page.screenshot(path=picture)
            is_equal = is_held(np.asarray(Image.open(BytesIO(shot)).convert("RGB")), wanted)
        version = browser.version
        browser.close()
    return is_equal, version


def is_held(drawn, wanted):
    """Return whether a picture holds another, pixel by pixel, wherever."""
    side = 24
    patch = wanted[:side, :side]
    windows = np.lib.stride_tricks.sliding_window_view(drawn, (side, side), axis=(0, 1))
    starts = np.argwhere((drawn[: windows.shape[0], : windows.shape[1]] == patch[0, 0]).all(-1))
    for row, column in starts.tolist():
        found = drawn[row : row + SIDE, column : column + SIDE]
        if found.shape == wanted.shape and np.array_equal(found, wanted):
            return True
    return False
