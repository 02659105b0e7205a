"""What a JPEG XL codestream is, read from its first bytes before a decoder takes memory for it.

Knows the headers of ISO/IEC 18181-1: of the image, and of its first frame. Does not know pixels.

Only plain streams pass: one frame of the image's own size, coded without loss. Whatever else the
standard allows, such as layers, frames that others refer to, previews, animations and profiles, can
make a few bytes cost minutes and gigabytes.
"""

from typing import NamedTuple

_SIGNATURE = 0x0AFF
_LONGEST_BYTES = 64
"""More than the headers of a plain stream take."""

_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
"""Width ÷ height, where a header names one of these instead of the width."""

_SIDES = ((1, 9), (1, 13), (1, 18), (1, 30))
_DEPTHS = ((8, 0), (10, 0), (12, 0), (1, 6))
_ENUM = ((0, 0), (1, 0), (2, 4), (18, 6))
_EXTRA_CHANNELS = ((0, 0), (1, 0), (2, 4), (1, 12))
_PASSES = ((1, 0), (2, 0), (3, 0), (4, 3))
_LARGE_NUMBERS = ((0, 0), (1, 4), (17, 8))
"""How numbers are coded: two bits choose an (offset, bits), and the number is offset + bits."""

_RGB, _GREY = 0, 1
_D65 = _SRGB = 1


class JpegxlError(ValueError):
    """A stream does not decode, or not to the expected pixels."""


class JpegxlHeader(NamedTuple):
    """The pixels of a plain stream."""

    height: int
    """Rows."""

    width: int
    """Columns."""

    channels: int
    """3 for red, green, blue; 1 for grey."""

    bits: int
    """Bits of a sample, an unsigned integer."""

    @classmethod
    def read(cls, stream: bytes) -> "JpegxlHeader":
        """Return the header of a codestream, without a container around it.

        Raises
        ------
        JpegxlError
            It is not a plain stream.
        """
        bits = _Bits(stream[:_LONGEST_BYTES])
        if bits.take(16) != _SIGNATURE:
            raise JpegxlError("It does not begin as a codestream does")
        height, width = _read_size(bits)
        depth, channels = _read_image(bits)
        bits.end_byte()
        _check_frame(bits)
        return cls(height, width, channels, depth)


class _Bits:
    """Bits from the lowest of the first byte on."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "little")
        self._left = 8 * len(data)

    def take(self, count: int) -> int:
        if count > self._left:
            raise JpegxlError("It ends within its header")
        taken = self._value & ((1 << count) - 1)
        self._value >>= count
        self._left -= count
        return taken

    def choose(self, codes: tuple[tuple[int, int], ...]) -> int:
        """Return a number that is coded in one of four ways."""
        chosen = self.take(2)
        if chosen >= len(codes):
            raise JpegxlError("Its header has a larger number than plain streams have")
        offset, count = codes[chosen]
        return offset + self.take(count)

    def refuse(self, count: int, what: str) -> None:
        """Refuse a stream in which the next bits are not 0."""
        if self.take(count):
            raise JpegxlError(f"It has {what}, which plain streams do not have")

    def end_byte(self) -> None:
        self.take(self._left % 8)


def _read_size(bits: _Bits) -> tuple[int, int]:
    is_small = bits.take(1)
    height = _read_side(bits, is_small=is_small)
    ratio = bits.take(3)
    if not ratio:
        return height, _read_side(bits, is_small=is_small)
    across, down = _RATIOS[ratio - 1]
    return height, height * across // down


def _read_side(bits: _Bits, *, is_small: int) -> int:
    return 8 * (1 + bits.take(5)) if is_small else bits.choose(_SIDES)


def _read_image(bits: _Bits) -> tuple[int, int]:
    """Return (bits, channels) of a pixel."""
    if bits.take(1):  # all defaults
        raise JpegxlError("It is coded with loss")
    bits.refuse(1, "an orientation, a preview or an animation")
    bits.refuse(1, "fractions as samples")
    depth = bits.choose(_DEPTHS)
    bits.take(1)  # whether 16 bits hold all that decoding computes
    if bits.choose(_EXTRA_CHANNELS):
        raise JpegxlError("It has channels besides its colours")
    bits.refuse(1, "colours coded with loss")
    channels = _read_colours(bits)
    if bits.choose(_LARGE_NUMBERS):
        raise JpegxlError("It has extensions, which plain streams do not have")
    if not bits.take(1):
        raise JpegxlError("It has transforms of its own, which plain streams do not have")
    return depth, channels


def _read_colours(bits: _Bits) -> int:
    """Return the number of channels."""
    if bits.take(1):  # sRGB
        return 3
    bits.refuse(1, "a colour profile")
    space = bits.choose(_ENUM)
    if space not in (_RGB, _GREY):
        raise JpegxlError("Its colours are neither RGB nor grey")
    known = bits.choose(_ENUM) == _D65 and (space == _GREY or bits.choose(_ENUM) == _SRGB)
    if not known or bits.take(1):
        raise JpegxlError("It has primaries of its own, which plain streams do not have")
    bits.choose(_ENUM)  # the curve of its brightness
    bits.choose(_ENUM)  # what a printer is to make of it
    return 3 if space == _RGB else 1


def _check_frame(bits: _Bits) -> None:
    """Check that the first frame is the whole image, and the last one."""
    if bits.take(1):  # all defaults
        raise JpegxlError("It is coded with loss")
    bits.refuse(2, "frames that others refer to")
    if not bits.take(1):
        raise JpegxlError("It is coded with loss")
    if bits.choose(_LARGE_NUMBERS):
        raise JpegxlError("It has patches, splines or noise, which plain streams do not have")
    bits.refuse(1, "YCbCr")
    bits.refuse(2, "pixels to enlarge")
    bits.take(2)  # how large the groups are
    if bits.choose(_PASSES) != 1:
        raise JpegxlError("It has several passes, and plain streams have one")
    bits.refuse(1, "a frame of another size")
    bits.refuse(2, "layers to blend")
    if not bits.take(1):
        raise JpegxlError("It has several frames, and plain streams have one")
