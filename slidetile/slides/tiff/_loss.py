"""What of a TIFF's pixels would be lost as 8-bit grey or colour: refused, whoever reads it."""

from slidetile.slides.reader import FinalRefusalError

_UNSIGNED, _UNDEFINED = 1, 4
"""Values of tag 339 that stand for plain numbers."""

_COLOURS = frozenset({2, 5, 6, 8})
"""Values of tag 262 for RGB, CMYK, YCbCr and Lab, which take three samples or four."""


def check_no_loss(
    *, bits: int, sample_format: int, samples: int, photometric: int, has_alpha: bool
) -> None:
    """Check that 8-bit grey or RGB holds what the image holds.

    Parameters
    ----------
    bits
        Bits of a sample.
    sample_format, photometric
        TIFF tags 339 and 262.
    samples
        Samples of a pixel.
    has_alpha
        Whether the one behind the colours is transparency.

    Raises
    ------
    FinalRefusalError
        It does not.
    """
    if bits > 8 or sample_format not in (_UNSIGNED, _UNDEFINED):
        plain = sample_format in (_UNSIGNED, _UNDEFINED)
        kind = "unsigned" if plain else "signed or floating-point"
        raise FinalRefusalError(
            f"its samples are {bits}-bit {kind} numbers, not 8-bit unsigned, and their finest "
            "steps would be lost: convert it to 8 bits, on a scale that you choose"
        )
    name, most = ("colour", 4) if photometric in _COLOURS else ("grey", 1 + has_alpha)
    if samples > most:
        raise FinalRefusalError(
            f"it has {samples} samples (channels) a pixel, of which {name} takes {most}, and the "
            "others would be lost: extract the channels you need"
        )
