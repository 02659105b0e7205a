"""Decode the blocks (tiles or strips) of a TIFF into pixels."""

import sys
from collections.abc import Callable, Sized
from dataclasses import dataclass
from typing import Any

import imagecodecs
import numpy as np

from slidetile.errors import UnsupportedSlideError
from slidetile.raster.channels import dtype_of
from slidetile.raster.pixels import Pixels
from slidetile.slides.blocks import (
    DamagedBlockError,
    Decode,
    jpeg2000_decoder,
    jpeg_decoder,
    raw_samples,
    stored_bytes,
)
from slidetile.slides.jpeg.tiles import JpegTiles
from slidetile.slides.reader import FinalRefusalError
from slidetile.slides.slide_file import Extent
from slidetile.slides.tiff._loss import check_samples

JPEG, APERIO_YCBCR, APERIO_RGB, JPEG2000, WEBP = 7, 33003, 33005, 34712, 50001
_LZW = 5
_ZSTD = 50000
_DEFLATE = frozenset({8, 32946})
_JPEG2000 = frozenset({APERIO_YCBCR, APERIO_RGB, JPEG2000})
_APERIO_JPEG2000 = frozenset({APERIO_YCBCR, APERIO_RGB})
_COLOUR_CODECS = _APERIO_JPEG2000 | {JPEG, WEBP}
"""Of several samples they make colours, whatever these are said to be."""

