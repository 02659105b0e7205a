"""Read a TIFF's directories: which images are levels of the slide, and the slide's metadata.

tifffile parses; its objects are not kept, since Python integers take ten times the memory.
"""

import itertools
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray
from tifffile import TiffFile, TiffPage

from slidetile.choices import UnfitChoiceError
from slidetile.errors import SlideError, SlideReadError, UnsupportedSlideError, one_line
from slidetile.raster.channels import GREY, Channel, numbered_channels, plain_channels
from slidetile.raster.jpeg2000_header import is_subsampled
from slidetile.raster.region import Region
from slidetile.slides.limits import check_size
from slidetile.slides.plane_choice import EVERYTHING, PlaneChoice
from slidetile.slides.planes import chosen_channels, chosen_places
from slidetile.slides.reader import FinalRefusalError, OtherReaderError
from slidetile.slides.remote_file import FileStream
from slidetile.slides.slide_file import SlideFile
from slidetile.slides.tiff._arrangement import Arrangement, arrange, band_channels
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
from slidetile.slides.tiff._stack import Stack, fit_together, stacked
from slidetile.slides.tiff._strips import Strips, Tiles
from slidetile.slides.tiff.file import is_tiff

_log = logging.getLogger(__name__)

_TABLES_LIMIT_BYTES = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """The parts of a TIFF file that a slide needs."""

    stacks: tuple[Stack, ...]
    """The levels, finest first."""

    metadata: Metadata
    """The slide's description in the file."""

    channels: tuple[Channel, ...] | None = None
    """What each channel shows; None where they are grey or colours."""

    colour_note: str | None = None
    """How tags and blocks contradict each other about colours; None where they do not."""

    canvas: Region | None = None
    """The canvas of which the slide is a part, in its pixels; None where it is the whole."""


