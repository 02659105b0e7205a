"""Read a TIFF's directories: which images are levels of the slide, and the slide's metadata.

tifffile parses; its objects are not kept, since Python integers take ten times the memory.
"""

import itertools
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tifffile import TiffFile, TiffPage

from slidetile.errors import SlideError, SlideReadError, UnsupportedSlideError, one_line
from slidetile.raster.jpeg2000_header import is_subsampled
from slidetile.raster.region import Region
from slidetile.slides.limits import check_size
from slidetile.slides.reader import FinalRefusalError, OtherReaderError
from slidetile.slides.slide_file import SlideFile
from slidetile.slides.tiff._blocks import BlockGrid
from slidetile.slides.tiff._chain import Chain, read_chain
from slidetile.slides.tiff._colours import colour_note, first_block, with_own_transform
from slidetile.slides.tiff._encoding import Encoding
from slidetile.slides.tiff._images import (
    TiffImage,
    choose_slide,
    levels,
    planes_of,
    warn_of_other_images,
)
from slidetile.slides.tiff._layout import Layout, vendor_layout
from slidetile.slides.tiff._metadata import Metadata, associated_sizes, read_metadata
from slidetile.slides.tiff._ndpi import read_ndpi
from slidetile.slides.tiff._planes import Planes, lsm_planes, ndpi_planes, scn_planes
from slidetile.slides.tiff._preview import check_is_slide
from slidetile.slides.tiff._strips import Strips
from slidetile.slides.tiff.file import is_tiff

_log = logging.getLogger(__name__)

_TABLES_LIMIT_BYTES = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """The parts of a TIFF file that a slide needs."""

    grids: tuple[BlockGrid, ...]
    """The levels, finest first."""

    metadata: Metadata
    """The slide's description in the file."""

    colour_note: str | None = None
    """How tags and blocks contradict each other about colours; None where they do not."""

    canvas: Region | None = None
    """The canvas of which the slide is a part, in its pixels; None where it is the whole."""


def read_contents(file: SlideFile, chain: Chain | None = None) -> Contents:
    """Parse a TIFF file.

    Parameters
    ----------
    file
        The file.
    chain
        Its directories, where they are known already; None walks them.

    Raises
    ------
    SlideReadError
        It is damaged.
    FinalRefusalError
        It is larger than any slide, or another reader would lose what it holds.
    UnsupportedSlideError
        It is not a TIFF, belongs to another reader, or stores its pixels in an unknown way.
    """
    if not is_tiff(file.read(0, min(file.size, 8))):
        raise OtherReaderError("it is not a TIFF")
    check_is_slide(file)
    chain = read_chain(file) if chain is None else chain
    if chain.is_ndpi:
        _check_planes(ndpi_planes(chain, file))
        grids, metadata = read_ndpi(file, chain)
        return Contents(grids=grids, metadata=metadata)
    _check_planes(lsm_planes(chain, file))
    images = tuple(
        TiffImage.of(number, each, file) for number, each in enumerate(chain.directories)
    )
    try:
        with TiffFile(file.path, is_ndpi=False) as tiff:
            return _parse(tiff, file, images)
    except (SlideError, MemoryError):
        raise
    except OSError as error:
        raise SlideReadError(f"it cannot be read ({error.strerror or one_line(error)})") from error
    except Exception as error:  # whatever a parser raises on damaged input
        raise SlideReadError(f"its TIFF directory is damaged ({one_line(error)})") from error


def _parse(tiff: TiffFile, file: SlideFile, images: tuple[TiffImage, ...]) -> Contents:
    first = tiff.pages[0].aspage()
    if tiff.is_scn:
        _check_planes(scn_planes(first.description))
    if (layout := vendor_layout(tiff)) is not None:
        return _laid_out(layout, file)
    if first.software.startswith("MedScan"):
        raise OtherReaderError("it is a Trestle TIFF, which is left to OpenSlide")
    slide = choose_slide(images, associated_sizes(first.description))
    page = tiff.pages[slide.number].aspage()
    metadata = read_metadata(page, first)
    _check_planes(planes_of(images, slide, metadata))
    finest = _checked_grid(page, file)
    warn_of_other_images(images, slide, metadata, file.path.name)
    grids = {finest.bounds: finest}
    coarser = (tiff.pages[image.number].aspage() for image in levels(images, slide, metadata))
    for level in (*coarser, *_sub_pages(page)):
        if _is_level(level, page) and (grid := _usable_grid(level, file, finest)) is not None:
            grids.setdefault(grid.bounds, grid)
    ordered = sorted(grids.values(), key=lambda grid: -grid.bounds.area)
    note = colour_note(finest.encoding, first_block(finest, file))
    return Contents(grids=tuple(ordered), metadata=metadata, colour_note=note)


