"""Read a TIFF's directories: which images are levels of the slide, and the slide's metadata.

tifffile parses; its objects are not kept, since Python integers take ten times the memory.
"""

import logging
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tifffile import TiffFile, TiffPage

from slidetile.errors import SlideError, SlideReadError, UnsupportedSlideError, one_line
from slidetile.slides.reader import FinalRefusalError, OtherReaderError
from slidetile.slides.tiff._blocks import BlockGrid
from slidetile.slides.tiff._encoding import Encoding, is_subsampled
from slidetile.slides.tiff._metadata import Metadata, read_metadata
from slidetile.slides.tiff.file import SlideFile, is_tiff

_log = logging.getLogger(__name__)

_PAGE_LIMIT = 1000
_TABLES_LIMIT_BYTES = 1 << 16

_ASSOCIATED = re.compile(r"\b(label|macro|thumbnail|overview)\b", re.IGNORECASE)
"""Names of images that show the whole glass slide, not the scanned tissue."""

_LEFT_TO_OPENSLIDE = {
    "is_ndpi": "Hamamatsu NDPI",
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


def read_contents(file: SlideFile) -> Contents:
    """Parse a TIFF file.

    Raises
    ------
    SlideReadError
        It is damaged.
    UnsupportedSlideError
        It is not a TIFF, belongs to another reader, or stores its pixels in an unknown way.
    """
    if not is_tiff(file.read(0, min(file.size, 8))):
        raise OtherReaderError("it is not a TIFF")
    try:
        with TiffFile(file.path) as tiff:
            return _parse(tiff, file)
    except SlideError:
        raise
    except Exception as error:  # whatever a parser raises on damaged input
        raise SlideReadError(f"its TIFF directory is damaged ({one_line(error)})") from error


def _parse(tiff: TiffFile, file: SlideFile) -> Contents:
    if len(tiff.pages) == 0:
        _check_chain(file, big=tiff.is_bigtiff, order=tiff.byteorder)  # raises the reason
    first = tiff.pages[0].aspage()
    for flag, name in _LEFT_TO_OPENSLIDE.items():
        if getattr(tiff, flag):
            raise OtherReaderError(f"it is a {name}, which is left to OpenSlide")
    if first.software.startswith("MedScan"):
        raise OtherReaderError("it is a Trestle TIFF, which is left to OpenSlide")
    _check_chain(file, big=tiff.is_bigtiff, order=tiff.byteorder)
    metadata = read_metadata(first)
    if metadata.planes > 1:
        # To read the first plane alone would lose the others without a word.
        raise FinalRefusalError(
            f"its image is spread over {metadata.planes} planes (channels, depths or times); "
            "slidetile reads one grey or RGB image: extract the plane you need"
        )
    _warn_of_other_images(tiff, first, file)
    _warn_of_other_scenes(metadata.scenes, file)
    finest = _grid(first, file)
    _check_encoding(finest, file)
    grids = {finest.bounds: finest}
    for page in _coarser_pages(tiff, first, is_aperio=metadata.vendor == "aperio"):
        if _is_level(page, first) and (grid := _usable_grid(page, file, finest)) is not None:
            grids.setdefault(grid.bounds, grid)
    ordered = sorted(grids.values(), key=lambda grid: -grid.bounds.area)
    return Contents(grids=tuple(ordered), metadata=metadata)


def _check_chain(file: SlideFile, *, big: bool, order: str) -> None:
    """Check the chain of directories, since tifffile only logs its faults and reads the rest."""
    form, count_size, entry_size, at = ("Q", 8, 20, 8) if big else ("I", 2, 12, 4)
    count_form = order + ("Q" if big else "H")
    size = struct.calcsize(form)
    seen: set[int] = set()
    (offset,) = struct.unpack(order + form, file.read(at, size))
    while offset:
        if offset in seen or len(seen) >= _PAGE_LIMIT:
            raise SlideReadError("its TIFF directories form a loop, or there are over 1000")
        seen.add(offset)
        entries = 0
        if offset + count_size <= file.size:
            (entries,) = struct.unpack(count_form, file.read(offset, count_size))
        end = offset + count_size + entries * entry_size
        if end + size > file.size:
            raise SlideReadError(
                f"it is cut short: a TIFF directory lies at byte {offset}, behind the end of "
                f"the file ({file.size} bytes)"
            )
        (offset,) = struct.unpack(order + form, file.read(end, size))


def _warn_of_other_images(tiff: TiffFile, first: TiffPage, file: SlideFile) -> None:
    """Warn if pages of the slide's own size are left out: depths or channels."""
    pages = [tiff.pages[index].aspage() for index in range(1, len(tiff.pages))]
    layout = first.imagewidth, first.imagelength, first.is_tiled
    others = sum((page.imagewidth, page.imagelength, page.is_tiled) == layout for page in pages)
    if others:
        _log.warning(
            "%s holds %d more images of the slide's size (channels, depths or times): only the "
            "first is read.",
            file.path.name,
            others,
        )


def _warn_of_other_scenes(scenes: tuple[str, ...], file: SlideFile) -> None:
    """Warn if only one of several scenes is read; label and macro are not scenes."""
    others = [name for name in scenes[1:] if not _ASSOCIATED.search(name)]
    if others:
        _log.warning(
            "%s holds %d scenes: only the first, “%.60s”, is read, not “%.200s”.",
            *(file.path.name, len(others) + 1, scenes[0], "”, “".join(others)),
        )


def _coarser_pages(tiff: TiffFile, first: TiffPage, *, is_aperio: bool) -> Iterator[TiffPage]:
    """Yield the pages that may be levels; label, macro and thumbnail are not among them."""
    for index in range(1, len(tiff.pages)):
        page = tiff.pages[index].aspage()
        # Aperio marks no page as reduced, but only levels are tiled; the others mark them.
        if page.is_tiled if is_aperio else page.subfiletype == 1:
            yield page
    if first.subifds:
        assert first.pages is not None
        for index in range(min(len(first.subifds), _PAGE_LIMIT)):
            yield first.pages[index].aspage()


def _is_level(page: TiffPage, first: TiffPage) -> bool:
    """Return whether a page has the shape and the layout of a coarser level."""
    if page.is_tiled != first.is_tiled or page.imagewidth >= first.imagewidth:
        return False
    if page.imagewidth < 1 or page.samplesperpixel != first.samplesperpixel:
        return False
    expected = first.imagelength * page.imagewidth / first.imagewidth
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
    grid = BlockGrid(
        width=page.imagewidth,
        height=page.imagelength,
        block_width=block[0],
        block_height=block[1],
        is_tiled=page.is_tiled,
        offsets=_table(page.dataoffsets),
        counts=_table(page.databytecounts),
        encoding=_encoding(page),
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
