"""How sharp a picture is.

Knows pictures. Does not know slides, tiles or micrometres.
"""

import numpy as np
from numpy.typing import NDArray

from slidetile.pixels import Pixels


def grey(pixels: Pixels) -> NDArray[np.uint8]:
    """Return an image's luma (ITU-R BT.601) in integers, uint8 [row, column]."""
    if pixels.shape[2] == 1:
        intensity: NDArray[np.uint8] = pixels[..., 0]
        return intensity
    luma = np.full(pixels.shape[:2], 128, np.uint16)  # 257 × 255 is the most that 16 bits hold
    for channel, weight in enumerate((77, 150, 29)):
        luma += pixels[..., channel] * np.uint16(weight)
    luma >>= 8
    return luma.astype(np.uint8)


def laplacian(image: NDArray[np.uint8]) -> NDArray[np.int16]:
    """Return each pixel's four neighbours less four times itself, without the outermost pixels.

    Its variance is a measure of focus (Pech-Pacheco et al., "Diatom autofocusing in brightfield
    microscopy", ICPR 2000), among the best for images of few pixels (Pertuz et al., "Analysis of
    focus measure operators for shape-from-focus", Pattern Recognition 46, 2013). The values are
    those of OpenCV's ``Laplacian``.

    Parameters
    ----------
    image
        uint8 [row, column].

    Returns
    -------
    int16 array [row, column]
        Two fewer of each, or empty.
    """
    wide = image.astype(np.int16)
    change = wide[1:-1, 1:-1] * np.int16(-4)
    if change.size:
        change += wide[:-2, 1:-1]
        change += wide[2:, 1:-1]
        change += wide[1:-1, :-2]
        change += wide[1:-1, 2:]
    return change