def _check_planes(planes: Planes) -> None:
    """Check that the slide is one image: to read one of several would lose the others unasked."""
    if planes.count > 1:
        raise FinalRefusalError(
            f"its image is spread over {planes}; slidetile reads one grey or RGB image: extract "
            "the one you need"
        )


def _laid_out(layout: Layout, file: SlideFile) -> Contents:
    """Return the contents of a TIFF whose vendor lists its levels."""
    grids = []
    for page, size in zip(layout.pages, layout.sizes, strict=True):
        grid = _checked_grid(page, file)
        grids.append(grid if size == grid.size else grid.cropped(*size))
    if any(a.width <= b.width for a, b in itertools.pairwise(grids)):
        raise OtherReaderError("its levels are not in order of size, which is left to OpenSlide")
    return Contents(
        grids=tuple(grids),
        metadata=layout.metadata,
        colour_note=colour_note(grids[0].encoding, first_block(grids[0], file)),
        canvas=layout.canvas,
    )


def _sub_pages(page: TiffPage) -> Iterator[TiffPage]:
    if page.subifds:
        assert page.pages is not None
        for index in range(len(page.subifds)):
            yield page.pages[index].aspage()


def _is_level(page: TiffPage, slide: TiffPage) -> bool:
    """Return whether a page has the shape and the layout of a coarser level."""
    if page.is_tiled != slide.is_tiled or page.imagewidth >= slide.imagewidth:
        return False
    if page.imagewidth < 1 or page.samplesperpixel != slide.samplesperpixel:
        return False
    expected = slide.imagelength * page.imagewidth / slide.imagewidth
    return abs(page.imagelength - expected) <= max(2, 0.01 * expected)


def _usable_grid(page: TiffPage, file: SlideFile, finest: BlockGrid) -> BlockGrid | None:
    """Return a coarser level; None if it is stored in a way that cannot be read."""
    try:
        grid = _checked_grid(page, file)
    except UnsupportedSlideError as error:
        _log.warning("A coarser level of %s is left out: %s.", file.path.name, error)
        return None
    return grid if grid.encoding.channels == finest.encoding.channels else None


def _checked_grid(page: TiffPage, file: SlideFile) -> BlockGrid:
    """Return a level; raise UnsupportedSlideError unless its blocks can be decoded."""
    grid = _grid(page, file)
    grid.encoding.check()
    if not grid.encoding.is_jpeg2000:
        return grid
    block = first_block(grid, file)
    if is_subsampled((block, 0, len(block))):
        raise UnsupportedSlideError("its JPEG 2000 stores colour at a lower resolution")
    return replace(grid, encoding=with_own_transform(grid.encoding, block))


def _grid(page: TiffPage, file: SlideFile) -> BlockGrid:
    if page.imagedepth != 1 or page.tiledepth not in (0, 1):
        raise UnsupportedSlideError("it holds volumes, not images")
    if page.is_tiled:
        block = page.tilewidth, page.tilelength
    else:
        block = page.imagewidth, min(page.rowsperstrip or page.imagelength, page.imagelength)
    check_size(page.imagewidth, page.imagelength)
    strips = Strips(
        height=page.imagelength,
        rows=block[1],
        offsets=_table(page.dataoffsets),
        counts=_table(page.databytecounts),
    )
    encoding = _encoding(page)
    if not page.is_tiled and encoding.is_raw:
        strips = strips.cut(page.imagewidth * encoding.samples)
    grid = BlockGrid(
        width=page.imagewidth,
        height=page.imagelength,
        block_width=block[0],
        block_height=strips.rows,
        is_tiled=page.is_tiled,
        offsets=strips.offsets,
        counts=strips.counts,
        encoding=encoding,
    )
    if grid.counts.any() and not (grid.offsets < file.size).any():
        raise SlideReadError(
            f"it is cut short: all its pixels lie behind byte {file.size}, its end"
        )
    return grid


def _table(numbers: tuple[int, ...]) -> NDArray[np.uint64]:
    return np.fromiter(numbers, np.uint64, len(numbers))


def _encoding(page: TiffPage) -> Encoding:
    tables = page.jpegtables
    if tables is not None and len(tables) > _TABLES_LIMIT_BYTES:
        raise SlideReadError(f"its JPEG tables claim {len(tables)} bytes")
    extra = tuple(int(kind) for kind in page.extrasamples)
    bits: Any = page.bitspersample
    return Encoding(
        compression=int(page.compression),
        photometric=int(page.photometric),
        samples=page.samplesperpixel,
        planar=int(page.planarconfig) == 2 and page.samplesperpixel > 1,
        bits=bits if isinstance(bits, int) else max(bits),
        sample_format=int(page.sampleformat),
        predictor=int(page.predictor),
        fill_order=int(page.fillorder),
        premultiplied=extra[:1] == (1,),
        has_alpha=extra[:1] in ((1,), (2,)),
        tables=bytes(tables) if tables else None,
    )
