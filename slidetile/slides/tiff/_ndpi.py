"""Read the directories of a Hamamatsu NDPI: its levels, and the slide's metadata.

The macro is an image of its own, which is never read. The levels between those that the file has,
which OpenSlide makes by decoding at a half, a quarter or an eighth, are left out.
"""

import itertools
import logging
from dataclasses import dataclass

import numpy as np

from slidetile.errors import UnsupportedSlideError
from slidetile.slides.jpeg.segments import Frame, Header, parse_header
from slidetile.slides.limits import check_block, check_size
from slidetile.slides.native import Damaged
from slidetile.slides.reader import OtherReaderError
from slidetile.slides.slide_file import SlideFile
from slidetile.slides.tiff._blocks import BlockGrid
from slidetile.slides.tiff._chain import Chain
from slidetile.slides.tiff._encoding import JPEG, Encoding
from slidetile.slides.tiff._metadata import Metadata
from slidetile.slides.tiff._ndpi_jpeg import flat_stripe, plain_header, resized
from slidetile.slides.tiff._resolution import (
    RESOLUTION_UNIT,
    UNIT_NAMES,
    X_RESOLUTION,
    Y_RESOLUTION,
    mpp_of,
)
from slidetile.slides.tiff._striped import StripedGrid, tile_height
from slidetile.slides.tiff._stripes import STRIPE_ROWS, Stripes
from slidetile.slides.tiff._tags import Directory

_log = logging.getLogger(__name__)

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES = 256, 257, 258, 259, 262, 277
_STRIP_OFFSETS, _STRIP_BYTES = 273, 279
_LENS, _STARTS, _STARTS_HIGH = 65421, 65426, 65432
_YCBCR, _BASELINE, _NOT_SUBSAMPLED = 6, 0xC0, 0x11
_HEADER_BYTES = 1 << 16
_LONGEST_PX = 65_500
"""Longest side that libjpeg takes: what a JPEG says of a longer one is wrong, or 0."""

_STORED_PER_PIXEL = 12
"""Most bytes of a stripe for each pixel: as for tiles, four times those of its samples."""


def read_ndpi(file: SlideFile, chain: Chain) -> tuple[tuple[BlockGrid, ...], Metadata]:
    """Return the levels of an NDPI, finest first, and the slide's description.

    Raises
    ------
    SlideReadError
        It is damaged.
    FinalRefusalError
        It is larger than any slide.
    OtherReaderError
        It is stored in a way that is left to OpenSlide.
    """
    images = [each for each in chain.directories if (each.measure(file, _LENS) or 0.0) > 0]
    if not images:
        raise _left("without an image of the slide")
    sizes = [(each.number(file, _WIDTH), each.number(file, _HEIGHT)) for each in images]
    if any(next_[0] >= own[0] for own, next_ in itertools.pairwise(sizes)):
        raise _left("whose images are not in order of size")
    finest, *coarser = [_Image.of(each, file) for each in images]
    found = [finest.grid(file)]
    for image in coarser:
        try:
            found.append(image.grid(file))
        except UnsupportedSlideError as error:
            _log.warning("A coarser level of %s is left out: %s.", file.path.name, error)
    return tuple(found), _metadata(images[0], file)


def _left(why: str) -> OtherReaderError:
    return OtherReaderError(f"it is a Hamamatsu NDPI {why}, which is left to OpenSlide")


