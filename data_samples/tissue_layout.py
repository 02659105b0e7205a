"""Decide where tissue lies on a slide, on a grid of nodes: integers, no pixels.

A node is a corner the tiles share. What a tile shows follows from its own nodes alone, so two
neighbours always agree on their common edge, and equal tiles are drawn only once.
"""

from dataclasses import dataclass

import numpy as np
from tissue_texture import KINDS

# Beyond this distance from the outline, in tiles, a node is wholly tissue or wholly glass.
OUTLINE_REACH_TILES = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """How finely a slide is laid out: small slides unique, giant ones from a library."""

    nodes_per_tile: int
    """Grid steps along a tile's edge."""
    outline_steps: int
    """Shades between glass (0) and tissue; 1 means a node is one or the other."""
    period_tiles: int
    """The textures repeat after so many tiles."""

    @classmethod
    def for_slide(cls, width: int, height: int, tile: int) -> "Detail":
        """Return the finest detail whose drawing time stays within reason."""
        longest = -(-max(width, height) // tile)
        period = min(longest, max(2, 1280 // tile))
        if width * height <= 2000 * tile * tile:
            return cls(nodes_per_tile=4, outline_steps=24, period_tiles=period)
        return cls(nodes_per_tile=1, outline_steps=1, period_tiles=period)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The nodes of a slide, each array (rows * nodes_per_tile + 1, columns * ... + 1) uint8."""

    outline: np.ndarray
    """0 glass to `outline_steps` tissue; the outline runs half way."""
    kind: np.ndarray
    """Index into `KINDS`."""
    pen: np.ndarray
    """1 under the pen stroke."""


def lay_out(
    size: tuple[int, int],
    tile: int,
    detail: Detail,
    rng: np.random.Generator,
    *,
    tissue_fraction: float,
    pen: bool,
) -> Layout:
    """Return the layout of a slide of `size` (width, height) pixels.

    `tissue_fraction` of the nodes on the slide lie inside the outline.
    """
    width, height = size
    spacing = tile / detail.nodes_per_tile
    columns, rows = (-(-edge // tile) * detail.nodes_per_tile + 1 for edge in size)
    short = min(width, height)
    x, y = np.meshgrid(np.arange(columns) * spacing / short, np.arange(rows) * spacing / short)
    field = _tissue_field(x, y, (width / short, height / short), rng)
    on_slide = (x <= width / short) & (y <= height / short)
    share = _tissue_share(field, on_slide, tissue_fraction, detail)
    appetite = np.array([0.5, 0.6, -0.35, 0.0])[:, None, None]  # stroma and cells prevail
    noises = np.stack([_waves(rng, x, y, 0.3) + 0.5 * _waves(rng, x, y, 0.08) for _ in KINDS])
    stroke = np.abs(y - 0.12 - 0.02 * np.sin(9 * x)) + 9.0 * np.maximum(np.abs(x - 0.3) - 0.15, 0)
    return Layout(
        outline=np.rint(share * detail.outline_steps).astype(np.uint8),
        kind=np.argmax(noises + appetite, axis=0).astype(np.uint8),
        pen=(pen & (stroke < 0.03)).astype(np.uint8),
    )


def _tissue_share(
    field: np.ndarray, on_slide: np.ndarray, tissue_fraction: float, detail: Detail
) -> np.ndarray:
    """Return how far each node lies inside (1) or outside (0) the contour of the fraction."""
    threshold = np.quantile(field[on_slide], 1 - tissue_fraction)
    if tissue_fraction == 0:
        threshold = np.inf  # the quantile would leave the highest node
    slope = np.hypot(*np.gradient(field)) + 1e-6
    # To first order. A cliff far below the threshold must not look near to the outline.
    slope = np.minimum(slope, np.median(slope))
    distance_tiles = (field - threshold) / slope / detail.nodes_per_tile
    return np.clip(0.5 + distance_tiles / (2 * OUTLINE_REACH_TILES), 0, 1)


def _tissue_field(
    x: np.ndarray, y: np.ndarray, extent: tuple[float, float], rng: np.random.Generator
) -> np.ndarray:
    """Return a height map whose contour lines look like pieces of a section."""
    wide, high = extent
    pieces = max(2, round(1.8 * max(extent)))
    xs = x + 0.08 * _waves(rng, x, y, 0.5)
    ys = y + 0.08 * _waves(rng, x, y, 0.5)
    distances = []
    for number in range(pieces):
        along = (number + 0.5 + rng.uniform(-0.08, 0.08)) / pieces
        across = 0.5 + rng.uniform(-0.1, 0.1)
        centre = (along * wide, across * high) if wide >= high else (across * wide, along * high)
        room = max(extent) / pieces
        half = (0.5 * room, 0.5) if wide >= high else (0.5, 0.5 * room)
        half = np.array(half) * rng.uniform(0.75, 1.0, 2)
        distances.append(np.hypot((xs - centre[0]) / half[0], (ys - centre[1]) / half[1]))
    nearest, second = np.sort(distances, axis=0)[:2]
    gap = np.clip(1 - (second - nearest) / 0.25, 0, 1)
    edge = np.minimum(np.minimum(x, wide - x), np.minimum(y, high - y))
    margin = np.clip(1 - edge / 0.06, 0, 2)
    rough = 0.16 * _waves(rng, x, y, 0.25) + 0.08 * _waves(rng, x, y, 0.09)
    return -nearest + rough - 1.5 * gap - 3 * margin


def _waves(rng: np.random.Generator, x: np.ndarray, y: np.ndarray, scale: float) -> np.ndarray:
    """Return smooth noise of deviation about 1 whose hills are about `scale` apart."""
    total = np.zeros_like(x)
    count = 16
    for angle, phase, stretch in rng.uniform(0, 1, (count, 3)):
        k = 2 * np.pi / (scale * (0.7 + stretch))
        across = x * np.cos(np.pi * angle) + y * np.sin(np.pi * angle)
        total += np.cos(k * across + 2 * np.pi * phase)
    return total * np.sqrt(2 / count)
