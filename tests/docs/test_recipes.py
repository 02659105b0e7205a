"""The recipes whose libraries live elsewhere: each block is run where they are.

The tests' ome_zarr.py hides the package that spatialdata needs, so that they run in a process.
"""

import re
import shutil
import subprocess
import sys

import pytest
from paths import ROOT

import slidetile as st

PAGE = ROOT / "docs" / "recipes" / "spatialdata.md"
PYTHONS = (sys.executable, ROOT / ".venv-viewers" / "bin" / "python")


def script(*libraries):
    """The blocks of the page that need these, one after the other."""
    told = re.findall(r"^```python (\w+)\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert {library for library, _ in told} == {"spatialdata", "wsidata"}
    return "\n".join(text for library, text in told if library in libraries)


def python_with(library):
    check = f"import importlib.util as u, sys; sys.exit(u.find_spec({library!r}) is None)"
    for python in PYTHONS:
        if not shutil.which(python):
            continue
        if subprocess.run([python, "-c", check], check=False).returncode == 0:
            return python
    pytest.skip(f"{library} is not here")
    return None


@pytest.mark.parametrize(
    "libraries", [("spatialdata",), ("spatialdata", "wsidata")], ids=lambda names: names[-1]
)
def test_each_block_runs(sample, tmp_path, libraries):
    python = python_with(libraries[-1])
    st.tile_slide(sample, tmp_path / "sample.zarr")
    (tmp_path / "data_samples").symlink_to(sample.parent)
    text = "import warnings\nwarnings.simplefilter('ignore')\n" + script(*libraries)
    done = subprocess.run(
        [python, "-c", text], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
