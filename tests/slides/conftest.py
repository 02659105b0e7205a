"""Slides made for the tests: every pixel differs from its neighbours, so misplacing shows."""

import json
import re
import sys
from types import ModuleType

import numpy as np
import pytest
import tifffile
from paths import ROOT
from pictures import pattern

import slidetile as st


@pytest.fixture(scope="session")
def pyramid(tmp_path_factory):
    """A lossless pyramid of three levels: its path, and its levels as arrays."""
    path = tmp_path_factory.mktemp("pyramid") / "pyramid.tiff"
    levels = [pattern(300, 421), pattern(150, 210, seed=1), pattern(75, 105, seed=2)]
    with tifffile.TiffWriter(path) as writer:
        for index, level in enumerate(levels):
            writer.write(
                level,
                photometric="rgb",
                tile=(64, 64),
                compression="deflate",
                subfiletype=int(index > 0),
                resolution=(20000, 20000),
                resolutionunit="CENTIMETER",
                metadata=None,
            )
    return path, levels


@pytest.fixture(scope="session")
def new_reader(tmp_path_factory):
    """The reader that docs/how-to/add-a-reader.md shows, and a file for it."""
    page = ROOT / "docs" / "how-to" / "add-a-reader.md"
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    (code,) = (block for block in blocks if "class PixSlide" in block)
    module = sys.modules["new_reader"] = ModuleType("new_reader")  # where pickle looks for it
    vars(module).update(json=json, np=np, st=st)
    exec(compile(code, str(page), "exec"), vars(module))  # noqa: S102  our own text
    path = tmp_path_factory.mktemp("new") / "pattern.pix"
    header = json.dumps({"width": 421, "height": 300, "mpp": 0.5})
    path.write_bytes(f"PIX1\n{header}\n".encode() + pattern(300, 421).tobytes())
    yield module.PixSlide, path
    del sys.modules["new_reader"]
