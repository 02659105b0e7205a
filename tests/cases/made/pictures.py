"""Pictures of stained tissue on glass, quick to draw at any size."""

import numpy as np
from scipy import ndimage

GLASS = np.array([243, 242, 244.0])
STAIN = np.array([178, 108, 163.0])

_PATCH_PX = 512
"""One patch of texture is repeated over the whole picture."""


def stained(width, height, discs, *, glass=GLASS, seed=1):
    """Return RGB [row, column, channel] with discs of tissue, each (x, y, radius) in pixels."""
    random = np.random.default_rng(seed)
    image = _repeated(_glass(random, glass), width, height)
    tissue = _repeated(_tissue(random, glass), width, height)
    for x, y, radius in discs:
        rows, columns = _span(y, radius, height), _span(x, radius, width)
        across, down = np.arange(width)[columns] - x, np.arange(height)[rows] - y
        inside = across[None, :] ** 2 + down[:, None] ** 2 < radius**2
        image[rows, columns][inside] = tissue[rows, columns][inside]
    return image


def blank(width, height, *, seed=1):
    """Return bare glass."""
    return stained(width, height, [], seed=seed)


def shrink(image, factor):
    """Return a picture averaged by a whole factor; what is left over at the rim is cut off."""
    height, width = (side // factor for side in image.shape[:2])
    whole = image[: height * factor, : width * factor]
    rows = np.add.reduceat(whole, np.arange(0, height * factor, factor), axis=0, dtype=np.uint32)
    sums = np.add.reduceat(rows, np.arange(0, width * factor, factor), axis=1)
    return np.round(sums / factor**2).astype(np.uint8)


def _span(centre, radius, size):
    return slice(max(0, int(centre - radius)), min(size, int(centre + radius) + 2))


def _repeated(patch, width, height):
    times = -(-height // _PATCH_PX), -(-width // _PATCH_PX), 1
    return np.tile(patch, times)[:height, :width].copy()


def _glass(random, glass):
    return _bytes(glass + random.normal(scale=2, size=(_PATCH_PX, _PATCH_PX, 1)))


def _tissue(random, glass):
    noise = random.normal(size=(_PATCH_PX, _PATCH_PX))
    texture = ndimage.gaussian_filter(noise, 3, mode="wrap") * 2.8
    depth = np.clip(0.8 + texture, 0.15, 1.3)[..., None]
    return _bytes(glass - depth * (glass - STAIN))


def _bytes(values):
    return np.clip(values, 0, 255).astype(np.uint8)
