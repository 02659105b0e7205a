"""What no reader may be given of DICOM: asked before another library opens it."""

from pathlib import Path

from slidetile.errors import SlideReadError, UnsupportedSlideError
from slidetile.runtime.files import read_regular
from slidetile.slides.dicom.file import MAGIC_END, is_dicom
from slidetile.slides.file_state import unreadable
from slidetile.slides.reader import FinalRefusalError, refusal


def check_dicom(path: Path) -> None:
    """Check what the reader of DICOM checks for good, in any file; others pass.

    Raises
    ------
    FinalRefusalError
        It is larger than any slide, or would be read with a loss.
    SlideReadError
        It cannot be read.
    """
    try:
        if not is_dicom(read_regular(path, MAGIC_END)):
            return
    except OSError as error:
        raise unreadable(path, error) from error
    from slidetile.slides.dicom._instance import Instance

    try:
        instance = Instance.read(path)
        if instance.is_level:
            instance.check()
            _check_depth(instance.bits)
    except FinalRefusalError as error:
        raise refusal(error, path) from error
    except (SlideReadError, UnsupportedSlideError):
        return  # OpenSlide may know it


def _check_depth(bits: int) -> None:
    if bits > 8:
        raise FinalRefusalError(
            f"its samples have {bits} bits, of which this reader leaves 8: the reader dicom reads "
            "all of them"
        )
