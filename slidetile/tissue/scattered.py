"""Tissue that is too pale to be seen pixel by pixel: fat, loose stroma.

Knows what pixels absorb and where they are textured. Does not know images or slides.

Fat is nearly as pale as glass, but its membranes make it textured. So windows are looked at as a
whole. They reach over gaps and beyond edges; there, what lies between dense bodies decides by
itself, so that two cores with glass between them stay two.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slidetile.raster.bands import bands
from slidetile.raster.masks import Mask
from slidetile.raster.morphology import narrowed, opened, widened
from slidetile.raster.neighbourhood import window_mean
from slidetile.tissue.absorption import UNIT, Absorption
from slidetile.tissue.imaging import Plane, Signal, window_px

# The least and most that one pixel adds to the mean around it: a speck is not tissue.
_LEAST, _MOST = round(-0.022 * UNIT), round(0.06 * UNIT)
_MOST_GREY = round(0.1 * UNIT)

_LEAST_GREY = 0.015
"""Mean density above which a window is tissue of whatever hue, if half of it is textured."""

_HALF, _AMONG = 0.5, 0.6
_GAP_UM, _MOST_TEXTURE_OF_GAP = 60.0, 0.35
"""Where no more of such a window is textured, with 0 for glass, there is a gap between bodies."""

_BODY_UM, _RIM = 80.0, 5
"""A body is so wide; its blurred rim, half of this window, is neither body nor gap."""

_LEAST_LEFT = 0.02
"""Where bodies fill more than the rest of a window, what is left of it tells nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scattered:
    """How scattered tissue is found."""

    window_px: int
    """Side of the window, in pixels."""

    pixel_um: float
    """Micrometres per pixel."""

    glass_percent: int
    """How much of bare glass looks textured, in percent."""

    min_texture: float
    """The share of the rest of a window that must be textured."""

    min_density: float
    """The mean stain-like density over twice the window that tissue has."""

    def found(
        self, seen: Absorption, texture: Mask, percent: NDArray[np.uint8], bodies: Mask
    ) -> Mask:
        """Return scattered tissue, and no gaps.

        Parameters
        ----------
        seen, texture
            What pixels absorb, and which of them are textured; nothing where there is pen or dirt.
        percent
            The percentage of the window around each pixel that is textured.
        bodies
            What is tissue by itself.
        """
        solid, rest = self._solid(bodies)
        spread, gaps = np.zeros_like(bodies), np.zeros_like(bodies)
        gap_px = window_px(_GAP_UM, self.pixel_um, bodies.shape)
        for band in bands(bodies.shape, max(self.window_px, gap_px // 2)):
            part = _Part(
                stain=seen.stain[band.seen],
                grey=seen.grey[band.seen],
                texture=texture[band.seen],
                rest=rest[band.seen],
                rows=band.within,
            )
            spread[band.rows], among = self._spread(part, percent[band.rows])
            gaps[band.rows] = ~among & self._is_clear(part, gap_px)
        gaps &= ~solid
        gaps |= widened(gaps, 3) & ~rest & ~bodies
        return self._inner(spread | solid) & ~gaps

    def _solid(self, bodies: Mask) -> tuple[Mask, Mask]:
        """Return bodies wide enough to be solid, and what is left beside them and their rims."""
        solid = opened(bodies, window_px(_BODY_UM, self.pixel_um, bodies.shape), 2)
        return solid, ~widened(solid, _RIM)

    def _spread(self, part: "_Part", percent: NDArray[np.uint8]) -> tuple[Mask, Mask]:
        """Return where tissue is spread, and where it is so without the bodies beside it."""
        enough, half = self._above_glass(self.min_texture), self._above_glass(_HALF)
        textured = percent > enough
        share, tells = part.textured_share(self.window_px)
        is_half = share > half
        if not (textured.any() or is_half.any()):
            return textured, textured
        double, density = 2 * self.window_px + 1, self.min_density * UNIT
        rest = window_mean(part.rest.view(np.uint8), double, part.rows)
        stain = part.sum_of_rest(np.clip(part.stain, _LEAST, _MOST), double)
        among = (share > self._above_glass(_AMONG * self.min_texture)) & (stain > density * rest)
        # Bodies count as stained, whatever their hue.
        spread = textured & (stain + _MOST * (1 - rest) > density)
        if (is_half & ~spread).any():
            grey = part.sum_of_rest(np.clip(part.grey, 0, _MOST_GREY), double)
            spread |= is_half & (grey > _LEAST_GREY * UNIT * rest)
        return spread, tells & (among | (spread & is_half))

    def _is_clear(self, part: "_Part", side: int) -> Mask:
        """Return where little of a window is textured, bodies and their rims aside."""
        share, tells = part.textured_share(side)
        return np.asarray((share <= self._above_glass(_MOST_TEXTURE_OF_GAP)) | ~tells)

    def _above_glass(self, share: float) -> float:
        """Return a share, 0 for glass and 1 for all, as a percentage of pixels."""
        return self.glass_percent + share * (100 - self.glass_percent)

    def _inner(self, spread: Mask) -> Mask:
        """Take off what windows reach over the edge of the tissue in them: 0.6 of their half."""
        overhang = int(0.6 * self.window_px / 2)
        return narrowed(spread, 2 * overhang + 1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Part:
    """A band of an image and what must be seen around it."""

    stain: Signal
    grey: Signal
    texture: Mask
    rest: Mask
    """What is neither a body nor its rim."""

    rows: slice
    """The rows of the band itself."""

    def textured_share(self, side: int) -> tuple[Plane, Mask]:
        """Return the percentage of the rest of each window that is textured, and where it tells."""
        rest = window_mean(self.rest.view(np.uint8), side, self.rows)
        textured = window_mean((self.rest & self.texture).view(np.uint8), side, self.rows)
        share = np.asarray(100 * textured / np.maximum(rest, np.float32(_LEAST_LEFT)), np.float32)
        return share, rest > _LEAST_LEFT

    def sum_of_rest(self, signal: Signal, side: int) -> Plane:
        """Return the sum over the rest of each window, as a share of the whole window."""
        return window_mean(np.where(self.rest, signal, np.int16(0)), side, self.rows)
