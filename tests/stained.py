"""Drawn overviews of stained sections with one difficulty each, and what is tissue on them.

They follow Beer and Lambert: stain amounts times stain colours, over glass, then camera noise and
JPEG.
"""

import io

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

SHAPE = (480, 640)
ROWS, COLUMNS = np.mgrid[: SHAPE[0], : SHAPE[1]]
WHITE = (243, 243, 242)
LILAC = (226, 221, 228)  # the glass of the CAMELYON slide
HEMATOXYLIN = np.array([0.65, 0.70, 0.29])
BLUE_HEMATOXYLIN = np.array([0.80, 0.62, 0.25])
EOSIN = np.array([0.07, 0.99, 0.11])
DAB = np.array([0.27, 0.57, 0.78])
INKS = {"black": (25, 25, 30), "blue": (35, 60, 160), "green": (20, 120, 70), "red": (200, 35, 45)}


def ellipse(row, column, height, width):
    return ((ROWS - row) / height) ** 2 + ((COLUMNS - column) / width) ** 2 < 1


BODY = ellipse(240, 300, 120, 180)
FAT = ellipse(240, 500, 100, 90) & ~BODY
NOTHING = np.zeros(SHAPE, bool)


def smooth_noise(rng, sigma):
    field = gaussian_filter(rng.standard_normal(SHAPE), sigma)
    return field / field.std()


def glass(colour=WHITE):
    return np.broadcast_to(np.array(colour, float), (*SHAPE, 3)).copy()


def stain(image, where, stains, amount, rng):
    """Cells about two pixels wide, in tissue of uneven density."""
    density = np.zeros_like(image)
    for colour in stains:
        texture = 1 + 0.35 * smooth_noise(rng, 0.8) + 0.25 * smooth_noise(rng, 8)
        density += (amount / len(stains) * np.clip(texture, 0.1, None))[..., None] * colour
    image[where] = (image * np.exp(-density))[where]


def fat(image, where, rng):
    """Stained membranes around cells as clear as glass."""
    membrane = np.clip(1 - np.abs(smooth_noise(rng, 4)) / 0.35, 0, 1)
    density = 0.25 * membrane[..., None] * (0.8 * EOSIN + 0.2 * HEMATOXYLIN)
    image[where] = (image * np.exp(-density))[where]


def pen(image, row, ink, width, rng):
    near = np.abs(ROWS - row - 25 * np.sin(COLUMNS / 90)) < width / 2
    alpha = gaussian_filter((near & (COLUMNS > 40) & (COLUMNS < 600)).astype(float), 2)
    density = -np.log(np.array(ink) / 243)
    image *= np.exp(-(alpha * (1 + 0.06 * smooth_noise(rng, 12)))[..., None] * density)


def cover_slip(image):
    image[100:103] *= 0.55
    image[103:105] *= [0.95, 0.99, 1]
    image[:, 500:503] *= 0.6
    image[:, 498:500] *= [1, 0.98, 0.94]


def bubbles(image):
    for row, column, radius in ((120, 150, 60), (300, 400, 90), (380, 120, 30)):
        distance = np.hypot(ROWS - row, COLUMNS - column)
        image *= (1 - 0.5 * np.exp(-(((distance - radius) / 3) ** 2)))[..., None]
        image[distance < radius] *= 0.985


def dust(image, rng):
    for _ in range(60):
        row, column, side = rng.integers(10, 460), rng.integers(10, 620), rng.integers(1, 5)
        image[row : row + side, column : column + side] *= rng.uniform(0.2, 0.7)


def photograph(image, rng, quality=75):
    noisy = np.clip(np.round(image + rng.normal(0, 1.5, image.shape)), 0, 255)
    file = io.BytesIO()
    Image.fromarray(noisy.astype(np.uint8)).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def section(rng, *, stains=(HEMATOXYLIN, EOSIN), amount=0.8, where=BODY, colour=WHITE):
    image = glass(colour)
    stain(image, where, stains, amount, rng)
    return image


def with_fat(rng, colour=WHITE):
    image = section(rng, colour=colour)
    fat(image, FAT, rng)
    dust(image, rng)
    return image


def on_dirty_glass(rng, image):
    cover_slip(image)
    bubbles(image)
    dust(image, rng)
    return image


def mosaic(rng):
    image = with_fat(rng)
    image[:, :330] *= np.array([240, 237, 243]) / 255
    image[:200, 400:] *= [0.97, 0.98, 0.965]
    return image


def padded(rng, value):
    image = section(rng, colour=LILAC)
    image[:, 520:] = image[:60] = value
    return image


def vignetted(image):
    strip = 1 - 0.05 * np.linspace(-1, 1, 80) ** 2
    return image * np.tile(strip, 8)[None, :, None]


def penned(rng, ink):
    image = section(rng)
    pen(image, 50, INKS[ink], 40, rng)
    pen(image, 430, INKS[ink], 14, rng)
    return image


MOSTLY = ~ellipse(60, 60, 120, 120)
EVERYTHING = np.ones(SHAPE, bool)
BLUE = {"stains": (BLUE_HEMATOXYLIN,)}
CASES = {
    "H&E with fat": (with_fat, BODY, FAT),
    "H&E with fat on tinted glass": (lambda rng: with_fat(rng, LILAC), BODY, FAT),
    "brown and blue": (lambda rng: section(rng, stains=(HEMATOXYLIN, DAB)), BODY, None),
    "brown": (lambda rng: section(rng, stains=(DAB,)), BODY, None),
    "pale blue": (lambda rng: section(rng, amount=0.3, **BLUE), BODY, None),
    "deep blue": (lambda rng: section(rng, amount=1.0, **BLUE), BODY, None),
    "pale pink": (lambda rng: section(rng, stains=(EOSIN,), amount=0.12), BODY, None),
    "dirty": (lambda rng: on_dirty_glass(rng, section(rng)), BODY, None),
    "mosaic": (mosaic, BODY, FAT),
    "white padding": (lambda rng: padded(rng, 255), BODY, None),
    "black padding": (lambda rng: padded(rng, 0), BODY, None),
    "uneven light": (lambda rng: vignetted(section(rng)), BODY, None),
    "mostly tissue": (lambda rng: section(rng, where=MOSTLY), MOSTLY, None),
    "only tissue": (lambda rng: section(rng, where=EVERYTHING), EVERYTHING, None),
    "blank": (lambda _: glass(), NOTHING, None),
    "blank, tinted, uneven": (lambda _: vignetted(glass((240, 228, 238))), NOTHING, None),
    "blank, dirty": (lambda rng: on_dirty_glass(rng, glass()), NOTHING, None),
    **{f"{ink} pen": (lambda rng, ink=ink: penned(rng, ink), BODY, None) for ink in INKS},
}


def draw(name, quality=75):
    rng = np.random.default_rng(0)
    return photograph(CASES[name][0](rng), rng, quality)


def glowing():
    rng = np.random.default_rng(0)
    nuclei = np.clip(smooth_noise(rng, 1.2) - 0.7, 0, None) * BODY * 120
    return np.clip(rng.normal(8, 2, SHAPE) + nuclei, 0, 255).astype(np.uint8)[..., None]
