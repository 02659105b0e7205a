"""The notebook runs from top to bottom, and what it shows are pictures."""

import base64
import io
import re
import warnings
from pathlib import Path

import nbformat
import numpy as np
import pytest
from paths import ROOT
from PIL import Image

NOTEBOOK = ROOT / "notebooks" / "01_explore_a_slide.ipynb"

# In the kernel, too, warnings about what we or the notebook do are errors; those of the kernel
# and its event loop about each other are theirs.
STRICT = "import warnings; warnings.filterwarnings('error', module='slidetile|__main__|zarr')"


@pytest.fixture(scope="module")
def executed():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    with warnings.catch_warnings():
        # jupyter-client and its event loop deprecate one another; our code runs in the kernel.
        warnings.simplefilter("ignore")
        from nbclient import NotebookClient

        client = NotebookClient(
            notebook,
            timeout=120,
            kernel_name="python3",
            resources={"metadata": {"path": str(NOTEBOOK.parent)}},
            extra_arguments=[f"--InteractiveShellApp.exec_lines={STRICT}"],
        )
        client.execute()
    return notebook


def outputs(notebook):
    return [out for cell in notebook.cells for out in cell.get("outputs", [])]


def test_it_is_stored_clean():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    assert outputs(notebook) == []
    assert all(cell.get("execution_count") is None for cell in notebook.cells)
    assert str(Path.home()) not in NOTEBOOK.read_text()


def test_it_runs_in_order_and_complains_of_nothing(executed):
    code = [cell for cell in executed.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert [out for out in outputs(executed) if out.get("name") == "stderr"] == []
    said = "".join(out.text for out in outputs(executed) if out.get("name") == "stdout")
    assert "zarr and slidetile read the same pixels: True" in said
    assert re.search(r"(?m)^[1-9]\d* tiles; the first one is \(512, 512, 3\) uint8$", said)


def test_it_shows_the_slide_the_tissue_the_plan_and_the_store(executed):
    cards = [
        out.data["text/html"] for out in outputs(executed) if "text/html" in out.get("data", {})
    ]
    titles = [re.search("<strong>(.*?)</strong>", card)[1] for card in cards]
    assert titles == ["sample.svs", "Tissue", "Tile plan", "sample.zarr"]
    for card in cards:
        data = re.search("base64,([^']+)'", card)[1]
        assert is_a_picture(data)


def test_it_shows_tiles_and_regions(executed):
    shown = [
        out.data["image/png"] for out in outputs(executed) if "image/png" in out.get("data", {})
    ]
    assert len(shown) == 4
    assert all(map(is_a_picture, shown))


def is_a_picture(data):
    with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
        return np.asarray(picture.convert("RGB")).std() > 5
