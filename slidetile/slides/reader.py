"""What a reader is: a name, the files it may know, and how it opens one.

Knows no format. Which readers there are, and who is asked first, is said in `readers`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from slidetile.errors import UnsupportedSlideError

if TYPE_CHECKING:
    from slidetile.slides.slide import Slide

HEAD_BYTES = 4096
"""As much of a file's beginning as readers are shown."""


class OpensFiles(Protocol):
    """How a reader opens a file; the class of its slides will do."""

    def __call__(self, path: Path, *, mpp: float | tuple[float, float] | None = None) -> "Slide":
        """Open a slide; ``mpp`` is given where the file's own is missing or wrong.

        Raises
        ------
        UnsupportedSlideError
            The file is not one the reader can open: the next reader is asked.
        FinalRefusalError
            No other reader is to be asked either.
        SlideReadError
            The file cannot be read, or is damaged.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """One way to open slides, for `open_slide` and `Recipe`.

    Raises
    ------
    ValueError
        The name is not 1–64 lower-case letters, digits and hyphens.
    """

    name: str
    """What ``reader=`` and ``--reader`` call it; its slides have it as `Slide.reader`."""

    kind: str
    """What its files are called in messages, such as "TIFF"."""

    recognises: Callable[[bytes], bool]
    """Whether a file may be one of its slides, by the first 4 KiB of it."""

    open: OpensFiles
    """Opens a file as a slide. A function or class of a module, so that processes can share it."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9-]{1,64}", self.name):
            raise ValueError(
                "A reader's name is 1–64 lower-case letters, digits and hyphens, such as tiff, "
                f"but this one is {self.name!r}."
            )


class OtherReaderError(UnsupportedSlideError):
    """A reader leaves a file of a kind it recognises to another, which knows it better."""


class FinalRefusalError(UnsupportedSlideError):
    """A reader refuses a file that others would open with a loss: none of them is asked."""