def read_contents(
    file: SlideFile, chain: Chain | None = None, planes: PlaneChoice = EVERYTHING
) -> Contents:
    """Parse a TIFF file.

    Parameters
    ----------
    file
        The file.
    chain
        Its directories, where they are known already; None walks them.
    planes
        Which of its channels, depths and times are read.

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
        chosen_places(planes, 1, 1)
        return _contents(grids, metadata, planes)
    _check_planes(lsm_planes(chain, file))
    images = tuple(
        TiffImage.of(number, each, file) for number, each in enumerate(chain.directories)
    )
    try:
        with _tiff(file) as tiff:
            return _parse(tiff, file, images, planes)
    except (SlideError, MemoryError, UnfitChoiceError):
        raise
    except OSError as error:
        raise SlideReadError(f"it cannot be read ({error.strerror or one_line(error)})") from error
    except Exception as error:  # whatever a parser raises on damaged input
        raise SlideReadError(f"its TIFF directory is damaged ({one_line(error)})") from error


@contextmanager
def _tiff(file: SlideFile) -> Iterator[TiffFile]:
    """Have a file parsed; what could not be read of it is an error, whatever is made of that."""
    if isinstance(file.path, Path):
        with TiffFile(file.path, is_ndpi=False) as tiff:
            yield tiff
        return
    stream = FileStream(file)
    try:
        with TiffFile(cast("BinaryIO", stream), name=file.path.name, is_ndpi=False) as tiff:
            yield tiff
    finally:
        if stream.failure is not None:
            raise stream.failure


def _parse(
    tiff: TiffFile, file: SlideFile, images: tuple[TiffImage, ...], planes: PlaneChoice
) -> Contents:
    first = tiff.pages[0].aspage()
    if tiff.is_scn:
        _check_planes(scn_planes(first.description))
    if (layout := vendor_layout(tiff)) is not None:
        chosen_places(planes, 1, 1)
        return _laid_out(layout, file, planes)
    if first.software.startswith("MedScan"):
        raise OtherReaderError("it is a Trestle TIFF, which is left to OpenSlide")
    slide = choose_slide(images, associated_sizes(first.description))
    page = tiff.pages[slide.number].aspage()
    metadata = read_metadata(page, first)
    spread = planes_of(images, slide, metadata)
    if spread.count > 1:
        metadata = _with_bands(tiff, images, slide, metadata)
        arranged = arrange(images, slide, metadata, spread, page, planes)
        return _spread(tiff, file, arranged, metadata, planes)
    chosen_places(planes, 1, 1)
    finest = _checked_grid(page, file)
    warn_of_other_images(images, slide, metadata, file.path.name)
    grids = {finest.bounds: finest}
    coarser = (tiff.pages[image.number].aspage() for image in levels(images, slide, metadata))
    for level in (*coarser, *_sub_pages(page)):
        if _is_level(level, page) and (grid := _usable_grid(level, file, finest)) is not None:
            grids.setdefault(grid.bounds, grid)
    ordered = tuple(sorted(grids.values(), key=lambda grid: -grid.bounds.area))
    note = colour_note(finest.encoding, first_block(finest, file))
    return replace(_contents(ordered, metadata, planes), colour_note=note)


def _contents(grids: tuple[BlockGrid, ...], metadata: Metadata, planes: PlaneChoice) -> Contents:
    """Return the contents of a slide of one image, with the channels that are read."""
    encoding, count = grids[0].encoding, grids[0].encoding.channels
    known: tuple[Channel, ...] | None = None
    if not encoding.is_colour and (count > 1 or encoding.bits > 8):
        is_named = len(metadata.channels) == count
        known = metadata.channels if is_named else numbered_channels(count)
    if not planes.channels:
        _ = chosen_channels(planes, known or plain_channels(count))
        return Contents(stacks=tuple(map(stacked, grids)), metadata=metadata, channels=known)
    known = known or plain_channels(count)
    numbers = chosen_channels(planes, known)
    return Contents(
        stacks=tuple(_picked(stacked(grid), numbers) for grid in grids),
        metadata=metadata,
        channels=tuple(known[number] for number in numbers),
    )


def _picked(stack: Stack, numbers: tuple[int, ...]) -> Stack:
    """Return what of a level holds some of its channels."""
    if len(stack) > 1:
        return tuple(stack[number] for number in numbers)
    (grid,) = stack
    return (replace(grid, encoding=replace(grid.encoding, picked=numbers)),)


def _with_bands(
    tiff: TiffFile, images: tuple[TiffImage, ...], slide: TiffImage, metadata: Metadata
) -> Metadata:
    """Return the description of a slide with what PerkinElmer says of each band."""
    if metadata.vendor != "perkinelmer":
        return metadata
    same = [image.number for image in images if image.size == slide.size]
    texts = [tiff.pages[number].aspage().description for number in same]
    return replace(metadata, channels=band_channels(texts))


def _spread(
    tiff: TiffFile,
    file: SlideFile,
    arranged: Arrangement,
    metadata: Metadata,
    planes: PlaneChoice,
) -> Contents:
    """Return the contents of a slide whose channels are images of their own."""
    numbers = chosen_channels(planes, arranged.channels)
    if max(place.page for place in arranged.finest) >= len(tiff.pages):
        raise SlideReadError("its description speaks of more images than it has")
    pages = [tiff.pages[arranged.finest[number].page].aspage() for number in numbers]
    shifts = [arranged.finest[number].number for number in numbers]
    finest = tuple(
        _shifted(_checked_grid(page, file), shift)
        for page, shift in zip(pages, shifts, strict=True)
    )
    if len(arranged.finest) == 1 and finest[0].encoding.channels > 1:
        return _contents(finest, metadata, planes)  # one depth of colour
    if not fit_together(finest) or any(grid.encoding.channels != 1 for grid in finest):
        raise FinalRefusalError("its channels are not of one size and kind: save it again")
    stacks = {finest[0].bounds: finest}
    listed = ([tiff.pages[level[n].page].aspage() for n in numbers] for level in arranged.coarser)
    below = zip(*map(_sub_pages, pages), strict=False)
    for level in (*listed, *(list(each) for each in below)):
        stack = _usable_stack(level, pages, file, finest)
        if stack is not None:
            stacks.setdefault(stack[0].bounds, stack)
    return Contents(
        stacks=tuple(sorted(stacks.values(), key=lambda stack: -stack[0].bounds.area)),
        metadata=metadata,
        channels=_seen_channels(tuple(arranged.channels[n] for n in numbers), finest[0]),
    )


def _seen_channels(channels: tuple[Channel, ...], grid: BlockGrid) -> tuple[Channel, ...] | None:
    """Return what channels show; None of one depth of a grey image of 8 bits."""
    return None if channels == GREY and grid.encoding.bits == 8 else channels


def _shifted(grid: BlockGrid, number: int) -> BlockGrid:
    """Return an image that lies so many images of its size behind one; they share a directory."""
    if not number:
        return grid
    size = np.uint64(grid.width * grid.height * grid.block_samples * grid.encoding.dtype.itemsize)
    ends = grid.offsets + grid.counts
    is_one = grid.encoding.is_raw and not grid.is_tiled and (ends[:-1] == grid.offsets[1:]).all()
    if not is_one or grid.counts.sum() != size:
        raise FinalRefusalError(
            "its images share a directory, though they are not uncompressed: save it again"
        )
    return replace(grid, offsets=grid.offsets + np.uint64(number) * size)


def _usable_stack(
    level: list[TiffPage], pages: list[TiffPage], file: SlideFile, finest: Stack
) -> Stack | None:
    """Return a coarser level of several images; None if one of them is no such level."""
    if not all(map(_is_level, level, pages)):
        return None
    grids = [_usable_grid(page, file, finest[0]) for page in level]
    stack = tuple(grid for grid in grids if grid is not None)
    return stack if len(stack) == len(finest) and fit_together(stack) else None


def _check_planes(planes: Planes) -> None:
    """Check that the slide is one image: to read one of several would lose the others unasked."""
    if planes.count > 1:
        raise FinalRefusalError(
            f"its image is spread over {planes}; slidetile does not read several in such a file: "
            "extract the one you need, or save it as OME-TIFF"
        )


def _laid_out(layout: Layout, file: SlideFile, planes: PlaneChoice) -> Contents:
    """Return the contents of a TIFF whose vendor lists its levels."""
    grids = []
    for page, size in zip(layout.pages, layout.sizes, strict=True):
        grid = _checked_grid(page, file)
        grids.append(grid if size == grid.size else grid.cropped(*size))
    if any(a.width <= b.width for a, b in itertools.pairwise(grids)):
        raise OtherReaderError("its levels are not in order of size, which is left to OpenSlide")
    return replace(
        _contents(tuple(grids), layout.metadata, planes),
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
    own, other = grid.encoding, finest.encoding
    return grid if (own.channels, own.bits) == (other.channels, other.bits) else None


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
    encoding = _encoding(page)
    bands = _bands(page, block, encoding)
    grid = BlockGrid(
        width=page.imagewidth,
        height=page.imagelength,
        block_width=block[0],
        block_height=bands.rows,
        is_tiled=page.is_tiled,
        offsets=bands.offsets,
        counts=bands.counts,
        encoding=encoding,
    )
    if grid.counts.any() and not (grid.offsets < file.size).any():
        raise SlideReadError(
            f"it is cut short: all its pixels lie behind byte {file.size}, its end"
        )
    return grid


def _bands(page: TiffPage, block: tuple[int, int], encoding: Encoding) -> Strips | Tiles:
    """Return where strips or tiles lie, large uncompressed ones in parts."""
    width, rows = block
    offsets, counts = _table(page.dataoffsets), _table(page.databytecounts)
    bands: Strips | Tiles = Strips(
        height=page.imagelength, rows=rows, offsets=offsets, counts=counts
    )
    if page.is_tiled and width:
        bands = Tiles(
            height=page.imagelength,
            rows=rows,
            columns=-(-page.imagewidth // width),
            offsets=offsets,
            counts=counts,
        )
    row_bytes = width * encoding.samples * encoding.dtype.itemsize
    return bands.cut(row_bytes) if encoding.is_raw and min(row_bytes, rows) > 0 else bands


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
        order=page.parent.byteorder,
    )
