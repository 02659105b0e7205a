"""The way from a store's pixels to sRGB.

Knows what a store says of its colours. Does not know chunks, or how colours are computed.
"""

import logging

from slidetile.cloud.address import Location
from slidetile.errors import StoreError
from slidetile.format.metadata.store import StoreMetadata
from slidetile.raster.icc import LARGEST_PROFILE_BYTES, ProfileError
from slidetile.raster.srgb import SrgbTransform, unlike_rgb

_log = logging.getLogger(__name__)


def srgb_transform(metadata: StoreMetadata, path: Location) -> SrgbTransform | None:
    """Return the way to sRGB; None where pixels are sRGB, or taken for it without a profile.

    Parameters
    ----------
    metadata
        The store's metadata.
    path
        Its folder, for messages.

    Raises
    ------
    StoreError
        It cannot be applied, was too long to be stored, or the pixels are no 8-bit colours.
    """
    is_mapped = metadata.mapping is not None
    unlike = unlike_rgb(metadata.channel_info, metadata.bits, is_mapped=is_mapped)
    if unlike is not None:
        raise StoreError(f'The pixels of {path} have {unlike}: leave color="srgb" out.')
    if metadata.icc_profile_left_out is not None:
        raise StoreError(
            f"The slide of {path} has a colour profile of "
            f"{metadata.icc_profile_left_out / 1e6:.1f} MB, which was left out of the store: at "
            f'most {LARGEST_PROFILE_BYTES / 1e6:.0f} MB are applied. Without color="srgb" the '
            "slide's own colours are read."
        )
    if metadata.icc_profile is None:
        _tell(metadata, path)
        return None
    try:
        return SrgbTransform(metadata.icc_profile)
    except ProfileError as error:
        raise StoreError(
            f'The colour profile of {path} cannot be applied: it {error}. Without color="srgb" '
            "the slide's own colours are read."
        ) from error


def _tell(metadata: StoreMetadata, path: Location) -> None:
    if metadata.color is None:
        _log.warning(
            "%s has no colour profile: its colours are taken for sRGB, and stay as they are", path
        )