_IMAGE_CODECS = _JPEG2000 | {JPEG, WEBP}
_NAMES = {1: "no compression", _LZW: "LZW", JPEG: "JPEG", WEBP: "WebP"}
_NAMES |= (
    {_ZSTD: "Zstandard"}
    | dict.fromkeys(_DEFLATE, "deflate")
    | dict.fromkeys(_JPEG2000, "JPEG 2000")
)
_WHITE_IS_ZERO, BLACK_IS_ZERO, _RGB, _YCBCR = 0, 1, 2, 6
_OWN_ORDER = "<" if sys.byteorder == "little" else ">"
_PHOTOMETRIC = {3: "palette colours", 4: "a mask", 5: "CMYK", 8: "CIE Lab"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """How the pixels of one TIFF directory are stored."""

    compression: int
    """TIFF tag 259."""

    photometric: int
    """TIFF tag 262."""

    samples: int
    """Samples per pixel: 3 of colours, or 4 with alpha; of grey one for each channel."""

    planar: bool
    """Whether every sample has its own blocks."""

    bits: int
    """Bits per sample."""

    sample_format: int
    """TIFF tag 339; 1 is unsigned integers."""

    predictor: int
    """TIFF tag 317: 1 none, 2 horizontal differences."""

    fill_order: int
    """TIFF tag 266; 1 is the usual order of bits."""

    premultiplied: bool
    """Whether colours are multiplied by alpha (tag 338 is 1)."""

    has_alpha: bool
    """Whether the fourth sample is transparency (tag 338 is 1 or 2)."""

    tables: bytes | None
    """TIFF tag 347: the tables that all JPEG tiles share."""

    has_transform: bool = False
    """Whether its JPEG 2000 turns YCbCr into RGB by itself."""

    order: str = "<"
    """How numbers of several bytes are stored: "<" little-endian, ">" big-endian."""

    picked: tuple[int, ...] | None = None
    """The samples that are delivered, where these are channels of which some were chosen."""

    @property
    def channels(self) -> int:
        """Channels of the pixels delivered."""
        if self.picked is not None:
            return len(self.picked)
        return 3 if self.is_colour else self.samples

    @property
    def is_colour(self) -> bool:
        """Whether samples are red, green and blue, or become them; channels of their own else."""
        return self.photometric in (_RGB, _YCBCR)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the samples in memory."""
        return dtype_of(self.bits)

    def check(self) -> None:
        """Raise UnsupportedSlideError, with the reason, unless it can be decoded.

        It is a FinalRefusalError where another reader would open it with a loss.
        """
        check_samples(
            bits=self.bits,
            sample_format=self.sample_format,
            samples=self.samples,
            is_colour=self.is_colour,
        )
        self._check_channels()
        if (reason := self._obstacle()) is not None:
            raise UnsupportedSlideError(reason)

    def _check_channels(self) -> None:
        """Refuse channels of grey that are said to be something else, too; see readers.md."""
        if self.is_colour or self.samples == 1:
            return
        many = f"it says that its {self.samples} samples a pixel are grey"
        if self.photometric == _WHITE_IS_ZERO:
            raise FinalRefusalError(f"{many} of which 0 is white, which holds of one sample alone")
        if self.photometric == BLACK_IS_ZERO and self.compression in _COLOUR_CODECS:
            name = _NAMES[self.compression]
            raise FinalRefusalError(f"{many}, but its {name} holds colours: one of both is wrong")

    def _obstacle(self) -> str | None:
        if self.compression not in _NAMES:
            return _not_decoded(self.compression)
        if self.sample_format != 1:
            return f"its samples are {self.bits}-bit numbers of an undefined kind"
        if self.photometric not in (_WHITE_IS_ZERO, BLACK_IS_ZERO, _RGB, _YCBCR):
            colours = _PHOTOMETRIC.get(self.photometric, f"colour model {self.photometric}")
            return f"it holds {colours}, not grey, RGB or YCbCr"
        if self.is_colour and self.samples not in (3, 4):
            return (
                f"it has {self.samples} samples a pixel instead of 3, or 4 with alpha, for colour"
            )
        if self.has_alpha and not (self.is_colour and self.bits == 8):
            return "it has transparency, which is read of 8-bit colour alone"
        return self._odd_deep() or self._odd_combination()

    def _odd_deep(self) -> str | None:
        """Return what of more than 8 bits is not decoded."""
        if self.bits == 8:
            return None
        if self.compression in (JPEG, WEBP) or self.photometric == _YCBCR:
            return f"its {_NAMES[self.compression]} holds {self.bits} bits a sample"
        return None

    def _odd_combination(self) -> str | None:
        known: dict[int, tuple[int, ...]] = {JPEG: (1, 3), WEBP: (3, 4)}
        joined = known.get(self.compression)
        if self.is_jpeg2000 and self.states_ycbcr:
            joined = (3,)
        if joined is not None and (self.planar or self.samples not in joined):
            kind = "separate planes" if self.planar else f"{self.samples} samples a pixel"
            return f"its {_NAMES[self.compression]} holds {kind}"
        if self.photometric == _YCBCR and self.compression not in (JPEG, *_JPEG2000):
            return f"it holds YCbCr with {_NAMES[self.compression]}"
        if self.compression in _IMAGE_CODECS:
            return None  # they define predictor and order of bits themselves
        if self.predictor not in (1, 2):
            return f"its predictor {self.predictor} is not the horizontal one"
        return None if self.fill_order == 1 else "its bits are in reverse order"

    def decoder(self) -> Decode:
        """Return the function that decodes one block."""
        if self.compression == JPEG:
            return jpeg_decoder(JpegTiles(tables=self.tables, photometric=self.photometric))
        if self.compression in _JPEG2000:
            return jpeg2000_decoder(states_ycbcr=self.states_ycbcr)
        if self.compression == WEBP:
            return _webp
        is_swapped = self.bits > 8 and self.order != _OWN_ORDER
        decode: Decode = _raw
        if self.compression != 1:
            known = {_LZW: imagecodecs.lzw_decode, _ZSTD: imagecodecs.zstd_decode}
            decode = _inflating(known.get(self.compression, imagecodecs.deflate_decode))
        if is_swapped:
            decode = _swapped(decode)
        return _differences(decode) if self.predictor == 2 else decode

    @property
    def name(self) -> str:
        """What blocks are compressed with, such as "JPEG 2000"."""
        return "uncompressed" if self.is_uncompressed else _NAMES[self.compression]

    @property
    def is_jpeg2000(self) -> bool:
        """Whether blocks are JPEG 2000, of any of its three numbers."""
        return self.compression in _JPEG2000

    @property
    def states_ycbcr(self) -> bool:
        """Whether the file says that its JPEG 2000 holds YCbCr, by Aperio's number or by tag 262.

        Those of Aperio say it by their number; OpenSlide too goes by it and not by tag 262.
        """
        if self.compression in _APERIO_JPEG2000:
            return self.compression == APERIO_YCBCR
        return self.photometric == _YCBCR

    @property
    def is_left_as_ycbcr(self) -> bool:
        """Whether what its JPEG 2000 decodes to is YCbCr, by the first block that is stored."""
        return self.is_jpeg2000 and self.states_ycbcr and not self.has_transform

    @property
    def is_uncompressed(self) -> bool:
        """Whether a block has as many bytes as samples."""
        return self.compression == 1

    @property
    def is_raw(self) -> bool:
        """Whether rows of pixels lie in the file as they are, so that any of them can be read."""
        return self.is_uncompressed and self.predictor == 1 and not self.planar

    @property
    def is_inverted(self) -> bool:
        """Whether 0 is white."""
        return self.photometric == _WHITE_IS_ZERO


def _not_decoded(compression: int) -> str:
    from tifffile import COMPRESSION

    try:
        name = COMPRESSION(compression).name
    except ValueError:
        return f"its compression {compression} is unknown"
    return f"its compression {name} ({compression}) is none that the reader tiff decodes"


def _webp(extent: Extent, out: Pixels) -> None:
    imagecodecs.webp_decode(stored_bytes(extent), hasalpha=out.shape[2] == 4, out=out)


def _raw(extent: Extent, out: Pixels) -> None:
    out[:] = raw_samples(stored_bytes(extent), out.size, out.dtype).reshape(out.shape)


def _inflating(inflate: Callable[..., Sized]) -> Decode:
    def decode(extent: Extent, out: Pixels) -> None:
        # With `out` given nothing inflates beyond the block's size, whatever the data claim.
        got = len(inflate(stored_bytes(extent), out=memoryview(out.data).cast("B")))
        if got != out.nbytes:
            raise DamagedBlockError(f"it inflates to {got} bytes instead of {out.nbytes}")

    return decode


def _swapped(decode: Decode) -> Decode:
    """Return a decoder of numbers whose bytes are in the other order than this machine's."""

    def swap(extent: Extent, out: Pixels) -> None:
        decode(extent, out)
        out.byteswap(inplace=True)

    return swap


def _differences(decode: Decode) -> Decode:
    def undo(extent: Extent, out: Pixels) -> None:
        decode(extent, out)
        imagecodecs.delta_decode(out, axis=1, out=out)

    return undo
