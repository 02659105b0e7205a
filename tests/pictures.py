"""Pictures made for the tests: every pixel differs from its neighbours, so misplacing shows."""

import numpy as np


def pattern(height, width, channels=3, seed=0):
    """Smooth enough for JPEG, yet different everywhere."""
    y, x = np.mgrid[:height, :width]
    planes = [x % 256, y % 256, (x // 16 + y // 16 + seed) % 256, 255 - x % 256]
    return np.stack(planes[:channels], axis=2).astype(np.uint8)


def brute_force_average(pixels, factor):
    """The mean of each block of pixels, halves rounded up, block by block."""
    height, width, channels = pixels.shape
    result = np.empty((-(-height // factor), -(-width // factor), channels), np.uint8)
    for row, column in np.ndindex(result.shape[:2]):
        top, left = row * factor, column * factor
        block = pixels[top : top + factor, left : left + factor].reshape(-1, channels)
        mean2 = 2 * block.sum(axis=0, dtype=np.int64)
        result[row, column] = (mean2 + len(block)) // (2 * len(block))
    return result
