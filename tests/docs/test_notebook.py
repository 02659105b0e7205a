"""The notebooks run from top to bottom, and what they show are pictures."""

import base64
import functools
import io
import re
import warnings
from pathlib import Path

import nbformat
import numpy as np
import pytest
from needed import needs_page
from paths import ROOT
from PIL import Image

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
EXPLORE, MODEL, COLOUR = (
    ROOT / "notebooks" / f"{name}.ipynb"
    for name in (
        "01_explore_a_slide",
        "02_a_cohort_to_a_model",
        "03_fluorescence_and_colour",
    )
)

# In the kernel, too, warnings about what we or the notebook do are errors; those of the kernel
# and its event loop about each other are theirs.
STRICT = "import warnings; warnings.filterwarnings('error', module='slidetile|__main__|zarr')"


def executed(path):
    if "slidetile.torch" in path.read_text():
        pytest.importorskip("torch", reason="PyTorch is not installed")
    return _executed(path)


RUN = [
    pytest.param(path, marks=[pytest.mark.slow] if path == MODEL else [], id=path.stem)
    for path in NOTEBOOKS
]


@functools.cache
def _executed(path):
    notebook = nbformat.read(path, as_version=4)
    with warnings.catch_warnings():
        # jupyter-client and its event loop deprecate one another; our code runs in the kernel.
        warnings.simplefilter("ignore")
        from nbclient import NotebookClient

        client = NotebookClient(
            notebook,
            timeout=120,
            kernel_name="python3",
            resources={"metadata": {"path": str(path.parent)}},
            extra_arguments=[f"--InteractiveShellApp.exec_lines={STRICT}"],
        )
        client.execute()
    return notebook


def outputs(notebook):
    return [out for cell in notebook.cells for out in cell.get("outputs", [])]


def cards(notebook):
    return [
        out.data["text/html"] for out in outputs(notebook) if "text/html" in out.get("data", {})
    ]


def titles(notebook):
    return [re.search("<strong>(.*?)</strong>", card)[1] for card in cards(notebook)]


def said(notebook):
    return "".join(out.text for out in outputs(notebook) if out.get("name") == "stdout")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_stored_clean(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert outputs(notebook) == []
    assert all(cell.get("execution_count") is None for cell in notebook.cells)
    assert str(Path.home()) not in path.read_text()


@pytest.mark.parametrize("path", RUN)
def test_it_runs_in_order_and_complains_of_nothing(path):
    notebook = executed(path)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert [out for out in outputs(notebook) if out.get("name") == "stderr"] == []


@pytest.mark.parametrize(("path", "pictures"), [(EXPLORE, 4), (COLOUR, 2)])
def test_what_it_shows_are_pictures(path, pictures):
    for card in cards(executed(path)):
        assert is_a_picture(re.search("base64,([^']+)'", card)[1])
    shown = [
        out.data["image/png"]
        for out in outputs(executed(path))
        if "image/png" in out.get("data", {})
    ]
    assert len(shown) == pictures
    assert all(map(is_a_picture, shown))


def test_it_shows_the_slide_the_tissue_the_plan_and_the_store():
    notebook = executed(EXPLORE)
    assert titles(notebook) == ["sample.svs", "Tissue", "Tile plan", "sample.zarr"]
    assert "zarr and slidetile read the same pixels: True" in said(notebook)
    assert re.search(
        r"(?m)^[1-9]\d* tiles; the first one is \(512, 512, 3\) uint8$", said(notebook)
    )


@pytest.mark.slow
def test_the_model_learns_and_its_scores_are_shown():
    notebook = executed(MODEL)
    right, usual = map(int, re.search(r"right: (\d+)% .*: (\d+)%", said(notebook)).groups())
    assert right > usual
    losses = [float(loss) for loss in re.search("loss: (.*)", said(notebook))[1].split()]
    assert losses[-1] < losses[0]
    needs_page()
    (view,) = (out.data for out in outputs(notebook) if WIDGET in out.get("data", {}))
    assert is_a_picture(view["image/jpeg"])


WIDGET = "application/vnd.jupyter.widget-view+json"


def test_it_shows_channels_and_colours_as_they_were_meant():
    notebook = executed(COLOUR)
    names = ["fluorescence.ome.tif", "Tissue", "Tile plan", "deep.zarr", "eight_bits.zarr"]
    assert titles(notebook) == names
    assert "bytes in memory: 1/2\n" in said(notebook)
    assert "Pillow gives the same colours: True" in said(notebook)
    off = re.findall(r"at most (\d+) off, one step is ([\d.]+)", said(notebook))
    assert len(off) == 2
    assert all(int(wrong) <= float(step) for wrong, step in off)


def is_a_picture(data):
    with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
        return np.asarray(picture.convert("RGB")).std() > 5
