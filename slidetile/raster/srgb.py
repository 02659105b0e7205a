"""Pixels as their colour profile means them, as sRGB.

Knows arrays and profiles. Does not know slides or stores.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, get_args

import numpy as np

from slidetile.counts import how_many
from slidetile.raster.channels import Channel, are_plain
from slidetile.raster.icc import Intent, ProfileError, RgbProfile
from slidetile.raster.pixels import Colour, Pixels

if TYPE_CHECKING:
    from PIL.ImageCms import ImageCmsProfile, ImageCmsTransform

_STRIP_PX = 1 << 18
"""Pixels converted at a time, roughly: Pillow takes 4 bytes for each, before and after."""


class SrgbTransform:
    """The way from a profile's RGB to sRGB, by LittleCMS.

    Each pixel is converted by itself, so the same pixels give the same bytes in whatever region.
    The rendering intent is the profile's own, without black point compensation, as the
    documentation of OpenSlide has it. Safe to use from several threads, and picklable.

    Parameters
    ----------
    data
        The profile.

    Raises
    ------
    ProfileError
        It cannot be applied to RGB pixels.
    """

    def __init__(self, data: bytes) -> None:
        self._profile = RgbProfile.of(data)
        self._transform = _built(self._profile)

    @property
    def intent(self) -> Intent:
        """The rendering intent."""
        return self._profile.intent

    def convert(self, pixels: Pixels, out: Pixels | None = None) -> Pixels:
        """Return pixels as sRGB.

        Parameters
        ----------
        pixels
            uint8 [row, column, 3], with any strides.
        out
            Array to fill, which may be ``pixels``; None for a new one.
        """
        from PIL import Image

        result = np.empty(pixels.shape, np.uint8) if out is None else out
        step = max(1, _STRIP_PX // max(1, pixels.shape[1]))
        for top in range(0, pixels.shape[0] if pixels.shape[1] else 0, step):
            strip = Image.fromarray(np.ascontiguousarray(pixels[top : top + step]))
            result[top : top + step] = np.asarray(self._transform.apply(strip))
        return result

    def colour(self, colour: Colour) -> Colour:
        """Return one colour as sRGB."""
        pixel = np.array(colour, np.uint8).reshape(1, 1, 3)
        red, green, blue = self.convert(pixel)[0, 0].tolist()
        return red, green, blue

    def __reduce__(self) -> tuple[Callable[[bytes], Self], tuple[bytes]]:
        return type(self), (self._profile.data,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """How pixels became sRGB."""

    profile: bytes | None
    """The profile that was applied; None where pixels have none, and are taken for sRGB."""

    intent: Intent | None
    """How it was applied; None without a profile."""

    @classmethod
    def by(cls, profile: bytes | None, transform: SrgbTransform | None) -> Self:
        """Return the conversion by a profile."""
        return cls(profile=profile, intent=None if transform is None else transform.intent)


def unlike_rgb(channels: Sequence[Channel], bits: int, *, is_mapped: bool) -> str | None:
    """Return what pixels have that keeps them from sRGB, to follow "have"; None if nothing does.

    Parameters
    ----------
    channels
        What their channels show.
    bits
        Bits of their samples.
    is_mapped
        Whether samples of more bits were mapped onto these, which no profile knows.
    """
    if len(channels) != 3:
        return f"{how_many(len(channels), 'channels')}, and sRGB has three"
    if not are_plain(channels):
        names = ", ".join(channel.name for channel in channels)
        return f"the channels {names}, which are not red, green and blue"
    if bits != 8:
        return f"samples of {bits} bits, and only those of 8 are converted to sRGB"
    return "samples that a window mapped onto 8 bits, which no profile knows" if is_mapped else None


def _built(profile: RgbProfile) -> "ImageCmsTransform":
    from io import BytesIO

    from PIL import ImageCms

    intent = get_args(Intent).index(profile.intent)
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile.data))
        return ImageCms.ImageCmsTransform(source, _srgb(), "RGB", "RGB", ImageCms.Intent(intent))
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        raise ProfileError(f"is damaged: LittleCMS does not take it ({error})") from error


@functools.cache
def _srgb() -> "ImageCmsProfile":
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
