"""Draw seamless H&E textures: each repeats without an edge, so tiles cut from it join.

Stains follow Beer-Lambert: a texture is two maps, how much haematoxylin and how much eosin,
and colour is the glass's white times exp(-stain x absorbance).
"""

from dataclasses import dataclass

import numpy as np
from scipy import fft, ndimage
from scipy.spatial import cKDTree
from scipy.special import expit

KINDS = ("stroma", "cells", "fat", "glands")

# Absorbance in red, green and blue per unit of stain (after Ruifrok and Johnston 2001, eosin
# shifted a little towards the orange of real eosin).
HAEMATOXYLIN = np.array([0.65, 0.70, 0.29], np.float32)
EOSIN = np.array([0.09, 0.72, 0.32], np.float32)
GLASS_RGB = np.array([243.0, 241.0, 244.0], np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stain:
    """How much of each stain lies on each pixel of a texture, as (size, size) float32."""

    haematoxylin: np.ndarray
    eosin: np.ndarray


def smooth_noise(
    rng: np.random.Generator, size: int, scale_px: float, *, stretch: float = 1.0
) -> np.ndarray:
    """Return periodic noise (size, size) float32 of mean 0 and deviation 1.

    `scale_px` is the size of its blobs; `stretch` makes them longer along x.
    """
    frequency = fft.fftfreq(size).astype(np.float32)
    falloff_y = np.exp(-((frequency * scale_px) ** 2) * 4)
    falloff_x = np.exp(-((fft.rfftfreq(size) * scale_px * stretch) ** 2) * 4).astype(np.float32)
    white = rng.standard_normal((size, size), dtype=np.float32)
    smooth = fft.irfft2(fft.rfft2(white) * falloff_y[:, None] * falloff_x, s=(size, size))
    smooth -= smooth.mean()
    return (smooth / smooth.std()).astype(np.float32)


def draw_texture(kind: str, rng: np.random.Generator, size: int, mpp: float) -> np.ndarray:
    """Return the seamless uint8 texture (size, size, 3) of one of `KINDS`."""
    draw = {"stroma": _stroma, "cells": _cells, "fat": _fat, "glands": _glands}[kind]
    stain = draw(rng, size, mpp)
    # A little of every scale: unevenness of the section, and the grain of the scanner.
    shade = 1 + 0.07 * smooth_noise(rng, size, 60 / mpp)
    shade += 0.05 * smooth_noise(rng, size, 4 / mpp) + 0.035 * smooth_noise(rng, size, 1.6)
    return colour(stain.haematoxylin * shade, stain.eosin * shade)


def draw_glass(rng: np.random.Generator, size: int) -> np.ndarray:
    """Return seamless empty glass: nearly white, never quite even."""
    shade = 0.8 * smooth_noise(rng, size, 200) + 0.7 * smooth_noise(rng, size, 1.5)
    return np.clip(GLASS_RGB + shade[..., None] + 0.5, 0, 255).astype(np.uint8)


def colour(haematoxylin: np.ndarray, eosin: np.ndarray) -> np.ndarray:
    """Return the uint8 RGB picture of two stain maps of the same shape."""
    picture = np.empty((*eosin.shape, 3), np.uint8)
    for channel in range(3):
        absorbed = haematoxylin * HAEMATOXYLIN[channel] + eosin * EOSIN[channel]
        light = GLASS_RGB[channel] * np.exp(-np.maximum(absorbed, 0))
        picture[..., channel] = light + 0.5
    return picture


def _stroma(rng: np.random.Generator, size: int, mpp: float) -> Stain:
    """Wavy pink fibres with clefts between them and a few spindle-shaped nuclei."""
    bend = smooth_noise(rng, size, 70 / mpp) * 14 / mpp
    fibres = _displaced(smooth_noise(rng, size, 3.0 / mpp, stretch=9), bend)
    bundles = _displaced(smooth_noise(rng, size, 11 / mpp, stretch=5), bend)
    cleft = np.clip((bundles + 0.35 * fibres - 1.45) * 3, 0, 1)
    eosin = (0.62 + 0.13 * fibres + 0.13 * bundles).clip(0.2) * (1 - 0.93 * cleft)
    slope = np.arctan(np.gradient(bend, axis=1))
    density = 0.24 * (cleft < 0.1)
    nuclei = _scatter_nuclei(rng, density, mpp, axes_um=(5.5, 1.5), angle=slope)
    return Stain(haematoxylin=0.05 * (1 - cleft) + nuclei, eosin=eosin)


def _cells(rng: np.random.Generator, size: int, mpp: float) -> Stain:
    """Closely packed cells: purple-blue nuclei in a pale violet cytoplasm."""
    cytoplasm = smooth_noise(rng, size, 5 / mpp)
    cords = smooth_noise(rng, size, 26 / mpp)
    gap = np.clip((-cords - 1.15) * 3, 0, 1)
    density = np.clip(0.95 + 0.3 * cords, 0.1, 1) * (gap < 0.3)
    nuclei = _scatter_nuclei(rng, density, mpp, axes_um=(3.9, 3.0))
    eosin = (0.52 + 0.09 * cytoplasm) * (1 - 0.75 * gap)
    return Stain(haematoxylin=0.16 * (1 - gap) + nuclei, eosin=eosin)


def _fat(rng: np.random.Generator, size: int, mpp: float) -> Stain:
    """Empty vacuoles between thin walls, with a nucleus pressed flat here and there."""
    near, second = _cell_distances(rng, size, 62 / mpp, nearest=2)
    wall_um = (second - near) * mpp + 0.8 * smooth_noise(rng, size, 14 / mpp)
    wall = expit((3.2 - wall_um) * 1.1)
    corner = np.clip((near * mpp - 40) / 8, 0, 1)
    eosin = np.maximum(0.62 * wall, 0.55 * corner) + 0.02
    density = 0.30 * (wall > 0.8)
    nuclei = _scatter_nuclei(rng, density, mpp, axes_um=(4.0, 1.6))
    return Stain(haematoxylin=nuclei + 0.03 * wall, eosin=eosin)


def _glands(rng: np.random.Generator, size: int, mpp: float) -> Stain:
    """Round glands: a white lumen, a ring of epithelium, stroma between the glands."""
    stroma = _stroma(rng, size, mpp)
    (centre,) = _cell_distances(rng, size, 120 / mpp, nearest=1)
    radius_um = centre * mpp + 5 * smooth_noise(rng, size, 22 / mpp)
    lumen = expit((19 - radius_um) * 1.4)
    gland = expit((42 - radius_um) * 1.2)
    basal = (radius_um > 30) & (radius_um < 40)
    nuclei = _scatter_nuclei(rng, 0.98 * basal, mpp, axes_um=(4.2, 2.8))
    epithelium = 0.48 + 0.06 * smooth_noise(rng, size, 4 / mpp)
    eosin = (stroma.eosin * (1 - gland) + epithelium * gland) * (1 - 0.97 * lumen)
    inside = (0.14 + nuclei) * gland * (1 - lumen)
    outside = stroma.haematoxylin * (1 - gland) + nuclei * (1 - gland)
    return Stain(haematoxylin=inside + outside, eosin=eosin)


def _displaced(noise: np.ndarray, shift_y: np.ndarray) -> np.ndarray:
    """Return `noise` pulled up and down by `shift_y` pixels, around the edge as well."""
    rows, columns = np.indices(noise.shape, dtype=np.float32)
    return ndimage.map_coordinates(noise, [rows + shift_y, columns], order=1, mode="grid-wrap")


def _jittered_grid(rng: np.random.Generator, size: int, spacing_px: float) -> np.ndarray:
    """Return points (n, 2) in 0..size, about `spacing_px` apart and never in rows."""
    count = max(2, round(size / spacing_px))
    grid = np.stack(np.meshgrid(np.arange(count), np.arange(count), indexing="ij"), -1)
    offset = 0.5 * (np.arange(count) % 2)[:, None]
    points = grid + rng.uniform(0.1, 0.9, grid.shape)
    points[..., 1] += offset
    return (points.reshape(-1, 2) * (size / count)) % size


def _cell_distances(
    rng: np.random.Generator, size: int, spacing_px: float, *, nearest: int
) -> list[np.ndarray]:
    """Return the distances in pixels to the `nearest` seeds of a periodic mosaic of cells."""
    tree = cKDTree(_jittered_grid(rng, size, spacing_px), boxsize=size)
    step = 4  # distances are smooth: a quarter of the points, then interpolate
    coarse = np.stack(np.indices((size // step, size // step)), -1).reshape(-1, 2) * step
    distances, _ = tree.query(coarse, k=list(range(1, nearest + 1)))
    shape = (size // step, size // step)
    at = np.arange(size, dtype=np.float32) / step
    grid = np.meshgrid(at, at, indexing="ij")
    maps = [distances[:, k].reshape(shape).astype(np.float32) for k in range(nearest)]
    return [ndimage.map_coordinates(m, grid, order=1, mode="grid-wrap") for m in maps]


def _scatter_nuclei(
    rng: np.random.Generator,
    density: np.ndarray,
    mpp: float,
    *,
    axes_um: tuple[float, float],
    angle: np.ndarray | None = None,
) -> np.ndarray:
    """Return the haematoxylin of nuclei, sown with probability `density` (size, size).

    `axes_um` are the half axes of the mean nucleus; `angle` turns its long axis, else any.
    """
    size = len(density)
    canvas = np.zeros((size, size), np.float32)
    for y, x in _jittered_grid(rng, size, 1.05 * sum(axes_um) / mpp):
        row, column = int(y), int(x)
        keep, turn = rng.random(2)
        if keep >= density[row, column]:
            continue
        theta = np.pi * turn if angle is None else angle[row, column] + 0.5 * (turn - 0.5)
        stamp = _nucleus(rng, np.array(axes_um) / mpp * rng.uniform(0.75, 1.25, 2), theta)
        reach = len(stamp) // 2
        rows = np.arange(row - reach, row + reach + 1) % size
        columns = np.arange(column - reach, column + reach + 1) % size
        cell = np.ix_(rows, columns)
        canvas[cell] = np.maximum(canvas[cell], stamp)
    chromatin = smooth_noise(rng, size, max(1.2 / mpp, 2.0))
    return canvas * (1 + 0.22 * chromatin)


def _nucleus(rng: np.random.Generator, axes_px: np.ndarray, theta: float) -> np.ndarray:
    """Return one soft-edged ellipse, darker at its membrane, in a square odd-sized stamp."""
    reach = int(max(axes_px) + 2)
    x = np.arange(-reach, reach + 1, dtype=np.float32)
    y = x[:, None]
    along = (x * np.cos(theta) + y * np.sin(theta)) / axes_px[0]
    across = (y * np.cos(theta) - x * np.sin(theta)) / axes_px[1]
    radius = np.hypot(along, across)
    inside = np.clip((1 - radius) * min(axes_px) * 0.7 + 0.5, 0, 1)
    return rng.uniform(0.7, 1.25) * inside * (0.8 + 0.3 * radius)
