"""A drawn tissue microarray: cores of 4 rows and 5 columns, of which two are missing."""

import numpy as np
from scipy.ndimage import gaussian_filter

ROWS, COLUMNS, PITCH_PX, RADIUS_PX = 4, 5, 128, 45
MISSING = ("B-4", "D-1")
MPP = 8.0


def core_at(x, y):
    """The name of the core that a pixel belongs to; None between cores."""
    column, row = int(x // PITCH_PX), int(y // PITCH_PX)
    name = f"{'ABCD'[row]}-{column + 1}"
    apart = np.hypot(x - (column + 0.5) * PITCH_PX, y - (row + 0.5) * PITCH_PX)
    return name if apart < RADIUS_PX and name not in MISSING else None


def picture(seed=0):
    """Stained cores on glass, uint8 [row, column, 3]."""
    random = np.random.default_rng(seed)
    shape = ROWS * PITCH_PX, COLUMNS * PITCH_PX
    y, x = np.mgrid[: shape[0], : shape[1]]
    apart = np.hypot(x % PITCH_PX - PITCH_PX / 2 + 0.5, y % PITCH_PX - PITCH_PX / 2 + 0.5)
    inside = apart < RADIUS_PX
    for name in MISSING:
        row, column = "ABCD".index(name[0]), int(name[2]) - 1
        inside &= ~((y // PITCH_PX == row) & (x // PITCH_PX == column))
    texture = gaussian_filter(random.standard_normal(shape), 1)
    density = inside * np.clip(1 + 0.4 * texture / texture.std(), 0.2, None)
    light = 243 * np.exp(-density[..., np.newaxis] * np.array([0.35, 0.8, 0.4]))
    noise = random.normal(0, 1.5, (*shape, 1))
    return np.clip(light + noise, 0, 255).astype(np.uint8)
