"""The sample's tissue as its generator drew it, for tests of all else but finding it.

What detection finds changes with every better detector; this mask changes with the sample alone.
"""

import numpy as np
from paths import SAMPLES
from PIL import Image

import slidetile as st

MPP = 8.0
"""The mask's resolution, in µm per pixel."""


def drawn(image):
    """Return the sample's true tissue, whatever the overview shows: a detector.

    By default the overview of so small a slide has twice as many pixels to a side.
    """
    with Image.open(SAMPLES / "sample.mask.png") as file:
        mask = np.asarray(file).astype(np.bool_)
    times = image.shape[0] // mask.shape[0]
    mask = mask.repeat(times, axis=0).repeat(times, axis=1)
    assert image.shape[:2] == mask.shape, f"this is no overview of the sample at {MPP} µm or finer"
    return mask


def sample_tissue(slide, parameters=None):
    """Return the sample's true tissue, as a tissue mask over its overview."""
    overview = st.read_overview(slide, mpp=MPP)
    return st.TissueMask.from_mask(drawn(overview.image), overview, parameters=parameters)
