"""What no reader may be given of a TIFF: asked before another library opens it."""

from pathlib import Path

from slidetile.counts import how_many
from slidetile.errors import SlideReadError, UnsupportedSlideError
from slidetile.slides.limits import check_block, check_size
from slidetile.slides.reader import FinalRefusalError, refusal
from slidetile.slides.slide_file import LocalFile, SlideFile
from slidetile.slides.tiff._chain import read_chain
from slidetile.slides.tiff._directory import read_contents
from slidetile.slides.tiff._loss import check_no_loss
from slidetile.slides.tiff._preview import check_is_slide
from slidetile.slides.tiff._tags import Directory
from slidetile.slides.tiff.file import is_tiff

_WIDTH, _HEIGHT, _TILE_WIDTH, _TILE_HEIGHT = 256, 257, 322, 323
_COUNTS = 279, 325
_BITS, _PHOTOMETRIC, _SAMPLES, _EXTRA_SAMPLES, _SAMPLE_FORMAT = 258, 262, 277, 338, 339


def check_tiff(path: Path) -> str | None:
    """Check what the reader of TIFF files checks for good, in any file; others pass.

    Libraries end the process where a tile claims more memory than there is, and reduce what they
    do not know to 8-bit colour. A file whose tags are not understood is left to them.

    Returns
    -------
    str or None
        How the file contradicts itself about its colours, which other libraries do not heed, and
        which reading can be true; see `slidetile.slides.slide.Slide.colour_note`.

    Raises
    ------
    FinalRefusalError
        It is larger than any slide, or would be read with a loss.
    SlideReadError
        It cannot be read, or its directories are damaged.
    """
    file = LocalFile(path)
    try:
        is_one = is_tiff(file.read(0, min(file.size, 8)))
        return _check(file) if is_one else None
    except (SlideReadError, UnsupportedSlideError) as error:
        raise refusal(error, path) from error
    finally:
        file.close()


def _check(file: SlideFile) -> str | None:
    check_is_slide(file)
    chain = read_chain(file)
    for directory in chain.directories:
        _check_sizes(directory, file)
        _check_counts(directory, file)
    largest = max(chain.directories, key=lambda each: _area(each, file))
    try:
        contents = read_contents(file, chain)
    except FinalRefusalError:
        raise
    except (SlideReadError, UnsupportedSlideError) as error:
        _check_loss(largest, file, str(error))
        return None  # OpenSlide may know it
    _check_loss(largest, file)
    if contents.channels is not None:
        raise FinalRefusalError(
            f"it has {how_many(len(contents.channels), 'channels')}, of which this reader leaves "
            "some out: the reader tiff reads all of them"
        )
    return contents.colour_note


def _area(directory: Directory, file: SlideFile) -> int:
    return directory.number(file, _WIDTH) * directory.number(file, _HEIGHT)


def _check_sizes(directory: Directory, file: SlideFile) -> None:
    check_size(directory.greatest(file, _WIDTH), directory.greatest(file, _HEIGHT))
    width, height = directory.greatest(file, _TILE_WIDTH), directory.greatest(file, _TILE_HEIGHT)
    check_block(width, height, directory.greatest(file, _SAMPLES, 1))


def _check_counts(directory: Directory, file: SlideFile) -> None:
    """Check that no tile or strip claims more bytes than the file has: memory is taken for them."""
    for tag in _COUNTS:
        most = directory.greatest_of_all(file, tag)
        if most > file.size:
            raise SlideReadError(
                f"a tile or strip in it claims {most} bytes, more than the {file.size} of the "
                "file: it is damaged, copy it again"
            )


def _check_loss(directory: Directory, file: SlideFile, obstacle: str | None = None) -> None:
    """Check that 8 bits hold what a file holds, whose own reader has this obstacle, or none."""
    check_no_loss(
        obstacle=obstacle,
        bits=max(directory.numbers(file, _BITS), default=1),
        sample_format=max(directory.numbers(file, _SAMPLE_FORMAT), default=1),
        samples=directory.number(file, _SAMPLES, 1),
        photometric=directory.number(file, _PHOTOMETRIC),
        has_alpha=directory.number(file, _EXTRA_SAMPLES) in (1, 2),
    )
