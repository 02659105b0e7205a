"""What a reader is: a name, a test of a file's first bytes, and how it opens a file.

Does not know any format. The module `readers` lists the readers and their order.
"""

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from slidetile.cloud.address import Location
from slidetile.errors import SlideError, UnsupportedSlideError
from slidetile.slides.plane_choice import EVERYTHING, PlaneChoice

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


class OpensPlanes(Protocol):
    """How a reader opens a file of which channels, a depth or a time are chosen."""

    def __call__(
        self,
        path: Path,
        *,
        mpp: float | tuple[float, float] | None = None,
        planes: PlaneChoice = EVERYTHING,
    ) -> "Slide":
        """Open a slide; raises what `OpensFiles` does, and UnfitChoiceError."""
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

    recognises: Callable[[bytes], bool] | None
    """Whether a file may be one of its slides, by the first 4 KiB of it; None if it reads no files
    but folders."""

    open: OpensFiles
    """Opens a file as a slide: a function or class of a module, so that it can be pickled."""

    recognises_folder: Callable[[Path], bool] | None = None
    """Whether a folder is one of its slides; None if it reads no folders."""

    reads_ranges: bool = False
    """Whether it opens an `Address` as it opens a path, and reads it range by range; a file of
    another reader is fetched as a whole."""

    open_planes: OpensPlanes | None = None
    """Opens a file of several channels, depths or times; None if its slides have one depth and
    time, and channels are chosen afterwards."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9-]{1,64}", self.name):
            raise ValueError(
                "A reader's name is 1–64 lower-case letters, digits and hyphens, such as tiff, "
                f"but this one is {self.name!r}."
            )


class OtherReaderError(UnsupportedSlideError):
    """A reader leaves a file to another reader, which is better for this kind."""


class FinalRefusalError(UnsupportedSlideError):
    """A reader refuses a file that others open with a loss, or choke on: they are not asked."""


class LargeBlockError(FinalRefusalError):
    """A tile or strip is too large to be decoded at once: the file can be cut anew."""


def conversion(path: Location) -> str:
    """Return the sentence with the command that makes a file one that can be read."""
    tiled = path.with_name(f"{path.stem}-tiled.tif")
    words = ["vips", "tiffsave", str(path), str(tiled), "--tile", "--pyramid", "--bigtiff"]
    command = shlex.join([*words, "--compression", "jpeg"])
    return f'Convert it to a tiled 8-bit TIFF, for example with "{command}".'


def refusal(error: SlideError, path: Location) -> SlideError:
    """Return a reader's reason as an error of its class that names the file and the remedy."""
    remedy = f" {conversion(path)}" if isinstance(error, LargeBlockError) else ""
    kind = FinalRefusalError if isinstance(error, LargeBlockError) else type(error)
    return kind(f"{path.name} cannot be opened: {error}.{remedy}")
