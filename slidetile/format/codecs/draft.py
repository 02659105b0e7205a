"""What the drafted Zarr codec `jpeg` is told of streams, which decode without it.

The draft is pull request 66 of zarr-developers/zarr-extensions. Its configuration has the quality,
the colour space and the subsampling of what is encoded; readers go by each stream.
"""

import math
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from slidetile.errors import StoreError

DRAFT_NAME: Literal["jpeg"] = "jpeg"
"""The codec's name in the draft."""

ColorSpace = Literal["ycbcr", "rgb"]
"""What three components are, in the draft's words."""

Sampling = tuple[tuple[int, int], ...]
"""Of each component its sampling factors, (horizontal, vertical)."""

FULL: Sampling = ((1, 1), (1, 1), (1, 1))
"""All components at full resolution."""

GREY: Sampling = ((1, 1),)
"""The only component of a grey image."""

_LARGEST_FACTOR = 4


class UnnamedStreamError(StoreError):
    """The draft has no words for a stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JpegDraft:
    """The configuration of the drafted codec.

    Raises
    ------
    ValueError
        The draft does not allow it. The message begins with the key.
    """

    quality: int
    """Quality on libjpeg's scale, 0–100. Of copied tiles it is estimated from their tables."""

    encoded_color_space: ColorSpace | None
    """What three components are; None with a single one, which is grey."""

    subsampling: Sampling
    """Of each component its sampling factors."""

    def __post_init__(self) -> None:
        if not 0 <= self.quality <= 100:
            raise ValueError(f"quality is {self.quality}, but it must be 0–100")
        if self.encoded_color_space not in (None, *get_args(ColorSpace)):
            raise ValueError(f"encoded_color_space is {self.encoded_color_space!r}")
        allowed = 1 if self.encoded_color_space is None else 3
        luma, *others = self.subsampling or ((0, 0),)
        is_plain = self.encoded_color_space == "ycbcr" or luma == (1, 1)
        fits = all(1 <= factor <= _LARGEST_FACTOR for factor in luma)
        if len(self.subsampling) != allowed or set(others) - {(1, 1)} or not (fits and is_plain):
            raise ValueError(
                f"subsampling is {list(map(list, self.subsampling))}, which the draft does not "
                f"allow with {self.encoded_color_space or 'grey'}"
            )

    @classmethod
    def encoded(cls, quality: int, channels: int) -> Self:
        """Return that of streams as the codec `jpeg` of slidetile makes them."""
        if channels == 1:
            return cls(quality=quality, encoded_color_space=None, subsampling=GREY)
        return cls(quality=quality, encoded_color_space="ycbcr", subsampling=FULL)

    @classmethod
    def of(cls, stream: bytes) -> Self:
        """Return that of a stream, by its header.

        Raises
        ------
        UnnamedStreamError
            The draft has no words for it: three components that are not YCbCr and are subsampled,
            or whose second and third are not the coarsest.
        ValueError
            It has no header of a JPEG.
        """
        header = _Header.of(stream)
        space = header.space
        try:
            return cls(
                quality=header.quality, encoded_color_space=space, subsampling=header.sampling
            )
        except ValueError as error:
            raise UnnamedStreamError(
                f"The drafted codec jpeg has no words for these chunks: {error}. Keep the name "
                "imagecodecs_jpeg."
            ) from error

    @property
    def configuration(self) -> dict[str, Any]:
        """The configuration as JSON."""
        space = self.encoded_color_space
        return {
            "quality": self.quality,
            **({} if space is None else {"encoded_color_space": space}),
            "subsampling": [list(factors) for factors in self.subsampling],
        }


def drafted(draft: JpegDraft | None) -> dict[str, Any]:
    """Return the parameter of a codec that says what the drafted codec is told, if it is told."""
    return {} if draft is None else {"draft": draft.configuration}


_EOI, _SOS, _DQT, _APP0, _APP14 = 0xD9, 0xDA, 0xDB, 0xE0, 0xEE
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


