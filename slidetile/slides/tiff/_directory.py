"""Read a TIFF's directories: which images are levels of the slide, and the slide's metadata.

tifffile parses; its objects are not kept, since Python integers take ten times the memory.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tifffile import TiffFile, TiffPage

from slidetile.errors import SlideError, SlideReadError, UnsupportedSlideError, one_line
from slidetile.raster.jpeg2000_header import is_subsampled
from slidetile.slides.limits import check_size
from slidetile.slides.reader import FinalRefusalError, OtherReaderError
from slidetile.slides.tiff._blocks import BlockGrid
from slidetile.slides.tiff._chain import Chain, read_chain
from slidetile.slides.tiff._encoding import Encoding
from slidetile.slides.tiff._images import (
    TiffImage,
    choose_slide,
    levels,
    warn_of_other_images,
)
from slidetile.slides.tiff._metadata import Metadata, associated_sizes, read_metadata
from slidetile.slides.tiff._resolution import imagej_count
from slidetile.slides.tiff._strips import Strips
from slidetile.slides.tiff.file import SlideFile, is_tiff

_log = logging.getLogger(__name__)

_TABLES_LIMIT_BYTES = 1 << 16

_LEFT_TO_OPENSLIDE = {
    "is_scn": "Leica SCN",
    "is_bif": "Ventana BIF",
    "is_philips": "Philips TIFF",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """The parts of a TIFF file that a slide needs."""

    grids: tuple[BlockGrid, ...]
    """The levels, finest first."""

    metadata: Metadata
    """The slide's description in the file."""


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
    chain = read_chain(file) if chain is None else chain
    if chain.is_ndpi:
        raise OtherReaderError("it is a Hamamatsu NDPI, which is left to OpenSlide")
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
    for flag, name in _LEFT_TO_OPENSLIDE.items():
        if getattr(tiff, flag):
            raise OtherReaderError(f"it is a {name}, which is left to OpenSlide")
    if first.software.startswith("MedScan"):
        raise OtherReaderError("it is a Trestle TIFF, which is left to OpenSlide")
    slide = choose_slide(images, associated_sizes(first.description))
    page = tiff.pages[slide.number].aspage()
    metadata = read_metadata(page, first)
    planes = metadata.planes
    if imagej_count(page.description) > len(images):  # ImageJ puts them behind the first
        planes = imagej_count(page.description)
    if planes > 1:
        # To read the first plane alone would lose the others without a word.
        raise FinalRefusalError(
            f"its image is spread over {planes} planes (channels, depths or times); "
            "slidetile reads one grey or RGB image: extract the plane you need"
        )
    finest = _grid(page, file)
    _check_encoding(finest, file)
    warn_of_other_images(images, slide, metadata, file.path.name)
    grids = {finest.bounds: finest}
    coarser = (tiff.pages[image.number].aspage() for image in levels(images, slide, metadata))
    for level in (*coarser, *_sub_pages(page)):
        if _is_level(level, page) and (grid := _usable_grid(level, file, finest)) is not None:
            grids.setdefault(grid.bounds, grid)
    ordered = sorted(grids.values(), key=lambda grid: -grid.bounds.area)
    return Contents(grids=tuple(ordered), metadata=metadata)


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
        grid = _grid(page, file)
        _check_encoding(grid, file)
    except UnsupportedSlideError as error:
        _log.warning("A coarser level of %s is left out: %s.", file.path.name, error)
        return None
    return grid if grid.encoding.channels == finest.encoding.channels else None


def _check_encoding(grid: BlockGrid, file: SlideFile) -> None:
    """Raise UnsupportedSlideError unless the level's blocks can be decoded."""
    grid.encoding.check()
    stored = np.flatnonzero(grid.counts)
    if grid.encoding.is_jpeg2000 and len(stored):
        start = int(grid.offsets[stored[0]])
        size = min(int(grid.counts[stored[0]]), 4096, max(0, file.size - start))
        if is_subsampled((file.read(start, size), 0, size)):
            raise UnsupportedSlideError("its JPEG 2000 stores colour at a lower resolution")


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
