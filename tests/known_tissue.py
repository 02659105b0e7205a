"""The sample's tissue as its generator drew it, for tests of all else but finding it.

What detection finds changes with every better detector; this mask changes with the sample alone.
"""

import numpy as np
from paths import SAMPLES
from PIL import Image

import slidetile as st

MPP = 8.0
"""The mask's resolution, in µm per pixel; that of an overview unless another is asked for."""


def drawn(image):
    """Return the sample's true tissue, whatever the overview shows: a detector."""
    with Image.open(SAMPLES / "sample.mask.png") as file:
        mask = np.asarray(file).astype(np.bool_)
    assert image.shape[:2] == mask.shape, f"this is not the sample's overview at {MPP} µm"
    return mask


def sample_tissue(slide, parameters=None):
    """Return the sample's true tissue, as a tissue mask over its overview."""
    overview = st.read_overview(slide, mpp=MPP)
    return st.TissueMask.from_mask(drawn(overview.image), overview, parameters=parameters)
