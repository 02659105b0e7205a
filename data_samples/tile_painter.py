"""Paint tiles from a layout's nodes and a library of textures, each different tile once."""

from dataclasses import dataclass

import numpy as np
from svs_writer import JpegEncoder
from tissue_layout import Detail
from tissue_texture import KINDS, draw_glass, draw_texture, smooth_noise

# Fits every native tile size there is: 240, 256 and 512 are multiples of 16.
MASK_DOWNSAMPLE = 16
PEN_RGB = np.array([0.22, 0.45, 0.62], np.float32)
DUST_VARIANTS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class PaintedTile:
    """What the slide needs to know of one tile; the full picture is not kept."""

    number: int
    """Its order of painting: equal numbers are equal tiles."""
    jpeg: bytes
    """Abbreviated JPEG."""
    quarter: np.ndarray
    """Area average by 4, uint8."""
    sixteenth: np.ndarray
    """Area average by 16, uint8."""
    mask: np.ndarray
    """True tissue at `MASK_DOWNSAMPLE`, bool."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TileNodes:
    """The nodes of one tile: small uint8 arrays (nodes_per_tile + 1, the same)."""

    outline: np.ndarray
    kind: np.ndarray
    pen: np.ndarray
    dust: int
    """0 for none, else which of the specks; honoured on empty glass only."""


class TilePainter:
    """Paint any tile of a slide; tiles with equal nodes and texture phase share one painting."""

    def __init__(
        self, tile: int, detail: Detail, encoder: JpegEncoder, *, mpp: float, seed: int
    ) -> None:
        size = tile * detail.period_tiles
        seeds = np.random.SeedSequence([seed, size]).spawn(len(KINDS) + 2)
        rngs = [np.random.default_rng(child) for child in seeds]
        self._tile, self._detail, self._encoder = tile, detail, encoder
        self._size, self._mpp, self._kind_rngs = size, mpp, rngs[: len(KINDS)]
        self._textures: dict[int, np.ndarray] = {}
        self._glass = draw_glass(rngs[-2], size)
        self._ragged = _ragged_noise(rngs[-1], size, mpp)
        # Bounded like the outline: where all nodes agree on a kind, no other shows through.
        scale_px = 0.45 * tile / detail.nodes_per_tile
        self._patches = [
            np.clip(0.3 * smooth_noise(rngs[-1], size, scale_px), -0.45, 0.45) for _ in KINDS
        ]
        self._dust_seed = seed
        steps = np.linspace(0, detail.nodes_per_tile, tile, endpoint=False) + 0.5 / tile
        hats = 1 - np.abs(steps[:, None] - np.arange(detail.nodes_per_tile + 1))
        self._spread = np.maximum(hats, 0).astype(np.float32)
        self._painted: dict[bytes, PaintedTile] = {}

    def paint(self, row: int, column: int, nodes: TileNodes) -> PaintedTile:
        """Return the tile at `row`, `column` of the grid, painted now or before."""
        period = self._detail.period_tiles
        phase = (row % period, column % period)
        empty = not nodes.outline.any()
        pure = empty or (nodes.outline == self._detail.outline_steps).all()
        kind = np.zeros_like(nodes.kind) if empty else nodes.kind
        dust = nodes.dust if empty and not nodes.pen.any() else 0
        # Kinds do not show on glass, so they must not multiply the paintings of it.
        parts = (
            nodes.outline.tobytes(),
            kind.tobytes(),
            nodes.pen.tobytes(),
            bytes([*phase, dust]),
        )
        key = b"".join(parts)
        if key not in self._painted:
            picture, inside = self._glass_or_tissue(phase, nodes, pure=pure, empty=empty)
            if nodes.pen.any():
                picture = self._with_pen(picture, nodes.pen)
            if dust:
                picture = _with_dust(picture, np.random.default_rng([self._dust_seed, dust]))
            self._painted[key] = self._finished(picture, inside)
        return self._painted[key]

    def _glass_or_tissue(
        self, phase: tuple[int, int], nodes: TileNodes, *, pure: bool, empty: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the picture and where it is tissue, both at full resolution."""
        window = tuple(slice(p * self._tile, (p + 1) * self._tile) for p in phase)
        glass = self._glass[window]
        if empty:
            return glass, np.zeros(glass.shape[:2], bool)
        tissue = self._mixed_kinds(window, nodes.kind)
        if pure:
            return tissue, np.ones(glass.shape[:2], bool)
        share = self._spread_out(nodes.outline / np.float32(self._detail.outline_steps))
        depth_px = (share + self._ragged[window] - 0.5) * self._tile
        cover = np.clip(depth_px * 0.4 + 0.5, 0, 1)
        # Sections thin out towards their edge, fully thick where the nodes are wholly tissue.
        cover *= 0.7 + 0.3 * np.clip(depth_px / (0.045 * self._tile), 0, 1)
        return _blend(glass, tissue, cover), depth_px > 0

    def _mixed_kinds(self, window: tuple[slice, ...], kind: np.ndarray) -> np.ndarray:
        """Return the textures of the kinds present, patched together along soft borders."""
        present = np.unique(kind)
        if len(present) == 1:
            return self._texture(present[0])[window]
        scores = [
            self._spread_out((kind == k).astype(np.float32)) + self._patches[k][window]
            for k in present
        ]
        picture, best = self._texture(present[0])[window], scores[0]
        for k, score in zip(present[1:], scores[1:], strict=True):
            lead = np.clip((score - best) * 0.06 * self._tile + 0.5, 0, 1)
            picture = _blend(picture, self._texture(k)[window], lead)
            best = np.maximum(best, score)
        return picture

    def _texture(self, kind: int) -> np.ndarray:
        """Return the texture of the kind of this number, drawn when first asked for."""
        if kind not in self._textures:
            rng = self._kind_rngs[kind]
            self._textures[kind] = draw_texture(KINDS[kind], rng, self._size, self._mpp)
        return self._textures[kind]

    def _spread_out(self, nodes: np.ndarray) -> np.ndarray:
        """Return node values interpolated to every pixel of the tile."""
        return self._spread @ nodes.astype(np.float32) @ self._spread.T

    def _with_pen(self, picture: np.ndarray, pen: np.ndarray) -> np.ndarray:
        ink = np.clip((self._spread_out(pen) - 0.45) * 20, 0, 0.85)
        light = 1 - ink[..., None] * (1 - PEN_RGB)
        return (picture * light + 0.5).astype(np.uint8)

    def _finished(self, picture: np.ndarray, inside: np.ndarray) -> PaintedTile:
        quarter = area_average(picture, 4)
        return PaintedTile(
            number=len(self._painted),
            jpeg=self._encoder.encode(picture),
            quarter=quarter,
            sixteenth=area_average(quarter, 4),
            mask=area_average(inside[..., None] * np.uint8(255), MASK_DOWNSAMPLE)[..., 0] > 127,
        )


