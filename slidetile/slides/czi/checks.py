"""What no reader may be given of CZI: asked before another library opens it."""

from pathlib import Path

from slidetile.errors import SlideReadError, UnsupportedSlideError
from slidetile.slides.czi.file import is_czi
from slidetile.slides.reader import refusal
from slidetile.slides.slide_file import LocalFile


def check_czi(path: Path) -> None:
    """Check what the reader of CZI checks, in any file; others pass.

    OpenSlide reads 16 bits as 8, and takes the memory that a damaged directory claims.

    Raises
    ------
    FinalRefusalError
        It is larger than any slide, or would be read with a loss.
    SlideReadError
        It cannot be read, or is damaged.
    """
    file = LocalFile(path)
    try:
        if is_czi(file.read(0, min(file.size, 16))):
            from slidetile.slides.czi.slide import open_levels

            open_levels(file)
    except (SlideReadError, UnsupportedSlideError) as error:
        raise refusal(error, path) from error
    finally:
        file.close()