@dataclass(slots=True)
class _Header:
    """What stands before the first scan of a stream."""

    components: tuple[tuple[int, int, int], ...] = ()
    """Of each its number and its sampling factors."""

    is_jfif: bool = False
    adobe: int | None = None
    table: NDArray[np.int64] | None = None
    """The quantisation table 0, which is that of luma, along the zigzag."""

    @classmethod
    def of(cls, stream: bytes) -> Self:
        """Read a header; raises ValueError where there is none."""
        header, at = cls(), 2
        if stream[:2] != b"\xff\xd8":
            raise ValueError("it is not a JPEG")
        while at + 4 <= len(stream) and stream[at] == 0xFF:
            marker = stream[at + 1]
            if marker == 0xFF:
                at += 1
                continue
            end = at + 2 + int.from_bytes(stream[at + 2 : at + 4])
            if marker in (_SOS, _EOI):
                break
            header._take(marker, stream[at + 4 : end])
            at = end
        if len(header.components) not in (1, 3):
            raise ValueError(f"it has {len(header.components)} components, not 1 or 3")
        return header

    def _take(self, marker: int, body: bytes) -> None:
        if marker in _FRAMES and len(body) >= 6:
            parts = [body[at : at + 2] for at in range(6, len(body) - 2, 3)]
            self.components = tuple((part[0], part[1] >> 4, part[1] & 15) for part in parts)
        elif marker == _APP0 and body.startswith(b"JFIF\0"):
            self.is_jfif = True
        elif marker == _APP14 and body.startswith(b"Adobe") and len(body) >= 12:
            self.adobe = body[11]
        elif marker == _DQT:
            self._take_tables(body)

    def _take_tables(self, body: bytes) -> None:
        at = 0
        while at < len(body):
            depth, number = body[at] >> 4, body[at] & 15
            table = body[at + 1 : at + 1 + 64 * (1 + depth)]
            if number == 0 and len(table) == 64 * (1 + depth):
                self.table = np.frombuffer(table, ">u2" if depth else "u1").astype(np.int64)
            at += 1 + 64 * (1 + depth)

    @property
    def space(self) -> ColorSpace | None:
        """The colour space, as libjpeg understands the stream."""
        if len(self.components) == 1:
            return None
        if self.is_jfif or self.adobe is not None:
            return "ycbcr" if self.is_jfif or self.adobe else "rgb"
        return "rgb" if bytes(number for number, *_ in self.components) == b"RGB" else "ycbcr"

    @property
    def sampling(self) -> Sampling:
        """The sampling factors, as small as they can be: only their ratios count."""
        if len(self.components) == 1:
            return GREY
        across = math.gcd(*(each for _, each, _ in self.components)) or 1
        down = math.gcd(*(each for _, _, each in self.components)) or 1
        return tuple((x // across, y // down) for _, x, y in self.components)

    @property
    def quality(self) -> int:
        """The quality of libjpeg, 1–100, whose table is nearest to that of luma."""
        if self.table is None:
            raise ValueError("it has no quantisation table")
        return 1 + int(np.abs(_tables() - self.table).sum(axis=1).argmin())


# ITU-T T.81, table K.1, along the zigzag.
_LUMA = (
    *(16, 11, 12, 14, 12, 10, 16, 14, 13, 14, 18, 17, 16, 19, 24, 40),
    *(26, 24, 22, 22, 24, 49, 35, 37, 29, 40, 58, 51, 61, 60, 57, 51),
    *(56, 55, 64, 72, 92, 78, 64, 68, 87, 69, 55, 56, 80, 109, 81, 87),
    *(95, 98, 103, 104, 103, 62, 77, 113, 121, 112, 100, 120, 92, 101, 103, 99),
)


@cache
def _tables() -> NDArray[np.int64]:
    """Return libjpeg's table of luma for each quality from 1 to 100."""
    quality = np.arange(1, 101)[:, np.newaxis]
    scale = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    tables: NDArray[np.int64] = np.clip((np.array(_LUMA) * scale + 50) // 100, 1, 255)
    return tables
