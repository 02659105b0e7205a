"""What libisyntax knows of a file, through pyisyntax: the one module that imports it."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from slidetile.errors import one_line
from slidetile.raster.pixels import Pixels
from slidetile.raster.region import Region
from slidetile.slides.isyntax._source import NotingSource
from slidetile.slides.reader import FinalRefusalError

_KEPT_TILES = 200
"""Decoded tiles that the library keeps, of 0.4 MB each; its own choice is 2000."""

_UNKNOWN_MPP = (1.0, 1.0)
"""What the library says where the file says nothing."""

_MOST_LEVELS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class IsyntaxLevel:
    """One level."""

    width: int
    """Columns."""

    height: int
    """Rows."""

    downsample: int
    """Level-0 pixels per pixel."""


class IsyntaxImage(Protocol):
    """The scanned image of an open file; it is read by one thread at a time."""

    levels: Sequence[IsyntaxLevel]
    """Its levels, finest first."""

    mpp: tuple[float, float] | None
    """Micrometres per level-0 pixel as (x, y); None where the file says nothing."""

    def read(self, region: Region, level: int) -> Pixels:
        """Return a region that lies inside a level, as uint8 [row, column, channel] in RGB."""

    def close(self) -> None:
        """Release what the library holds."""
        ...


class _PhilipsImage:
    """The image as the library reads it."""

    def __init__(self, opened: Any) -> None:
        self._opened = opened
        count = opened.level_count
        if not 1 <= count <= _MOST_LEVELS:
            raise FinalRefusalError(f"it has {count} levels, and a slide has 1 to {_MOST_LEVELS}")
        sizes = zip(opened.level_dimensions, opened.level_downsamples, strict=True)
        self.levels: Sequence[IsyntaxLevel] = [
            IsyntaxLevel(width=width, height=height, downsample=downsample)
            for (width, height), downsample in sizes
        ]
        mpp = float(opened.mpp_x), float(opened.mpp_y)
        self.mpp: tuple[float, float] | None = None if mpp == _UNKNOWN_MPP else mpp

    def read(self, region: Region, level: int) -> Pixels:
        rgba: Pixels = self._opened.read_region(
            region.x, region.y, region.width, region.height, level
        )
        return rgba[..., :3]

    def close(self) -> None:
        self._opened.close()


def open_image(source: NotingSource, file_bytes: int) -> IsyntaxImage:
    """Return the scanned image of a file.

    Raises
    ------
    FinalRefusalError
        pyisyntax is not installed, or does not open the file.
    """
    try:
        from isyntax import ISyntax
    except ImportError as error:
        why = "" if isinstance(error, ModuleNotFoundError) else f" ({one_line(error)})"
        raise FinalRefusalError(
            "it is a Philips iSyntax slide, which slidetile reads with pyisyntax, and that is not "
            f"installed here{why}; run pip install 'slidetile[isyntax]'"
        ) from error
    sys.stderr.flush()  # the library prints there, past Python
    try:
        return _PhilipsImage(ISyntax(source, file_bytes, _KEPT_TILES))
    except (FinalRefusalError, MemoryError):
        raise
    except Exception as error:  # whatever the library raises on damaged input
        raise FinalRefusalError(
            "it is a Philips iSyntax slide that libisyntax does not open "
            f"({one_line(error)}); is it complete? Copy it again from its source"
        ) from error
