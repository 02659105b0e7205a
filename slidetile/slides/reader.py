"""What a reader is: a name, a test of a file's first bytes, and how it opens a file.

Does not know any format. The module `readers` lists the readers and their order.
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
"""Bytes of a file's beginning that readers are given."""


class OpensFiles(Protocol):
    """How a reader opens a file; the class of its slides is enough."""

    def __call__(self, path: Path, *, mpp: float | tuple[float, float] | None = None) -> "Slide":
        """Open a slide; ``mpp`` replaces the file's value, if that is missing or wrong.

        Raises
        ------
        UnsupportedSlideError
            The reader cannot open the file: the next reader is asked.
        FinalRefusalError
            No other reader may be asked.
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
    """The name for ``reader=`` and ``--reader``, and the `Slide.reader` of its slides."""

    kind: str
    """The name of its files in messages, such as "TIFF"."""

    recognises: Callable[[bytes], bool]
    """Whether a file may be one of its slides, by the first 4 KiB of it."""

    open: OpensFiles
    """Opens a file as a slide: a function or class of a module, so that it can be pickled."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9-]{1,64}", self.name):
            raise ValueError(
                "A reader's name is 1–64 lower-case letters, digits and hyphens, such as tiff, "
                f"but this one is {self.name!r}."
            )


class OtherReaderError(UnsupportedSlideError):
    """A reader leaves a file to another reader, which is better for this kind."""


class FinalRefusalError(UnsupportedSlideError):
    """A reader refuses a file that others would open with a loss: they are not asked."""
