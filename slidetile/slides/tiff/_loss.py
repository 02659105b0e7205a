"""What of a TIFF's pixels would be lost: refused, whoever reads it.

Other libraries make 8-bit grey or colour of everything. The reader of TIFF files takes 16 bits and
any number of channels, too.
"""

from slidetile.slides.reader import FinalRefusalError
from slidetile.slides.samples import check_kind

_UNSIGNED, _UNDEFINED = 1, 4
"""Values of tag 339 that stand for plain numbers."""

_KINDS = {2: "signed", 3: "floating-point", 5: "complex", 6: "complex"}
"""Of tag 339."""

_COLOURS = frozenset({2, 5, 6, 8})
"""Values of tag 262 for RGB, CMYK, YCbCr and Lab, which take three samples or four."""


_COLOUR_SAMPLES = 4


def check_samples(*, bits: int, sample_format: int, samples: int, is_colour: bool) -> None:
    """Check that samples are whole numbers of 8 or 16 bits, and colours no more than four.

    Parameters
    ----------
    bits, sample_format, samples
        As in `check_no_loss`.
    is_colour
        Whether samples are colours.

    Raises
    ------
    FinalRefusalError
        They are not.
    """
    kind = "unsigned" if sample_format in (_UNSIGNED, _UNDEFINED) else _KINDS.get(sample_format)
    check_kind(bits, kind or "unknown")
    if is_colour and samples > _COLOUR_SAMPLES:
        raise FinalRefusalError(
            f"it has {samples} samples (channels) a pixel, of which colour takes "
            f"{_COLOUR_SAMPLES}, and the others would be lost: extract the channels you need"
        )


def check_no_loss(
    *,
    bits: int,
    sample_format: int,
    samples: int,
    photometric: int,
    has_alpha: bool,
    obstacle: str | None = None,
) -> None:
    """Check that 8-bit grey or RGB, as other libraries give it, holds what the image holds.

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
    obstacle
        Why the reader tiff, which keeps all bits and channels, does not read it; None if it does.

    Raises
    ------
    FinalRefusalError
        It does not.
    """
    if bits > 8 or sample_format not in (_UNSIGNED, _UNDEFINED):
        raise FinalRefusalError(
            f"its samples have {bits} bits, of which this reader keeps 8: the reader tiff reads all"
            if obstacle is None
            else f"its samples have {bits} bits, which the reader tiff alone keeps, but "
            f"{obstacle}: save it anew as TIFF with deflate or LZW, without transparency"
        )
    name, most = ("colour", 4) if photometric in _COLOURS else ("grey", 1 + has_alpha)
    if samples > most:
        raise FinalRefusalError(
            f"it has {samples} samples (channels) a pixel, of which {name} takes {most}, and the "
            "others would be lost: extract the channels you need"
        )
