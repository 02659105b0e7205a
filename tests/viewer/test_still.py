"""The picture that a saved notebook shows where no kernel runs."""

import io

import numpy as np
from PIL import Image

import slidetile as st
from slidetile.viewer.doors.notebook.still import still
from slidetile.viewer.views.store import StoreView


def test_a_still_picture_has_the_colours_of_the_scores(stores):
    """Viridis' first colour for the least, its last for the most, none where it is missing."""
    native = st.open_store(stores / "native.zarr")
    scores = np.linspace(0, 1, len(native))
    scores[1] = np.nan

    def fills(**how):
        view = StoreView(native, **how)
        scene = view.scene()
        with Image.open(io.BytesIO(still(view, scene))) as picture:
            pixels, scale = (
                np.asarray(picture.convert("RGB")).astype(int),
                picture.width / scene.size[0],
            )
        for number in range(len(native)):
            x, y, right, bottom = (
                round(edge * scale) for edge in edges(native.tile_region(number))
            )
            yield pixels[y + 3 : bottom - 3, x + 3 : right - 3].reshape(-1, 3).mean(axis=0)

    plain, scored = (np.array(list(fills(**how))) for how in ({}, {"scores": {"score": scores}}))
    change = np.abs(scored - plain).max(axis=1)
    assert change[1] < 3
    assert (np.delete(change, 1) > 20).all()
    assert scored[-1, 2] < 150 < scored[-1, 0]  # yellow
    assert scored[0, 1] < 120 < scored[0, 2]  # violet


def edges(region):
    return region.x, region.y, region.right, region.bottom
