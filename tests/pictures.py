"""Pictures made for the tests: every pixel differs from its neighbours, so misplacing shows."""

import numpy as np


def pattern(height, width, channels=3, seed=0):
    """Smooth enough for JPEG, yet different everywhere."""
    y, x = np.mgrid[:height, :width]
    planes = [x % 256, y % 256, (x // 16 + y // 16 + seed) % 256, 255 - x % 256]
    return np.stack(planes[:channels], axis=2).astype(np.uint8)
