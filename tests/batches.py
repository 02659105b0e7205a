"""Batches in the tests' own process, which begin at once and see what a test has changed."""

import shutil
from functools import partial

import slidetile as st

tile_here = partial(st.tile_slides, processes=0)


def two_stores(slide, folder, recipe):
    """Tile a manifest of two slides, with columns of its own, and return the stores' folder."""
    for name in "ab":
        shutil.copy(slide, folder / f"{name}.svs")
    (folder / "cohort.csv").write_text("path,id,patient,row\na.svs,first,P1,7\nb.svs,second,,\n")
    tile_here([folder / "cohort.csv"], folder / "out", recipe)
    return folder / "out"
