"""Whether a store can have been made as its metadata say, and from which slide."""

import math
from dataclasses import replace

from slidetile.annotations.tissue import DETECTOR
from slidetile.errors import StoreError
from slidetile.format.metadata.color import ColorFacts
from slidetile.format.metadata.level_0 import Level0
from slidetile.format.metadata.store import StoreMetadata
from slidetile.format.metadata.tissue import TissueParameters
from slidetile.raster.resolution import Rescaling, choose_rescaling
from slidetile.slides.mapped import MappedSlide
from slidetile.slides.rescaled import view_slide
from slidetile.slides.slide import Slide
from slidetile.slides.srgb import SrgbSlide


def derive_level_0(metadata: StoreMetadata, size: tuple[int, int]) -> Level0:
    """Return how level 0 follows from the slide and the requested mpp, as a writer records it.

    Parameters
    ----------
    metadata
        The store's own record, which must be the same.
    size
        (width, height) of level 0, which must be what the slide gives.

    Raises
    ------
    StoreError
        Level 0 cannot have been made so. The message names the key.
    """
    source, found, rescaling = metadata.source, metadata.level_0, _rescaling(metadata)
    expected = Level0.of(source.mpp if rescaling is None else rescaling.mpp, rescaling)
    if found != expected:
        raise StoreError(
            f"attributes.slidetile.level_0 is {found.to_node()}, but it must be "
            f"{expected.to_node()}"
        )
    width, height = source.size if rescaling is None else rescaling.size
    if size != (width, height):
        raise StoreError(
            f"level 0 has {size[0]}×{size[1]} pixels, but the slide gives {width}×{height}"
        )
    return expected


def check_tissue(tissue: TissueParameters) -> None:
    """Make sure that the recorded annotations can have shaped the tissue.

    Raises
    ------
    StoreError
        They cannot. The message names the key.
    """
    path = "attributes.slidetile.parameters.tissue.regions"
    replacing = [
        n for n, annotations in enumerate(tissue.annotations) if annotations.mode == "replace"
    ]
    if replacing != ([0] if tissue.detector == DETECTOR else []):
        raise StoreError(
            f"{path} has the mode 'replace' at {replacing}, but only what replaces the detector, "
            "which is first then, has it"
        )


def other_slide(metadata: StoreMetadata, slide: Slide) -> str | None:
    """Return how a slide differs from the one that a store was made from; None if it is the same.

    Raises
    ------
    SlideReadError
        The slide's file cannot be read.
    """
    wanted, source = metadata.source, slide.source
    if source.fingerprint == wanted.fingerprint and slide.original.levels[0].size == wanted.size:
        return _other_samples(metadata, slide)
    return (
        f"the store was made from a slide with the fingerprint {wanted.fingerprint:.12}…, but that "
        f"of {source.name} is {source.fingerprint:.12}…: their pixels were not compared"
    )


def _other_samples(metadata: StoreMetadata, slide: Slide) -> str | None:
    """Return how the samples of the right slide differ from those stored; None if they do not."""
    bits = metadata.bits if metadata.mapping is None else metadata.mapping.bits
    stored = [channel.name for channel in metadata.channel_info], bits
    found = [channel.name for channel in slide.channel_info]
    if (found, slide.bits) == stored or (found == stored[0] and slide.mapping is not None):
        return None
    return (
        f"the store has the channels {', '.join(stored[0]):.200} of {bits} bits, but the slide was "
        f"opened with {', '.join(found):.200} of {slide.bits}: their pixels were not compared"
    )


def as_stored(metadata: StoreMetadata, slide: Slide) -> Slide:
    """Return a slide at the resolution and with the mapping of the store's level 0.

    Its colours are converted where those of the store are.

    Raises
    ------
    StoreError
        The slide cannot be brought to that resolution.
    """
    view = _at_resolution(metadata, slide)
    facts, window = metadata.mapping, metadata.parameters.window
    if facts is None or window is None or view.mapping is not None:
        return view
    return MappedSlide(view, facts.mapping, window)


def _at_resolution(metadata: StoreMetadata, slide: Slide) -> Slide:
    asked, slide_mpp = metadata.parameters.mpp, metadata.source.mpp
    if asked is None or slide_mpp is None:
        return _in_colour(metadata, slide.original)
    try:
        view = view_slide(slide.original, mpp=asked, slide_mpp=slide_mpp)
    except ValueError as error:
        raise StoreError(f"the slide does not give level 0: {error}") from error
    return _in_colour(metadata, view)


def _in_colour(metadata: StoreMetadata, slide: Slide) -> Slide:
    """Return a slide in the colours of the store's pixels.

    Raises
    ------
    StoreError
        The store names another profile than the slide has.
    ColourProfileError
        The slide's profile cannot be applied.
    """
    if metadata.color is None:
        return slide
    view = SrgbSlide(slide)
    if metadata.color != ColorFacts.of(view.conversion):
        raise StoreError("attributes.slidetile.color is not what the slide's profile gives")
    return view


def _rescaling(metadata: StoreMetadata) -> Rescaling | None:
    """Return how the slide is brought to the requested mpp; None where none was requested."""
    source, asked = metadata.source, metadata.parameters.mpp
    if asked is None:
        return None
    if source.mpp is None:
        raise StoreError(
            f"attributes.slidetile.parameters.mpp is {asked:g}, but that of the slide is unknown"
        )
    level, of_level = metadata.level_0.slide_level, _level_size(metadata)
    sizes = [source.size, of_level] if level else [source.size]
    try:
        chosen = choose_rescaling(sizes, source.mpp, asked)
    except ValueError as error:
        raise StoreError(f"attributes.slidetile.parameters.mpp: {error}") from error
    return replace(chosen, level=level * bool(chosen.level))


def _is_rounded(whole: tuple[int, int], size: tuple[int, int], downsample: float) -> bool:
    """Return whether a level's sides are the slide's, shrunk by a factor and rounded."""
    return all(abs(a / downsample - b) < 1 for a, b in zip(whole, size, strict=True))


def _level_size(metadata: StoreMetadata) -> tuple[int, int]:
    """Return the size of the slide's level that level 0 is recorded to be made from."""
    source, found = metadata.source, metadata.level_0
    parts = zip(source.size, found.factor, found.scale, strict=True)
    width, height = (round(length * factor / scale) for length, factor, scale in parts)
    downsample = source.level_downsamples[found.slide_level]
    is_of_size = min(width, height) >= 1 and (
        _is_rounded(source.size, (width, height), downsample)
        or math.isclose(
            (source.width / width + source.height / height) / 2, downsample, rel_tol=1e-3
        )
    )
    if not is_of_size:
        raise StoreError(
            f"attributes.slidetile.level_0.slide_level is {found.slide_level}, which is not of "
            f"{width}×{height} pixels"
        )
    return width, height
