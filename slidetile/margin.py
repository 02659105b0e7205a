"""A margin around tissue.

Knows masks. Does not know overviews or detectors.
"""

import math

import numpy as np

from slidetile.bands import bands
from slidetile.pieces import Mask


def with_margin(mask: Mask, margin: float, pixel: tuple[float, float]) -> Mask:
    """Widen a mask by every pixel whose centre is within a distance of one of its pixels'.

    Parameters
    ----------
    mask
        bool [row, column].
    margin
        The distance: the radius of a disk.
    pixel
        Width and height of a pixel, in the same unit.
    """
    from scipy.ndimage import distance_transform_edt

    rows = min(math.floor(margin / pixel[1]), mask.shape[0])
    if rows < 1 and margin < pixel[0]:
        return mask
    result = np.empty_like(mask)
    for band in bands(mask.shape, rows):
        seen = mask[band.seen]
        if seen.any():
            distance = distance_transform_edt(~seen, sampling=pixel[::-1])
            result[band.rows] = distance[band.within] <= margin
        else:
            result[band.rows] = False
    return result
