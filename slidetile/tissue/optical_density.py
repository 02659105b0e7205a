"""The default tissue detector: tissue absorbs light the way stains do, or varies as cells do.

Knows images of stained sections on glass. Does not know slides or files.

What is dense is found pixel by pixel, of whatever hue (`bodies`); what is pale, by windows
(`scattered`). Before that, pen and printed marks are left out (`pen`, `fiducials`).
"""

from dataclasses import dataclass
from typing import NamedTuple

from slidetile.choices import UnfitChoiceError
from slidetile.counts import how_many
from slidetile.raster.masks import Mask
from slidetile.raster.morphology import widened
from slidetile.raster.pixels import Pixels
from slidetile.tissue.absorption import Absorption
from slidetile.tissue.bodies import find_bodies
from slidetile.tissue.fiducials import fiducial_marks
from slidetile.tissue.imaging import enlarge, require_positive, window_px
from slidetile.tissue.left_out import PEN
from slidetile.tissue.scattered import Scattered
from slidetile.tissue.texture import of_glass, percent_around, textured
from slidetile.tissue.working import WorkingImage, working_image


@dataclass(frozen=True, slots=True, kw_only=True)
class OpticalDensityDetector:
    """Tissue is what absorbs like a stain, densely or in a fine texture; pen is left out.

    The detector is made for stained sections of any colour, at 0.5–60 µm per pixel.
    Mirrored images give mirrored masks: exactly, where the image is not averaged to 16 µm first or
    its sides are whole multiples of the factor, and otherwise to within one averaged pixel.

    Raises
    ------
    ValueError
        A value is not positive, or ``min_texture`` is above 1.
    """

    min_density: float = 0.05
    """Stain-like optical density above which a pixel is tissue by itself."""

    min_grey_density: float = 0.05
    """Mean optical density of red, green and blue above which an area that is textured all over
    is tissue, whatever its hue."""

    min_spread_density: float = 0.005
    """Mean stain-like optical density, over twice the window, above which a textured area is
    tissue: fat, pale stroma."""

    min_texture: float = 0.25
    """Share of the window's pixels that vary more than bare glass, above which an area is textured;
    0 is the share on this slide's own glass, 1 is all pixels."""

    window_um: float = 500.0
    """Side of the window, in µm: several fat cells, of which the membranes alone are stained."""

    keep_pen: bool = False
    """Whether pen strokes count as tissue where their colour is like a stain's."""

    def __post_init__(self) -> None:
        require_positive(
            min_density=self.min_density,
            min_grey_density=self.min_grey_density,
            min_spread_density=self.min_spread_density,
            min_texture=self.min_texture,
            window_um=self.window_um,
        )
        if self.min_texture > 1:
            raise ValueError(f"min_texture must be at most 1, but it is {self.min_texture}.")

    def __call__(self, image: Pixels) -> Mask:
        """Return the tissue of an image of unknown resolution; see `detect`."""
        return self.detect(image, mpp=None)

    def detect(self, image: Pixels, *, mpp: float | None) -> Mask:
        """Return the tissue; see `ScaledDetector.detect`.

        Raises
        ------
        UnfitChoiceError
            The image does not have three channels.
        """
        if image.shape[2] != 3:
            raise UnfitChoiceError(
                "The detector density recognises stains by red, green and blue, but this image has "
                f"{how_many(image.shape[2], 'channels')}: choose dark (DarkBackgroundDetector) "
                "for fluorescence, or otsu (OtsuDetector)."
            )
        working = working_image(image, mpp)
        tissue = working.once(self, self._found).tissue
        return enlarge(tissue, working.factor, image.shape).copy()  # what is remembered stays

    def left_out(self, image: Pixels, *, mpp: float | None) -> dict[str, Mask]:
        """Return pen, printed marks and dirt; see `ExplainingDetector.left_out`."""
        working = working_image(image, mpp)
        left_out = working.once(self, self._found).left_out
        return {
            reason: enlarge(mask, working.factor, image.shape).copy()
            for reason, mask in left_out.items()
        }

    def _found(self, working: WorkingImage) -> "_Found":
        """Return the tissue of an image at the working resolution, and what was left out."""
        seen = _Seen.of(working)
        left_out: dict[str, Mask] = {}
        if not self.keep_pen:
            left_out[PEN] = working.strokes
            seen.forget(working.strokes)
        marks = fiducial_marks(seen.absorption, working.pixel_um)
        if marks is not None:
            left_out["printed marks"] = marks
            seen.forget(marks)
        tissue, left_out["dirt"] = self._sorted(seen)
        return _Found(tissue, left_out)

    def _sorted(self, seen: "_Seen") -> tuple[Mask, Mask]:
        """Return tissue, and what is dense but dirt."""
        side = window_px(self.window_um, seen.pixel_um, seen.texture.shape)
        percent = percent_around(seen.texture, side)
        glass = of_glass(percent)
        bodies = find_bodies(
            seen.absorption,
            seen.texture,
            glass_percent=glass,
            has_glass=seen.has_glass,
            pixel_um=seen.pixel_um,
            min_density=self.min_density,
            min_grey_density=self.min_grey_density,
        )
        if bodies.dirt.any():
            seen.forget(widened(bodies.dirt, 3) & ~bodies.tissue)
            percent = percent_around(seen.texture, side)
        scattered = Scattered(
            window_px=side,
            pixel_um=seen.pixel_um,
            glass_percent=glass,
            min_texture=self.min_texture,
            min_density=self.min_spread_density,
        ).found(seen.absorption, seen.texture, percent, bodies.tissue)
        return bodies.tissue | scattered, bodies.dropped


class _Seen(NamedTuple):
    """What is seen of an image, without what was left out."""

    absorption: Absorption
    texture: Mask
    pixel_um: float
    has_glass: bool

    @classmethod
    def of(cls, working: WorkingImage) -> "_Seen":
        absorption = Absorption.of(working.pixels, working.shades, working.pixel_um)
        texture = textured(working.pixels, working.shades)
        return cls(absorption, texture, working.pixel_um, working.glass.is_seen)

    def forget(self, where: Mask) -> None:
        """Take pixels for glass."""
        self.absorption.forget(where)
        self.texture[where] = False


class _Found(NamedTuple):
    """What a detector made of an image."""

    tissue: Mask
    left_out: dict[str, Mask]