def _metadata(finest: Directory, file: SlideFile) -> Metadata:
    per_unit = [finest.measure(file, tag) for tag in (X_RESOLUTION, Y_RESOLUTION)]
    unit = UNIT_NAMES.get(finest.number(file, RESOLUTION_UNIT, 2), "")
    return Metadata(
        vendor="hamamatsu",
        stated=mpp_of(per_unit, unit),
        objective_power=finest.measure(file, _LENS),
        icc_profile=None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Image:
    """One image of an NDPI: a single JPEG."""

    directory: Directory
    width: int
    height: int
    offset: int
    """Its first byte in the file."""

    end: int
    """The byte behind its last, within the file."""

    @classmethod
    def of(cls, directory: Directory, file: SlideFile) -> "_Image":
        offset = directory.number(file, _STRIP_OFFSETS)
        return cls(
            directory=directory,
            width=directory.number(file, _WIDTH),
            height=directory.number(file, _HEIGHT),
            offset=offset,
            end=min(file.size, offset + directory.number(file, _STRIP_BYTES)),
        )

    def grid(self, file: SlideFile) -> BlockGrid:
        """Return its tiles; one that is not cut into stripes is a tile as a whole."""
        check_size(self.width, self.height)
        self._check_tags(file)
        head = file.read(self.offset, max(0, min(_HEADER_BYTES, self.end - self.offset)))
        header = parse_header(head)
        if isinstance(header, Damaged) or header.frame is None or not header.end:
            raise _left("whose JPEG has no whole header")
        _check_frame(header.frame)
        if header.scanned != header.frame.components:
            raise _left("whose JPEG has a scan for each component")
        if not header.interval:
            return self._whole(header.frame)
        return self._striped(file, head[: header.end], header)

    def _check_tags(self, file: SlideFile) -> None:
        directory = self.directory
        kind = directory.number(file, _COMPRESSION, 1)
        if kind != JPEG:
            raise _left(f"of compression {kind}, which is not JPEG")
        samples = directory.number(file, _SAMPLES, 1), directory.numbers(file, _BITS)
        if directory.number(file, _PHOTOMETRIC) != _YCBCR or samples != (3, (8, 8, 8)):
            raise _left("without three samples of 8 bits in YCbCr")
        strips = directory.find(_STRIP_OFFSETS)
        if strips is None or strips.count != 1:
            raise _left("of several strips")

    def _whole(self, frame: Frame) -> BlockGrid:
        """Return a level without stripes, as small ones are; its JPEG knows its size better."""
        if max(self.width, self.height) > _LONGEST_PX:
            raise _left("without restart markers")
        return BlockGrid(
            width=frame.width,
            height=frame.height,
            block_width=frame.width,
            block_height=frame.height,
            is_tiled=False,
            offsets=np.array([self.offset], np.uint64),
            counts=np.array([self.end - self.offset], np.uint64),
            encoding=_ENCODING,
        )

    def _striped(self, file: SlideFile, head: bytes, header: Header) -> StripedGrid:
        """Return a level whose JPEG, which begins with ``head``, has restart markers."""
        assert header.frame is not None, "a header without a frame is refused before"
        interval = header.interval or 0
        self._check_size(header.frame, interval)
        width = STRIPE_ROWS * interval
        height = tile_height(width)
        check_block(width, height, 3)
        plain = plain_header(head)
        if isinstance(plain, Damaged):
            raise _left(f"whose JPEG has {plain.reason}")
        filler = flat_stripe(plain, interval)
        if filler is None:
            raise _left("whose Huffman tables have no code for a plain stripe")
        stripes = self._stripes(file, width, self.offset + len(head))
        offsets, counts = stripes.joined(height // STRIPE_ROWS)
        return StripedGrid(
            width=self.width,
            height=self.height,
            block_width=width,
            block_height=height,
            is_tiled=True,
            offsets=offsets,
            counts=counts,
            encoding=_ENCODING,
            stripes=stripes,
            header=resized(plain, width, height),
            filler=filler,
        )

    def _check_size(self, frame: Frame, interval: int) -> None:
        """Check that restart markers cut each row of the image into equal stripes."""
        size = self.width, self.height
        if max(size) <= _LONGEST_PX and (frame.width, frame.height) != size:
            raise _left(f"of {size[0]}×{size[1]} px whose JPEG has {frame.width}×{frame.height}")
        if -(-self.width // STRIPE_ROWS) % interval:
            raise _left("whose restart markers do not divide its rows")

    def _stripes(self, file: SlideFile, width: int, start: int) -> Stripes:
        """Return the stripes of a width, of which the first begins at a byte."""
        columns, rows = -(-self.width // width), -(-self.height // STRIPE_ROWS)
        listed, high = (self.directory.find(tag) for tag in (_STARTS, _STARTS_HIGH))
        if listed is None or listed.count != columns * rows:
            raise _left("that does not list its restart markers")
        starts = self.directory.table(file, _STARTS)
        if high is not None and high.count == listed.count:
            starts = starts + (self.directory.table(file, _STARTS_HIGH) << np.uint64(32))
        if len(starts) != columns * rows:
            raise _left("whose restart markers are not listed in whole numbers")
        starts = starts + np.uint64(self.offset)
        if start < starts[0] < self.end:  # a list that is shifted has all its markers right
            raise _left("whose list of restart markers does not begin with the first stripe")
        return Stripes.within(
            columns,
            rows,
            starts,
            span=(start, self.end),
            most_bytes=_STORED_PER_PIXEL * width * STRIPE_ROWS + _HEADER_BYTES,
        )


def _check_frame(frame: Frame) -> None:
    if frame.marker != _BASELINE or frame.bits != 8:
        raise _left("whose JPEG is not baseline with 8 bits")
    if frame.components != 3:
        raise _left(f"whose JPEG has {frame.components} components")
    if set(frame.sampling) != {_NOT_SUBSAMPLED}:
        raise _left("whose chroma is subsampled")


_ENCODING = Encoding(
    compression=JPEG,
    photometric=_YCBCR,
    samples=3,
    planar=False,
    bits=8,
    sample_format=1,
    predictor=1,
    fill_order=1,
    premultiplied=False,
    has_alpha=False,
    tables=None,
)
