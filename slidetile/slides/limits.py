"""How large a slide may be, whichever reader opens it: asked before memory is taken."""

from slidetile.slides.reader import FinalRefusalError, LargeBlockError

_SIDE_LIMIT_PX = 1 << 22
"""Longest side of an image: 210 mm at the finest plausible 0.05 µm per pixel."""

_BLOCK_LIMIT_BYTES = 1 << 28
"""The most memory for one block: a tile of 9,000×9,000 pixels in colour."""


def check_size(width: int, height: int) -> None:
    """Check that an image may have this many columns and rows.

    Raises
    ------
    FinalRefusalError
        It is larger than anything a scanner writes, or has no pixels.
    """
    if min(width, height) < 1:
        raise FinalRefusalError(f"an image in it claims {width}×{height} pixels, fewer than 1×1")
    if max(width, height) > _SIDE_LIMIT_PX:
        raise FinalRefusalError(
            f"an image in it claims {width}×{height} pixels, more than the {_SIDE_LIMIT_PX} a side "
            "that a slide can have"
        )


def check_block(width: int, height: int, samples: int, kind: str = "tiles") -> None:
    """Check that a block of an image may be this large.

    Parameters
    ----------
    width, height
        Columns and rows of the block.
    samples
        Bytes of a pixel.
    kind
        What the blocks are called.

    Raises
    ------
    LargeBlockError
        To decode it would take more memory than any scanner's blocks.
    """
    if width * height * samples > _BLOCK_LIMIT_BYTES:
        raise LargeBlockError(
            f"its {kind} are {width}×{height} pixels, more than {_BLOCK_LIMIT_BYTES >> 20} MiB each"
        )
