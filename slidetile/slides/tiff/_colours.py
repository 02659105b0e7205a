"""Whether a TIFF's blocks hold the colours that its tags state, by the first block that is stored.

Decoding goes by each block's own header; this is what people are told. Does not decode.
"""

from dataclasses import replace

import numpy as np

from slidetile.raster.jpeg2000_header import has_transform
from slidetile.slides.jpeg.colour import contradiction
from slidetile.slides.jpeg.segments import Header, parse_header, shared_tables
from slidetile.slides.jpeg.tiles import MODELS
from slidetile.slides.native import Damaged
from slidetile.slides.slide_file import SlideFile
from slidetile.slides.tiff._blocks import BlockGrid
from slidetile.slides.tiff._encoding import JPEG, Encoding

_HEADER_BYTES = 1 << 16


def first_block(grid: BlockGrid, file: SlideFile) -> bytes:
    """Return the beginning of the first block that is stored; nothing where there is none."""
    stored = np.flatnonzero(grid.counts)
    if not len(stored):
        return b""
    start, count = int(grid.offsets[stored[0]]), int(grid.counts[stored[0]])
    size = min(count, _HEADER_BYTES, max(0, file.size - start))
    return file.read(start, size)


def with_own_transform(encoding: Encoding, block: bytes) -> Encoding:
    """Return an encoding that says whether its JPEG 2000 turns into RGB by itself."""
    if not encoding.is_jpeg2000:
        return encoding
    return replace(encoding, has_transform=has_transform((block, 0, len(block))))


def colour_note(encoding: Encoding, block: bytes) -> str | None:
    """Return how tags and blocks contradict each other, and which is believed; mostly None.

    Parameters
    ----------
    encoding
        That of the finest level.
    block
        The beginning of one of its blocks.
    """
    if encoding.is_jpeg2000:
        if encoding.states_ycbcr and encoding.has_transform:
            return "says YCbCr, but its JPEG 2000 has a transform of its own: read as RGB"
        return None
    if encoding.compression != JPEG or encoding.samples != 3:
        return None
    header = parse_header(block)
    if isinstance(header, Damaged) or header.frame is None:
        return None
    tables = shared_tables(encoding.tables) if encoding.tables else Header()
    whole = replace(
        header,
        is_jfif=header.is_jfif or tables.is_jfif,
        adobe=tables.adobe if header.adobe is None else header.adobe,
    )
    return contradiction(whole, header.frame, MODELS.get(encoding.photometric))