def area_average(picture: np.ndarray, factor: int) -> np.ndarray:
    """Return `picture` (height, width, channels) uint8 coarser by a `factor` of 2-16."""
    height, width, channels = picture.shape
    # Rows first: summing whole rows is what numpy does fastest. 16 bits hold 256 bytes' sum.
    rows = picture.reshape(height // factor, factor, width * channels).sum(1, dtype=np.uint16)
    columns = rows.reshape(height // factor, width // factor, factor, channels)
    cells = columns.sum(2, dtype=np.uint16)
    return ((cells + factor * factor // 2) // (factor * factor)).astype(np.uint8)


def _ragged_noise(rng: np.random.Generator, size: int, mpp: float) -> np.ndarray:
    """Return how the outline strays from the straight line between nodes, in tiles.

    Bounded below one half: wholly tissue and wholly glass nodes stay so.
    """
    noise = 0.14 * smooth_noise(rng, size, 90) + 0.07 * smooth_noise(rng, size, 25)
    noise += 0.03 * smooth_noise(rng, size, 4 / mpp)
    return np.clip(noise, -0.45, 0.45)


def _blend(under: np.ndarray, over: np.ndarray, cover: np.ndarray) -> np.ndarray:
    """Return `over` laid on `under` with the opacity `cover` (height, width), 0-1."""
    weight = np.rint(cover * 256).astype(np.int32)[..., None]
    return (under + ((over.astype(np.int32) - under) * weight + 128 >> 8)).astype(np.uint8)


def _with_dust(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return `picture` with a few dark grey specks, clear of its edges."""
    size = len(picture)
    y, x = np.mgrid[:size, :size].astype(np.float32)
    light = np.ones((size, size), np.float32)
    for cy, cx, radius in rng.uniform((0.2, 0.2, 0.006), (0.8, 0.8, 0.05), (3, 3)) * size:
        angle = np.arctan2(y - cy, x - cx)
        lumpy = radius * (1 + 0.35 * np.sin(2 * angle + cx) + 0.2 * np.sin(5 * angle + cy))
        dark = np.clip((lumpy - np.hypot(y - cy, x - cx)) * 0.5 + 0.5, 0, 1)
        light = np.minimum(light, 1 - 0.65 * dark)
    return (picture * light[..., None] + 0.5).astype(np.uint8)
