"""What a worker of a DataLoader loads of ours, beyond PyTorch: little, as it does so each epoch."""

import pickle
import subprocess
import sys

import pytest

from slidetile.torch import TileDataset

CODE = """
import pickle, sys
import numpy.random, torch.utils.data._utils.worker
before = set(sys.modules)
tiles = pickle.loads(open(sys.argv[1], "rb").read())
after = set(sys.modules)
tiles.__getitems__([0, 5, 1])
print(*sorted(after - before), "|", *sorted(set(sys.modules) - before))
"""

HEAVY = {
    *("PIL", "click", "openslide", "pandas", "psutil", "pyarrow", "pydicom"),
    *("rich", "scipy", "skimage", "tifffile", "zarr"),
}

MOST_MODULES = 130


@pytest.mark.parametrize("how", [{}, {"mpp": 1.0, "context_mpp": (4.0,), "jitter_px": 4}])
def test_a_worker_loads_what_reads_and_nothing_that_chooses(native, tmp_path, how):
    tiles = TileDataset(native, size=100, labels="row", **how)
    path = tmp_path / "tiles.pickle"
    path.write_bytes(pickle.dumps(tiles))
    told = subprocess.run(
        [sys.executable, "-c", CODE, path], capture_output=True, text=True, check=True
    ).stdout
    arrived, read = (set(part.split()) for part in told.split("|"))
    assert {name.partition(".")[0] for name in read} & HEAVY == set()
    assert {"slidetile.store.store", "slidetile.torch._choosing"} & read == set()
    assert "slidetile.store.window_source" in arrived
    own = {name for name in read if name.partition(".")[0] == "slidetile"}
    assert {name.split(".")[1] for name in own if "." in name} <= {
        *("_face", "choices", "cloud", "counts", "errors"),
        *("format", "raster", "runtime", "store", "torch"),
    }
    assert len(read) <= MOST_MODULES


def test_without_pytorch_the_extra_is_named(tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('none here')")
    told = subprocess.run(
        [sys.executable, "-c", "from slidetile.torch import TileDataset"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert told.returncode == 1
    assert told.stderr.splitlines()[-1] == (
        "ImportError: PyTorch is not installed; it comes with the extra torch: "
        "pip install slidetile[torch]"
    )
